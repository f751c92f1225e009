"""The arrays that a run reads."""

from libc.stdint cimport int32_t, int64_t

from .regions cimport Regions


cdef struct Input:                # an argument as the program takes it at once
    void* dtype                   # borrowed
    int64_t* shape
    int32_t ndim


cdef class Inputs:
    cdef Regions regions
    cdef list dtypes              # of the arguments
    cdef list shapes              # likewise
    cdef list strides             # likewise, None where they are in C order
    cdef Input* wanted            # likewise, as they are taken at once
    cdef int64_t* extents         # the shapes, one after another
    cdef Py_ssize_t n

    cdef tuple accept(self, tuple given)
    cdef object coerce(self, Py_ssize_t k, object given)
    cdef int check(self, list arrays, list constants) except -1


cdef bint fits(object given, const Input* wanted) noexcept
