// What stacks of graph layers share. A configuration L is a layer of the generated header; it gives
//   n_...                      sizes: n_vertices, n_parallel (vertices at a time), and those of the axes of weights
//   name_t                     types of what is rounded (output_t ...), and exact ones that hold every value (..._sum_t)
//   name(i, j, k)              weights, 0 where a variant lacks them; has_name says whether it does not
//   name_table(code)           integers of the tables
// and the options of the kind of layer. A kernel header of a kind `name` has in the namespace l1trigger::name either
//   encode, gather, combine    of layers that aggregate, see below, or
//   layer                      all vertices' outputs from all vertices' inputs, with loops of its own:
//       template <class L, class Y> void layer(const bool present[L::n_vertices],
//           const typename L::input_t x[L::n_vertices][L::n_in], Y y[L::n_vertices][L::n_filters])
//
// Layers that aggregate, with w of edge_weight_t, p of feature_t, h and k of aggregated_t, g of gathered_t:
//   encode<L>(x, present, w, p)      edge weights and features of one vertex
//   gather<L>(h, k, g)               what the aggregators send back, before it is rounded, of means and maxima
//   combine<L>(n, x, w, g, y)        outputs before they are rounded: linear in n (1 for a vertex), x and w

#ifndef L1TRIGGER_GRAPH_H_
#define L1TRIGGER_GRAPH_H_

#include "ap_fixed.h"
#include "ap_int.h"

namespace l1trigger {
namespace graph {

template <unsigned N> struct Log2 {
    static const int value = 1 + Log2<N / 2>::value;
};
template <> struct Log2<1> {
    static const int value = 0;
};

// The same bits with the binary point moved: the value divided by 2^PLACES.
template <int PLACES, int W, int I, ap_q_mode Q, ap_o_mode O, int N>
ap_fixed<W, I - PLACES> divided(const ap_fixed<W, I, Q, O, N> &value) {
    #pragma HLS INLINE
    ap_fixed<W, I - PLACES> result;
    result.range(W - 1, 0) = value.range(W - 1, 0);
    return result;
}

template <int PLACES, int W> ap_ufixed<W, W - PLACES> divided(const ap_uint<W> &value) {
    #pragma HLS INLINE
    ap_ufixed<W, W - PLACES> result;
    result.range(W - 1, 0) = value.range(W - 1, 0);
    return result;
}

template <class T, unsigned N> void fill(T values[N], const T &value) {
    #pragma HLS INLINE
    for (unsigned i = 0; i < N; i++) {
        #pragma HLS UNROLL
        values[i] = value;
    }
}

// The smallest value of a type.
template <class T> T lowest() {
    #pragma HLS INLINE
    T value = 0;
    value[T::width - 1] = 1;
    return value;
}

// Adds one vertex to the sums, and to the maxima.
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
            if (L::maxima && product > maximum[s * L::n_features + f])
                maximum[s * L::n_features + f] = product;
        }
    }
}

// Means and maxima of what was aggregated.
template <class L>
void average(const typename L::aggregated_sum_t sum[L::n_aggregators * L::n_features],
             const typename L::aggregated_sum_t maximum[L::n_aggregators * L::n_features],
             typename L::aggregated_t h[L::n_aggregators * L::n_features],
             typename L::aggregated_t k[L::n_aggregators * L::n_features]) {
    #pragma HLS INLINE
    for (unsigned i = 0; i < L::n_aggregators * L::n_features; i++) {
        #pragma HLS UNROLL
        h[i] = divided<Log2<L::n_vertices>::value>(sum[i]);
        k[i] = L::maxima ? typename L::aggregated_t(maximum[i]) : typename L::aggregated_t(0);
    }
}

// Outputs of one vertex: the inputs of the next layer.
template <class L, class Y> void output(bool present, const typename L::output_sum_t sum[L::n_filters], Y y[L::n_filters]) {
    #pragma HLS INLINE
    for (unsigned o = 0; o < L::n_filters; o++) {
        #pragma HLS UNROLL
        y[o] = present ? typename L::output_t(sum[o]) : typename L::output_t(0);
    }
}

// Values brought into another type one by one.
template <unsigned N, class From, class To> void rounded(const From from[N], To to[N]) {
    #pragma HLS INLINE
    for (unsigned i = 0; i < N; i++) {
        #pragma HLS UNROLL
        to[i] = from[i];
    }
}

} // namespace graph
} // namespace l1trigger

#endif
