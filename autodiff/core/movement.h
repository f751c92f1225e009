/* Kernels that move elements: copies into a part of the result, selection by integer arrays and
 * its transpose. Nothing is computed but the sums of scatter_add, which are taken in the order of
 * the index, so the bits depend on the layouts alone. */
#ifndef AUTODIFF_MOVEMENT_H
#define AUTODIFF_MOVEMENT_H

#include "loops.h"

/* ---- copies into a part of the result ---- */
static PyUFuncGenericFunction copy_loop(int64_t itemsize) {
    return itemsize == 8 ? copy_64 : itemsize == 4 ? copy_32 : itemsize == 2 ? copy_16 : copy_8;
}

/* Copy the elements of `shape` from x with strides `from` to y with strides `to`. */
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

/* embed, the transpose of slicing: zeros, and x placed among them.
 * params = byte of the result where x begins, then a byte stride for each axis of x. */
static int embed(const Call *c, char **p, Run *run) {
    const int64_t *x = c->layouts[0], *out = c->layouts[1];
    memset(p[1], 0, size_of(out) * c->itemsizes[1]);
    copy_strided(x[0], shape_of(x), strides_of(x), c->params + 1, c->itemsizes[0], p[0],
                 p[1] + c->params[0]);
    return OK;
}

/* embed_add: x added to a part of the second input, in place where the result lies there.
 * params as those of embed. */
#define EMBED_ADD(T, SUFFIX)                                                                   \
    static int embed_add_##SUFFIX(const Call *c, char **p, Run *run) {                         \
        const int64_t *x = c->layouts[0], *total = c->layouts[1], *out = c->layouts[2];        \
        int64_t shape[MAX_NDIM], strides[2][MAX_NDIM], at[MAX_NDIM] = {0};                     \
        if (p[2] != p[1])                                                                      \
            copy_strided(out[0], shape_of(out), strides_of(total), strides_of(out), sizeof(T), \
                         p[1], p[2]);                                                          \
        if (size_of(x) == 0) return OK;                                                        \
        for (int64_t d = 0; d < x[0]; d++) {                                                   \
            shape[d] = shape_of(x)[d];                                                         \
            strides[0][d] = strides_of(x)[d];                                                  \
            strides[1][d] = c->params[1 + d];                                                  \
        }                                                                                      \
        int64_t m = merge_axes(x[0], shape, 2, strides), last = m - 1;                         \
        int64_t n = m ? shape[last] : 1;                                                       \
        int64_t from = m ? strides[0][last] : 0, to = m ? strides[1][last] : 0;                \
        do {                                                                                   \
            char *g = p[0], *y = p[2] + c->params[0];                                          \
            for (int64_t d = 0; d < last; d++) {                                               \
                g += at[d] * strides[0][d];                                                    \
                y += at[d] * strides[1][d];                                                    \
            }                                                                                  \
            if (from == sizeof(T) && to == sizeof(T))                                          \
                for (int64_t i = 0; i < n; i++) ((T *)y)[i] += ((T *)g)[i];                    \
            else                                                                               \
                for (int64_t i = 0; i < n; i++) *(T *)(y + i * to) += *(T *)(g + i * from);    \
        } while (last > 0 && advance(last, shape, at));                                        \
        return OK;                                                                             \
    }
EMBED_ADD(float, f)
EMBED_ADD(double, d)

/* ---- selection by integer arrays: small = large[:, ..., i1, ..., ik, ...] ----
 * The large operand has axes lead, chosen (k), rest; the small one lead, index (those of the
 * index arrays broadcast together), rest. The last k inputs are the index arrays, int64.
 * params = number of lead axes, then for each index array the axis that an error names. */
typedef struct {
    int64_t lead, k, index, rest;    /* numbers of axes; those of the rest are merged */
    int64_t dense;                   /* bytes of the rest where it is one run in both, else 0 */
    int64_t empty, itemsize;         /* empty: nothing is moved, and no lead axis gone over */
    int64_t *lead_shape, *lead_large, *lead_small;
    int64_t *index_shape, *index_small;
    int64_t *extents, *strides;      /* of the chosen axes */
    int64_t *steps;                  /* k x index: of the index arrays */
    int64_t *rest_shape, *rest_large, *rest_small;
} Selection;

