/* Kernels over whole arrays: elementwise, reductions, rows of a softmax; and the table of all.
 * All of them see fixed layouts, so their order of operations, and so their bits, are the same
 * whatever the memory plan. */
#ifndef AUTODIFF_KERNELS_H
#define AUTODIFF_KERNELS_H

#include "movement.h"

/* ---- elementwise: walk = n_axes, shape, then strides of each operand ---- */
static int prepare_elementwise(Call *c) {
    int n = c->n_inputs + 1;
    int64_t shape[MAX_NDIM], strides[MAX_INPUTS + 1][MAX_NDIM];
    const int64_t *out = c->layouts[c->n_inputs];
    int64_t ndim = out[0], m;
    for (int64_t d = 0; d < ndim; d++) shape[d] = shape_of(out)[d];
    for (int k = 0; k < n; k++) broadcast_strides(c->layouts[k], ndim, shape, strides[k]);
    m = merge_axes(ndim, shape, n, strides);
    if (m == 0) {                                  /* a single element: one axis of extent one */
        shape[0] = 1;
        for (int k = 0; k < n; k++) strides[k][0] = c->itemsizes[k];
        m = 1;
    }
    c->walk = malloc((1 + m * (1 + n)) * sizeof(int64_t));
    if (!c->walk) return NO_MEMORY;
    int64_t *w = c->walk;
    *w++ = m;
    for (int64_t d = 0; d < m; d++) *w++ = shape[d];
    for (int k = 0; k < n; k++)
        for (int64_t d = 0; d < m; d++) *w++ = strides[k][d];
    return OK;
}

static int elementwise(const Call *c, char **p, Run *run) {
    const int64_t *w = c->walk;
    int64_t m = w[0];
    const int64_t *shape = w + 1, *strides = w + 1 + m;
    int n = c->n_inputs + 1;
    char *at[MAX_INPUTS + 1];
    npy_intp steps[MAX_INPUTS + 1], length = shape[m - 1];
    for (int k = 0; k < n; k++) {
        at[k] = p[k];
        steps[k] = strides[k * m + m - 1];
    }
    if (m == 1) {
        c->loop(at, &length, steps, c->data);
        return OK;
    }
    int64_t position[MAX_NDIM] = {0};
    for (int64_t d = 0; d < m; d++)
        if (shape[d] == 0) return OK;
    do {
        for (int k = 0; k < n; k++) {
            at[k] = p[k];
            for (int64_t d = 0; d < m - 1; d++) at[k] += position[d] * strides[k * m + d];
        }
        c->loop(at, &length, steps, c->data);      /* a loop may move its pointers: set anew */
    } while (advance(m - 1, shape, position));
    return OK;
}

/* ---- reduce: params = keep-first-element flag, then 1 for each axis that is reduced ----
 * walk = n_kept, n_reduced, kept shape, in strides, out strides, reduced shape, in strides.
 * The innermost loop runs along the axis on which the operand lies densest: a reduced one gives
 * NumPy's pairwise sums, a kept one adds whole rows. */
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

static int reduce(const Call *c, char **p, Run *run) {
    const int64_t *w = c->walk;
    int64_t nk = w[0], nr = w[1];
    const int64_t *kept = w + 2, *kx = kept + nk, *ky = kx + nk, *reduced = ky + nk;
    const int64_t *rx = reduced + nr;
    int64_t k_at[MAX_NDIM] = {0}, r_at[MAX_NDIM] = {0};
    int64_t n_out = 1, n_in = 1, size = c->itemsizes[1];
    for (int64_t d = 0; d < nk; d++) n_out *= kept[d];
    for (int64_t d = 0; d < nr; d++) n_in *= reduced[d];
    if (n_out == 0) return OK;
    if (!c->params[0]) memset(p[1], 0, n_out * size);
    if (n_in == 0) return OK;
    int rows = nk > 0 && (nr == 0 || llabs(kx[nk - 1]) < llabs(rx[nr - 1]));
    int64_t outer_k = rows ? nk - 1 : nk, outer_r = rows || nr == 0 ? nr : nr - 1;
    npy_intp length = rows ? kept[nk - 1] : nr ? reduced[nr - 1] : 1;
    npy_intp step_x = rows ? kx[nk - 1] : nr ? rx[nr - 1] : size;
    npy_intp step_y = rows ? ky[nk - 1] : 0;
    npy_intp steps[3] = {step_y, step_x, step_y};
    do {
        char *x = p[0], *y = p[1];
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
            c->loop(args, &length, steps, c->data);
        } while (advance(outer_r, reduced, r_at));
    } while (advance(outer_k, kept, k_at));
    return OK;
}

