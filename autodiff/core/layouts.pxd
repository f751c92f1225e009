"""Layouts: the buffers, views and copies that the operations of a program read."""

from libc.stdint cimport int8_t, int32_t, int64_t

from .graph cimport Graph
from .operations cimport Operation
from .values cimport Values
from .variable cimport Variable

cdef Operation copy_operation


cdef class Layouts(Values):
    cdef readonly Graph graph
    cdef int32_t* computed        # by region, in topological order: its value
    cdef int32_t n_regions, region_room
    cdef dict packs               # value -> its packed copy
    cdef set given                # values that are outputs as they are
    cdef readonly list arguments  # graph node of each argument
    cdef readonly list constants  # graph node of each constant

    cdef int32_t add_argument(self, Variable x, object strides) except -1
    cdef int32_t add_constant(self, int32_t v) except -1
    cdef int32_t readable(self, Operation op, int position, int32_t value) except -1
    cdef int32_t compute(self, int32_t node, int32_t op, int8_t dtype, int32_t n,
                         const int32_t* sources, tuple shape, bint piece=*) except -1
    cdef int32_t pack(self, int32_t value) except -1
    cdef int32_t copy_of(self, int32_t value, bint piece=*) except -1
    cdef int32_t view(self, int32_t node, int32_t source) except -1
    cdef int32_t own_buffer(self, int32_t value) except -1
