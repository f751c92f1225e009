"""Gathering: the operations that one pass computes, in order, and the values it reads."""

from libc.stdint cimport int8_t, int32_t

from .cones cimport LONGEST
from .nodes cimport Node

cdef enum:
    MOST_INNERS = LONGEST + 1
    MOST_READ = 3 * MOST_INNERS


cdef struct Inner:                # an operation inside a region
    int32_t node
    int32_t op
    int32_t n_inputs
    int32_t inputs[3]             # k: input k of the region; ~k: its inner operation k
    int8_t dtype


cdef struct Lowering:             # of a graph: what is known by node while regions are made
    const Node* nodes
    int32_t* sources              # by edge: the node read, simplified
    int8_t* place                 # Place
    int32_t* value                # its value + 1, 0 where it has none yet
    int32_t* region               # the region (by its node) that it was last found inside
    int32_t* register             # where it is found there, as in Inner.inputs
    int32_t copy                  # the operation that copies


cdef int32_t gather(const Lowering* of, int32_t region, int32_t root, Inner* inners,
                    int32_t* read, int32_t* n_read) noexcept nogil
cdef int32_t take_in(const Lowering* of, int32_t region, int32_t root,
                     int32_t* found) noexcept nogil
