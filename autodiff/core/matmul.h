/* Matrix products on BLAS, row-major explained once.
 *
 * A row-major matrix is a column-major one transposed, so C = A B (row-major) is asked of BLAS as
 * C' = B' A': B first, then A, dimensions n, m, k, and 'T' for an operand that lies transposed.
 *
 * A product is cut into tiles, blocks of its rows or of its columns, and each tile is one call of
 * BLAS; the inner dimension is never cut. The tiles follow from the shape alone, so the bits do not
 * depend on the number of threads that compute them. */
#ifndef AUTODIFF_MATMUL_H
#define AUTODIFF_MATMUL_H

#include <limits.h>
#include <math.h>
#include "blas.h"
#include "kernels.h"
#include "parallel.h"

/* An operand of one product: rows x columns with byte strides. */
typedef struct { int64_t rows, columns, down, across; } Matrix;

static Matrix matrix_of(const int64_t *layout, int64_t itemsize, int is_first) {
    int64_t n = layout[0];
    const int64_t *shape = shape_of(layout), *strides = strides_of(layout);
    Matrix M;
    if (n == 0) {
        M = (Matrix){1, 1, itemsize, itemsize};
    } else if (n == 1 && is_first) {
        M = (Matrix){1, shape[0], itemsize * shape[0], strides[0]};
    } else if (n == 1) {
        M = (Matrix){shape[0], 1, strides[0], itemsize};
    } else {
        M = (Matrix){shape[n - 2], shape[n - 1], strides[n - 2], strides[n - 1]};
    }
    return M;
}

/* Whether BLAS can read it: one direction dense, the other a whole number of elements apart, and
 * all its numbers ints. */
static int is_blas_matrix(Matrix M, int64_t itemsize) {
    if (M.rows > INT_MAX || M.columns > INT_MAX || M.down / itemsize > INT_MAX
        || M.across / itemsize > INT_MAX)
        return 0;
    if (M.rows == 1 || M.columns == 1) {
        int64_t step = M.rows == 1 ? M.across : M.down;
        return (M.rows == 1 && M.columns == 1) || (step >= itemsize && step % itemsize == 0);
    }
    if (M.across == itemsize) return M.down % itemsize == 0 && M.down >= M.columns * itemsize;
    return M.down == itemsize && M.across % itemsize == 0 && M.across >= M.rows * itemsize;
}

static int fits_blas(const int64_t *layout, int64_t itemsize, int is_first) {
    return is_blas_matrix(matrix_of(layout, itemsize, is_first), itemsize);
}

/* A batch that lies row below row is one matrix, and its product with one matrix one product. */
static int stack(const int64_t *layout, int64_t itemsize, Matrix *M) {
    Matrix all = *M;
    for (int64_t d = layout[0] - 3; d >= 0; d--) {
        int64_t extent = shape_of(layout)[d], stride = strides_of(layout)[d];
        if (extent == 1) continue;
        if (all.rows > 1 && stride != all.rows * all.down) return 0;
        if (all.rows == 1) all.down = stride;
        all.rows *= extent;
    }
    if (!is_blas_matrix(all, itemsize)) return 0;
    *M = all;
    return 1;
}

/* The leading dimension, and whether the operand lies transposed. */
static int leading(Matrix M, int64_t itemsize, char *transposed) {
    if (M.columns == 1 && M.rows == 1) { *transposed = 'N'; return 1; }
    if (M.rows == 1) {
        if (M.across == itemsize) { *transposed = 'N'; return (int)M.columns; }
        *transposed = 'T';
        return (int)(M.across / itemsize);
    }
    if (M.columns == 1) {
        if (M.down == itemsize) { *transposed = 'T'; return (int)M.rows; }
        *transposed = 'N';
        return (int)(M.down / itemsize);
    }
    if (M.across == itemsize) { *transposed = 'N'; return (int)(M.down / itemsize); }
    *transposed = 'T';
    return (int)(M.across / itemsize);
}

#define LARGEST_ALPHA 0x1p32

