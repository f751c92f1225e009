/* Reductions: an inner loop of two operands folded over the reduced axes of one, whatever its
 * strides. The order of the folds follows from the layout alone, so that the bits do too. */
#ifndef AUTODIFF_REDUCE_H
#define AUTODIFF_REDUCE_H

#include "call.h"

/* ---- reduce: params = begin-with-the-first-element flag, then 1 for each reduced axis ----
 * walk = n_kept, n_reduced, kept shape, in strides, out strides, reduced shape, in strides.
 * The innermost loop runs along the axis on which the operand lies densest: a reduced one gives
 * NumPy's pairwise sums, a kept one folds whole rows. */
static int prepare_reduce(Call *c) {
    const int64_t *x = c->layouts[0];
    int64_t ndim = x[0], itemsize = c->itemsizes[1];
    int64_t kept[MAX_NDIM], reduced[MAX_NDIM], ks[2][MAX_NDIM], rs[1][MAX_NDIM];
    int64_t nk = 0, nr = 0, out_stride = itemsize;
    int64_t dense[MAX_NDIM];
    for (int64_t d = ndim - 1; d >= 0; d--)
        if (!c->params[1 + d]) { dense[d] = out_stride; out_stride *= shape_of(x)[d]; }
    for (int64_t d = 0; d < ndim; d++) {
        if (c->params[1 + d]) {
            reduced[nr] = shape_of(x)[d];
            rs[0][nr++] = strides_of(x)[d];
        } else {
            kept[nk] = shape_of(x)[d];
            ks[0][nk] = strides_of(x)[d];
            ks[1][nk++] = dense[d];
        }
    }
    nk = merge_axes(nk, kept, 2, ks);
    nr = merge_axes(nr, reduced, 1, rs);
    c->walk = malloc((2 + 3 * nk + 2 * nr) * sizeof(int64_t));
    if (!c->walk) return NO_MEMORY;
    int64_t *w = c->walk;
    *w++ = nk;
    *w++ = nr;
    for (int64_t d = 0; d < nk; d++) *w++ = kept[d];
    for (int64_t d = 0; d < nk; d++) *w++ = ks[0][d];
    for (int64_t d = 0; d < nk; d++) *w++ = ks[1][d];
    for (int64_t d = 0; d < nr; d++) *w++ = reduced[d];
    for (int64_t d = 0; d < nr; d++) *w++ = rs[0][d];
    return OK;
}

static void fold(const Call *c, PyUFuncGenericFunction loop, char *x0, char *y0) {
    const int64_t *w = c->walk;
    int64_t nk = w[0], nr = w[1];
    const int64_t *kept = w + 2, *kx = kept + nk, *ky = kx + nk, *reduced = ky + nk;
    const int64_t *rx = reduced + nr;
    int64_t k_at[MAX_NDIM] = {0}, r_at[MAX_NDIM] = {0};
    int64_t n_out = 1, n_in = 1, size = c->itemsizes[1];
    for (int64_t d = 0; d < nk; d++) n_out *= kept[d];
    for (int64_t d = 0; d < nr; d++) n_in *= reduced[d];
    if (n_out == 0) return;
    if (!c->params[0]) memset(y0, 0, n_out * size);
    if (n_in == 0) return;
    int rows = nk > 0 && (nr == 0 || llabs(kx[nk - 1]) < llabs(rx[nr - 1]));
    int64_t outer_k = rows ? nk - 1 : nk, outer_r = rows || nr == 0 ? nr : nr - 1;
    npy_intp length = rows ? kept[nk - 1] : nr ? reduced[nr - 1] : 1;
    npy_intp step_x = rows ? kx[nk - 1] : nr ? rx[nr - 1] : size;
    npy_intp step_y = rows ? ky[nk - 1] : 0;
    npy_intp steps[3] = {step_y, step_x, step_y};
    do {
        char *x = x0, *y = y0;
        for (int64_t d = 0; d < outer_k; d++) {
            x += k_at[d] * kx[d];
            y += k_at[d] * ky[d];
        }
        if (c->params[0]) {                        /* begin with the first element, not with zero */
            if (rows)
                for (npy_intp i = 0; i < length; i++)
                    memcpy(y + i * step_y, x + i * step_x, size);
            else
                memcpy(y, x, size);
        }
        do {
            char *from = x;
            for (int64_t d = 0; d < outer_r; d++) from += r_at[d] * rx[d];
            char *args[3] = {y, from, y};
            loop(args, &length, steps, c->data);
        } while (advance(outer_r, reduced, r_at));
    } while (advance(outer_k, kept, k_at));
}

