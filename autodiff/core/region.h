/* A region: elementwise operations, and perhaps a sum over axes, in one pass over memory.
 *
 * The elements of the result (of the operand, where a sum follows) are taken in C order, BLOCK at
 * a time. A block of each source is where it lies if it lies dense there, else a copy in a
 * register; the operations go from register to register, which stay in the first cache; the last
 * one writes the block of the result. An element sees the same operations at the same place of the
 * same block whatever the plan, the addresses, the layout of the sources and the number of threads,
 * so its bits are the same. Blocks that begin at lines of the cache were tried: of two NaNs a sum
 * is the first or the second, by whether the compiler's loop has come to its tail, and so by
 * address.
 */
#ifndef AUTODIFF_REGION_H
#define AUTODIFF_REGION_H

#include "call.h"

#define BLOCK 512               /* elements; a register is 4 KiB at most */
#define CHUNK 16384             /* elements from one start of a sum to the next, and of one part */
#define NARROW 256              /* columns below which a sum over rows is split by rows */

enum { SOURCE_DENSE, SOURCE_SCALAR, SOURCE_STRIDED };
enum { SUM_NONE, SUM_ROWS, SUM_COLUMNS };

typedef void (*BlockLoop)(void *, const void *, const void *, const void *, int64_t);

typedef struct Source {         /* an operand: how its elements are found in the result's order */
    int32_t kind, itemsize;
    int32_t n_axes;             /* where strided: the axes left after merging, from offset `axes` */
    int32_t axes;               /* of the region's `axes`: shape, then byte strides */
    int32_t filled;             /* where scalar: a loop reads a register of it, not the number */
} Source;

typedef struct Operation {      /* from register to register */
    BlockLoop loop;             /* an own loop; where it is NULL, a loop of NumPy's kind */
    PyUFuncGenericFunction ufunc;
    void *data;
    int32_t in[4], out, n_inputs;
    npy_intp steps[5];          /* item sizes of the inputs, then of the result */
} Operation;

typedef struct Region {
    int64_t size;               /* elements of the pass */
    int32_t n_sources, n_operations, n_registers, n_axes;
    int32_t result;             /* the register of the last operation; a source in a plain sum */
    int32_t itemsize;           /* of the result */
    int32_t sum;                /* SUM_…: of outer x length x inner elements over the middle one */
    int32_t factor;             /* register whose products with the result are summed; -1: none */
    int32_t is_double;          /* what is summed */
    int64_t outer, length, inner;
    int64_t divisor;            /* of a mean; -1 for a sum */
    BlockLoop add;
    int64_t n_chunks;           /* pieces of `length` that are summed apart, then together */
    int64_t part;               /* elements of one part of a pass without a sum */
    int64_t row, pitch;         /* elements of a run of the result, and bytes from one to the next;
                                   row is 0 where the result is dense */
    Source *sources;
    Operation *operations;
    int64_t *axes;
} Region;

static inline int64_t ceiling(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* Pieces in which the summed axis of outer x length x inner elements is taken: by shape alone. */
static inline int64_t chunks_of_sum(int32_t sum, int64_t length, int64_t inner) {
    if (sum == SUM_ROWS) return length > CHUNK ? ceiling(length, CHUNK) : 1;
    if (inner == 0 || inner >= NARROW || length * inner <= CHUNK) return 1;
    int64_t rows = ceiling(CHUNK, inner), most = ceiling(length, 64);
    return ceiling(length, rows > most ? rows : most);
}

#endif