/* c = scale A B + keep c, the rows of c being `width` apart; keep is 0 or 1. */
#define PRODUCT(T, X)                                                                          \
    static void product_##X(Matrix A, Matrix B, char *a, char *b, T *c, int width, T scale,    \
                            T keep) {                                                          \
        char ta, tb, t;                                                                        \
        int m = (int)A.rows, k = (int)A.columns, n = (int)B.columns, unit = 1, step;           \
        int lda = leading(A, sizeof(T), &ta), ldb = leading(B, sizeof(T), &tb);                \
        if (n == 1 && m > 1) {                         /* c = A b */                           \
            step = (int)(B.down / (int64_t)sizeof(T));                                         \
            t = ta == 'N' ? 'T' : 'N';                                                         \
            int rows = ta == 'N' ? k : m, columns = ta == 'N' ? m : k;                         \
            if (k == 1) step = 1;                                                              \
            X##gemv(&t, &rows, &columns, &scale, (T *)a, &lda, (T *)b, &step, &keep, c, &unit);\
        } else if (m == 1) {                           /* c' = B' a' */                        \
            step = (int)(A.across / (int64_t)sizeof(T));                                       \
            int rows = tb == 'N' ? n : k, columns = tb == 'N' ? k : n;                         \
            if (k == 1) step = 1;                                                              \
            X##gemv(&tb, &rows, &columns, &scale, (T *)b, &ldb, (T *)a, &step, &keep, c,       \
                    &unit);                                                                    \
        } else {                                                                               \
            X##gemm(&tb, &ta, &n, &m, &k, &scale, (T *)b, &ldb, (T *)a, &lda, &keep, c,        \
                    &width);                                                                   \
        }                                                                                      \
    }                                                                                          \
                                                                                               \
    /* The same for an alpha that BLAS would go wrong with: for 0 it does not look at A and B,  \
     * but 0 times infinity is NaN; 1 / s may overflow where x / s does not; and partial sums   \
     * times a large alpha may where the product does not. It goes through a buffer, piece by   \
     * piece. */                                                                               \
    static void by_pieces_##X(Matrix A, Matrix B, char *a, char *b, T *c, int width, T scale,  \
                              int divides, T keep) {                                           \
        enum { SIDE = 64 };                                                                    \
        T buffer[SIDE * SIDE];                                                                 \
        Matrix A_ = A, B_ = B;                                                                 \
        for (int64_t i = 0; i < A.rows; i += SIDE)                                             \
            for (int64_t j = 0; j < B.columns; j += SIDE) {                                    \
                A_.rows = A.rows - i < SIDE ? A.rows - i : SIDE;                               \
                B_.columns = B.columns - j < SIDE ? B.columns - j : SIDE;                      \
                product_##X(A_, B_, a + i * A.down, b + j * B.across, buffer,                  \
                            (int)B_.columns, 1, 0);                                            \
                for (int64_t r = 0; r < A_.rows; r++)                                          \
                    for (int64_t q = 0; q < B_.columns; q++) {                                 \
                        T *y = c + (i + r) * width + j + q;                                    \
                        T x = buffer[r * B_.columns + q];                                      \
                        T z = divides ? x / scale : scale * x;                                 \
                        *y = keep ? z + *y : z;                                                \
                    }                                                                          \
            }                                                                                  \
    }                                                                                          \
                                                                                               \
    /* The same where the inner dimension is empty, and every element z. */                    \
    static void empty_##X(Matrix A, Matrix B, T *c, int64_t width, T z, int keep) {            \
        for (int64_t i = 0; i < A.rows; i++)                                                   \
            for (int64_t j = 0; j < B.columns; j++)                                            \
                c[i * width + j] = keep ? z + c[i * width + j] : z;                            \
    }
PRODUCT(float, s)
PRODUCT(double, d)

/* The definition: integers. */
#define DEFINITION(NAME, T, PLUS, TIMES)                                                       \
    case NPY_##NAME:                                                                           \
        for (int64_t i = 0; i < A.rows; i++)                                                   \
            for (int64_t j = 0; j < B.columns; j++) {                                          \
                T sum = 0, *y = (T *)c + i * width + j;                                        \
                for (int64_t l = 0; l < A.columns; l++)                                        \
                    sum = (T)(sum PLUS (*(T *)(a + i * A.down + l * A.across)                  \
                                        TIMES *(T *)(b + l * B.down + j * B.across)));         \
                if (scale) sum = (T)(sum TIMES *(T *)scale);                                   \
                *y = keep ? (T)(sum PLUS *y) : sum;                                            \
            }                                                                                  \
        break;
static void product_by_definition(int dtype, Matrix A, Matrix B, char *a, char *b, char *c,
                                  int64_t width, const char *scale, int keep) {
    switch (dtype) {
        DEFINITION(BOOL, npy_bool, ||, &&)
        DEFINITION(BYTE, npy_byte, +, *) DEFINITION(UBYTE, npy_ubyte, +, *)
        DEFINITION(SHORT, npy_short, +, *) DEFINITION(USHORT, npy_ushort, +, *)
        DEFINITION(INT, npy_int, +, *) DEFINITION(UINT, npy_uint, +, *)
        DEFINITION(LONG, npy_long, +, *) DEFINITION(ULONG, npy_ulong, +, *)
        DEFINITION(LONGLONG, npy_longlong, +, *) DEFINITION(ULONGLONG, npy_ulonglong, +, *)
    }
}

