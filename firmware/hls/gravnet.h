// GravNet layers (arXiv:1902.07987); the algebra and its roundings are those of l1trigger/gravnet/function.py.
//
// A configuration L gives sizes (n_in, n_coordinates, n_features, n_filters, n_neighbours), loops, types and weights:
//   coordinate_t, propagated_t, square_t, edge_weight_t, aggregated_t, output_t       what is rounded
//   ..._sum_t, exact_square_t, mean_t                                                 exact, wide enough for every input
// Coordinates and squared distances are compared as integers. Loops over vertices stand in the generated header.

#ifndef L1TRIGGER_GRAVNET_H_
#define L1TRIGGER_GRAVNET_H_

#include "ap_fixed.h"
#include "ap_int.h"

namespace l1trigger {
namespace gravnet {

// What the neighbours of a vertex need to know of another one.
template <class L> struct Embedded {
    ap_int<L::coordinate_t::width> s[L::n_coordinates];
    typename L::propagated_t p[L::n_features];
};

// The nearest vertices that have been seen, the nearest first; one more bit than a squared distance has marks a place
// that is not taken.
template <class L> struct Nearest {
    ap_uint<L::square_bits + 1> square[L::n_neighbours];
    ap_uint<L::index_bits> at[L::n_neighbours];
};

template <class L> void embed(const typename L::input_t x[L::n_in], Embedded<L> &e) {
    #pragma HLS INLINE
    for (unsigned c = 0; c < L::n_coordinates; c++) {
        #pragma HLS UNROLL
        typename L::coordinate_sum_t sum = L::coordinate_bias(c);
        for (unsigned i = 0; i < L::n_in; i++) {
            #pragma HLS UNROLL
            sum += x[i] * L::coordinate(i, c);
        }
        const typename L::coordinate_t rounded = sum;
        e.s[c].range(L::coordinate_t::width - 1, 0) = rounded.range(L::coordinate_t::width - 1, 0);
    }
    for (unsigned f = 0; f < L::n_features; f++) {
        #pragma HLS UNROLL
        typename L::propagated_sum_t sum = L::propagate_bias(f);
        for (unsigned i = 0; i < L::n_in; i++) {
            #pragma HLS UNROLL
            sum += x[i] * L::propagate(i, f);
        }
        e.p[f] = sum;
    }
}

template <class L> void clear(Nearest<L> &found) {
    #pragma HLS INLINE
    for (unsigned j = 0; j < L::n_neighbours; j++) {
        #pragma HLS UNROLL
        found.square[j] = ap_uint<L::square_bits + 1>(1) << L::square_bits;
        found.at[j] = 0;
    }
}

// Puts vertex u in its place among the nearest of vertex v. Vertices come in ascending order: one that is as near as
// an earlier one stands behind it.
template <class L>
void consider(unsigned v, unsigned u, bool present, const Embedded<L> &mine, const Embedded<L> &other,
              Nearest<L> &found) {
    #pragma HLS INLINE
    if (!present || (v == u && !L::loops))
        return;
    ap_uint<L::square_bits> square = 0;
    for (unsigned c = 0; c < L::n_coordinates; c++) {
        #pragma HLS UNROLL
        const ap_int<L::coordinate_t::width + 1> difference = mine.s[c] - other.s[c];
        square += ap_uint<2 * L::coordinate_t::width>(difference * difference);
    }
    for (unsigned k = L::n_neighbours; k > 0; k--) {
        #pragma HLS UNROLL
        const unsigned j = k - 1, before = j > 0 ? j - 1 : 0;
        if (j > 0 && square < found.square[before]) {
            found.square[j] = found.square[before];
            found.at[j] = found.at[before];
        } else if (square < found.square[j]) {
            found.square[j] = square;
            found.at[j] = u;
        }
    }
}

// Outputs of one vertex: the inputs of the next layer.
template <class L, class Y>
void output(bool present, const typename L::input_t x[L::n_in], const Nearest<L> &found, const Embedded<L> *all,
            Y y[L::n_filters]) {
    #pragma HLS INLINE
    typename L::aggregated_sum_t sum[L::n_features], maximum[L::n_features];
    #pragma HLS ARRAY_PARTITION variable=sum complete dim=0
    #pragma HLS ARRAY_PARTITION variable=maximum complete dim=0
    for (unsigned j = 0; j < L::n_neighbours; j++) {
        #pragma HLS UNROLL
        const bool taken = !found.square[j][L::square_bits];
        typename L::exact_square_t square;
        square.range(L::square_bits - 1, 0) = found.square[j].range(L::square_bits - 1, 0);
        const typename L::square_t rounded = square;
        const ap_uint<L::square_t::width> code = rounded.range(L::square_t::width - 1, 0);
        typename L::edge_weight_t w = 0;
        if (taken)
            w.range(L::edge_weight_t::width - 1, 0) = L::table(code.to_uint());
        const Embedded<L> &other = all[found.at[j].to_uint()];
        for (unsigned f = 0; f < L::n_features; f++) {
            #pragma HLS UNROLL
            const typename L::aggregated_sum_t product = w * other.p[f];
            if (j == 0) {
                sum[f] = product;
                maximum[f] = product;
            } else {
                sum[f] += product;
                if (product > maximum[f])
                    maximum[f] = product;
            }
        }
    }
    typename L::aggregated_t h[L::n_features], g[L::n_features];
    #pragma HLS ARRAY_PARTITION variable=h complete dim=0
    #pragma HLS ARRAY_PARTITION variable=g complete dim=0
    for (unsigned f = 0; f < L::n_features; f++) {
        #pragma HLS UNROLL
        typename L::mean_t mean;  // the same bits with the binary point moved: divided by the number of neighbours
        mean.range(L::mean_t::width - 1, 0) = sum[f].range(L::mean_t::width - 1, 0);
        h[f] = mean;
        g[f] = maximum[f];
    }
    for (unsigned o = 0; o < L::n_filters; o++) {
        #pragma HLS UNROLL
        typename L::output_sum_t total = L::bias(o);
        for (unsigned i = 0; i < L::n_in; i++) {
            #pragma HLS UNROLL
            total += x[i] * L::direct(i, o);
        }
        for (unsigned f = 0; f < L::n_features; f++) {
            #pragma HLS UNROLL
            total += h[f] * L::mean(f, o);
            total += g[f] * L::maximum(f, o);
        }
        y[o] = present ? typename L::output_t(total) : typename L::output_t(0);
    }
}

} // namespace gravnet
} // namespace l1trigger

#endif