static int prepare_selection(Call *c, const int64_t *large, const int64_t *small) {
    int64_t lead = c->params[0], k = c->n_params - 1, rest = large[0] - lead - k;
    int64_t index = small[0] - lead - rest;
    int64_t shape[MAX_NDIM], strides[2][MAX_NDIM];
    c->walk = malloc(sizeof(Selection)
                     + (3 * lead + 2 * index + 2 * k + k * index + 3 * rest) * sizeof(int64_t));
    if (!c->walk) return NO_MEMORY;
    Selection *s = (Selection *)c->walk;
    int64_t *w = (int64_t *)(s + 1);
    s->k = k;
    s->index = index;
    s->empty = size_of(small) == 0;
    s->lead = s->empty ? 0 : lead;
    s->itemsize = c->itemsizes[0];
    s->lead_shape = w;
    s->lead_large = s->lead_shape + lead;
    s->lead_small = s->lead_large + lead;
    for (int64_t d = 0; d < lead; d++) {
        s->lead_shape[d] = shape_of(small)[d];
        s->lead_large[d] = strides_of(large)[d];
        s->lead_small[d] = strides_of(small)[d];
    }
    s->index_shape = s->lead_small + lead;
    s->index_small = s->index_shape + index;
    for (int64_t d = 0; d < index; d++) {
        s->index_shape[d] = shape_of(small)[lead + d];
        s->index_small[d] = strides_of(small)[lead + d];
    }
    s->extents = s->index_small + index;
    s->strides = s->extents + k;
    s->steps = s->strides + k;
    for (int64_t j = 0; j < k; j++) {
        s->extents[j] = shape_of(large)[lead + j];
        s->strides[j] = strides_of(large)[lead + j];
        broadcast_strides(c->layouts[c->n_inputs - k + j], index, s->index_shape,
                          s->steps + j * index);
    }
    for (int64_t d = 0; d < rest; d++) {
        shape[d] = shape_of(large)[lead + k + d];
        strides[0][d] = strides_of(large)[lead + k + d];
        strides[1][d] = strides_of(small)[lead + index + d];
    }
    s->rest = merge_axes(rest, shape, 2, strides);
    s->rest_shape = s->steps + k * index;
    s->rest_large = s->rest_shape + s->rest;
    s->rest_small = s->rest_large + s->rest;
    for (int64_t d = 0; d < s->rest; d++) {
        s->rest_shape[d] = shape[d];
        s->rest_large[d] = strides[0][d];
        s->rest_small[d] = strides[1][d];
    }
    s->dense = s->rest == 0 ? s->itemsize
        : s->rest == 1 && strides[0][0] == s->itemsize && strides[1][0] == s->itemsize
            ? shape[0] * s->itemsize : 0;
    return OK;
}

static int prepare_gather(Call *c) {
    return prepare_selection(c, c->layouts[0], c->layouts[c->n_inputs]);
}

static int prepare_scatter(Call *c) {
    return prepare_selection(c, c->layouts[c->n_inputs], c->layouts[0]);
}

/* What is done with one block of the rest, where it lies in the two operands. */
typedef void (*Block)(const Selection *, char *large, char *small);

static int out_of_range(const Call *c, Run *run, int64_t j, int64_t found, int64_t extent) {
    run->index = found;
    run->extent = extent;
    run->axis = c->params[1 + j];
    return OUT_OF_RANGE;
}

static inline void skip_block(const Selection *s, char *x, char *y) {}

/* Visit the blocks in C order of the small operand. Inlined, so that `block` is no call. */
static inline __attribute__((always_inline)) int select_blocks(
        const Call *c, char **p, char *large, char *small, Run *run, Block block) {
    const Selection *s = (const Selection *)c->walk;
    int64_t lead_at[MAX_NDIM] = {0}, at[MAX_NDIM] = {0};
    int64_t k = s->k, outer = s->index > 0 ? s->index - 1 : 0;
    int64_t length = s->index > 0 ? s->index_shape[outer] : 1;
    int64_t step = s->index > 0 ? s->index_small[outer] : 0;
    if (s->empty && block != skip_block) return OK;
    do {
        char *x = large, *y = small;
        for (int64_t d = 0; d < s->lead; d++) {
            x += lead_at[d] * s->lead_large[d];
            y += lead_at[d] * s->lead_small[d];
        }
        do {
            char *line = y;
            const char *q[MAX_NDIM];
            for (int64_t d = 0; d < outer; d++) line += at[d] * s->index_small[d];
            for (int64_t j = 0; j < k; j++) {
                q[j] = p[c->n_inputs - k + j];
                for (int64_t d = 0; d < outer; d++) q[j] += at[d] * s->steps[j * s->index + d];
            }
            if (k == 1) {                          /* the usual case, all in registers */
                const char *from = q[0];
                int64_t hop = s->index > 0 ? s->steps[outer] : 0;
                int64_t extent = s->extents[0], stride = s->strides[0];
                for (int64_t i = 0; i < length; i++, line += step, from += hop) {
                    int64_t found = *(const int64_t *)from;
                    if (found < -extent || found >= extent)
                        return out_of_range(c, run, 0, found, extent);
                    block(s, x + (found < 0 ? found + extent : found) * stride, line);
                }
                continue;
            }
            for (int64_t i = 0; i < length; i++, line += step) {
                int64_t offset = 0;
                for (int64_t j = 0; j < k; j++) {
                    int64_t found = *(const int64_t *)q[j], extent = s->extents[j];
                    if (found < -extent || found >= extent)
                        return out_of_range(c, run, j, found, extent);
                    offset += (found < 0 ? found + extent : found) * s->strides[j];
                    if (s->index > 0) q[j] += s->steps[j * s->index + outer];
                }
                block(s, x + offset, line);
            }
        } while (advance(outer, s->index_shape, at));
    } while (advance(s->lead, s->lead_shape, lead_at));
    return OK;
}