/* ---- tiles ---- */
enum { TILE_WORK = 1 << 19, TILE_STEP = 16, TILE_ROWS = 2048, MAX_PARTS = 16 };

/* What prepare knows of a product: operands, batch, tiles. */
typedef struct {
    Matrix A, B;                        /* of one product of the batch */
    int64_t n_batch;                    /* leading axes of the result that are looped over */
    int64_t by_columns, block, tiles;   /* a tile has `block` columns, or rows; tiles a product */
    int64_t n_tiles, n_parts;           /* of the whole batch; parts are runs of tiles */
    int32_t addend, scale;              /* operands, or -1 */
    int32_t divides;                    /* by the scale */
} Product;

/* Cut one product into tiles along its longer side, by shape alone: two where it has a million
 * multiplications, four and eight where 256 and 512 rows or columns are left for each. Each tile
 * packs the other operand again; measured on one core with 256 x 2048 x 784, 4096 x 512 x 512 and
 * 2048 x 2048 x 256 that costs 0 to 6 %, with 128 x 256 x 784 3 %. A product with a vector reads
 * each element once and is as slow as a few multiplications. OpenBLAS packs all rows of a tile at
 * once, so TILE_ROWS bounds what it holds. */
static void cut(Product *x) {
    int64_t m = x->A.rows, n = x->B.columns;
    int by_columns = n >= m && m <= TILE_ROWS;
    int64_t extent = by_columns ? n : m;
    int64_t tiles = extent >= 4096 ? 8 : extent >= 1024 ? 4 : extent >= 128 ? 2 : 1;
    double work = (double)m * n * x->A.columns * (m == 1 || n == 1 ? 4 : 1);
    if (work < 2.0 * TILE_WORK) tiles = 1;
    else if (work < (double)tiles * TILE_WORK) tiles = (int64_t)(work / TILE_WORK);
    x->by_columns = by_columns;
    x->block = tiles == 1 ? extent : ((extent + tiles - 1) / tiles + TILE_STEP - 1) & -TILE_STEP;
    if (!by_columns && x->block > TILE_ROWS) x->block = TILE_ROWS;
    x->tiles = m && n ? (extent + x->block - 1) / x->block : 0;     /* of nothing: no call */
}

static int prepare_product(Call *call, int addend, int scale, int divides) {
    const int64_t *a = call->layouts[0], *b = call->layouts[1];
    const int64_t *out = call->layouts[call->n_inputs];
    int64_t itemsize = call->itemsizes[0];
    int64_t na = a[0] > 2 ? a[0] - 2 : 0, nb = b[0] > 2 ? b[0] - 2 : 0;
    Product *x = malloc(sizeof(Product));
    if (!x) return NO_MEMORY;
    call->walk = (int64_t *)x;
    x->A = matrix_of(a, itemsize, 1);
    x->B = matrix_of(b, itemsize, 0);
    x->n_batch = na > nb ? na : nb;
    x->addend = addend;
    x->scale = scale;
    x->divides = divides;
    if (na && b[0] <= 2 && stack(a, itemsize, &x->A)) x->n_batch = 0;
    cut(x);
    x->n_tiles = x->tiles;
    for (int64_t d = 0; d < x->n_batch; d++) x->n_tiles *= shape_of(out)[d];
    double work = (double)size_of(out) * x->A.columns;
    x->n_parts = work < 2.0 * TILE_WORK ? 1
                 : work < (double)MAX_PARTS * TILE_WORK ? (int64_t)(work / TILE_WORK) : MAX_PARTS;
    if (x->n_parts < x->tiles) x->n_parts = x->tiles;
    if (x->n_parts > x->n_tiles) x->n_parts = x->n_tiles;
    return OK;
}
#define FORM(name, addend, scale, divides)                                                     \
    static int prepare_##name(Call *call) {                                                    \
        return prepare_product(call, addend, scale, divides);                                  \
    }
FORM(matmul, -1, -1, 0) FORM(matmul_add, 2, -1, 0)
FORM(matmul_scaled, -1, 2, 0) FORM(matmul_scaled_add, 2, 3, 0)
FORM(matmul_divided, -1, 2, 1) FORM(matmul_divided_add, 2, 3, 1)

typedef struct { const Call *call; char **p; } Job;

