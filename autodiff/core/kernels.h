/* Kernels over whole arrays by name: elementwise here, the others in the headers included.
 * All of them see fixed layouts, so their order of operations, and so their bits, are the same
 * whatever the memory plan. */
#ifndef AUTODIFF_KERNELS_H
#define AUTODIFF_KERNELS_H

#include "movement.h"
#include "random.h"
#include "reduce.h"
#include "rows.h"
#include "simd.h"

/* ---- elementwise: walk = n_axes, shape, then strides of each operand ---- */
static int power_of_integers(const Call *c, char **p, Run *run);

static int prepare_elementwise(Call *c) {
    if (is_power(c->loop)) c->kernel = power_of_integers;
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

static void run_elementwise(const Call *c, char **p, void *data) {
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
        c->loop(at, &length, steps, data);
        return;
    }
    int64_t position[MAX_NDIM] = {0};
    for (int64_t d = 0; d < m; d++)
        if (shape[d] == 0) return;
    do {
        for (int k = 0; k < n; k++) {
            at[k] = p[k];
            for (int64_t d = 0; d < m - 1; d++) at[k] += position[d] * strides[k * m + d];
        }
        c->loop(at, &length, steps, data);         /* a loop may move its pointers: set anew */
    } while (advance(m - 1, shape, position));
}

static int elementwise(const Call *c, char **p, Run *run) {
    run_elementwise(c, p, c->data);
    return OK;
}

/* The loops of power tell a negative exponent through their data. */
static int power_of_integers(const Call *c, char **p, Run *run) {
    int negative = 0;
    run_elementwise(c, p, &negative);
    if (!negative) return OK;
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

/* ---- random numbers: operands are the key and the counter ---- */
#define RANDOM(name)                                                                           \
    static int random_##name(const Call *c, char **p, Run *run) {                              \
        fill_##name((uint32_t *)p[0], *(uint64_t *)p[1], size_of(c->layouts[2]), p[2]);        \
        return OK;                                                                             \
    }
RANDOM(bits) RANDOM(uniform_f) RANDOM(uniform_d) RANDOM(normal_f) RANDOM(normal_d)

static int random_keys(const Call *c, char **p, Run *run) {
    fill_keys((uint32_t *)p[0], *(uint64_t *)p[1], (uint32_t)c->params[0],
              shape_of(c->layouts[2])[0], (uint32_t *)p[2]);
    return OK;
}

typedef struct { const char *name; Kernel kernel; Prepare prepare; } NamedKernel;
#define BOTH(name) {#name ":f", name##_f, NULL}, {#name ":d", name##_d, NULL}
static const NamedKernel kernels[] = {
    {"elementwise", elementwise, prepare_elementwise},
    {"reduce", reduce, prepare_reduce},
    {"mean", reduce_mean, prepare_reduce},
    {"count", reduce_count, prepare_reduce},
    {"argmax", argmax, NULL},
    {"concatenate", concatenate, NULL},
    {"embed", embed, NULL},
    {"embed_add:f", embed_add_f, NULL},
    {"embed_add:d", embed_add_d, NULL},
    {"gather", gather, prepare_gather},
    {"scatter_add:f", scatter_add_f, prepare_scatter},
    {"scatter_add:d", scatter_add_d, prepare_scatter},
    {"add_at:f", add_at_f, prepare_scatter},
    {"add_at:d", add_at_d, prepare_scatter},
    BOTH(softmax), BOTH(log_softmax), BOTH(logsumexp), BOTH(cross_entropy),
    BOTH(softmax_error), BOTH(one_hot), BOTH(random_uniform), BOTH(random_normal),
    {"random_bits", random_bits, NULL},
    {"random_keys", random_keys, NULL},
    {NULL, NULL, NULL}};

static const NamedKernel *find_kernel(const char *name) {
    for (const NamedKernel *k = kernels; k->name; k++)
        if (strcmp(k->name, name) == 0) return k;
    return NULL;
}

#endif
