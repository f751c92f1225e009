"""Sweeps: which nodes lie between targets and outputs, and the gradient of each so far."""

from libc.stdint cimport int8_t, int32_t

from .graph cimport Graph
from .operations cimport Operation
from .variable cimport Variable


cdef class Sweep:
    cdef Graph graph
    cdef int32_t first, last      # the range of nodes between the first target and last output
    cdef int8_t* marks            # by node - first
    cdef int8_t* derivative       # by edge - first edge of the range
    cdef int32_t* table           # the book's grad_table: node - first -> gradient + 1

    cdef int prepare(self, Graph graph, list sources, list sinks) except -1
    cdef bint active(self, int32_t v) noexcept
    cdef int derivative_of(self, int32_t edge) noexcept
    cdef Variable found(self, int32_t v)
    cdef int accumulate(self, int32_t v, Variable g) except -1
    cdef int contribute(self, int32_t v, object found, Operation op, int32_t j) except -1
    cdef Variable add(self, Variable total, Variable g)
    cdef object add_onto(self, Variable one, Variable other)
    cdef int stand_at(self, int32_t v) except -1
    cdef int push(self, int32_t v) except -1
    cdef str undefined(self, int32_t v, int32_t source)
