"""Sums: those that a pass can end with."""

from libc.stdint cimport int64_t

from .graph cimport Graph
from .nodes cimport Node

cdef int sum_kind(tuple shape, tuple axes, int64_t* extents) except -1
cdef bint is_sum(Graph graph, const Node* node) except -1
