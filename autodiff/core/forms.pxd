"""Forms of products: the nodes of a graph as a program computes them."""

from libc.stdint cimport int8_t, int32_t

from .graph cimport Graph
from .nodes cimport Node


cdef class Forms:
    cdef Graph graph
    cdef int8_t* needed           # by node: whether it is computed
    cdef int32_t last
    cdef Node* own                # the nodes: a copy, which no thread that adds more can move
    cdef int32_t* sources         # by edge: the node read; those of `own` nodes at the end
    cdef int32_t n_edges, n_outer
    cdef int32_t* readers         # by node: how many edges of computed nodes read it
    cdef int32_t* product         # by node: the product it computes, or -1
    cdef int32_t* scale           # and by what scalar that is multiplied or divided, or -1
    cdef int32_t* scaling         # and the node that says so
    cdef int32_t* addend          # and to what it is added, or -1
    cdef int32_t* fixed           # by node: whether constants alone determine it

    cdef int choose(self, list outputs, tuple folded) except -1
    cdef int look(self, list outputs) except -1
    cdef bint is_outer(self, int32_t v) except -1
    cdef bint absorbs(self, int32_t v, int32_t u) except -1
    cdef bint is_scale(self, int32_t c, int32_t v) except -1
    cdef int scale_result(self, int32_t v) except -1
    cdef int add_result(self, int32_t v) except -1
    cdef tuple nodes_of(self, int32_t v)
    cdef int write(self) except -1
