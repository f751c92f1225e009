/* Matrix products on BLAS, row-major explained once.
 *
 * A row-major matrix is a column-major one transposed, so C = A B (row-major) is asked of BLAS as
 * C' = B' A': B first, then A, dimensions n, m, k, and 'T' for an operand that lies transposed.
 * The BLAS functions come from scipy.linalg.cython_blas when the first product is built. */
#ifndef AUTODIFF_MATMUL_H
#define AUTODIFF_MATMUL_H

#include <limits.h>
#include "kernels.h"
#include "parallel.h"

#define BLAS_POINTERS(T, X)                                                                    \
    static void (*X##gemm)(char *, char *, int *, int *, int *, T *, T *, int *, T *, int *,   \
                           T *, T *, int *);                                                   \
    static void (*X##gemv)(char *, int *, int *, T *, T *, int *, T *, int *, T *, T *, int *);
BLAS_POINTERS(float, s)
BLAS_POINTERS(double, d)

/* An operand of one product: rows x columns with byte strides. */
typedef struct { int64_t rows, columns, down, across; } Matrix;

static Matrix matrix_of(const int64_t *layout, int64_t itemsize, int is_first) {
    int64_t n = layout[0];
    const int64_t *shape = shape_of(layout), *strides = strides_of(layout);
    Matrix M;
    if (n == 1 && is_first) {
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

#define PRODUCT(T, X)                                                                          \
    static void product_##X(Matrix A, Matrix B, char *a, char *b, char *c) {                   \
        T one = 1, zero = 0;                                                                   \
        char ta, tb, t;                                                                        \
        int m = (int)A.rows, k = (int)A.columns, n = (int)B.columns, unit = 1, step;           \
        int lda = leading(A, sizeof(T), &ta), ldb = leading(B, sizeof(T), &tb);                \
        if (n == 1 && m > 1) {                         /* c = A b */                           \
            step = (int)(B.down / (int64_t)sizeof(T));                                         \
            t = ta == 'N' ? 'T' : 'N';                                                         \
            int rows = ta == 'N' ? k : m, columns = ta == 'N' ? m : k;                         \
            if (k == 1) step = 1;                                                              \
            X##gemv(&t, &rows, &columns, &one, (T *)a, &lda, (T *)b, &step, &zero, (T *)c,     \
                    &unit);                                                                    \
        } else if (m == 1) {                           /* c' = B' a' */                        \
            step = (int)(A.across / (int64_t)sizeof(T));                                       \
            int rows = tb == 'N' ? n : k, columns = tb == 'N' ? k : n;                         \
            if (k == 1) step = 1;                                                              \
            X##gemv(&tb, &rows, &columns, &one, (T *)b, &ldb, (T *)a, &step, &zero, (T *)c,    \
                    &unit);                                                                    \
        } else {                                                                               \
            X##gemm(&tb, &ta, &n, &m, &k, &one, (T *)b, &ldb, (T *)a, &lda, &zero, (T *)c,     \
                    &n);                                                                       \
        }                                                                                      \
    }
PRODUCT(float, s)
PRODUCT(double, d)

/* Integers: the definition. */
#define INTEGER_PRODUCT(A_, T, x)                                                              \
    case NPY_##A_:                                                                             \
        for (int64_t i = 0; i < A.rows; i++)                                                   \
            for (int64_t j = 0; j < B.columns; j++) {                                          \
                T sum = 0;                                                                     \
                for (int64_t l = 0; l < A.columns; l++)                                        \
                    sum += *(T *)(a + i * A.down + l * A.across)                               \
                           * *(T *)(b + l * B.down + j * B.across);                            \
                ((T *)c)[i * B.columns + j] = sum;                                             \
            }                                                                                  \
        break;
static void product_of_integers(int dtype, Matrix A, Matrix B, char *a, char *b, char *c) {
    switch (dtype) {
        INTEGER_PRODUCT(BYTE, npy_byte, b) INTEGER_PRODUCT(UBYTE, npy_ubyte, B)
        INTEGER_PRODUCT(SHORT, npy_short, h) INTEGER_PRODUCT(USHORT, npy_ushort, H)
        INTEGER_PRODUCT(INT, npy_int, i) INTEGER_PRODUCT(UINT, npy_uint, I)
        INTEGER_PRODUCT(LONG, npy_long, l) INTEGER_PRODUCT(ULONG, npy_ulong, L)
        INTEGER_PRODUCT(LONGLONG, npy_longlong, q) INTEGER_PRODUCT(ULONGLONG, npy_ulonglong, Q)
        case NPY_BOOL:
            for (int64_t i = 0; i < A.rows; i++)
                for (int64_t j = 0; j < B.columns; j++) {
                    npy_bool any = 0;
                    for (int64_t l = 0; l < A.columns; l++)
                        any |= *(npy_bool *)(a + i * A.down + l * A.across)
                               && *(npy_bool *)(b + l * B.down + j * B.across);
                    ((npy_bool *)c)[i * B.columns + j] = any;
                }
    }
}

/* matmul: NumPy's rules; the leading axes are a batch and broadcast. */
static int matmul(const Call *call, char **p, Run *run) {
    const int64_t *x = call->layouts[0], *y = call->layouts[1], *out = call->layouts[2];
    int64_t itemsize = call->itemsizes[0], at[MAX_NDIM] = {0};
    Matrix A = matrix_of(x, itemsize, 1), B = matrix_of(y, itemsize, 0);
    int64_t nx = x[0] > 2 ? x[0] - 2 : 0, ny = y[0] > 2 ? y[0] - 2 : 0, nb = nx > ny ? nx : ny;
    int64_t block = A.rows * B.columns * itemsize;
    char *c = p[2];
    if (size_of(out) == 0) return OK;
    if (A.columns == 0) {
        memset(c, 0, size_of(out) * itemsize);
        return OK;
    }
    if (nx && y[0] <= 2 && stack(x, itemsize, &A)) nb = 0;
    do {
        char *a = p[0], *b = p[1];
        for (int64_t d = 0; d < nb; d++) {
            if (d >= nb - nx && shape_of(x)[d - (nb - nx)] != 1)
                a += at[d] * strides_of(x)[d - (nb - nx)];
            if (d >= nb - ny && shape_of(y)[d - (nb - ny)] != 1)
                b += at[d] * strides_of(y)[d - (nb - ny)];
        }
        if (call->dtype == NPY_DOUBLE) product_d(A, B, a, b, c);
        else if (call->dtype == NPY_FLOAT) product_s(A, B, a, b, c);
        else product_of_integers(call->dtype, A, B, a, b, c);
        c += block;
    } while (advance(nb, shape_of(out), at));
    return OK;
}

#endif
