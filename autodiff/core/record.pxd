"""A number for each thread."""

from libc.stdint cimport int64_t, uint64_t


cdef class Record:
    cdef uint64_t thread          # 0: no thread has set it yet
    cdef int64_t latest           # of that thread
    cdef dict others              # of further threads

    cdef int set(self, int64_t number) except -1
