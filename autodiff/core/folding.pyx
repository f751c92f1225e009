"""Constant folding: what captured arrays and literals alone determine is computed once.

A program whose captured arrays are its own need not compute it at each run. Only where no more
bytes are captured than before: what is folded takes the place of arrays that nothing else reads.
Views are taken again, for they cost nothing; what has an effect, draws random numbers or is marked
stays.
"""

from cpython.mem cimport PyMem_Free
from libc.stdint cimport int8_t, int32_t, int64_t

from .graph cimport Graph
from .nodes cimport Node
from .operations cimport Operation, operations
from .operations import operation
from .room cimport zeros
from .traits cimport is_view
from .values cimport itemsizes
from .variable cimport Variable

cdef Operation _constant = operation("constant")

cdef enum:
    TRIES = 16                    # candidates given up: the largest, or the smallest
    NEEDED = 1                    # marks of a node
    CUT = 2                       # its value is given: inputs are not looked at
    FIXED = 4                     # constants alone determine it


cdef int64_t bytes_of(Graph graph, int32_t v) except -1:
    cdef int64_t n = itemsizes[graph.nodes[v].dtype]
    for extent in <tuple> graph.nodes[v].shape:
        n *= <int64_t> extent
    return n


cdef int64_t mark(Graph graph, list outputs, list cuts, int8_t* marks, int32_t last) except -1:
    """Mark what outputs need; return the bytes of the constants among it."""
    cdef int32_t v, j
    cdef int64_t captured = 0
    for v in range(last + 1):
        marks[v] &= FIXED
    for v in cuts:
        marks[v] |= CUT
    for x in outputs:
        marks[(<Variable> x).index] |= NEEDED
    for v in range(last, -1, -1):
        if marks[v] & (NEEDED | CUT) == NEEDED:
            for j in range(graph.nodes[v].n_inputs):
                marks[graph.sources[graph.nodes[v].first_edge + j]] |= NEEDED
            if graph.nodes[v].op == _constant.index:
                captured += bytes_of(graph, v)
    return captured


def foldable(Graph graph not None, list inputs, list outputs):
    """The nodes to compute when a program of these inputs and outputs is made, ascending.

    The program then captures their values, and no more bytes than without.
    """
    cdef int32_t v, j, last = max([(<Variable> x).index for x in outputs])
    cdef int8_t* marks
    cdef int64_t captured
    cdef Node* node
    cdef list cuts = [(<Variable> x).index for x in inputs if (<Variable> x).index <= last]
    cdef set found = set()
    if not any([array.ndim for array in graph.payloads.values()]):
        return []
    marks = <int8_t*> zeros(last + 1, 1)
    try:
        captured = mark(graph, outputs, cuts, marks, last)
        for v in range(last + 1):
            node = &graph.nodes[v]
            if marks[v] & (NEEDED | CUT) != NEEDED:
                continue
            for j in range(node.n_inputs):
                if not marks[graph.sources[node.first_edge + j]] & FIXED:
                    break
            else:
                if node.op == _constant.index or node.n_inputs and is_pure(graph, v):
                    marks[v] |= FIXED
        for x in outputs:
            found.add(held(graph, marks, (<Variable> x).index))
        for v in range(last + 1):
            if marks[v] & (NEEDED | CUT | FIXED) == NEEDED:
                node = &graph.nodes[v]
                for j in range(node.n_inputs):
                    found.add(held(graph, marks, graph.sources[node.first_edge + j]))
        found.discard(-1)
        by_bytes = sorted(found, key=lambda v: (bytes_of(graph, <int32_t> v), v))
        for k in range(min(TRIES, len(found))):
            for some in (by_bytes[:len(found) - k], by_bytes[k:]) if k else (by_bytes,):
                folded = sum([bytes_of(graph, <int32_t> v) for v in some])
                if folded + mark(graph, outputs, cuts + some, marks, last) <= captured:
                    return sorted(some)
    finally:
        PyMem_Free(marks)
    return []


cdef bint is_pure(Graph graph, int32_t v) except -1:
    """Whether a node may be computed at another time than the others."""
    return (<Operation> operations[graph.nodes[v].op]).effect == "pure" and not (
        v in graph.saved or v in graph.calls)


cdef int32_t held(Graph graph, const int8_t* marks, int32_t v) except -2:
    """The node that has the bytes of a fixed one, where it is computed; else -1."""
    while marks[v] & FIXED and is_view(&graph.nodes[v]):
        v = graph.sources[graph.nodes[v].first_edge]
    return v if marks[v] & FIXED and graph.nodes[v].n_inputs else -1
