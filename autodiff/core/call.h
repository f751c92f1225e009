/* One call of a kernel: what is known before any array exists.
 *
 * A kernel is int kernel(const Call*, char** p, Run*): p[0..n_inputs) are the operands, p[n_inputs]
 * the result, p[n_inputs + 1] the workspace. Layouts are int64 blocks: ndim, shape, byte strides.
 * A kernel may have a `prepare`, run once when the program is built, that turns the layouts into
 * a `walk`: the loops left after merging axes that lie on one line in every operand.
 */
#ifndef AUTODIFF_CALL_H
#define AUTODIFF_CALL_H

#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <numpy/ndarraytypes.h>
#include <numpy/ufuncobject.h>

#define MAX_INPUTS 3            /* of an inner loop */
#define MAX_NDIM 32

typedef struct Run {
    int64_t index, extent;      /* the index that was out of range, and the extent of its axis */
    int64_t axis;               /* which index array; -1 for labels */
    void *exception;            /* raised by a callback or a signal; owned */
    char **bases;               /* addresses of the program's arrays */
    int32_t n_bases;
} Run;

struct Call;
typedef int (*Kernel)(const struct Call *, char **, Run *);
typedef int (*Prepare)(struct Call *);

typedef struct Call {
    Kernel kernel;
    int32_t n_inputs;
    int32_t n_params;
    const int64_t **layouts;    /* of the inputs, then of the result */
    const int64_t *itemsizes;   /* likewise */
    const int64_t *dtypes;      /* likewise: NumPy type numbers */
    const int64_t *params;      /* static parameters of the operation */
    int64_t *walk;              /* made by prepare; freed with the call */
    PyUFuncGenericFunction loop;  /* inner loop over one axis, or NULL */
    void *data;
    void *object;               /* the Python operation of a callback, borrowed */
    int32_t dtype;              /* of the first input */
    int32_t out_dtype;
} Call;

enum { OK = 0, RAISED = 1, OUT_OF_RANGE = 2, INTERRUPTED = 3, NO_MEMORY = 4 };

static inline const int64_t *shape_of(const int64_t *layout) { return layout + 1; }
static inline const int64_t *strides_of(const int64_t *layout) { return layout + 1 + layout[0]; }

static inline int64_t size_of(const int64_t *layout) {
    int64_t n = 1;
    for (int64_t d = 0; d < layout[0]; d++) n *= layout[1 + d];
    return n;
}

/* Strides of an operand seen in the shape of the result: broadcast axes stand still. */
static inline void broadcast_strides(const int64_t *layout, int64_t ndim, const int64_t *shape,
                                     int64_t *strides) {
    int64_t lead = ndim - layout[0];
    for (int64_t d = 0; d < ndim; d++) {
        int64_t extent = d < lead ? 1 : shape_of(layout)[d - lead];
        strides[d] = (d < lead || (extent == 1 && shape[d] != 1))
                         ? 0 : strides_of(layout)[d - lead];
    }
}

/* Merge neighbouring axes that form one line in all n operands; drop axes of extent one.
 * shape[ndim] and strides[operand][MAX_NDIM] are rewritten; returns the number of axes left. */
static inline int64_t merge_axes(int64_t ndim, int64_t *shape, int n,
                                 int64_t strides[][MAX_NDIM]) {
    int64_t m = 0;
    for (int64_t d = 0; d < ndim; d++) {
        if (shape[d] == 1) continue;
        int joins = m > 0;
        for (int k = 0; joins && k < n; k++)
            joins = strides[k][m - 1] == shape[d] * strides[k][d];
        if (joins) {
            shape[m - 1] *= shape[d];
            for (int k = 0; k < n; k++) strides[k][m - 1] = strides[k][d];
        } else {
            shape[m] = shape[d];
            for (int k = 0; k < n; k++) strides[k][m] = strides[k][d];
            m++;
        }
    }
    return m;
}

/* Step an odometer over the first n axes of `shape`; returns 0 when it has gone round. */
static inline int advance(int64_t n, const int64_t *shape, int64_t *at) {
    for (int64_t d = n - 1; d >= 0; d--) {
        if (++at[d] < shape[d]) return 1;
        at[d] = 0;
    }
    return 0;
}

#endif
