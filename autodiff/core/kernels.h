/* Kernels over whole arrays: elementwise, reductions, selection by index, rows of a softmax.
 * All of them see fixed layouts, so their order of operations, and so their bits, are the same
 * whatever the memory plan. */
#ifndef AUTODIFF_KERNELS_H
#define AUTODIFF_KERNELS_H

#include "loops.h"

/* Step an odometer over the first n axes of `shape`; returns 0 when it has gone round. */
static inline int advance(int64_t n, const int64_t *shape, int64_t *at) {
    for (int64_t d = n - 1; d >= 0; d--) {
        if (++at[d] < shape[d]) return 1;
        at[d] = 0;
    }
    return 0;
}

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

/* ---- copies into a part of the result ---- */
static PyUFuncGenericFunction copy_loop(int64_t itemsize) {
    return itemsize == 8 ? copy_64 : itemsize == 4 ? copy_32 : itemsize == 2 ? copy_16 : copy_8;
}

/* Run a loop of one input over `layout`'s shape: from x with its strides to y with `out`. */
static void copy_strided(int64_t ndim, const int64_t *shape, const int64_t *from,
                         const int64_t *to, int64_t itemsize, char *x, char *y) {
    PyUFuncGenericFunction loop = copy_loop(itemsize);
    int64_t s[MAX_NDIM], strides[2][MAX_NDIM], at[MAX_NDIM] = {0};
    for (int64_t d = 0; d < ndim; d++) {
        if (shape[d] == 0) return;
        s[d] = shape[d];
        strides[0][d] = from[d];
        strides[1][d] = to[d];
    }
    int64_t m = merge_axes(ndim, s, 2, strides);
    npy_intp length = m ? s[m - 1] : 1;
    npy_intp steps[2] = {m ? strides[0][m - 1] : itemsize, m ? strides[1][m - 1] : itemsize};
    do {
        char *args[2] = {x, y};
        for (int64_t d = 0; d + 1 < m; d++) {
            args[0] += at[d] * strides[0][d];
            args[1] += at[d] * strides[1][d];
        }
        loop(args, &length, steps, NULL);
    } while (m > 0 && advance(m - 1, s, at));
}

/* concatenate: params = axis */
static int concatenate(const Call *c, char **p, Run *run) {
    const int64_t *out = c->layouts[c->n_inputs];
    int64_t axis = c->params[0];
    char *y = p[c->n_inputs];
    for (int k = 0; k < c->n_inputs; k++) {
        const int64_t *x = c->layouts[k];
        copy_strided(x[0], shape_of(x), strides_of(x), strides_of(out), c->itemsizes[k], p[k], y);
        y += shape_of(x)[axis] * strides_of(out)[axis];
    }
    return OK;
}

/* embed, the transpose of slicing: zeros with x placed at a start with strides (in elements of
 * the result). params = start offset, then one stride for each axis of x, both in bytes. */
static int embed(const Call *c, char **p, Run *run) {
    const int64_t *x = c->layouts[0], *out = c->layouts[1];
    memset(p[1], 0, size_of(out) * c->itemsizes[1]);
    copy_strided(x[0], shape_of(x), strides_of(x), c->params + 1, c->itemsizes[0], p[0],
                 p[1] + c->params[0]);
    return OK;
}

/* ---- selection by integer arrays: x[i1, ..., ik] over the first k axes ----
 * inputs: x, i1 .. ik (int64, broadcast to the leading axes of the result). */
static int64_t element(const Call *c, char **p, int first, int64_t k, int64_t nb,
                       const int64_t *shape, const int64_t *at, const int64_t *extents,
                       const int64_t *strides, Run *run) {
    int64_t offset = 0;
    for (int64_t j = 0; j < k; j++) {
        const int64_t *index = c->layouts[first + j];
        const char *q = p[first + j];
        int64_t lead = nb - index[0];
        for (int64_t d = lead; d < nb; d++)
            if (shape_of(index)[d - lead] != 1) q += at[d] * strides_of(index)[d - lead];
        int64_t i = *(const int64_t *)q;
        if (i < -extents[j] || i >= extents[j]) {
            run->index = i;
            run->extent = extents[j];
            run->axis = j;
            return -1;
        }
        offset += (i < 0 ? i + extents[j] : i) * strides[j];
    }
    return offset;
}

static int gather(const Call *c, char **p, Run *run) {
    const int64_t *x = c->layouts[0], *out = c->layouts[c->n_inputs];
    int64_t k = c->n_inputs - 1, rest = x[0] - k, nb = out[0] - rest;
    int64_t at[MAX_NDIM] = {0}, block = c->itemsizes[0];
    char *y = p[c->n_inputs];
    if (size_of(out) == 0) return OK;
    for (int64_t d = 0; d < rest; d++) block *= shape_of(x)[k + d];
    do {
        int64_t offset = element(c, p, 1, k, nb, shape_of(out), at, shape_of(x), strides_of(x),
                                 run);
        if (offset < 0) return OUT_OF_RANGE;
        copy_strided(rest, shape_of(x) + k, strides_of(x) + k, strides_of(out) + nb,
                     c->itemsizes[0], p[0] + offset, y);
        y += block;
    } while (advance(nb, shape_of(out), at));
    return OK;
}

/* scatter_add, its transpose: zeros of the result's shape, and g added where x was read, in
 * the order of the index, so that the sums are the same whatever runs beside. */
static int scatter_add(const Call *c, char **p, Run *run) {
    const int64_t *g = c->layouts[0], *out = c->layouts[c->n_inputs];
    int64_t k = c->n_inputs - 1, rest = out[0] - k, nb = g[0] - rest;
    int64_t at[MAX_NDIM] = {0}, inside[MAX_NDIM] = {0};
    char *y = p[c->n_inputs];
    memset(y, 0, size_of(out) * c->itemsizes[0]);
    if (size_of(g) == 0) return OK;
    npy_intp length = rest ? shape_of(out)[out[0] - 1] : 1;
    npy_intp sy = rest ? strides_of(out)[out[0] - 1] : 0, sg = rest ? strides_of(g)[g[0] - 1] : 0;
    npy_intp steps[3] = {sy, sg, sy};
    do {
        int64_t offset = element(c, p, 1, k, nb, shape_of(g), at, shape_of(out), strides_of(out),
                                 run);
        if (offset < 0) return OUT_OF_RANGE;
        char *from = p[0];
        for (int64_t d = 0; d < nb; d++) from += at[d] * strides_of(g)[d];
        do {
            char *to = y + offset, *x = from;
            for (int64_t d = 0; d + 1 < rest; d++) {
                to += inside[d] * strides_of(out)[k + d];
                x += inside[d] * strides_of(g)[nb + d];
            }
            char *args[3] = {to, x, to};
            c->loop(args, &length, steps, c->data);
        } while (rest > 1 && advance(rest - 1, shape_of(out) + k, inside));
    } while (advance(nb, shape_of(g), at));
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
    {"gather", gather, NULL},
    {"scatter_add", scatter_add, NULL},
    BOTH(softmax), BOTH(log_softmax), BOTH(logsumexp), BOTH(cross_entropy), BOTH(one_hot),
    {NULL, NULL, NULL}};

static const NamedKernel *find_kernel(const char *name) {
    for (const NamedKernel *k = kernels; k->name; k++)
        if (strcmp(k->name, name) == 0) return k;
    return NULL;
}

#endif
