/* Kernels over whole arrays by name, from the headers included.
 * All of them see fixed layouts, so their order of operations, and so their bits, are the same
 * whatever the memory plan. */
#ifndef AUTODIFF_KERNELS_H
#define AUTODIFF_KERNELS_H

#include "joins.h"
#include "movement.h"
#include "passes.h"
#include "random.h"
#include "reduce.h"
#include "rows.h"
#include "scripts.h"
#include "simd.h"

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
    {"region", run_region, NULL},
    {"script", run_script, NULL},
    {"join", run_join, NULL},
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
