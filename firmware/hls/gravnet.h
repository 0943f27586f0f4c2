// GravNet layers (arXiv:1902.07987): the algebra of l1trigger/models/gravnet.py; see graph.h.
// Coordinates and squared distances are compared as integers.

#ifndef L1TRIGGER_GRAVNET_H_
#define L1TRIGGER_GRAVNET_H_

#include "graph.h"

namespace l1trigger {
namespace gravnet {

// Bits of a squared distance as an integer: its exact type has a sign, too.
template <class L> struct Square {
    static const int bits = L::square_sum_t::width - 1;
    typedef ap_ufixed<bits, L::square_sum_t::iwidth - 1> type;
};

// What the neighbours of a vertex need to know of another one.
template <class L> struct Embedded {
    ap_int<L::coordinate_t::width> s[L::n_coordinates];
    typename L::propagated_t p[L::n_propagate];
};

// The nearest vertices that have been seen, the nearest first; one more bit than a squared distance has marks a place
// that is not taken.
template <class L> struct Nearest {
    ap_uint<Square<L>::bits + 1> square[L::neighbours];
    ap_uint<graph::Log2<L::n_vertices>::value> at[L::neighbours];
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
    for (unsigned f = 0; f < L::n_propagate; f++) {
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
    for (unsigned j = 0; j < L::neighbours; j++) {
        #pragma HLS UNROLL
        found.square[j] = ap_uint<Square<L>::bits + 1>(1) << Square<L>::bits;
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
    ap_uint<Square<L>::bits> square = 0;
    for (unsigned c = 0; c < L::n_coordinates; c++) {
        #pragma HLS UNROLL
        const ap_int<L::coordinate_t::width + 1> difference = mine.s[c] - other.s[c];
        square += ap_uint<2 * L::coordinate_t::width>(difference * difference);
    }
    for (unsigned k = L::neighbours; k > 0; k--) {
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
    typename L::aggregated_sum_t sum[L::n_propagate], maximum[L::n_propagate];
    #pragma HLS ARRAY_PARTITION variable=sum complete dim=0
    #pragma HLS ARRAY_PARTITION variable=maximum complete dim=0
    for (unsigned j = 0; j < L::neighbours; j++) {
        #pragma HLS UNROLL
        const bool taken = !found.square[j][Square<L>::bits];
        typename Square<L>::type square;
        square.range(Square<L>::bits - 1, 0) = found.square[j].range(Square<L>::bits - 1, 0);
        const typename L::square_t rounded = square;
        const ap_uint<L::square_t::width> code = rounded.range(L::square_t::width - 1, 0);
        typename L::edge_weight_t w = 0;
        if (taken)
            w.range(L::edge_weight_t::width - 1, 0) = L::edge_weight_table(code.to_uint());
        const Embedded<L> &other = all[found.at[j].to_uint()];
        for (unsigned f = 0; f < L::n_propagate; f++) {
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
    typename L::aggregated_t h[L::n_propagate], g[L::n_propagate];
    #pragma HLS ARRAY_PARTITION variable=h complete dim=0
    #pragma HLS ARRAY_PARTITION variable=g complete dim=0
    for (unsigned f = 0; f < L::n_propagate; f++) {
        #pragma HLS UNROLL
        h[f] = graph::divided<graph::Log2<L::neighbours>::value>(sum[f]);
        g[f] = maximum[f];
    }
    typename L::output_sum_t total[L::n_filters];
    #pragma HLS ARRAY_PARTITION variable=total complete dim=0
    for (unsigned o = 0; o < L::n_filters; o++) {
        #pragma HLS UNROLL
        total[o] = L::bias(o);
        for (unsigned i = 0; i < L::n_in; i++) {
            #pragma HLS UNROLL
            total[o] += x[i] * L::direct(i, o);
        }
        for (unsigned f = 0; f < L::n_propagate; f++) {
            #pragma HLS UNROLL
            total[o] += h[f] * L::mean(f, o);
            total[o] += g[f] * L::maximum(f, o);
        }
    }
    graph::output<L>(present, total, y);
}

template <class L, class Y>
void layer(const bool present[L::n_vertices], const typename L::input_t x[L::n_vertices][L::n_in],
           Y y[L::n_vertices][L::n_filters]) {
    #pragma HLS INLINE
    const unsigned parallel = L::n_parallel;
    Embedded<L> embedded[L::n_vertices];
    #pragma HLS AGGREGATE variable=embedded
    #pragma HLS ARRAY_PARTITION variable=embedded cyclic factor=parallel
every_vertex:
    for (unsigned v = 0; v < L::n_vertices; v += parallel) {
        #pragma HLS PIPELINE II=1
        for (unsigned lane = 0; lane < parallel; lane++) {
            #pragma HLS UNROLL
            embed<L>(x[v + lane], embedded[v + lane]);
        }
    }
every_pair:
    for (unsigned v = 0; v < L::n_vertices; v += parallel) {
        Nearest<L> nearest[L::n_parallel];
        #pragma HLS ARRAY_PARTITION variable=nearest complete
        for (unsigned lane = 0; lane < parallel; lane++) {
            #pragma HLS UNROLL
            clear<L>(nearest[lane]);
        }
        for (unsigned u = 0; u < L::n_vertices; u++) {
            #pragma HLS PIPELINE II=1
            for (unsigned lane = 0; lane < parallel; lane++) {
                #pragma HLS UNROLL
                consider<L>(v + lane, u, present[u] && present[v + lane], embedded[v + lane], embedded[u], nearest[lane]);
            }
        }
        for (unsigned lane = 0; lane < parallel; lane++) {
            #pragma HLS UNROLL
            output<L>(present[v + lane], x[v + lane], nearest[lane], embedded, y[v + lane]);
        }
    }
}

} // namespace gravnet
} // namespace l1trigger

#endif
