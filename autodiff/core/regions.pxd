"""Regions: what a program computes, each with its bytes, layout and cost."""

from libc.stdint cimport int8_t, int32_t, int64_t

from .forms cimport Forms
from .gather cimport Inner, Lowering
from .graph cimport Graph
from .operations cimport Operation
from .values cimport Values
from .variable cimport Variable


cdef class Regions(Values):
    cdef readonly Graph graph
    cdef Inner* inners            # of the passes, in rows
    cdef Forms forms              # while lowering: the nodes as they are computed
    cdef int32_t n_all_inners, inner_room
    cdef int32_t* computed        # by region, in topological order: its value
    cdef int32_t n_regions, region_room
    cdef dict packs               # value -> its packed copy
    cdef dict products            # value -> (product, ...): the nodes computed with a product
    cdef set given                # values that are outputs as they are
    cdef readonly list outputs    # value id of each output: distinct buffers
    cdef readonly list arguments  # graph node of each argument
    cdef readonly list constants  # graph node of each constant

    cdef int build(self, Lowering* of, list outputs, list inputs, tuple strides, bint fused,
                   tuple folded, int8_t* needed, int32_t* same, int32_t last) except -1
    cdef int8_t* places(self, const Lowering* of, list outputs, const int8_t* needed,
                        const int32_t* same, int32_t last) except NULL
    cdef int trace_back(self, list outputs, list inputs, int8_t* needed, int32_t last) except -1
    cdef int32_t add_argument(self, Variable x, object strides) except -1
    cdef int32_t add_constant(self, int32_t v) except -1
    cdef int32_t lower(self, const Lowering* of, int32_t v) except -1
    cdef int32_t lower_kernel(self, const Lowering* of, int32_t v) except -1
    cdef int32_t lower_pass(self, const Lowering* of, int32_t v) except -1
    cdef int32_t readable(self, Operation op, int position, int32_t value) except -1
    cdef int32_t compute(self, int32_t node, int32_t op, int8_t dtype, int32_t n,
                         const int32_t* sources, tuple shape) except -1
    cdef int32_t pack(self, int32_t value) except -1
    cdef int32_t copy_of(self, int32_t value) except -1
    cdef int32_t view(self, int32_t node, int32_t source) except -1
    cdef int32_t own_buffer(self, int32_t value) except -1
    cdef int32_t shaped_by(self, int32_t value) except -1
    cdef bint sums(self, int32_t value) noexcept
    cdef tuple pass_shape(self, int32_t value)
