// Scores of an event: exact in full width (exact_T), then cast once to the type of the score.
//
// All take the network inputs x, whether the object of each input is present, and the network outputs y. Their twins
// in Python are in l1trigger/scores/kernels.py.

#ifndef L1TRIGGER_SCORES_H_
#define L1TRIGGER_SCORES_H_

#include "ap_fixed.h"
#include "ap_int.h"

namespace l1trigger {

// The first network output.
template <class exact_T, class score_T, class x_T, class y_T, unsigned N_IN, unsigned N_OUT>
score_T identity(const x_T x[N_IN], const bool present[N_IN], const y_T y[N_OUT]) {
    #pragma HLS INLINE
    return score_T(exact_T(y[0]));
}

// The first network output minus the largest of the others: how clearly class 0 wins.
template <class exact_T, class score_T, class x_T, class y_T, unsigned N_IN, unsigned N_OUT>
score_T margin(const x_T x[N_IN], const bool present[N_IN], const y_T y[N_OUT]) {
    #pragma HLS INLINE
    static_assert(N_OUT > 1, "one output per class");
    y_T largest = y[1];
    for (unsigned i = 2; i < N_OUT; i++) {
        #pragma HLS UNROLL
        if (y[i] > largest)
            largest = y[i];
    }
    return score_T(exact_T(exact_T(y[0]) - exact_T(largest)));
}

// The sum of the squares of all network outputs.
template <class exact_T, class score_T, class x_T, class y_T, unsigned N_IN, unsigned N_OUT>
score_T sum_of_squares(const x_T x[N_IN], const bool present[N_IN], const y_T y[N_OUT]) {
    #pragma HLS INLINE
    exact_T sum = 0;
    for (unsigned i = 0; i < N_OUT; i++) {
        #pragma HLS UNROLL
        sum += y[i] * y[i];
    }
    return score_T(sum);
}

// The squared differences of inputs and outputs, summed over the objects that are present.
template <class exact_T, class score_T, class x_T, class y_T, unsigned N_IN, unsigned N_OUT>
score_T masked_squared_error(const x_T x[N_IN], const bool present[N_IN], const y_T y[N_OUT]) {
    #pragma HLS INLINE
    static_assert(N_IN == N_OUT, "one output per input");
    exact_T sum = 0;
    for (unsigned i = 0; i < N_IN; i++) {
        #pragma HLS UNROLL
        auto difference = x[i] - y[i];
        exact_T square = difference * difference;
        if (present[i])
            sum += square;
    }
    return score_T(sum);
}

// The squared differences of inputs and outputs, summed over all inputs.
template <class exact_T, class score_T, class x_T, class y_T, unsigned N_IN, unsigned N_OUT>
score_T squared_error(const x_T x[N_IN], const bool present[N_IN], const y_T y[N_OUT]) {
    #pragma HLS INLINE
    static_assert(N_IN == N_OUT, "one output per input");
    exact_T sum = 0;
    for (unsigned i = 0; i < N_IN; i++) {
        #pragma HLS UNROLL
        auto difference = x[i] - y[i];
        sum += difference * difference;
    }
    return score_T(sum);
}

} // namespace l1trigger

#endif
