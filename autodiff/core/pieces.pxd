"""Pieces: what a concatenation joins, computed where it belongs in the result."""

from libc.stdint cimport int8_t, int32_t, int64_t

from .gather cimport Lowering
from .graph cimport Graph
from .nodes cimport Node

cdef int choose_pieces(Graph graph, const Lowering* of, const int8_t* needed,
                       const int8_t* apart, int32_t last) except -1
cdef int64_t rows_of(Graph graph, int32_t v) except -1
cdef int64_t nbytes_of(const Node* node) except -1
