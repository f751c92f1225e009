/* The passes of a region over its elements, split into parts by shape alone. */
#ifndef AUTODIFF_PASSES_H
#define AUTODIFF_PASSES_H

#include "parallel.h"
#include "region.h"
#include "simd.h"

typedef struct Pass {           /* a region that runs */
    const Region *region;
    char **p;
    char *partial;              /* sums of chunks */
    int negative;               /* an integer was raised to a negative power */
} Pass;

/* ---- loading ---- */

/* Copy n elements from logical index `start` on, row by row. */
static void load_strided(const Region *r, const Source *s, const char *from, int64_t start,
                         int64_t n, char *to) {
    const int64_t *shape = r->axes + s->axes, *strides = shape + s->n_axes;
    int64_t m = s->n_axes - 1, at[MAX_NDIM], rest = start;
    int64_t extent = shape[m], stride = strides[m], size = s->itemsize;
    for (int64_t d = m; d >= 0; d--) {
        at[d] = rest % shape[d];
        rest /= shape[d];
        from += at[d] * strides[d];
    }
    for (;;) {
        int64_t run = extent - at[m] < n ? extent - at[m] : n;
        if (stride == size) memcpy(to, from, run * size);
        else {
            const char *x = from;
            switch (size) {
#define ELEMENTS(T) \
    case sizeof(T): \
        if (stride == 0) { \
            T v = *(const T *)x; \
            for (int64_t i = 0; i < run; i++) ((T *)to)[i] = v; \
        } \
        else for (int64_t i = 0; i < run; i++, x += stride) ((T *)to)[i] = *(const T *)x; \
        break;
                ELEMENTS(uint8_t) ELEMENTS(uint16_t) ELEMENTS(uint32_t) ELEMENTS(uint64_t)
            }
        }
        n -= run;
        if (n == 0) return;
        to += run * size;
        from -= at[m] * stride;
        at[m] = 0;
        for (int64_t d = m - 1; d >= 0; d--) {
            from += strides[d];
            if (++at[d] < shape[d]) break;
            from -= shape[d] * strides[d];
            at[d] = 0;
        }
    }
}

/* A register of one number, for loops that have no form for it: wide stores, for a block of narrow
 * ones takes as long as an operation. */
static void fill(char *to, const char *from, int64_t size, int64_t n) {
    switch (size) {
        case 1: memset(to, *from, n); break;
        case 2:
            for (int64_t i = 0; i < n; i++) ((uint16_t *)to)[i] = *(const uint16_t *)from;
            break;
        case 4: blocks.fill_4((uint32_t *)to, *(const uint32_t *)from, n); break;
        default: blocks.fill_8((uint64_t *)to, *(const uint64_t *)from, n);
    }
}

/* ---- one block ---- */
#define UNCACHED (1 << 25)      /* bytes from which a result is too large for the caches */

/* Registers: those of the sources, those of the operations. Scalars are filled once a part. */
static void begin(const Pass *pass, char **reg, char *room, int64_t n) {
    const Region *r = pass->region;
    for (int32_t k = 0; k < r->n_registers; k++) reg[k] = room + (int64_t)k * BLOCK * 8;
    for (int32_t k = 0; k < r->n_sources; k++)
        if (r->sources[k].kind == SOURCE_SCALAR) {
            if (r->sources[k].filled) fill(reg[k], pass->p[k], r->sources[k].itemsize, n);
            else reg[k] = pass->p[k];
        }
}

/* Compute n elements from logical index `start` on into `result` (NULL: into a register, whose
 * address is returned). */