/* ---- argmax along the last axis of a contiguous operand; the first NaN wins, as in NumPy ---- */
#define ARGMAX(A, T, a)                                                                        \
    case NPY_##A:                                                                              \
        for (int64_t i = 0; i < rows; i++) {                                                   \
            const T *x = (T *)p[0] + i * n;                                                    \
            int64_t best = 0;                                                                  \
            for (int64_t j = 1; j < n && x[best] == x[best]; j++)                              \
                if (x[j] > x[best] || x[j] != x[j]) best = j;                                  \
            out[i] = best;                                                                     \
        }                                                                                      \
        break;
static int argmax(const Call *c, char **p, Run *run) {
    const int64_t *x = c->layouts[0];
    int64_t n = x[x[0]], rows = n ? size_of(x) / n : 0;
    int64_t *out = (int64_t *)p[1];
    switch (c->dtype) {
        ARGMAX(BOOL, npy_bool, o) ARGMAX(BYTE, npy_byte, b) ARGMAX(UBYTE, npy_ubyte, B)
        ARGMAX(SHORT, npy_short, h) ARGMAX(USHORT, npy_ushort, H) ARGMAX(INT, npy_int, i)
        ARGMAX(UINT, npy_uint, I) ARGMAX(LONG, npy_long, l) ARGMAX(ULONG, npy_ulong, L)
        ARGMAX(LONGLONG, npy_longlong, q) ARGMAX(ULONGLONG, npy_ulonglong, Q)
        ARGMAX(FLOAT, npy_float, f) ARGMAX(DOUBLE, npy_double, d)
    }
    return OK;
}

