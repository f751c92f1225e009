"""Constants: literals and captured arrays as nodes of a graph."""

from libc.stdint cimport int32_t

from .graph cimport Graph

cdef int32_t literal(Graph graph, object scalar, int dtype) except -1
cdef int32_t capture(Graph graph, object array) except -1