static char *compute_block(Pass *pass, char **reg, char *room, int64_t start, int64_t n,
                           char *result) {
    const Region *r = pass->region;
    for (int32_t k = 0; k < r->n_sources; k++) {
        const Source *s = &r->sources[k];
        if (s->kind == SOURCE_DENSE) {
            reg[k] = pass->p[k] + start * s->itemsize;
        } else if (s->kind == SOURCE_STRIDED) {
            reg[k] = r->n_operations || !result ? room + (int64_t)k * BLOCK * 8 : result;
            load_strided(r, s, pass->p[k], start, n, reg[k]);
        }
    }
    if (r->n_operations == 0) return reg[r->result];
    if (result) reg[r->result] = result;
    for (int32_t k = 0; k < r->n_operations; k++) {
        const Operation *op = &r->operations[k];
        if (op->n_inputs == 4) {
            const void *pair[2] = {reg[op->in[2]], reg[op->in[3]]};
            op->loop(reg[op->out], reg[op->in[0]], reg[op->in[1]], pair, n);
        } else if (op->loop) {
            op->loop(reg[op->out], reg[op->in[0]], reg[op->in[1]], reg[op->in[2]], n);
        } else {
            char *args[4];
            npy_intp length = n;
            for (int32_t j = 0; j < op->n_inputs; j++) args[j] = reg[op->in[j]];
            args[op->n_inputs] = reg[op->out];
            op->ufunc(args, &length, op->steps, op->data ? op->data : &pass->negative);
        }
    }
    return reg[r->result];
}

/* ---- storing past the caches ---- */
#if defined(__SSE2__)
#include <emmintrin.h>
#define STREAMS 1
/* Write n bytes that nobody reads soon: whole lines go to memory without being read first. */
static void stream(char *to, const char *from, int64_t n) {
    int64_t head = -(uintptr_t)to & 63;
    if (head > n) head = n;
    memcpy(to, from, head);
    to += head, from += head, n -= head;
    for (; n >= 64; n -= 64, to += 64, from += 64)
        for (int k = 0; k < 64; k += 16)
            _mm_stream_si128((__m128i *)(to + k), _mm_loadu_si128((const __m128i *)(from + k)));
    memcpy(to, from, n);
}
static inline void end_streams(void) { _mm_sfence(); }
#else
#define STREAMS 0
static void stream(char *to, const char *from, int64_t n) { memcpy(to, from, n); }
static inline void end_streams(void) {}
#endif

/* Write n elements from logical index `start` on into the runs of a result. */
static void store_runs(const Region *r, char *to, const char *from, int64_t start, int64_t n) {
    int64_t size = r->itemsize, at = start % r->row;
    for (to += start / r->row * r->pitch; n > 0; to += r->pitch, at = 0) {
        int64_t run = r->row - at < n ? r->row - at : n;
        if (run == 1 && size == 8) memcpy(to + at * 8, from, 8);
        else if (run == 1 && size == 4) memcpy(to + at * 4, from, 4);
        else memcpy(to + at * size, from, run * size);
        from += run * size;
        n -= run;
    }
}

/* Whether the result of a pass is written past the caches: it is too large for them, and does not
 * take the place of a source, whose lines have just been read. */
static int streams(const Pass *pass) {
    const Region *r = pass->region;
    if (!STREAMS || r->row || r->size * r->itemsize < UNCACHED) return 0;
    for (int32_t k = 0; k < r->n_sources; k++)
        if (pass->p[k] == pass->p[r->n_sources]) return 0;
    return 1;
}

/* ---- passes ---- */
#define ROOM(r)                                                                                \
    char *reg[(r)->n_registers + 1];                                                           \
    char room_[(int64_t)(r)->n_registers * BLOCK * 8 + 64];                                    \
    char *room = room_ + (-(uintptr_t)room_ & 63);

static void map_part(void *context, int64_t part) {
    Pass *pass = context;
    const Region *r = pass->region;
    int64_t start = part * r->part, end = start + r->part < r->size ? start + r->part : r->size;
    int past = streams(pass);
    ROOM(r)
    begin(pass, reg, room, end - start < BLOCK ? end - start : BLOCK);
    for (; start < end; start += BLOCK) {
        int64_t n = end - start < BLOCK ? end - start : BLOCK;
        char *result = pass->p[r->n_sources] + start * r->itemsize;
        char *found = compute_block(pass, reg, room, start, n, past || r->row ? NULL : result);
        if (r->row) store_runs(r, pass->p[r->n_sources], found, start, n);
        else if (past) stream(result, found, n * r->itemsize);
        else if (found != result) memmove(result, found, n * r->itemsize); /* a plain copy */
    }
    if (past) end_streams();
}

