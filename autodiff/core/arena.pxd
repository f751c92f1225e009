"""A lease of bytes, as Python sees it."""

from .pool cimport Block


cdef class Arena:
    cdef Block* block                   # NULL once released
    cdef char* data                     # first byte, at a multiple of 64; NULL once released
    cdef readonly Py_ssize_t nbytes     # bytes asked for

    cpdef release(self)


cpdef Arena lease(Py_ssize_t nbytes)
