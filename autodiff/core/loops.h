/* Own inner loops, with the signature of NumPy's: for what NumPy and SciPy have no loop for
 * (copies, conversions, selection) and for rows whose definition differs (relu, softplus).
 * steps are bytes; the result is the last argument. */
#ifndef AUTODIFF_LOOPS_H
#define AUTODIFF_LOOPS_H

#include <math.h>
#include "call.h"

#define LOOP(name) static void name(char **args, const npy_intp *n_, const npy_intp *steps, \
                                    void *data)

/* ---- copies, by itemsize ---- */
#define COPY(BITS)                                                                             \
    LOOP(copy_##BITS) {                                                                        \
        npy_intp n = n_[0], s = steps[0], d = steps[1];                                        \
        char *x = args[0], *y = args[1];                                                       \
        if (s == sizeof(uint##BITS##_t) && d == s) { memmove(y, x, n * s); return; }           \
        for (npy_intp i = 0; i < n; i++, x += s, y += d)                                       \
            memcpy(y, x, sizeof(uint##BITS##_t));                                              \
    }
COPY(8) COPY(16) COPY(32) COPY(64)

/* ---- selection, by itemsize: where(c, x, y) ---- */
#define WHERE(BITS)                                                                            \
    LOOP(where_##BITS) {                                                                       \
        typedef uint##BITS##_t T;                                                              \
        npy_intp n = n_[0];                                                                    \
        if (steps[0] == 1 && steps[3] == sizeof(T)                                             \
            && (steps[1] == sizeof(T) || steps[1] == 0)                                        \
            && (steps[2] == sizeof(T) || steps[2] == 0)) {                                     \
            const npy_bool *c = (npy_bool *)args[0];                                           \
            const T *x = (T *)args[1], *y = (T *)args[2];                                      \
            T *r = (T *)args[3];                                                               \
            npy_intp sx = steps[1] != 0, sy = steps[2] != 0;                                   \
            if (sx && sy) for (npy_intp i = 0; i < n; i++) r[i] = c[i] ? x[i] : y[i];          \
            else if (sx) { T b = *y; for (npy_intp i = 0; i < n; i++) r[i] = c[i] ? x[i] : b; } \
            else if (sy) { T a = *x; for (npy_intp i = 0; i < n; i++) r[i] = c[i] ? a : y[i]; } \
            else { T a = *x, b = *y; for (npy_intp i = 0; i < n; i++) r[i] = c[i] ? a : b; }   \
            return;                                                                            \
        }                                                                                      \
        char *c = args[0], *x = args[1], *y = args[2], *r = args[3];                           \
        for (npy_intp i = 0; i < n; i++, c += steps[0], x += steps[1], y += steps[2],          \
                      r += steps[3])                                                           \
            memcpy(r, *(npy_bool *)c ? x : y, sizeof(T));                                      \
    }
WHERE(8) WHERE(16) WHERE(32) WHERE(64)

/* ---- functions of one real ---- */
#define UNARY(name, T, EXPR)                                                                   \
    LOOP(name) {                                                                               \
        npy_intp n = n_[0], s = steps[0], d = steps[1];                                        \
        if (s == sizeof(T) && d == sizeof(T)) {                                                \
            const T *px = (T *)args[0];                                                        \
            T *py = (T *)args[1];                                                              \
            for (npy_intp i = 0; i < n; i++) { T x = px[i]; py[i] = (EXPR); }                  \
        } else {                                                                               \
            char *px = args[0], *py = args[1];                                                 \
            for (npy_intp i = 0; i < n; i++, px += s, py += d) {                               \
                T x = *(T *)px;                                                                \
                *(T *)py = (EXPR);                                                             \
            }                                                                                  \
        }                                                                                      \
    }
/* maximum(x, 0) as NumPy has it: NaN stays NaN. */
UNARY(relu_f, float, x > 0 || x != x ? x : 0)
UNARY(relu_d, double, x > 0 || x != x ? x : 0)
/* exp of a negative number only: never overflows. */
UNARY(sigmoid_f, float, x >= 0 ? 1 / (1 + expf(-x)) : expf(x) / (1 + expf(x)))
UNARY(sigmoid_d, double, x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x)))
/* log(1 + e^x) = max(x, 0) + log1p(e^-|x|) */
UNARY(softplus_f, float, (x > 0 ? x : x != x ? x : 0) + log1pf(expf(-fabsf(x))))
UNARY(softplus_d, double, (x > 0 ? x : x != x ? x : 0) + log1p(exp(-fabs(x))))

/* ---- conversions ---- */
#define TO_TYPES(M, A, a)                                                                      \
    M(A, a, npy_byte, b) M(A, a, npy_ubyte, ub) M(A, a, npy_short, h)                          \
    M(A, a, npy_ushort, uh) M(A, a, npy_int, i) M(A, a, npy_uint, ui)                          \
    M(A, a, npy_long, l) M(A, a, npy_ulong, ul) M(A, a, npy_longlong, q)                       \
    M(A, a, npy_ulonglong, uq) M(A, a, npy_float, f) M(A, a, npy_double, d)
#define CAST(A, a, B, b)                                                                       \
    LOOP(cast_##a##_to_##b) {                                                                  \
        npy_intp n = n_[0], s = steps[0], d = steps[1];                                        \
        char *x = args[0], *y = args[1];                                                       \
        for (npy_intp i = 0; i < n; i++, x += s, y += d) *(B *)y = (B)*(A *)x;                 \
    }
#define CASTS(A, a)                                                                            \
    TO_TYPES(CAST, A, a)                                                                       \
    LOOP(cast_##a##_to_o) {                                                                    \
        npy_intp n = n_[0], s = steps[0], d = steps[1];                                        \
        char *x = args[0], *y = args[1];                                                       \
        for (npy_intp i = 0; i < n; i++, x += s, y += d) *(npy_bool *)y = *(A *)x != 0;        \
    }
CASTS(npy_bool, o)
CASTS(npy_byte, b)
CASTS(npy_ubyte, ub)
CASTS(npy_short, h)
CASTS(npy_ushort, uh)
CASTS(npy_int, i)
CASTS(npy_uint, ui)
CASTS(npy_long, l)
CASTS(npy_ulong, ul)
CASTS(npy_longlong, q)
CASTS(npy_ulonglong, uq)
CASTS(npy_float, f)
CASTS(npy_double, d)

#define CAST_ENTRY(A, a, B, b) {#a ">" #b, cast_##a##_to_##b},
#define CAST_ROW(A, a) TO_TYPES(CAST_ENTRY, A, a) {#a ">o", cast_##a##_to_o},
typedef struct { const char *name; PyUFuncGenericFunction loop; } NamedLoop;

/* Conversions by the letters of their types; the others by the row's name and type or itemsize. */
static const NamedLoop casts[] = {
    CAST_ROW(npy_bool, o) CAST_ROW(npy_byte, b) CAST_ROW(npy_ubyte, ub)
    CAST_ROW(npy_short, h) CAST_ROW(npy_ushort, uh) CAST_ROW(npy_int, i)
    CAST_ROW(npy_uint, ui) CAST_ROW(npy_long, l) CAST_ROW(npy_ulong, ul)
    CAST_ROW(npy_longlong, q) CAST_ROW(npy_ulonglong, uq) CAST_ROW(npy_float, f)
    CAST_ROW(npy_double, d) {NULL, NULL}};
static const NamedLoop own_loops[] = {
    {"copy:1", copy_8}, {"copy:2", copy_16}, {"copy:4", copy_32}, {"copy:8", copy_64},
    {"where:1", where_8}, {"where:2", where_16}, {"where:4", where_32}, {"where:8", where_64},
    {"relu:f", relu_f}, {"relu:d", relu_d}, {"sigmoid:f", sigmoid_f}, {"sigmoid:d", sigmoid_d},
    {"softplus:f", softplus_f}, {"softplus:d", softplus_d}, {NULL, NULL}};

static PyUFuncGenericFunction find_named(const NamedLoop *table, const char *name) {
    for (; table->name; table++)
        if (strcmp(table->name, name) == 0) return table->loop;
    return NULL;
}

#endif
