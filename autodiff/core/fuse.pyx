"""Fusion: which values are computed inside the regions that read them.

A region has one result. An elementwise value that only elementwise neighbours of its shape read
(or a sum over its axes) is computed inside them, a block at a time, and never has bytes; where two
regions read it, it is computed in both if that costs less than storing and reading it again. The
choice is made from the graph alone, before any policy, so that the bits are the same under every
one; and it never lets a plan hold more:

- a value that would keep two buffers waiting for a third, later one is computed when they are
  there (three terms of a gradient are two buffers at a time, not three);
- a region reads few buffers (MOST, in a sweep MOST_IN_SWEEP), or a checkpointed chain of steps
  would need the states of all the steps it has fused at once.
"""

from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t

from .elementwise cimport Elementwise
from .graph cimport Graph, Node
from .operations cimport Operation, operations

cdef enum:
    LONGEST = 24                  # operations of one region
    MOST = 4                      # buffers that a region of the forward pass reads
    MOST_IN_SWEEP = 3             # and one of a sweep
    LARGE = 1 << 16               # elements from which computing twice beats memory
    CHEAP = 4                     # cost per element that is computed twice of small values
    DEAR = 16                     # and of large ones that are computed from arguments alone

cdef enum Kind:
    OPAQUE = 0                    # a kernel of its own
    MAPS = 1                      # elementwise
    SUMS = 2                      # a sum or mean that a pass can end with


cdef struct Part:                 # of the graph, that the program computes
    const int8_t* needed          # by node: whether it is computed; inputs are not
    const int32_t* sources        # by edge: the node read, simplified


cdef struct Reader:
    int32_t first, second         # the regions (by their node) that read the value, or -1
    int8_t apart                  # something reads its bytes
    int8_t twice                  # cost per element that is computed twice to reach it


cdef struct Inside:               # of the region that ends in a node
    int16_t length                # operations so far
    int8_t waits                  # reads a buffer that is computed after the values yet to come
    int8_t n_read
    int32_t read[MOST]            # the buffers it reads: the values yet to come among them


cdef list _kinds = []             # by operation: (Kind, cost per element)


cdef tuple kind_of(int32_t op):
    """What an operation is to a region; its cost per element."""
    cdef Operation row
    while len(_kinds) <= op:
        row = <Operation> operations[len(_kinds)]
        if isinstance(row, Elementwise):
            _kinds.append((<int> MAPS, <int> row.cost_per_element))
        elif row.name in ("sum", "mean"):
            _kinds.append((<int> SUMS, 1))
        else:
            _kinds.append((<int> OPAQUE, 0))
    return <tuple> _kinds[op]


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


cdef int64_t size_of(tuple shape):
    cdef int64_t n = 1
    for extent in shape:
        n *= <int64_t> extent
    return n


cdef bint may_fail(int32_t op):
    """Whether an elementwise operation on integers may end a run: they have no negative powers."""
    return (<Operation> operations[op]).name == "power_integer"


cdef bint is_sum(Graph graph, Node* node) except -1:
    """Whether a sum or mean of floats can end a pass."""
    cdef int64_t extents[3]
    cdef Node* x = &graph.nodes[graph.sources[node.first_edge]]
    if x.dtype != node.dtype or not 11 <= node.dtype <= 12:      # NumPy's float32 and float64
        return False
    return sum_kind(<tuple> x.shape, <tuple> graph.attrs[node.attrs][0], extents) != 0


cdef int8_t* fuse(Graph graph, const int32_t* sources, const int8_t* needed, const int8_t* apart,
                  int32_t last) except NULL:
    """The Place of every node up to `last`; `needed` nodes are computed, `apart` ones have bytes.
    `sources` are what the edges of the graph read after simplification.

    Inputs of the program are not needed, and apart. The result belongs to the caller
    (PyMem_Free).
    """
    cdef Part part = Part(needed, sources)
    cdef int8_t* place = <int8_t*> PyMem_Calloc(last + 1, 1)
    cdef Reader* readers = <Reader*> PyMem_Calloc(last + 1, sizeof(Reader))
    cdef Inside* inside = <Inside*> PyMem_Calloc(last + 1, sizeof(Inside))
    cdef int8_t* kinds = <int8_t*> PyMem_Calloc(last + 1, 1)
    cdef int32_t v, j, u
    cdef int kind, cost
    cdef Node* node
    cdef Reader* x
    try:
        if place == NULL or readers == NULL or inside == NULL or kinds == NULL:
            raise MemoryError("no memory to fuse the operations of a program")
        for v in range(last + 1):
            readers[v].first = readers[v].second = -1
        for v in range(last, -1, -1):
            if not needed[v]:
                continue
            node = &graph.nodes[v]
            kind, cost = kind_of(node.op)
            if kind == SUMS and not is_sum(graph, node):
                kind = OPAQUE
            if kind == MAPS and node.dtype < 11 and may_fail(node.op):
                readers[v].apart = True           # so that the error names it
            kinds[v] = kind
            x = &readers[v]
            if (kind == MAPS and not apart[v] and not x.apart and x.first >= 0
                    and (may_join(graph, v, &inside[x.first], x.first, &part)
                         if x.second < 0 else may_repeat(graph, v, x, inside, cost, &part))):
                place[v] = INSIDE
                join(graph, v, &inside[x.first], &part)
                if x.second >= 0:
                    join(graph, v, &inside[x.second], &part)
                    x.twice += cost
            else:
                for u in (x.first, x.second):
                    if u >= 0 and buffer_of(graph, v, u, &part) >= 0:
                        inside[u].waits = True
                x.first, x.second, x.twice = -1, -1, 0
                if kind != OPAQUE:
                    x.first = v
                    inside[v].n_read = buffers_read(graph, v, &part, inside[v].read)
            for j in range(node.n_inputs):
                u = sources[node.first_edge + j]
                read(graph, &readers[u], x, u, kinds)
        return place
    except BaseException:
        PyMem_Free(place)
        raise
    finally:
        PyMem_Free(readers)
        PyMem_Free(inside)
        PyMem_Free(kinds)


