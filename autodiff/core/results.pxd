"""The arrays that a run returns."""

from libc.stdint cimport int32_t, int64_t

from .pool cimport Block


cdef struct Output:
    int32_t base                  # BLOCK, or one of its own
    int32_t dtype
    int64_t offset
    const int64_t* layout


cdef class Memory:
    cdef Block* block


cdef Memory new_memory(int64_t nbytes)
cdef object new_result(const Output* at, Memory memory, char** bases)
cdef int check_results(list out, Py_ssize_t n, const Output* outputs, list arrays,
                       object name_of) except -1
