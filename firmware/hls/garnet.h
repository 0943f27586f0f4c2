// GarNet layers (arXiv:1902.07987, arXiv:2008.03601): the algebra of l1trigger/models/garnet.py; see graph.h.

#ifndef L1TRIGGER_GARNET_H_
#define L1TRIGGER_GARNET_H_

#include "graph.h"

namespace l1trigger {
namespace garnet {

template <class L>
void encode(const typename L::input_t x[L::n_in], bool present, typename L::edge_weight_t w[L::n_aggregators],
            typename L::feature_t p[L::n_features]) {
    #pragma HLS INLINE
    for (unsigned s = 0; s < L::n_aggregators; s++) {
        #pragma HLS UNROLL
        typename L::distance_sum_t sum = L::distance_bias(s);
        for (unsigned i = 0; i < L::n_in; i++) {
            #pragma HLS UNROLL
            sum += x[i] * L::distance(i, s);
        }
        const typename L::distance_t distance = sum;
        const ap_uint<L::distance_t::width> code = distance.range(L::distance_t::width - 1, 0);
        w[s] = 0;
        if (present)
            w[s].range(L::edge_weight_t::width - 1, 0) = L::edge_weight_table(code.to_uint());
    }
    // The full variant has the edge weights for further features.
    const unsigned n_propagate = L::n_features - (L::has_maximum ? L::n_aggregators : 0);
    for (unsigned f = 0; f < n_propagate; f++) {
        #pragma HLS UNROLL
        if (!L::has_propagate) {  // folded: the inputs and a constant
            p[f] = f < L::n_in ? typename L::feature_t(x[f < L::n_in ? f : 0]) : typename L::feature_t(1);
        } else {
            typename L::propagated_sum_t sum = L::propagate_bias(f);
            for (unsigned i = 0; i < L::n_in; i++) {
                #pragma HLS UNROLL
                sum += x[i] * L::propagate(i, f);
            }
            p[f] = typename L::propagated_t(sum);
        }
    }
    for (unsigned f = n_propagate; f < L::n_features; f++) {
        #pragma HLS UNROLL
        p[f] = w[f - n_propagate];
    }
}

template <class L>
void gather(const typename L::aggregated_t h[L::n_aggregators * L::n_features],
            const typename L::aggregated_t k[L::n_aggregators * L::n_features],
            typename L::gathered_sum_t g[L::n_aggregators * L::n_filters]) {
    #pragma HLS INLINE
    for (unsigned s = 0; s < L::n_aggregators; s++) {
        #pragma HLS UNROLL
        for (unsigned o = 0; o < L::n_filters; o++) {
            #pragma HLS UNROLL
            typename L::gathered_sum_t total = 0;
            for (unsigned f = 0; f < L::n_features; f++) {
                #pragma HLS UNROLL
                total += h[s * L::n_features + f] * L::mean(s, f, o);
                if (L::has_maximum)
                    total += k[s * L::n_features + f] * L::maximum(s, f, o);
            }
            g[s * L::n_filters + o] = total;
        }
    }
}

template <class L, class Count, class X, class W, class Sum>
void combine(Count n, const X x[L::n_in], const W w[L::n_aggregators],
             const typename L::gathered_t g[L::n_aggregators * L::n_filters], Sum y[L::n_filters]) {
    #pragma HLS INLINE
    for (unsigned o = 0; o < L::n_filters; o++) {
        #pragma HLS UNROLL
        y[o] = n * L::bias(o);
        for (unsigned s = 0; s < L::n_aggregators; s++) {
            #pragma HLS UNROLL
            y[o] += w[s] * g[s * L::n_filters + o];
            if (L::has_edges)
                y[o] += w[s] * L::edges(s, o);
        }
        for (unsigned i = 0; L::has_direct && i < L::n_in; i++) {
            #pragma HLS UNROLL
            y[o] += x[i] * L::direct(i, o);
        }
    }
}

} // namespace garnet
} // namespace l1trigger

#endif
