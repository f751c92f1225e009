"""Forms of products: the nodes of a graph as a program computes them."""

from libc.stdint cimport int8_t, int32_t

from .graph cimport Graph
from .nodes cimport Node


cdef class Forms:
    cdef Graph graph
    cdef int8_t* needed           # by node: whether it is computed
    cdef int32_t last
    cdef Node* own                # copies of the nodes, where some differ; else NULL
    cdef int32_t* sources         # by edge: the node read; those of `own` nodes at the end
    cdef int32_t n_edges, n_outer
    cdef int32_t* readers         # by node: how many edges of computed nodes read it
    cdef int32_t* product         # by node: the product it computes, or -1
    cdef int32_t* scale           # and by what scalar that is multiplied or divided, or -1
    cdef int32_t* scaling         # and the node that says so
    cdef int32_t* addend          # and to what it is added, or -1
    cdef int32_t* within          # by node: the node that computes it along, itself elsewhere
    cdef int32_t* fixed           # by node: whether constants alone determine it
    cdef dict aliases             # scaled operand -> the operand

    cdef inline Node* at(self, int32_t v) noexcept:
        return &self.own[v] if self.own != NULL else &self.graph.nodes[v]

    cdef int choose(self, list outputs, tuple folded) except -1
    cdef int count_readers(self, list outputs) except -1
    cdef bint is_outer(self, int32_t v) except -1
    cdef bint absorbs(self, int32_t v, int32_t u) except -1
    cdef bint is_scale(self, int32_t c, int32_t v) except -1
    cdef int scale_result(self, int32_t v) except -1
    cdef int add_result(self, int32_t v) except -1
    cdef int scale_operand(self, int32_t u) except -1
    cdef bint has_bytes(self, int32_t v) except -1
    cdef list products_of(self, int32_t u)
    cdef tuple nodes_of(self, int32_t v)
    cdef int write(self) except -1