cdef void* pass_shape(Graph graph, int32_t root, const int8_t* kinds) noexcept:
    """The shape a region goes over: of its result, or of what it sums (shapes are interned)."""
    cdef Node* node = &graph.nodes[root]
    if kinds[root] == SUMS:
        return graph.nodes[graph.sources[node.first_edge]].shape
    return node.shape


cdef int read(Graph graph, Reader* source, const Reader* x, int32_t u,
              const int8_t* kinds) except -1:
    """Note that the regions of `x` read node `u`."""
    cdef int32_t root
    if x.first < 0:
        source.apart = True
        return 0
    for root in (x.first, x.second):
        if root < 0 or root == source.first or root == source.second:
            continue
        if pass_shape(graph, root, kinds) != graph.nodes[u].shape:
            source.apart = True
        elif source.first < 0:
            source.first = root
        elif source.second < 0:
            source.second = root
        else:
            source.apart = True
    source.twice = max(source.twice, x.twice)
    return 0


cdef int32_t buffer_of(Graph graph, int32_t u, int32_t v, const Part* part) except -2:
    """The node whose bytes `u` has, where it is computed and no smaller than `v`; else -1."""
    cdef Operation op
    cdef int32_t root = u
    while part.needed[root] and graph.nodes[root].n_inputs:
        op = <Operation> operations[graph.nodes[root].op]
        if not op.views and op.name != "argument":
            break
        root = part.sources[graph.nodes[root].first_edge]
    if not part.needed[root] or not graph.nodes[root].n_inputs:
        return -1
    if (graph.nodes[root].shape != graph.nodes[v].shape
            and size_of(<tuple> graph.nodes[root].shape) < size_of(<tuple> graph.nodes[v].shape)):
        return -1
    return root


cdef bint same_call(Graph graph, int32_t v, int32_t root):
    return not graph.calls or graph.calls.get(v, 0) == graph.calls.get(root, 0)


cdef int buffers_read(Graph graph, int32_t v, const Part* part, int32_t* found) except -1:
    """Write to `found` the different buffers of at least the size of `v` it reads; how many."""
    cdef Node* node = &graph.nodes[v]
    cdef int32_t j, k, u
    cdef int n = 0
    for j in range(node.n_inputs):                # at most three
        u = buffer_of(graph, part.sources[node.first_edge + j], v, part)
        for k in range(n):
            if found[k] == u:
                break
        else:
            if u >= 0:
                found[n] = u
                n += 1
    return n


cdef int read_after(Graph graph, int32_t v, const Inside* region, const Part* part,
                    int32_t* found) except -1:
    """Write to `found` the buffers a region reads once `v` is computed in it; how many."""
    cdef int n = buffers_read(graph, v, part, found), j, k
    for k in range(region.n_read):
        if region.read[k] == v:
            continue
        for j in range(n):
            if found[j] == region.read[k]:
                break
        else:
            found[n] = region.read[k]
            n += 1
    return n


cdef bint may_join(Graph graph, int32_t v, const Inside* region, int32_t root,
                   const Part* part):
    """Whether `v`, which one region reads, is computed in it."""
    cdef int32_t found[3 + MOST]
    cdef int n = read_after(graph, v, region, part, found)
    if n > max(region.n_read, MOST_IN_SWEEP if graph.nodes[root].level else MOST):
        return False
    if region.length >= LONGEST or not same_call(graph, v, root):
        return False
    return not region.waits or buffers_read(graph, v, part, found) <= 1


cdef int join(Graph graph, int32_t v, Inside* region, const Part* part) except -1:
    """Compute `v` in a region: it reads what `v` reads."""
    cdef int32_t found[3 + MOST]
    cdef int n = min(read_after(graph, v, region, part, found), <int> MOST), k
    for k in range(n):
        region.read[k] = found[k]
    region.n_read = n
    region.length += 1
    return 0


cdef bint may_repeat(Graph graph, int32_t v, const Reader* x, const Inside* inside, int cost,
                     const Part* part):
    """Whether `v`, which two regions read, is computed in both."""
    cdef Node* node = &graph.nodes[v]
    cdef int32_t found[3]
    cdef int twice = x.twice + cost
    cdef int n = buffers_read(graph, v, part, found)
    if twice > CHEAP and (twice > DEAR or n or size_of(<tuple> node.shape) < LARGE):
        return False
    if inside[x.first].length >= LONGEST or inside[x.second].length >= LONGEST:
        return False
    if not same_call(graph, v, x.first) or not same_call(graph, v, x.second):
        return False
    return n <= 1