/* ---- rows of a softmax: contiguous operands, over the last axis; loop is exp's ---- */
#define ROWS(T, SUFFIX, EXP, LOG)                                                              \
    static T row_max_##SUFFIX(const T *x, int64_t n) {                                         \
        T m = x[0];                                                                            \
        for (int64_t j = 1; j < n; j++) m = x[j] > m || x[j] != x[j] ? x[j] : m;               \
        return m;                                                                              \
    }                                                                                          \
    /* y = exp(x - shift), and the sum of it in eight lanes */                                 \
    static T row_exp_##SUFFIX(const Call *c, const T *x, T *y, T shift, int64_t n) {           \
        npy_intp length = n, steps[2] = {sizeof(T), sizeof(T)};                                \
        char *args[2] = {(char *)y, (char *)y};                                                \
        T lane[8] = {0};                                                                       \
        for (int64_t j = 0; j < n; j++) y[j] = x[j] - shift;                                   \
        c->loop(args, &length, steps, c->data);                                                \
        for (int64_t j = 0; j < n; j++) lane[j & 7] += y[j];                                   \
        return ((lane[0] + lane[1]) + (lane[2] + lane[3]))                                     \
               + ((lane[4] + lane[5]) + (lane[6] + lane[7]));                                  \
    }                                                                                          \
    static T shift_of_##SUFFIX(T m) { return isfinite(m) ? m : 0; }                            \
    static int softmax_##SUFFIX(const Call *c, char **p, Run *run) {                           \
        const int64_t *l = c->layouts[0];                                                      \
        int64_t n = l[l[0]], rows = n ? size_of(l) / n : 0;                                    \
        for (int64_t i = 0; i < rows; i++) {                                                   \
            const T *x = (T *)p[0] + i * n;                                                    \
            T *y = (T *)p[1] + i * n;                                                          \
            T s = row_exp_##SUFFIX(c, x, y, row_max_##SUFFIX(x, n), n);                        \
            for (int64_t j = 0; j < n; j++) y[j] /= s;                                         \
        }                                                                                      \
        return OK;                                                                             \
    }                                                                                          \
    static int log_softmax_##SUFFIX(const Call *c, char **p, Run *run) {                       \
        const int64_t *l = c->layouts[0];                                                      \
        int64_t n = l[l[0]], rows = n ? size_of(l) / n : 0;                                    \
        for (int64_t i = 0; i < rows; i++) {                                                   \
            const T *x = (T *)p[0] + i * n;                                                    \
            T *y = (T *)p[1] + i * n;                                                          \
            T m = row_max_##SUFFIX(x, n);                                                      \
            T s = LOG(row_exp_##SUFFIX(c, x, y, m, n));                                        \
            for (int64_t j = 0; j < n; j++) y[j] = (x[j] - m) - s;                             \
        }                                                                                      \
        return OK;                                                                             \
    }                                                                                          \
    /* workspace: one row */                                                                   \
    static int logsumexp_##SUFFIX(const Call *c, char **p, Run *run) {                         \
        const int64_t *l = c->layouts[0];                                                      \
        int64_t n = l[l[0]], rows = n ? size_of(l) / n : 0;                                    \
        for (int64_t i = 0; i < rows; i++) {                                                   \
            const T *x = (T *)p[0] + i * n;                                                    \
            T m = row_max_##SUFFIX(x, n), shift = shift_of_##SUFFIX(m);                        \
            ((T *)p[1])[i] = LOG(row_exp_##SUFFIX(c, x, (T *)p[2], shift, n)) + shift;         \
        }                                                                                      \
        return OK;                                                                             \
    }                                                                                          \
    /* mean over the rows of logsumexp(x) - x[label]; workspace: one row */                    \
    static int cross_entropy_##SUFFIX(const Call *c, char **p, Run *run) {                     \
        const int64_t *l = c->layouts[0];                                                      \
        int64_t n = l[l[0]], rows = n ? size_of(l) / n : 0;                                    \
        const int64_t *label = (int64_t *)p[1];                                                \
        T lane[8] = {0};                                                                       \
        for (int64_t i = 0; i < rows; i++) {                                                   \
            const T *x = (T *)p[0] + i * n;                                                    \
            if (label[i] < 0 || label[i] >= n) {                                               \
                run->index = label[i];                                                         \
                run->extent = n;                                                               \
                run->axis = -1;                                                                \
                return OUT_OF_RANGE;                                                           \
            }                                                                                  \
            T m = row_max_##SUFFIX(x, n);                                                      \
            T s = row_exp_##SUFFIX(c, x, (T *)p[3], m, n);                                     \
            lane[i & 7] += LOG(s) + (m - x[label[i]]);                                         \
        }                                                                                      \
        *(T *)p[2] = (((lane[0] + lane[1]) + (lane[2] + lane[3]))                              \
                      + ((lane[4] + lane[5]) + (lane[6] + lane[7]))) / (T)rows;                \
        return OK;                                                                             \
    }                                                                                          \
    static int one_hot_##SUFFIX(const Call *c, char **p, Run *run) {                           \
        int64_t rows = size_of(c->layouts[0]), n = c->params[0];                               \
        const int64_t *label = (int64_t *)p[0];                                                \
        memset(p[1], 0, rows * n * sizeof(T));                                                 \
        for (int64_t i = 0; i < rows; i++) {                                                   \
            if (label[i] < 0 || label[i] >= n) {                                               \
                run->index = label[i];                                                         \
                run->extent = n;                                                               \
                run->axis = -1;                                                                \
                return OUT_OF_RANGE;                                                           \
            }                                                                                  \
            ((T *)p[1])[i * n + label[i]] = 1;                                                 \
        }                                                                                      \
        return OK;                                                                             \
    }
ROWS(float, f, expf, logf)
ROWS(double, d, exp, log)

typedef struct { const char *name; Kernel kernel; Prepare prepare; } NamedKernel;
#define BOTH(name) {#name ":f", name##_f, NULL}, {#name ":d", name##_d, NULL}
static const NamedKernel kernels[] = {
    {"elementwise", elementwise, prepare_elementwise},
    {"reduce", reduce, prepare_reduce},
    {"argmax", argmax, NULL},
    {"concatenate", concatenate, NULL},
    {"embed", embed, NULL},
    {"gather", gather, prepare_gather},
    {"scatter_add:f", scatter_add_f, prepare_scatter},
    {"scatter_add:d", scatter_add_d, prepare_scatter},
    BOTH(softmax), BOTH(log_softmax), BOTH(logsumexp), BOTH(cross_entropy), BOTH(one_hot),
    {NULL, NULL, NULL}};

static const NamedKernel *find_kernel(const char *name) {
    for (const NamedKernel *k = kernels; k->name; k++)
        if (strcmp(k->name, name) == 0) return k;
    return NULL;
}

#endif
