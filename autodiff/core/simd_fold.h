/* Folds of a block to one number, in lanes whose number no instruction set changes.
 *
 * A sum has 256 bytes of lanes, element i in lane i modulo their number, then halves are folded
 * onto each other until one lane is left. What is missing from the last lanes is +0, which
 * changes nothing: a lane of a sum, begun with +0, is never -0. The largest and the smallest may
 * take an element twice, so their last lanes overlap the ones before. */
#define ACROSS(LANES, ELEMENT, JOIN)                                                           \
    for (int k = 0; k < LANES; k++) { lane[k] = JOIN(lane[k], ELEMENT); }
#define PLUS(u, v) ((u) + (v))
#define SUM(name, T, LANES, ELEMENT, TWO_ARRAYS)                                               \
    INLINE T ISA(fold_##name)(const T *x, const T *y, int64_t n) {                             \
        T lane[LANES], last[1 + TWO_ARRAYS][LANES];                                            \
        for (int k = 0; k < LANES; k++) lane[k] = 0;                                           \
        for (; n >= LANES; n -= LANES, x += LANES, y += LANES) ACROSS(LANES, ELEMENT, PLUS)    \
        if (n > 0) {                                                                           \
            for (int k = 0; k < LANES; k++) last[0][k] = 0;                                    \
            copy_bytes(last[0], x, n * sizeof(T));                                             \
            if (TWO_ARRAYS) {                                                                  \
                for (int k = 0; k < LANES; k++) last[TWO_ARRAYS][k] = 0;                       \
                copy_bytes(last[TWO_ARRAYS], y, n * sizeof(T));                                \
            }                                                                                  \
            x = last[0];                                                                       \
            y = last[TWO_ARRAYS];                                                              \
            ACROSS(LANES, ELEMENT, PLUS)                                                       \
        }                                                                                      \
        for (int half = LANES / 2; half; half /= 2) ACROSS(half, lane[k + half], PLUS)         \
        return lane[0];                                                                        \
    }
#define EXTREME(name, T, LANES, BEGIN, JOIN)                                                   \
    static T ISA(name)(const T *x, int64_t n) {                                                \
        T lane[LANES], m = (BEGIN);                                                            \
        if (n < LANES) {                                                                       \
            for (int64_t i = 0; i < n; i++) { SCALAR m = JOIN(m, x[i]); }                      \
            return m;                                                                          \
        }                                                                                      \
        for (int k = 0; k < LANES; k++) lane[k] = m;                                           \
        for (int64_t i = 0; i < n; i += LANES) {                                               \
            const T *at = x + (i < n - LANES ? i : n - LANES);                                 \
            ROLLED ACROSS(LANES, at[k], JOIN)                                                  \
        }                                                                                      \
        ROLLED for (int k = 0; k < LANES; k++) { SCALAR m = JOIN(m, lane[k]); }                \
        return m;                                                                              \
    }
#define LARGEST(u, v) (((u) >= (v)) | ((u) != (u)) ? (u) : (v))
#define SMALLEST(u, v) (((u) <= (v)) | ((u) != (u)) ? (u) : (v))
#define FOLDS(T, X, LANES)                                                                     \
    SUM(dot_##X, T, LANES, x[k] * y[k], 1)                                                     \
    SUM(sum_##X, T, LANES, x[k], 0)                                                            \
    static T ISA(dot_##X)(const T *x, const T *y, int64_t n) {                                 \
        return ISA(fold_dot_##X)(x, y, n);                                                     \
    }                                                                                          \
    static T ISA(sum_##X)(const T *x, int64_t n) { return ISA(fold_sum_##X)(x, x, n); }        \
    EXTREME(max_##X, T, LANES, -(T)INFINITY, LARGEST)                                          \
    EXTREME(min_##X, T, LANES, (T)INFINITY, SMALLEST)

FOLDS(float, f, 64)
FOLDS(double, d, 32)

#undef ACROSS
#undef PLUS
#undef SUM
#undef EXTREME
#undef LARGEST
#undef SMALLEST
#undef FOLDS
