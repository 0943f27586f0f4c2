// Fills a weight array from numbers. One loop compiles many times faster than one constructor call per weight.

#ifndef L1TRIGGER_WEIGHTS_H_
#define L1TRIGGER_WEIGHTS_H_

namespace l1trigger {

template <class weight_T, unsigned N> bool fill(weight_T (&weights)[N], const double (&values)[N]) {
    for (unsigned i = 0; i < N; i++)
        weights[i] = values[i];
    return true;
}

} // namespace l1trigger

#endif