/* How many whole rows are summed together, where a row is not more than a chunk. */
static int64_t rows_of_part(const Region *r) {
    return CHUNK / r->length > 1 ? CHUNK / r->length : 1;
}

/* The sum of elements [start, end), block sums one after the other. */
#define SUM_RANGE(T, X)                                                                        \
    /* Sum n elements of a block from the i-th on, or their products with the other factor. */ \
    static T fold_##X(const Region *r, char **reg, const T *x, int64_t i, int64_t n) {         \
        if (r->factor < 0) return sum_block_##X(x + i, n);                                     \
        return dot_block_##X(x + i, (const T *)reg[r->factor] + i, n);                         \
    }                                                                                          \
    static T sum_range_##X(Pass *pass, char **reg, char *room, int64_t start, int64_t end) {   \
        const Region *r = pass->region;                                                        \
        T total = 0;                                                                           \
        for (; start < end; start += BLOCK) {                                                  \
            int64_t n = end - start < BLOCK ? end - start : BLOCK;                             \
            const T *x = (T *)compute_block(pass, reg, room, start, n, NULL);                  \
            total += fold_##X(r, reg, x, 0, n);                                                \
        }                                                                                      \
        return total;                                                                          \
    }                                                                                          \
    /* Rows: part = a chunk of one row, or a group of whole rows. */                           \
    static void sum_rows_##X(void *context, int64_t part) {                                    \
        Pass *pass = context;                                                                  \
        const Region *r = pass->region;                                                        \
        T *out = (T *)pass->p[r->n_sources];                                                   \
        ROOM(r)                                                                                \
        begin(pass, reg, room, r->size < BLOCK ? r->size : BLOCK);                             \
        if (r->n_chunks > 1) {                                                                 \
            int64_t row = part / r->n_chunks, chunk = part % r->n_chunks;                      \
            int64_t end = (chunk + 1) * CHUNK < r->length ? (chunk + 1) * CHUNK : r->length;   \
            ((T *)pass->partial)[part] = sum_range_##X(                                        \
                pass, reg, room, row * r->length + chunk * CHUNK, row * r->length + end);      \
            return;                                                                            \
        }                                                                                      \
        int64_t group = rows_of_part(r);                                                       \
        int64_t row = part * group, last = row + group < r->outer ? row + group : r->outer;    \
        if (r->length > BLOCK / 2) {                                                           \
            for (; row < last; row++)                                                          \
                out[row] = sum_range_##X(pass, reg, room, row * r->length,                     \
                                         (row + 1) * r->length);                               \
            return;                                                                            \
        }                                                                                      \
        int64_t many = BLOCK / r->length;          /* short rows: several in a block */        \
        for (; row < last; row += many) {                                                      \
            int64_t rows = last - row < many ? last - row : many;                              \
            const T *x = (T *)compute_block(pass, reg, room, row * r->length,                  \
                                            rows * r->length, NULL);                           \
            for (int64_t i = 0; i < rows; i++)                                                 \
                out[row + i] = fold_##X(r, reg, x, i * r->length, r->length);                  \
        }                                                                                      \
    }                                                                                          \
    /* Columns: part = a group of columns, or of rows where there are few columns. */          \
    static void sum_columns_##X(void *context, int64_t part) {                                 \
        Pass *pass = context;                                                                  \
        const Region *r = pass->region;                                                        \
        int64_t n = r->inner, m = r->length;                                                   \
        ROOM(r)                                                                                \
        begin(pass, reg, room, r->size < BLOCK ? r->size : BLOCK);                             \
        if (n >= NARROW) {                                                                     \
            int64_t groups = (n + BLOCK - 1) / BLOCK;                                          \
            int64_t o = part / groups, j = part % groups * BLOCK;                              \
            int64_t width = n - j < BLOCK ? n - j : BLOCK;                                     \
            T *acc = (T *)pass->p[r->n_sources] + o * n + j;                                   \
            memset(acc, 0, width * sizeof(T));                                                 \
            for (int64_t i = 0; i < m; i++)                                                    \
                r->add(acc, acc, compute_block(pass, reg, room, (o * m + i) * n + j, width,    \
                                               NULL), NULL, width);                            \
            return;                                                                            \
        }                                                                                      \
        int64_t o = part / r->n_chunks, chunk = part % r->n_chunks;                            \
        int64_t rows = (m + r->n_chunks - 1) / r->n_chunks, many = BLOCK / n;                  \
        int64_t i = chunk * rows, last = i + rows < m ? i + rows : m;                          \
        T *acc = r->n_chunks > 1 ? (T *)pass->partial + part * n                               \
                                 : (T *)pass->p[r->n_sources] + o * n;                         \
        memset(acc, 0, n * sizeof(T));                                                         \
        for (; i < last; i += many) {                                                          \
            int64_t now = last - i < many ? last - i : many;                                   \
            const T *x = (T *)compute_block(pass, reg, room, (o * m + i) * n, now * n, NULL);  \
            for (int64_t k = 0; k < now; k++) r->add(acc, acc, x + k * n, NULL, n);            \
        }                                                                                      \
    }                                                                                          \
    /* The chunks' sums together, in their order; then the mean. */                            \
    static void finish_##X(const Pass *pass) {                                                 \
        const Region *r = pass->region;                                                        \
        T *out = (T *)pass->p[r->n_sources];                                                   \
        if (r->n_chunks > 1) {                                                                 \
            const T *x = (const T *)pass->partial;                                             \
            for (int64_t o = 0; o < r->outer; o++, out += r->inner) {                          \
                memset(out, 0, r->inner * sizeof(T));                                          \
                for (int64_t c = 0; c < r->n_chunks; c++, x += r->inner)                       \
                    for (int64_t j = 0; j < r->inner; j++) out[j] += x[j];                     \
            }                                                                                  \
        }                                                                                      \
        out = (T *)pass->p[r->n_sources];                                                      \
        if (r->divisor >= 0)                                                                   \
            for (int64_t i = 0; i < r->outer * r->inner; i++) out[i] /= (T)r->divisor;         \
    }
