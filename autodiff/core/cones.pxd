"""Cones: what a value is computed from if all that can be fused is."""

from libc.stdint cimport int8_t, int32_t, int64_t

from .nodes cimport Node

cdef enum:
    LONGEST = 24                  # operations of one region, beside its last
    MOST = 4                      # buffers that a region of the forward pass reads
    MOST_AT_ONCE = 8              # and, at most, with values that are yet to come


cdef struct Cone:                 # what a value is computed from if all that can be is fused
    int8_t n                      # buffers, itself where it is one; more than MOST: many
    int8_t weight                 # cost per element of the dearest way to it, DEAR + 1 at most
    int8_t length                 # operations, LONGEST + 1 at most
    int8_t is_apart               # something but a pass reads it
    int32_t n_readers
    int32_t buffers[MOST]


cdef struct Part:                 # of the graph, that the program computes
    const Node* nodes             # as it computes them
    const int8_t* needed          # by node: whether it is computed; inputs are not
    const int32_t* sources        # by edge: the node read, simplified
    int8_t* roles                 # by node: its Role, that of a sum only where a pass can end in it
    int64_t* sizes                # by node: its elements
    Cone* cones                   # by node
    int32_t* calls                # by node: the marked call that made it; NULL where none is


cdef void find_cones(const Part* part, const int8_t* apart, int32_t last) noexcept nogil
cdef bint may_be_twice(int weight, int n, int32_t v, const Part* part) noexcept nogil
cdef int32_t buffer_of(int32_t u, int32_t v, const Part* part) noexcept nogil
cdef int buffers_read(int32_t v, const Part* part, int32_t* found) noexcept nogil
cdef int expected(const int32_t* read, int n, int length, int32_t v,
                  const Part* part) noexcept nogil