static int reduce(const Call *c, char **p, Run *run) {
    fold(c, c->loop, p[0], p[1]);
    return OK;
}

/* The sum over the number of elements that went into each. */
static int reduce_mean(const Call *c, char **p, Run *run) {
    int64_t n_out = size_of(c->layouts[1]), n = 1;
    for (int64_t d = 0; d < c->layouts[0][0]; d++)
        if (c->params[1 + d]) n *= shape_of(c->layouts[0])[d];
    fold(c, c->loop, p[0], p[1]);
    if (c->dtype == NPY_FLOAT)
        for (int64_t i = 0; i < n_out; i++) ((float *)p[1])[i] /= (float)n;
    else
        for (int64_t i = 0; i < n_out; i++) ((double *)p[1])[i] /= (double)n;
    return OK;
}

/* How many are true: booleans summed as int64, without a copy of them as int64. */
static void count_loop(char **args, const npy_intp *n_, const npy_intp *steps, void *data) {
    npy_intp n = n_[0], s = steps[1], d = steps[0];
    const char *x = args[1];
    char *y = args[0];
    if (d == 0) {
        int64_t total = 0;
        for (npy_intp i = 0; i < n; i++, x += s) total += *(const npy_bool *)x != 0;
        *(int64_t *)y += total;
    } else {
        for (npy_intp i = 0; i < n; i++, x += s, y += d)
            *(int64_t *)y += *(const npy_bool *)x != 0;
    }
}

static int reduce_count(const Call *c, char **p, Run *run) {
    fold(c, count_loop, p[0], p[1]);
    return OK;
}

/* ---- argmax along the last axis of a dense operand; the first NaN wins, as in NumPy ----
 * `loop` is maximum's, in which a NaN is the largest; then the place of what it found. */
#define ARGMAX(A, T, TRUTH)                                                                    \
    case NPY_##A:                                                                              \
        for (int64_t i = 0; i < rows; i++) {                                                   \
            const T *x = (T *)p[0] + i * n;                                                    \
            T m = x[0];                                                                        \
            char *args[3] = {(char *)&m, (char *)x, (char *)&m};                               \
            int64_t j = 0;                                                                     \
            c->loop(args, &length, steps, c->data);                                            \
            if (m == m) while ((x[j] TRUTH) != (m TRUTH)) j++;                                 \
            else while (x[j] == x[j]) j++;                                                     \
            out[i] = j;                                                                        \
        }                                                                                      \
        break;
static int argmax(const Call *c, char **p, Run *run) {
    const int64_t *x = c->layouts[0];
    int64_t n = x[x[0]], rows = n ? size_of(x) / n : 0;
    int64_t *out = (int64_t *)p[1];
    npy_intp length = n, steps[3] = {0, c->itemsizes[0], 0};
    switch (c->dtype) {
        ARGMAX(BOOL, npy_bool, != 0) ARGMAX(BYTE, npy_byte,) ARGMAX(UBYTE, npy_ubyte,)
        ARGMAX(SHORT, npy_short,) ARGMAX(USHORT, npy_ushort,) ARGMAX(INT, npy_int,)
        ARGMAX(UINT, npy_uint,) ARGMAX(LONG, npy_long,) ARGMAX(ULONG, npy_ulong,)
        ARGMAX(LONGLONG, npy_longlong,) ARGMAX(ULONGLONG, npy_ulonglong,)
        ARGMAX(FLOAT, npy_float,) ARGMAX(DOUBLE, npy_double,)
    }
    return OK;
}

#endif