SUM_RANGE(float, f)
SUM_RANGE(double, d)

/* The loops of integer powers tell a negative exponent through their data. */
static int negative_power(Run *run) {
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *errors = PyImport_ImportModule("autodiff.errors"), *error = NULL, *type, *trace;
    if (errors)
        error = PyObject_CallMethod(
            errors, "ArgumentError", "s",
            "power: integers to a negative integer power; convert the base with .astype(float)");
    Py_XDECREF(errors);
    if (!error) {                                  /* making the error failed: that is the error */
        PyErr_Fetch(&type, &error, &trace);
        PyErr_NormalizeException(&type, &error, &trace);
        Py_XDECREF(type);
        Py_XDECREF(trace);
    }
    run->exception = error;
    PyGILState_Release(state);
    return RAISED;
}

static int run_region(const Call *c, char **p, Run *run) {
    const Region *r = (const Region *)c->walk;
    Pass pass = {r, p, NULL, 0};
    if (r->sum == SUM_NONE) {
        if (r->size <= r->part) { if (r->size) map_part(&pass, 0); }
        else parallel(map_part, &pass, ceiling(r->size, r->part));
        return pass.negative ? negative_power(run) : OK;
    }
    if (r->outer == 0 || r->inner == 0) return OK;
    if (r->length == 0) {
        memset(p[r->n_sources], 0, r->outer * r->inner * r->itemsize);
    } else {
        int64_t n_parts;
        if (r->sum == SUM_ROWS)
            n_parts = r->n_chunks > 1 ? r->outer * r->n_chunks : ceiling(r->outer, rows_of_part(r));
        else
            n_parts = r->inner >= NARROW ? r->outer * ceiling(r->inner, BLOCK)
                                         : r->outer * r->n_chunks;
        Task task = r->sum == SUM_ROWS ? (r->is_double ? sum_rows_d : sum_rows_f)
                                       : (r->is_double ? sum_columns_d : sum_columns_f);
        if (r->n_chunks > 1) pass.partial = p[r->n_sources + 1];   /* else there is none */
        if (n_parts == 1 || r->size < CHUNK)
            for (int64_t k = 0; k < n_parts; k++) task(&pass, k);
        else parallel(task, &pass, n_parts);
    }
    if (r->is_double) finish_d(&pass); else finish_f(&pass);
    return OK;
}

#endif
