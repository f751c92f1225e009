"""Pieces: what a concatenation joins, computed where it belongs in the result.

A piece that nothing else reads and that one pass computes is written by the pass into its part of
the result: it has no bytes of its own and is not copied. So is a concatenation within another one
whose pieces are whole runs of bytes, one deep: an array that grows in a loop nests thousands.

What is a piece is chosen from the graph alone, before any policy, so that the bits are the same
under every one. The pieces have no bytes any more, and the buffers that have to wait for the
concatenation instead are few (as for any region, see `fuse`) and at most a quarter larger: by so
much a plan may hold more than without fusion, by a row or two where a stencil's ends are computed
as well.
"""

from cpython.mem cimport PyMem_Free
from libc.stdint cimport int8_t, int32_t, int64_t

from .cones cimport MOST
from .fuse cimport APART, INSIDE, PIECE
from .gather cimport MOST_INNERS, Lowering, take_in
from .graph cimport Graph
from .nodes cimport Node
from .operations cimport Operation, operations
from .room cimport zeros
from .traits cimport ALIAS, JOINS, MAPS, VIEWS, traits
from .values cimport itemsizes

# Of bytes that wait, over those of the pieces: a stencil reads a little more than it computes.
cdef double SLACK = 1.25


cdef struct Reading:              # of a graph, while its pieces are chosen
    const Lowering* of
    const int8_t* needed
    const int8_t* apart           # by node: whether somebody outside needs its bytes
    const int32_t* uses           # by node: how often it is read


cdef int choose_pieces(Graph graph, const Lowering* of, const int8_t* needed,
                       const int8_t* apart, int32_t last) except -1:
    """Mark the pieces among the places of the nodes up to `last`."""
    cdef Reading reading
    cdef int32_t v, j
    cdef bint joins = False
    cdef int32_t* uses
    for v in range(last + 1):
        joins = joins or (needed[v] and traits[of.nodes[v].op].role == JOINS)
    if not joins:
        return 0
    uses = <int32_t*> zeros(last + 1, sizeof(int32_t))
    try:
        for v in range(last + 1):
            for j in range(of.nodes[v].n_inputs if needed[v] else 0):
                uses[of.sources[of.nodes[v].first_edge + j]] += 1
        reading.of, reading.needed, reading.apart, reading.uses = of, needed, apart, uses
        for v in range(last + 1):
            if needed[v] and traits[of.nodes[v].op].role == JOINS:
                choose(graph, &reading, v)
    finally:
        PyMem_Free(uses)
    return 0


cdef int choose(Graph graph, const Reading* r, int32_t v) except -1:
    """Mark the pieces of one concatenation, the largest first."""
    cdef const Node* node = &r.of.nodes[v]
    cdef int32_t j, u
    cdef dict candidates = {}     # root -> the buffers it reads
    cdef dict sizes = {}          # root -> its bytes
    cdef set held = set()         # that wait in any case: they are copied
    for j in range(node.n_inputs):
        u = root_of(r, r.of.sources[node.first_edge + j])
        if may_be_piece(graph, r, v, u):
            candidates[u], sizes[u] = buffers_of(r, u), nbytes_of(&r.of.nodes[u])
        else:
            held.add(buffer_of(r, u))
    cdef int64_t pieces = 0, waiting
    cdef set read = set(), more
    for u in sorted(candidates, key=sizes.get, reverse=True):
        more = (read | <set> candidates[u]) - held
        waiting = 0
        for b in more:
            waiting += nbytes_of(&r.of.nodes[<int32_t> b])
        if len(more) > MOST or waiting > SLACK * (pieces + sizes[u]):
            held.add(u)
            continue
        read = more
        pieces += sizes[u]
        r.of.place[u] = PIECE
    for j in range(node.n_inputs):                # and the reshapes between
        u = r.of.sources[node.first_edge + j]
        if r.of.place[root_of(r, u)] == PIECE:
            while r.of.place[u] != PIECE:
                r.of.place[u] = PIECE
                u = r.of.sources[r.of.nodes[u].first_edge]
    return 0


cdef bint may_be_piece(Graph graph, const Reading* r, int32_t v, int32_t u) except -1:
    """Whether concatenation `v` can compute `u`: a pass or, of whole runs of bytes, another one."""
    cdef const Node* node = &r.of.nodes[u]
    cdef int role = traits[node.op].role
    if not r.needed[u] or r.of.place[u] != APART or r.apart[u] or r.uses[u] != 1:
        return False
    if nbytes_of(&r.of.nodes[u]) <= itemsizes[node.dtype]:  # one number is computed in a script
        return False
    if graph.calls and graph.calls.get(u, 0) != graph.calls.get(v, 0):
        return False
    return role == MAPS or (role == JOINS and rows_of(graph, v) == 1 and not nests(r, u))


cdef bint nests(const Reading* r, int32_t u) except -1:
    """Whether a concatenation computes another one."""
    cdef const Node* node = &r.of.nodes[u]
    cdef int32_t j, source
    for j in range(node.n_inputs):
        source = r.of.sources[node.first_edge + j]
        if r.of.place[source] == PIECE and traits[
                r.of.nodes[root_of(r, source)].op].role == JOINS:
            return True
    return False


cdef int64_t rows_of(Graph graph, int32_t v) except -1:
    """In how many runs each piece of a concatenation lies in the result."""
    cdef const Node* node = &graph.nodes[v]
    cdef int64_t rows = 1
    for extent in (<tuple> node.shape)[:graph.attrs[node.attrs][0]]:
        rows *= <int64_t> extent
    return rows


cdef int64_t nbytes_of(const Node* node) except -1:
    """Bytes of the elements of a node."""
    cdef int64_t nbytes = itemsizes[node.dtype]
    for extent in <tuple> node.shape:
        nbytes *= <int64_t> extent
    return nbytes


cdef int32_t root_of(const Reading* r, int32_t u) except -1:
    """What a piece is before it is reshaped."""
    cdef const Node* node = &r.of.nodes[u]
    while (r.needed[u] and not r.apart[u] and r.uses[u] == 1
           and (<Operation> operations[node.op]).name == "reshape"):
        u = r.of.sources[node.first_edge]
        node = &r.of.nodes[u]
    return u


cdef int32_t buffer_of(const Reading* r, int32_t u) noexcept:
    """The node whose bytes `u` shows, where the program computes it; else -1."""
    cdef int role
    while r.needed[u] and r.of.nodes[u].n_inputs:
        role = traits[r.of.nodes[u].op].role
        if role != VIEWS and role != ALIAS:
            return u
        u = r.of.sources[r.of.nodes[u].first_edge]
    return -1


cdef set buffers_of(const Reading* r, int32_t u):
    """The buffers that a piece reads."""
    cdef int32_t inside[MOST_INNERS]
    cdef int32_t n = 1, k, j, source
    cdef const Node* node
    cdef bint joins = traits[r.of.nodes[u].op].role == JOINS
    cdef set found = set()
    if joins:
        inside[0] = u
    else:
        n = take_in(r.of, -1 - u, u, inside)
    for k in range(n):
        node = &r.of.nodes[inside[k]]
        for j in range(node.n_inputs):
            source = r.of.sources[node.first_edge + j]
            if joins and r.of.place[source] == PIECE:
                found |= buffers_of(r, root_of(r, source))
            elif r.of.place[source] != INSIDE:
                found.add(buffer_of(r, source))
    found.discard(-1)
    return found
