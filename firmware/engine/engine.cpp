// The trigger function over many events: kernels that work on blocks of events side by side, in exact integers.
//
// A program is a list of operations on rows. A row holds one number of every event of a block, as an integer of 16, 32
// or 64 bits; rows lie one behind the other in an arena and are named by how many units of 16-bit rows lie in front of
// them. `l1trigger/engine/program.py` writes programs: the integers of `code` are, for every operation,
//
//     operation, type of what is read, type of sums, type of what is written, number of integers that follow, these
//
// and what may need more than 32 bits lies in `wide`. Compiled once for each instruction set, with -fwrapv: sums may
// leave their type on the way, since their end is known to fit.

#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <type_traits>
#include <vector>

#ifndef VECTOR_BYTES
#define VECTOR_BYTES 16
#endif

namespace {

constexpr int BLOCK = 64;
constexpr int UNIT = BLOCK * sizeof(int16_t);
struct alignas(64) Row {
    int16_t of[BLOCK];
};
constexpr int VERSION = 1;

template <class T, int N> struct VectorOf {
    typedef T type __attribute__((vector_size(N * sizeof(T))));
};
// As many events as numbers of type A fit into one register.
template <class A> constexpr int lanes = VECTOR_BYTES / sizeof(A);
template <class T, class A> using Vector = typename VectorOf<T, lanes<A>>::type;
// Registers that one pass over events fills; half of those that there are.
template <class A> constexpr int most = BLOCK / lanes<A> < 8 ? BLOCK / lanes<A> : 8;

template <class X, class A> inline Vector<A, A> load(const X* from) {
    Vector<X, A> v;
    std::memcpy(&v, from, sizeof v);
    if constexpr (std::is_same_v<X, A>)
        return v;
    else
        return __builtin_convertvector(v, Vector<A, A>);
}

template <class Y, class A> inline void store(Y* to, Vector<A, A> v) {
    if constexpr (std::is_same_v<Y, A>) {
        std::memcpy(to, &v, sizeof v);
    } else {
        const auto narrow = __builtin_convertvector(v, Vector<Y, A>);
        std::memcpy(to, &narrow, sizeof narrow);
    }
}

template <class T> inline T* row(char* arena, int32_t unit) {
    return reinterpret_cast<T*>(arena + static_cast<int64_t>(unit) * UNIT);
}

enum Rounding { TRN, TRN_ZERO, RND, RND_MIN_INF, RND_ZERO, RND_INF, RND_CONV };
enum Overflow { NONE, SAT, SAT_ZERO, WRAP_SIGNED, WRAP_UNSIGNED };

template <class A> inline Vector<A, A> rounded(Vector<A, A> v, int shift, int mode) {
    if (shift <= 0) return v << -shift;
    const A half = A(1) << (shift - 1), below = half - 1, last = half + below;
    const auto negative = v < 0;  // -1 where it is, else 0
    switch (mode) {
        case TRN_ZERO: return (v + (negative & last)) >> shift;
        case RND: return (v + half) >> shift;
        case RND_MIN_INF: return (v + below) >> shift;
        case RND_ZERO: return (v + below - negative) >> shift;
        case RND_INF: return (v + half + negative) >> shift;
        case RND_CONV: return (v + below + ((v >> shift) & 1)) >> shift;
        default: return v >> shift;
    }
}

template <class A> inline Vector<A, A> bounded(Vector<A, A> v, A low, A high, int mode) {
    switch (mode) {
        case SAT:
            v = v < low ? Vector<A, A>{} + low : v;
            return v > high ? Vector<A, A>{} + high : v;
        case SAT_ZERO: return ((v < low) | (v > high)) ? Vector<A, A>{} : v;
        case WRAP_SIGNED: {  // the width is that of `high`
            int spare = 0;
            while (spare < int(8 * sizeof(A)) - 1 && (high >> (8 * sizeof(A) - 2 - spare)) == 0) ++spare;
            return (v << spare) >> spare;
        }
        case WRAP_UNSIGNED: return v & high;
        default: return v;
    }
}

// How sums are brought into types: roundings and limits of every channel.
struct Cast {
    int rounding, overflow;
    const int32_t* shift;
    const int64_t* low;
    const int64_t* high;