static inline void copy_block_4(const Selection *s, char *x, char *y) { memcpy(y, x, 4); }
static inline void copy_block_8(const Selection *s, char *x, char *y) { memcpy(y, x, 8); }
static inline void copy_run(const Selection *s, char *x, char *y) { memcpy(y, x, s->dense); }
static inline void copy_block(const Selection *s, char *x, char *y) {
    copy_strided(s->rest, s->rest_shape, s->rest_large, s->rest_small, s->itemsize, x, y);
}

/* Of an empty result the places are looked at all the same, as NumPy does. */
static int gather(const Call *c, char **p, Run *run) {
    const Selection *s = (const Selection *)c->walk;
    char *x = p[0], *y = p[c->n_inputs];
    if (s->empty) {
        for (int64_t d = 0; d < s->index; d++)
            if (s->index_shape[d] == 0) return OK;
        return select_blocks(c, p, x, y, run, skip_block);
    }
    switch (s->dense) {
        case 0: return select_blocks(c, p, x, y, run, copy_block);
        case 4: return select_blocks(c, p, x, y, run, copy_block_4);
        case 8: return select_blocks(c, p, x, y, run, copy_block_8);
        default: return select_blocks(c, p, x, y, run, copy_run);
    }
}

/* scatter_add, the transpose of gather: zeros, and g added where x was read; add_at adds g to its
 * second input instead, in place where the result lies there. */
#define SCATTER(T, SUFFIX)                                                                     \
    static inline void add_one_##SUFFIX(const Selection *s, char *y, char *g) {                \
        *(T *)y += *(T *)g;                                                                    \
    }                                                                                          \
    static inline void add_block_##SUFFIX(const Selection *s, char *y, char *g) {              \
        int64_t at[MAX_NDIM] = {0}, outer = s->rest - 1, n = s->rest_shape[outer];             \
        int64_t sy = s->rest_large[outer], sg = s->rest_small[outer];                          \
        do {                                                                                   \
            char *to = y, *from = g;                                                           \
            for (int64_t d = 0; d < outer; d++) {                                              \
                to += at[d] * s->rest_large[d];                                                \
                from += at[d] * s->rest_small[d];                                              \
            }                                                                                  \
            if (sy == sizeof(T) && sg == sizeof(T))                                            \
                for (int64_t i = 0; i < n; i++) ((T *)to)[i] += ((T *)from)[i];                \
            else                                                                               \
                for (int64_t i = 0; i < n; i++) *(T *)(to + i * sy) += *(T *)(from + i * sg);  \
        } while (advance(outer, s->rest_shape, at));                                           \
    }                                                                                          \
    static int add_selected_##SUFFIX(const Call *c, char **p, Run *run) {                      \
        char *g = p[0], *y = p[c->n_inputs];                                                   \
        if (((const Selection *)c->walk)->rest == 0)                                           \
            return select_blocks(c, p, y, g, run, add_one_##SUFFIX);                           \
        return select_blocks(c, p, y, g, run, add_block_##SUFFIX);                             \
    }                                                                                          \
    static int scatter_add_##SUFFIX(const Call *c, char **p, Run *run) {                       \
        memset(p[c->n_inputs], 0, size_of(c->layouts[c->n_inputs]) * sizeof(T));               \
        return add_selected_##SUFFIX(c, p, run);                                               \
    }                                                                                          \
    static int add_at_##SUFFIX(const Call *c, char **p, Run *run) {                            \
        const int64_t *out = c->layouts[c->n_inputs], *total = c->layouts[1];                  \
        char *y = p[c->n_inputs], *given = p[1];                                               \
        if (y != given)                                                                        \
            copy_strided(out[0], shape_of(out), strides_of(total), strides_of(out), sizeof(T), \
                         given, y);                                                            \
        return add_selected_##SUFFIX(c, p, run);                                               \
    }
SCATTER(float, f)
SCATTER(double, d)

#endif
