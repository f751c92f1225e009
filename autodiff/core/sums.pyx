"""Sums: those that a pass can end with, over rows or columns of what it computes."""

from libc.stdint cimport int8_t, int64_t

from .graph cimport Graph
from .nodes cimport Node


cdef int sum_kind(tuple shape, tuple axes, int64_t* extents) except -1:
    """How a pass can sum `axes` of an operand of `shape`.

    1: rows, 2: columns, of extents[0] x extents[1] x extents[2] elements over the middle axis;
    0: in no such way.
    """
    cdef int64_t d, n
    cdef int before = -1, reduced, runs = 0
    cdef int64_t found[5]
    cdef int8_t kinds[5]
    for d in range(len(shape)):
        n = shape[d]
        if n == 1:
            continue
        reduced = d in axes
        if reduced == before:
            found[runs - 1] *= n
            continue
        if runs == 3:
            return 0
        found[runs] = n
        kinds[runs] = reduced
        runs += 1
        before = reduced
    extents[0] = extents[1] = extents[2] = 1
    if runs == 0:
        return 1
    if runs == 1:
        extents[1 if kinds[0] else 0] = found[0]
        return 1
    if runs == 2 and kinds[1]:
        extents[0], extents[1] = found[0], found[1]
        return 1
    if runs == 2:
        extents[1], extents[2] = found[0], found[1]
        return 2
    if kinds[0]:
        return 0
    extents[0], extents[1], extents[2] = found[0], found[1], found[2]
    return 2


cdef bint is_sum(Graph graph, const Node* node) except -1:
    """Whether a sum or mean of floats can end a pass."""
    cdef int64_t extents[3]
    cdef Node* x = &graph.nodes[graph.sources[node.first_edge]]
    if x.dtype != node.dtype or not 11 <= node.dtype <= 12:      # NumPy's float32 and float64
        return False
    return sum_kind(<tuple> x.shape, <tuple> graph.attrs[node.attrs][0], extents) != 0