/* Where the operands of product `number` of the batch begin. */
static void operands_of(const Call *call, int64_t n_batch, int64_t number, char **a, char **b) {
    const int64_t *x = call->layouts[0], *y = call->layouts[1];
    const int64_t *out = call->layouts[call->n_inputs];
    int64_t ox = n_batch - (x[0] - 2), oy = n_batch - (y[0] - 2);
    for (int64_t d = n_batch - 1; d >= 0; d--) {
        int64_t at = number % shape_of(out)[d];
        number /= shape_of(out)[d];
        if (d >= ox && shape_of(x)[d - ox] != 1) *a += at * strides_of(x)[d - ox];
        if (d >= oy && shape_of(y)[d - oy] != 1) *b += at * strides_of(y)[d - oy];
    }
}

static void compute_tile(const Call *call, const Product *x, char **p, int64_t tile) {
    Matrix A = x->A, B = x->B;
    int64_t itemsize = call->itemsizes[0], width = B.columns, first = tile % x->tiles * x->block;
    int64_t number = tile / x->tiles, offset = number * A.rows * width * itemsize;
    char *a = p[0], *b = p[1];
    const char *scale = x->scale < 0 ? NULL : p[x->scale];
    int keep = x->addend >= 0;
    if (x->n_batch) operands_of(call, x->n_batch, number, &a, &b);
    if (x->by_columns) {
        b += first * B.across;
        offset += first * itemsize;
        B.columns = B.columns - first < x->block ? B.columns - first : x->block;
    } else {
        a += first * A.down;
        offset += first * width * itemsize;
        A.rows = A.rows - first < x->block ? A.rows - first : x->block;
    }
    char *y = p[call->n_inputs] + offset;
    if (keep && p[x->addend] != p[call->n_inputs])
        for (int64_t i = 0; i < A.rows; i++)
            memcpy(y + i * width * itemsize, p[x->addend] + offset + i * width * itemsize,
                   B.columns * itemsize);
#define BY_BLAS(T, X)                                                                          \
    T s = scale ? *(const T *)scale : 1, alpha = x->divides ? 1 / s : s;                       \
    if (A.columns == 0)                                                                        \
        empty_##X(A, B, (T *)y, width, x->divides ? 0 / s : 0 * s, keep);                      \
    else if (scale && !(isnormal(alpha) && fabs(alpha) <= LARGEST_ALPHA))                      \
        by_pieces_##X(A, B, a, b, (T *)y, (int)width, s, x->divides, (T)keep);                 \
    else                                                                                       \
        product_##X(A, B, a, b, (T *)y, (int)width, alpha, (T)keep);
    if (call->dtype != NPY_FLOAT && call->dtype != NPY_DOUBLE) {
        product_by_definition(call->dtype, A, B, a, b, y, width, scale, keep);
    } else if (call->dtype == NPY_DOUBLE) {
        BY_BLAS(double, d)
    } else {
        BY_BLAS(float, s)
    }
#undef BY_BLAS
}

static void compute_part(void *context, int64_t part) {
    const Job *job = context;
    const Product *x = (const Product *)job->call->walk;
    int64_t end = (part + 1) * x->n_tiles / x->n_parts;
    for (int64_t tile = part * x->n_tiles / x->n_parts; tile < end; tile++)
        compute_tile(job->call, x, job->p, tile);
}

/* matmul: NumPy's rules; the leading axes are a batch and broadcast. The result of the forms with
 * an addend, dense and of the result's shape, may stand where the addend does. */
static int matmul(const Call *call, char **p, Run *run) {
    const Product *x = (const Product *)call->walk;
    Job job = {call, p};
    if (x->n_tiles == 0) return OK;
    enter_blas();
    if (x->n_parts == 1) compute_part(&job, 0);
    else parallel(compute_part, &job, x->n_parts);
    leave_blas();
    return OK;
}

static const NamedKernel products[] = {
    {"matmul", matmul, prepare_matmul},                          /* y = a b */
    {"matmul_add", matmul, prepare_matmul_add},                  /* a, b, c: y = a b + c */
    {"matmul_scaled", matmul, prepare_matmul_scaled},            /* a, b, s: y = s (a b) */
    {"matmul_scaled_add", matmul, prepare_matmul_scaled_add},    /* a, b, c, s: y = s (a b) + c */
    {"matmul_divided", matmul, prepare_matmul_divided},          /* a, b, s: y = (a b) / s */
    {"matmul_divided_add", matmul, prepare_matmul_divided_add},  /* a, b, c, s: y = (a b) / s + c */
    {NULL, NULL, NULL}};

static const NamedKernel *find_product(const char *name) {
    for (const NamedKernel *k = products; k->name; k++)
        if (strcmp(k->name, name) == 0) return k;
    return NULL;
}

#endif
