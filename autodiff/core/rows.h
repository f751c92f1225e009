/* Rows of a softmax: dense operands, one row after another over the last axis.
 *
 * Short rows are taken together, so that exp runs over blocks of about ROW_BLOCK elements, and log
 * over the sums of their rows: a vector's tail costs as much as the vector. Maxima and sums are
 * folded in eight lanes, whose order depends on nothing but the length of a row. */
#ifndef AUTODIFF_ROWS_H
#define AUTODIFF_ROWS_H

#include <math.h>
#include "call.h"
#include "simd.h"

#define ROW_BLOCK 1024          /* elements; workspace is that many, or one row if that is more */

/* Rows x columns of an operand whose last axis is that of the softmax. */
typedef struct { int64_t rows, columns, per_block; } Rows;

static Rows rows_of(const int64_t *layout) {
    Rows r = {1, layout[layout[0]], 1};
    for (int64_t d = 0; d < layout[0] - 1; d++) r.rows *= shape_of(layout)[d];
    if (r.columns && r.columns < ROW_BLOCK) r.per_block = ROW_BLOCK / r.columns;
    return r;
}

/* Whether a label names no class; `run` then says which. */
static int is_no_class(int64_t label, int64_t n_classes, Run *run) {
    if (label >= 0 && label < n_classes) return 0;
    run->index = label;
    run->extent = n_classes;
    run->axis = -1;
    return 1;
}

#define SUM_OF_LANES                                                                           \
    (((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7])))
/* One instruction. A NaN may be passed over: its row ends as NaN by way of the sum. */
#define LARGER(a, b) ((a) > (b) ? (a) : (b))

