/* Work in parts, for the C headers of the kernels: `parallel` runs task(context, part) once for
 * each part below n_parts, in any order, in any thread, and returns when all are done. The pool
 * behind it is in the module `threads`; the module of the kernels fetches it at its import. */
#ifndef AUTODIFF_PARALLEL_H
#define AUTODIFF_PARALLEL_H

#include <stdint.h>

typedef void (*Task)(void *context, int64_t part);

static void (*parallel)(Task task, void *context, int64_t n_parts);

#endif