    template <class A> inline Vector<A, A> of(Vector<A, A> v, int channel) const {
        v = rounded<A>(v, shift[channel], rounding);
        return overflow == NONE ? v : bounded<A>(v, A(low[channel]), A(high[channel]), overflow);
    }
};

// y[p, c] = cast(bias[c] + sum over k of weight[k, c] x[window[p, k]]): everything that is linear.
struct Sums {
    template <class X, class A, class Y> static void run(const int32_t* c, const int64_t* wide, char* arena) {
        const int places = c[0], size = c[1], channels = c[2], target = c[3];
        const Cast cast{c[4], c[5], c + 7, wide + c[6], wide + c[6] + channels};
        const int64_t* bias = wide + c[6] + 2 * channels;
        const int32_t* first = c + 7 + channels;
        const int32_t* index = first + channels + 1;
        const int32_t* weight = index + first[channels];
        const int32_t* window = weight + first[channels];
        constexpr int L = lanes<A>, U = most<A>;
        for (int p = 0; p < places; ++p, window += size) {
            for (int channel = 0; channel < channels; ++channel) {
                Y* y = row<Y>(arena, target + (p * channels + channel) * int(sizeof(Y) / sizeof(int16_t)));
                for (int j = 0; j < BLOCK; j += U * L) {
                    Vector<A, A> sum[U];
#pragma GCC unroll 8
                    for (int u = 0; u < U; ++u) sum[u] = Vector<A, A>{} + A(bias[channel]);
                    for (int t = first[channel]; t < first[channel + 1]; ++t) {
                        const X* x = row<X>(arena, window[index[t]]) + j;
                        const A w = A(weight[t]);
#pragma GCC unroll 8
                        for (int u = 0; u < U; ++u) sum[u] += w * load<X, A>(x + u * L);
                    }
#pragma GCC unroll 8
                    for (int u = 0; u < U; ++u) store<Y, A>(y + j + u * L, cast.of<A>(sum[u], channel));
                }
            }
        }
    }
};

// y[c] = cast(sum over pairs of a[pair] b[pair]).
struct Products {
    template <class X, class A, class Y> static void run(const int32_t* c, const int64_t* wide, char* arena) {
        const int channels = c[0], target = c[1];
        const Cast cast{c[2], c[3], c + 5, wide + c[4], wide + c[4] + channels};
        const int32_t* first = c + 5 + channels;
        const int32_t* left = first + channels + 1;
        const int32_t* right = left + first[channels];
        constexpr int L = lanes<A>, U = most<A>;
        for (int channel = 0; channel < channels; ++channel) {
            Y* y = row<Y>(arena, target + channel * int(sizeof(Y) / sizeof(int16_t)));
            for (int j = 0; j < BLOCK; j += U * L) {
                Vector<A, A> sum[U] = {};
                for (int t = first[channel]; t < first[channel + 1]; ++t) {
                    const X* a = row<X>(arena, left[t]) + j;
                    const X* b = row<X>(arena, right[t]) + j;
#pragma GCC unroll 8
                    for (int u = 0; u < U; ++u) sum[u] += load<X, A>(a + u * L) * load<X, A>(b + u * L);
                }
#pragma GCC unroll 8
                for (int u = 0; u < U; ++u) store<Y, A>(y + j + u * L, cast.of<A>(sum[u], channel));
            }
        }
    }
};

// y[c] = the largest, or the smallest, of some rows.
struct Extremes {
    template <class X, class A, class Y> static void run(const int32_t* c, const int64_t*, char* arena) {
        const int channels = c[0], target = c[1];
        const bool largest = c[2];
        const int32_t* first = c + 3;
        const int32_t* of = first + channels + 1;
        constexpr int L = lanes<X>;
        for (int channel = 0; channel < channels; ++channel) {
            X* y = row<X>(arena, target + channel * int(sizeof(X) / sizeof(int16_t)));
            for (int j = 0; j < BLOCK; j += L) {
                auto best = load<X, X>(row<X>(arena, of[first[channel]]) + j);
                for (int t = first[channel] + 1; t < first[channel + 1]; ++t) {
                    const auto v = load<X, X>(row<X>(arena, of[t]) + j);
                    best = (largest ? v > best : v < best) ? v : best;
                }
                store<X, X>(y + j, best);
            }
        }
    }
};

// y[c] = table[c][x[c] - lowest[c]].
struct Tables {
    template <class X, class A, class Y> static void run(const int32_t* c, const int64_t* wide, char* arena) {
        const int channels = c[0], target = c[1];
        const int32_t* source = c + 2;
        const int32_t* table = source + channels;
        const int64_t* lowest = wide + table[channels];
        for (int channel = 0; channel < channels; ++channel) {
            const X* x = row<X>(arena, source[channel]);
            Y* y = row<Y>(arena, target + channel * int(sizeof(Y) / sizeof(int16_t)));
            const int64_t* entries = wide + table[channel];
            for (int j = 0; j < BLOCK; ++j) y[j] = Y(entries[x[j] - lowest[channel]]);
        }
    }
};

// y[c] = 1 where x[c] is not 0, else 0.
struct Presence {
    template <class X, class A, class Y> static void run(const int32_t* c, const int64_t*, char* arena) {
        const int channels = c[0], target = c[1];
        for (int channel = 0; channel < channels; ++channel) {
            const X* x = row<X>(arena, c[2 + channel]);
            int16_t* y = row<int16_t>(arena, target + channel);
            for (int j = 0; j < BLOCK; ++j) y[j] = x[j] != 0;
        }
    }
};

// The same number in every event.
struct Constants {
    template <class X, class A, class Y> static void run(const int32_t* c, const int64_t* wide, char* arena) {
        const int channels = c[0], target = c[1];
        for (int channel = 0; channel < channels; ++channel) {
            Y* y = row<Y>(arena, target + channel * int(sizeof(Y) / sizeof(int16_t)));
            for (int j = 0; j < BLOCK; ++j) y[j] = Y(wide[c[2] + channel]);
        }
    }
};

// Input scaling: y = clip((x + offset, folded) >> drop), as in `data/scaling.py`.
struct Scaling {
    template <class X, class A, class Y> static void run(const int32_t* c, const int64_t*, char* arena) {
        const int inputs = c[0], target = c[1];
        for (int i = 0; i < inputs; ++i) {
            const int32_t* s = c + 2 + 6 * i;
            const X* x = row<X>(arena, s[0]);
            Y* y = row<Y>(arena, target + i * int(sizeof(Y) / sizeof(int16_t)));
            const int offset = s[1], drop = s[2], fold = s[3], low = s[4], high = s[5];
            for (int j = 0; j < BLOCK; j += lanes<int32_t>) {
                auto v = load<X, int32_t>(x + j) + offset;
                if (fold) v = v ^ (v < 0);
                store<Y, int32_t>(y + j, bounded<int32_t>(v >> drop, low, high, SAT));
            }
        }
    }
};

// at[v, k]: which vertices are nearest to v, the nearest first and of equally near ones that with the lower index;
// there[v, k]: 1 where there are both. A vertex that is not there is farther than all others.
struct Nearest {
    template <class X, class A, class Y> static void run(const int32_t* c, const int64_t*, char* arena) {
        const int vertices = c[0], dimensions = c[1], neighbours = c[2], loops = c[3], at = c[4], there = c[5];
        const int32_t* coordinate = c + 6;
        const int32_t* mask = coordinate + vertices * dimensions;
        constexpr A far = A((uint64_t(1) << (8 * sizeof(A) - 1)) - 1);
        std::vector<A> distances(static_cast<size_t>(vertices) * BLOCK);
        A* distance = distances.data();
        for (int v = 0; v < vertices; ++v) {
            for (int u = 0; u < vertices; ++u) {
                A* d = distance + u * BLOCK;
                const int16_t* m = row<int16_t>(arena, mask[u]);
                for (int j = 0; j < BLOCK; ++j) d[j] = 0;
                for (int s = 0; s < dimensions; ++s) {
                    const X* a = row<X>(arena, coordinate[v * dimensions + s]);
                    const X* b = row<X>(arena, coordinate[u * dimensions + s]);
                    for (int j = 0; j < BLOCK; ++j) d[j] += (A(a[j]) - A(b[j])) * (A(a[j]) - A(b[j]));
                }
                for (int j = 0; j < BLOCK; ++j) d[j] = (m[j] && (loops || u != v)) ? d[j] : far;
            }
            const int16_t* self = row<int16_t>(arena, mask[v]);
            for (int k = 0; k < neighbours; ++k) {
                A best[BLOCK];
                int16_t* which = row<int16_t>(arena, at + v * neighbours + k);
                int16_t* found = row<int16_t>(arena, there + v * neighbours + k);
                A which_wide[BLOCK];
                for (int j = 0; j < BLOCK; ++j) best[j] = far, which_wide[j] = 0;
                for (int u = 0; u < vertices; ++u) {
                    const A* d = distance + u * BLOCK;
                    for (int j = 0; j < BLOCK; ++j) {
                        const bool nearer = d[j] < best[j];
                        best[j] = nearer ? d[j] : best[j];
                        which_wide[j] = nearer ? A(u) : which_wide[j];
                    }
                }
                for (int j = 0; j < BLOCK; ++j) {
                    which[j] = int16_t(which_wide[j]);
                    found[j] = best[j] != far && self[j];
                    distance[which_wide[j] * BLOCK + j] = far;
                }
            }
        }
    }
};

// y[i, f] = x[at[i], f].
struct Gather {
    template <class X, class A, class Y> static void run(const int32_t* c, const int64_t*, char* arena) {
        const int places = c[0], features = c[1], target = c[2];
        const int32_t* at = c + 3;
        const int32_t* source = at + places;
        for (int i = 0; i < places; ++i) {
            const int16_t* which = row<int16_t>(arena, at[i]);
            for (int f = 0; f < features; ++f) {
                X* y = row<X>(arena, target + (i * features + f) * int(sizeof(X) / sizeof(int16_t)));
                for (int j = 0; j < BLOCK; ++j) y[j] = row<X>(arena, source[which[j] * features + f])[j];
            }
        }
    }
};

// Types by their number: 0 for 16 bits, 1 for 32, 2 for 64. Sums are at least as wide as what they are made of.
template <class Kernel, class X, class A>
void to(int y, const int32_t* c, const int64_t* wide, char* arena) {
    if (y == 0) return Kernel::template run<X, A, int16_t>(c, wide, arena);
    if constexpr (sizeof(A) >= 4)
        if (y == 1) return Kernel::template run<X, A, int32_t>(c, wide, arena);
    if constexpr (sizeof(A) >= 8) return Kernel::template run<X, A, int64_t>(c, wide, arena);
}

template <class Kernel, class X> void by(int a, int y, const int32_t* c, const int64_t* wide, char* arena) {
    if constexpr (sizeof(X) <= 2)
        if (a == 0) return to<Kernel, X, int16_t>(y, c, wide, arena);
    if constexpr (sizeof(X) <= 4)
        if (a == 1) return to<Kernel, X, int32_t>(y, c, wide, arena);
    to<Kernel, X, int64_t>(y, c, wide, arena);
}

template <class Kernel> void of(const int32_t* op, const int64_t* wide, char* arena) {
    if (op[1] == 0) return by<Kernel, int16_t>(op[2], op[3], op + 5, wide, arena);
    if (op[1] == 1) return by<Kernel, int32_t>(op[2], op[3], op + 5, wide, arena);
    by<Kernel, int64_t>(op[2], op[3], op + 5, wide, arena);
}

enum Operation { SUMS, PRODUCTS, EXTREMES, TABLES, PRESENCE, CONSTANTS, SCALING, NEAREST, GATHER };

// Hardware integers of a block of events, one event after the other, into rows of 16 bits. The events that are missing
// in the last block are zero.
void read(const int16_t* events, int64_t count, int inputs, char* arena) {
    for (int i = 0; i < inputs; ++i) {
        int16_t* x = row<int16_t>(arena, i);
        if (count == BLOCK) {
            for (int j = 0; j < BLOCK; ++j) x[j] = events[static_cast<int64_t>(j) * inputs + i];
        } else {
            for (int j = 0; j < BLOCK; ++j) x[j] = j < count ? events[static_cast<int64_t>(j) * inputs + i] : 0;
        }
    }
}

void write(const int32_t* results, int outputs, int64_t count, int64_t* to, char* arena) {
    for (int o = 0; o < outputs; ++o) {
        const int32_t unit = results[2 * o], type = results[2 * o + 1];
        for (int j = 0; j < count; ++j) {
            const int64_t place = static_cast<int64_t>(j) * outputs + o;
            if (type == 0) to[place] = row<int16_t>(arena, unit)[j];
            else if (type == 1) to[place] = row<int32_t>(arena, unit)[j];
            else to[place] = row<int64_t>(arena, unit)[j];
        }
    }
}

}  // namespace

