// The kernel of toy_lorentz.py.

#ifndef LORENTZ_H_
#define LORENTZ_H_

#include "graph.h"

namespace l1trigger {
namespace lorentz {

template <class L>
void encode(const typename L::input_t x[L::n_in], bool present, typename L::edge_weight_t w[L::n_aggregators],
            typename L::feature_t p[L::n_features]) {
    for (unsigned s = 0; s < L::n_aggregators; s++) {
        typename L::distance_sum_t sum = L::distance_bias(s);
        for (unsigned i = 0; i < L::n_in; i++)
            sum += x[i] * L::distance(i, s);
        const typename L::distance_t distance = sum;
        const ap_uint<L::distance_t::width> code = distance.range(L::distance_t::width - 1, 0);
        w[s] = 0;
        if (present)
            w[s].range(L::edge_weight_t::width - 1, 0) = L::edge_weight_table(code.to_uint());
    }
    for (unsigned i = 0; i < L::n_in; i++)
        p[i] = x[i];
}

template <class L>
void gather(const typename L::aggregated_t h[L::n_aggregators * L::n_features],
            const typename L::aggregated_t k[L::n_aggregators * L::n_features],
            typename L::gathered_sum_t g[L::n_aggregators * L::n_filters]) {
    for (unsigned s = 0; s < L::n_aggregators; s++) {
        for (unsigned o = 0; o < L::n_filters; o++) {
            typename L::gathered_sum_t total = 0;
            for (unsigned f = 0; f < L::n_features; f++)
                total += h[s * L::n_features + f] * L::average(s, f, o);
            g[s * L::n_filters + o] = total;
        }
    }
}

template <class L, class Count, class X, class W, class Sum>
void combine(Count n, const X x[L::n_in], const W w[L::n_aggregators],
             const typename L::gathered_t g[L::n_aggregators * L::n_filters], Sum y[L::n_filters]) {
    for (unsigned o = 0; o < L::n_filters; o++) {
        y[o] = n * L::bias(o);
        for (unsigned s = 0; s < L::n_aggregators; s++)
            y[o] += w[s] * g[s * L::n_filters + o];
        for (unsigned i = 0; i < L::n_in; i++)
            y[o] += x[i] * L::direct(i, o);
    }
}

} // namespace lorentz
} // namespace l1trigger

#endif
