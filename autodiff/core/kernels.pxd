"""Kernels and inner loops, found by name when a program is built."""

from libc.stdint cimport int32_t, int64_t

cdef extern from "call.h" nogil:
    ctypedef long npy_intp
    ctypedef void (*PyUFuncGenericFunction)(char**, const npy_intp*, const npy_intp*, void*)
    ctypedef struct Run:
        int64_t index             # what was out of range
        int64_t extent            # the extent of its axis
        int64_t axis              # which index array; -1 for labels
        void* exception           # raised by a callback or a signal; owned
        char** bases              # addresses of the program's arrays
        int32_t n_bases
    ctypedef int (*Kernel)(const Call*, char**, Run*) noexcept nogil
    ctypedef int (*Prepare)(Call*) noexcept nogil
    ctypedef struct Call:
        Kernel kernel
        int32_t n_inputs
        int32_t n_params
        const int64_t** layouts   # ndim, shape, byte strides: of the inputs, then the result
        const int64_t* itemsizes  # likewise
        const int64_t* dtypes     # likewise: NumPy type numbers
        const int64_t* params     # static parameters of the operation
        int64_t* walk             # made by prepare: the loops left after merging axes
        PyUFuncGenericFunction loop
        void* data
        void* object              # the Python operation of a callback, borrowed
        int32_t dtype             # NumPy type number of the first input
        int32_t out_dtype
    int OK, RAISED, OUT_OF_RANGE, INTERRUPTED, NO_MEMORY

cdef extern from "region.h" nogil:
    ctypedef void (*BlockLoop)(void*, const void*, const void*, const void*, int64_t)

cdef BlockLoop find_block(str name, tuple numbers, frozenset scalars=*)
cdef int find_kernel(str name, Kernel* kernel, Prepare* prepare) except -1
cdef int find_loop(object source, tuple numbers, PyUFuncGenericFunction* loop,
                   void** data) except -1
cdef bint blas_reads(const int64_t* layout, int64_t itemsize, bint is_first) noexcept nogil
