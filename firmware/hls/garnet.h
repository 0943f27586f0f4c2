// GarNet layers (arXiv:1902.07987, arXiv:2008.03601); the algebra and its roundings are those of l1trigger/garnet/function.py.
//
// A configuration L gives sizes (n_in, n_aggregators, n_features, n_filters), switches (folded, full), types and weights:
//   distance_t, edge_weight_t, propagated_t, aggregated_t, gathered_t, output_t      what is rounded
//   ..._sum_t, feature_t, mean_t                                                     exact, wide enough for every input
// Loops over vertices stand in the generated header; what is here works on one vertex, or once per event.

#ifndef L1TRIGGER_GARNET_H_
#define L1TRIGGER_GARNET_H_

#include "ap_fixed.h"
#include "ap_int.h"

namespace l1trigger {
namespace garnet {

// Edge weights, and the features to aggregate, of one vertex.
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
            w[s].range(L::edge_weight_t::width - 1, 0) = L::table(code.to_uint());
    }
    for (unsigned f = 0; f < L::n_propagate; f++) {
        #pragma HLS UNROLL
        if (L::folded) {
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
    for (unsigned f = L::n_propagate; f < L::n_features; f++) {
        #pragma HLS UNROLL
        p[f] = w[f - L::n_propagate];
    }
}

// Adds one vertex to the sums, and to the maxima of the full variant.
template <class L>
void aggregate(const typename L::edge_weight_t w[L::n_aggregators], const typename L::feature_t p[L::n_features],
               typename L::aggregated_sum_t sum[L::n_aggregators * L::n_features],
               typename L::aggregated_sum_t maximum[L::n_aggregators * L::n_features]) {
    #pragma HLS INLINE
    for (unsigned s = 0; s < L::n_aggregators; s++) {
        #pragma HLS UNROLL
        for (unsigned f = 0; f < L::n_features; f++) {
            #pragma HLS UNROLL
            const typename L::aggregated_sum_t product = w[s] * p[f];
            sum[s * L::n_features + f] += product;
            if (L::full && product > maximum[s * L::n_features + f])
                maximum[s * L::n_features + f] = product;
        }
    }
}

// What each aggregator sends back, once per event.
template <class L>
void gather(const typename L::aggregated_sum_t sum[L::n_aggregators * L::n_features],
            const typename L::aggregated_sum_t maximum[L::n_aggregators * L::n_features],
            typename L::gathered_t g[L::n_aggregators * L::n_filters]) {
    #pragma HLS INLINE
    typename L::aggregated_t h[L::n_aggregators * L::n_features], k[L::n_aggregators * L::n_features];
    #pragma HLS ARRAY_PARTITION variable=h complete dim=0
    #pragma HLS ARRAY_PARTITION variable=k complete dim=0
    for (unsigned i = 0; i < L::n_aggregators * L::n_features; i++) {
        #pragma HLS UNROLL
        typename L::mean_t mean;  // the same bits with the binary point moved: divided by the number of vertices
        mean.range(L::mean_t::width - 1, 0) = sum[i].range(L::mean_t::width - 1, 0);
        h[i] = mean;
        k[i] = L::full ? typename L::aggregated_t(maximum[i]) : typename L::aggregated_t(0);
    }
    for (unsigned s = 0; s < L::n_aggregators; s++) {
        #pragma HLS UNROLL
        for (unsigned o = 0; o < L::n_filters; o++) {
            #pragma HLS UNROLL
            typename L::gathered_sum_t total = 0;
            for (unsigned f = 0; f < L::n_features; f++) {
                #pragma HLS UNROLL
                total += h[s * L::n_features + f] * L::mean(s, f, o);
                if (L::full)
                    total += k[s * L::n_features + f] * L::maximum(s, f, o);
            }
            g[s * L::n_filters + o] = total;
        }
    }
}

// Bias, returned features, and the direct terms of the full variant: of one vertex with n = 1, or of the mean of all
// vertices with the means of presence, inputs and edge weights.
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
            if (L::full)
                y[o] += w[s] * L::edges(s, o);
        }
        for (unsigned i = 0; L::full && i < L::n_in; i++) {
            #pragma HLS UNROLL
            y[o] += x[i] * L::direct(i, o);
        }
    }
}

// Outputs of one vertex: the inputs of the next layer.
template <class L, class Y>
void output(bool present, const typename L::input_t x[L::n_in], const typename L::edge_weight_t w[L::n_aggregators],
            const typename L::gathered_t g[L::n_aggregators * L::n_filters], Y y[L::n_filters]) {
    #pragma HLS INLINE
    typename L::output_sum_t sum[L::n_filters];
    #pragma HLS ARRAY_PARTITION variable=sum complete dim=0
    combine<L>(ap_uint<1>(1), x, w, g, sum);
    for (unsigned o = 0; o < L::n_filters; o++) {
        #pragma HLS UNROLL
        y[o] = present ? typename L::output_t(sum[o]) : typename L::output_t(0);
    }
}

} // namespace garnet
} // namespace l1trigger

#endif
