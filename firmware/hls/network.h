// Calls a network function of hls4ml with plain arrays, whichever way it takes its data.

#ifndef L1TRIGGER_NETWORK_H_
#define L1TRIGGER_NETWORK_H_

#include "hls_stream.h"

namespace l1trigger {

// Puts N values into a stream, a group of beat_T::size values at a time.
template <class beat_T, class x_T, unsigned N> void to_stream(const x_T x[N], hls::stream<beat_T> &stream) {
    for (unsigned i = 0; i < N / beat_T::size; i++) {
        #pragma HLS PIPELINE
        beat_T beat;
        for (unsigned j = 0; j < beat_T::size; j++) {
            #pragma HLS UNROLL
            beat[j] = typename beat_T::value_type(x[i * beat_T::size + j]);
        }
        stream.write(beat);
    }
}

// Takes N values out of a stream.
template <class beat_T, class y_T, unsigned N> void from_stream(hls::stream<beat_T> &stream, y_T y[N]) {
    for (unsigned i = 0; i < N / beat_T::size; i++) {
        #pragma HLS PIPELINE
        beat_T beat = stream.read();
        for (unsigned j = 0; j < beat_T::size; j++) {
            #pragma HLS UNROLL
            y[i * beat_T::size + j] = beat[j];
        }
    }
}

} // namespace l1trigger

#endif
