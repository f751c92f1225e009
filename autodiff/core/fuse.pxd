"""Fusion: which values are computed inside the regions that read them."""

from libc.stdint cimport int8_t, int32_t

from .graph cimport Graph
from .nodes cimport Node

cdef enum Place:
    APART = 0                     # has bytes of its own
    INSIDE = 1                    # is computed inside each region that reads it
    PIECE = 2                     # is computed where it belongs in the concatenation that reads it

cdef int8_t* fuse(Graph graph, const Node* nodes, const int32_t* sources, const int8_t* needed,
                  int8_t* apart, int32_t last) except NULL
