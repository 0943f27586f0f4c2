// Integers behind fixed-point values, and the scaling of hardware integers to network inputs.

#ifndef L1TRIGGER_BITS_H_
#define L1TRIGGER_BITS_H_

#include "ap_fixed.h"
#include "ap_int.h"

namespace l1trigger {

typedef ap_int<16> hardware_t;

template <int W, int I, ap_q_mode Q, ap_o_mode O, int N> ap_int<W> raw(const ap_fixed<W, I, Q, O, N> &value) {
    #pragma HLS INLINE
    ap_int<W> bits;
    bits.range(W - 1, 0) = value.range(W - 1, 0);
    return bits;
}

template <int W, int I, ap_q_mode Q, ap_o_mode O, int N> ap_uint<W> raw(const ap_ufixed<W, I, Q, O, N> &value) {
    #pragma HLS INLINE
    ap_uint<W> bits;
    bits.range(W - 1, 0) = value.range(W - 1, 0);
    return bits;
}

// Adds OFFSET, inverts the bits of what is negative if FOLD, drops DROP low bits, saturates to [LOW, HIGH], and places
// the result UP bits above the last bit of x_T. WIDE bits hold the sum of any hardware integer and OFFSET. All numbers
// are constants, so that in hardware a dropped bit costs nothing and an input that cannot saturate has no comparator.
template <class x_T, int WIDE, int OFFSET, bool FOLD, int DROP, int LOW, int HIGH, int UP>
x_T scale(hardware_t hardware) {
    #pragma HLS INLINE
    ap_int<WIDE> v = hardware + ap_int<WIDE>(OFFSET);
    if (FOLD && v < 0)
        v = ~v;
    v = v >> DROP;
    if (v < LOW)
        v = LOW;
    else if (v > HIGH)
        v = HIGH;
    ap_int<x_T::width> placed = v;
    placed = placed << UP;
    x_T x;
    x.range(x_T::width - 1, 0) = placed.range(x_T::width - 1, 0);
    return x;
}

} // namespace l1trigger

#endif