extern "C" {

int l1trigger_engine_version() { return VERSION; }

// Runs a program over events. The first rows of the arena are the inputs; `results` names unit and type of what is
// written, as many 64-bit integers per event as there are outputs. Gives 0, or 1 where memory was not to be had.
int l1trigger_engine_run(const int32_t* code, int64_t length, const int64_t* wide, int64_t units, int inputs,
                         const int32_t* results, int outputs, const int16_t* events, int64_t count, int64_t* to) {
    try {
        const std::unique_ptr<Row[]> rows(new Row[units]);
        char* arena = reinterpret_cast<char*>(rows.get());
        for (int64_t done = 0; done < count; done += BLOCK) {
            const int64_t now = count - done < BLOCK ? count - done : BLOCK;
            read(events + done * inputs, now, inputs, arena);
            for (const int32_t* op = code; op < code + length; op += 5 + op[4]) {
                switch (op[0]) {
                    case SUMS: of<Sums>(op, wide, arena); break;
                    case PRODUCTS: of<Products>(op, wide, arena); break;
                    case EXTREMES: of<Extremes>(op, wide, arena); break;
                    case TABLES: of<Tables>(op, wide, arena); break;
                    case PRESENCE: of<Presence>(op, wide, arena); break;
                    case CONSTANTS: of<Constants>(op, wide, arena); break;
                    case SCALING: of<Scaling>(op, wide, arena); break;
                    case NEAREST: of<Nearest>(op, wide, arena); break;
                    case GATHER: of<Gather>(op, wide, arena); break;
                }
            }
            write(results, outputs, now, to + done * outputs, arena);
        }
    } catch (const std::bad_alloc&) {
        return 1;
    }
    return 0;
}
}