#define ROWS(T, X)                                                                             \
    static T row_max_##X(const T *x, int64_t n) {                                              \
        T lane[8], m;                                                                          \
        int64_t j = 8;                                                                         \
        for (int k = 0; k < 8; k++) lane[k] = x[k < n ? k : 0];                                \
        for (; j + 8 <= n; j += 8)                                                             \
            for (int k = 0; k < 8; k++) lane[k] = LARGER(x[j + k], lane[k]);                   \
        for (int k = 0; j + k < n; k++) lane[k] = LARGER(x[j + k], lane[k]);                   \
        m = lane[0];                                                                           \
        for (int k = 1; k < 8; k++) m = LARGER(lane[k], m);                                    \
        return m;                                                                              \
    }                                                                                          \
    static T row_sum_##X(const T *x, int64_t n) {                                              \
        T lane[8] = {0};                                                                       \
        int64_t j = 0;                                                                         \
        for (; j + 8 <= n; j += 8)                                                             \
            for (int k = 0; k < 8; k++) lane[k] += x[j + k];                                   \
        for (int k = 0; j + k < n; k++) lane[k] += x[j + k];                                   \
        return SUM_OF_LANES;                                                                   \
    }                                                                                          \
    /* For `rows` rows: y = exp(x - shift), shift the largest of its row. Where that is not    \
     * finite, the shift is 0 if `finite`, and the logarithm of the sum is right. */           \
    static void exp_rows_##X(const T *x, T *y, T *shift, int64_t rows, int64_t n,              \
                             int finite) {                                                     \
        for (int64_t i = 0; i < rows; i++) {                                                   \
            T m = row_max_##X(x + i * n, n);                                                   \
            shift[i] = m = finite && !isfinite(m) ? 0 : m;                                     \
            for (int64_t j = 0; j < n; j++) y[i * n + j] = x[i * n + j] - m;                   \
        }                                                                                      \
        blocks.exp_##X(y, y, NULL, NULL, rows * n);                                            \
    }                                                                                          \
    /* The logarithms of the sums of rows. */                                                  \
    static void log_sums_##X(const T *y, T *logs, int64_t rows, int64_t n) {                   \
        for (int64_t i = 0; i < rows; i++) logs[i] = row_sum_##X(y + i * n, n);                \
        blocks.log_##X(logs, logs, NULL, NULL, rows);                                          \
    }                                                                                          \
    static int softmax_##X(const Call *c, char **p, Run *run) {                                \
        Rows r = rows_of(c->layouts[0]);                                                       \
        int64_t n = r.columns;                                                                 \
        T shift[ROW_BLOCK];                                                                    \
        if (n == 0) return OK;                                                                 \
        for (int64_t i = 0; i < r.rows; i += r.per_block) {                                    \
            int64_t count = r.rows - i < r.per_block ? r.rows - i : r.per_block;               \
            T *y = (T *)p[c->n_inputs] + i * n;                                                \
            exp_rows_##X((T *)p[0] + i * n, y, shift, count, n, 0);                            \
            for (int64_t k = 0; k < count; k++, y += n) {                                      \
                T s = row_sum_##X(y, n);                                                       \
                for (int64_t j = 0; j < n; j++) y[j] /= s;                                     \
            }                                                                                  \
        }                                                                                      \
        return OK;                                                                             \
    }                                                                                          \
    static int log_softmax_##X(const Call *c, char **p, Run *run) {                            \
        Rows r = rows_of(c->layouts[0]);                                                       \
        int64_t n = r.columns;                                                                 \
        T shift[ROW_BLOCK], logs[ROW_BLOCK];                                                   \
        if (n == 0) return OK;                                                                 \
        for (int64_t i = 0; i < r.rows; i += r.per_block) {                                    \
            int64_t count = r.rows - i < r.per_block ? r.rows - i : r.per_block;               \
            const T *x = (T *)p[0] + i * n;                                                    \
            T *y = (T *)p[1] + i * n;                                                          \
            exp_rows_##X(x, y, shift, count, n, 1);                                            \
            log_sums_##X(y, logs, count, n);                                                   \
            for (int64_t k = 0; k < count; k++, x += n, y += n) {                              \
                T s = logs[k], m = shift[k];                                                   \
                for (int64_t j = 0; j < n; j++) y[j] = (x[j] - m) - s;                         \
            }                                                                                  \
        }                                                                                      \
        return OK;                                                                             \
    }                                                                                          \
    /* workspace: a block */                                                                   \
    static int logsumexp_##X(const Call *c, char **p, Run *run) {                              \
        Rows r = rows_of(c->layouts[0]);                                                       \
        int64_t n = r.columns;                                                                 \
        T shift[ROW_BLOCK], logs[ROW_BLOCK], *y = (T *)p[2], *out = (T *)p[1];                 \
        if (n == 0)                                                                            \
            for (int64_t i = 0; i < r.rows; i++) out[i] = -INFINITY;                           \
        for (int64_t i = 0; n && i < r.rows; i += r.per_block) {                               \
            int64_t count = r.rows - i < r.per_block ? r.rows - i : r.per_block;               \
            exp_rows_##X((T *)p[0] + i * n, y, shift, count, n, 1);                            \
            log_sums_##X(y, logs, count, n);                                                   \
            for (int64_t k = 0; k < count; k++) out[i + k] = logs[k] + shift[k];               \
        }                                                                                      \
        return OK;                                                                             \
    }                                                                                          \
    /* mean over the rows of logsumexp(x) - x[label]; workspace: a block */                    \
    static int cross_entropy_##X(const Call *c, char **p, Run *run) {                          \
        Rows r = rows_of(c->layouts[0]);                                                       \
        int64_t n = r.columns;                                                                 \
        const int64_t *label = (int64_t *)p[1];                                                \
        T shift[ROW_BLOCK], logs[ROW_BLOCK], lane[8] = {0}, *y = (T *)p[3];                    \
        for (int64_t i = 0; i < r.rows; i++)                                                   \
            if (is_no_class(label[i], n, run)) return OUT_OF_RANGE;                            \
        for (int64_t i = 0; i < r.rows; i += r.per_block) {                                    \
            int64_t count = r.rows - i < r.per_block ? r.rows - i : r.per_block;               \
            const T *x = (T *)p[0] + i * n;                                                    \
            exp_rows_##X(x, y, shift, count, n, 1);                                            \
            log_sums_##X(y, logs, count, n);                                                   \
            for (int64_t k = 0; k < count; k++)                                                \
                lane[(i + k) & 7] += logs[k] + (shift[k] - x[k * n + label[i + k]]);           \
        }                                                                                      \
        *(T *)p[2] = SUM_OF_LANES / (T)r.rows;                                                 \
        return OK;                                                                             \
    }                                                                                          \
    /* softmax(x) with 1 taken away at the label: the gradient of cross_entropy, times m */    \
    static int softmax_error_##X(const Call *c, char **p, Run *run) {                          \
        Rows r = rows_of(c->layouts[0]);                                                       \
        const int64_t *label = (int64_t *)p[1];                                                \
        for (int64_t i = 0; i < r.rows; i++)                                                   \
            if (is_no_class(label[i], r.columns, run)) return OUT_OF_RANGE;                    \
        softmax_##X(c, p, run);                                                                \
        for (int64_t i = 0; i < r.rows; i++) ((T *)p[2])[i * r.columns + label[i]] -= 1;       \
        return OK;                                                                             \
    }                                                                                          \
    static int one_hot_##X(const Call *c, char **p, Run *run) {                                \
        int64_t rows = size_of(c->layouts[0]), n = c->params[0];                               \
        const int64_t *label = (int64_t *)p[0];                                                \
        memset(p[1], 0, rows * n * sizeof(T));                                                 \
        for (int64_t i = 0; i < rows; i++) {                                                   \
            if (is_no_class(label[i], n, run)) return OUT_OF_RANGE;                            \
            ((T *)p[1])[i * n + label[i]] = 1;                                                 \
        }                                                                                      \
        return OK;                                                                             \
    }
ROWS(float, f)
ROWS(double, d)

#endif
