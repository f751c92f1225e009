/* Folds of a block to one number, in lanes whose number no instruction set changes.
 *
 * Element i goes into lane i modulo the number of lanes (256 bytes of them, 128 for the largest
 * and the smallest); then halves are folded onto each other until one lane is left. What is
 * missing from the last lanes is filled with what changes nothing: a lane of a sum, begun with
 * +0, is never -0. */
#define FOLD(name, T, LANES, BEGIN, ELEMENT, JOIN, TREE, STEP)                                 \
    INLINE T ISA(fold_##name)(const T *x, const T *y, int64_t n) {                             \
        T lane[LANES], last[2][LANES];                                                         \
        for (int k = 0; k < LANES; k++) lane[k] = (BEGIN);                                     \
        for (; n > 0; n -= LANES, x += LANES, y += LANES) {                                    \
            if (n < LANES) {                                                                   \
                for (int k = 0; k < LANES; k++) last[0][k] = last[1][k] = (BEGIN);             \
                memcpy(last[0], x, n * sizeof(T));                                             \
                memcpy(last[1], y, n * sizeof(T));                                             \
                x = last[0];                                                                   \
                y = last[1];                                                                   \
            }                                                                                  \
            for (int k = 0; k < LANES; k++) { T u = lane[k], v = (ELEMENT); lane[k] = JOIN; }  \
        }                                                                                      \
        TREE for (int half = LANES / 2; half; half /= 2)                                       \
            TREE for (int k = 0; k < half; k++) {                                              \
                STEP                                                                           \
                T u = lane[k], v = lane[k + half];                                             \
                lane[k] = JOIN;                                                                \
            }                                                                                  \
        return lane[0];                                                                        \
    }
#define FOLDS(T, X, LANES)                                                                     \
    FOLD(dot_##X, T, LANES, 0, x[k] * y[k], u + v, , )                                         \
    FOLD(sum_##X, T, LANES, 0, x[k], u + v, , )                                                \
    FOLD(max_##X, T, LANES / 2, -(T)INFINITY, x[k], (u >= v) | (u != u) ? u : v, ROLLED, SCALAR) \
    FOLD(min_##X, T, LANES / 2, (T)INFINITY, x[k], (u <= v) | (u != u) ? u : v, ROLLED, SCALAR) \
    static T ISA(dot_##X)(const T *x, const T *y, int64_t n) {                                 \
        return ISA(fold_dot_##X)(x, y, n);                                                     \
    }                                                                                          \
    static T ISA(sum_##X)(const T *x, int64_t n) { return ISA(fold_sum_##X)(x, x, n); }        \
    static T ISA(max_##X)(const T *x, int64_t n) { return ISA(fold_max_##X)(x, x, n); }        \
    static T ISA(min_##X)(const T *x, int64_t n) { return ISA(fold_min_##X)(x, x, n); }

FOLDS(float, f, 64)
FOLDS(double, d, 32)

#undef FOLD
#undef FOLDS
