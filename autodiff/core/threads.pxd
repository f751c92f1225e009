"""The pool of threads that programs run on."""

from libc.stdint cimport int64_t

ctypedef void (*Task)(void* context, int64_t part) noexcept nogil

# Run task(context, part) once for each part below n_parts, in any order, on the pool's threads and
# the caller's; returns when all are done. Nested calls, and those that find the pool at work for
# another thread, run their parts in the caller.
cdef void parallel(Task task, void* context, int64_t n_parts) noexcept nogil
