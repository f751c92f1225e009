"""Regions: what a program computes, each with its bytes, layout and cost."""

from libc.stdint cimport int8_t, int32_t, int64_t

from .forms cimport Forms
from .gather cimport Inner, Lowering
from .graph cimport Graph
from .operations cimport Operation
from .layouts cimport Layouts
from .variable cimport Variable


cdef class Regions(Layouts):
    cdef Inner* inners            # of the passes, in rows
    cdef Forms forms              # while lowering: the nodes as they are computed
    cdef int32_t n_all_inners, inner_room
    cdef dict inside              # value -> the other nodes its kernel computes, a product first
    cdef dict pieces              # value of a concatenation -> those of its passes
    cdef readonly list outputs    # value id of each output: distinct buffers

    cdef int build(self, Lowering* of, list outputs, list inputs, tuple strides, bint fused,
                   tuple folded, int8_t* needed, int32_t* same, int32_t last) except -1
    cdef int place(self, Lowering* of, list outputs, const int8_t* needed,
                   const int32_t* same, int32_t last) except -1
    cdef int trace_back(self, list outputs, list inputs, int8_t* needed, int32_t last) except -1
    cdef int32_t lower(self, const Lowering* of, int32_t v) except -1
    cdef int32_t lower_kernel(self, const Lowering* of, int32_t v) except -1
    cdef int32_t lower_pass(self, const Lowering* of, int32_t v, bint piece=*) except -1
    cdef int32_t lower_join(self, const Lowering* of, int32_t v) except -1
    cdef int add_pieces(self, const Lowering* of, int32_t v, int64_t at, list pieces,
                        list inside) except -1
    cdef int32_t shaped_by(self, int32_t value) except -1
    cdef bint sums(self, int32_t value) noexcept
    cdef tuple pass_shape(self, int32_t value)
    cdef object axes_of(self, int32_t value)
    cdef int32_t value_of(self, Py_ssize_t k) except -1
