"""Fusion: which values are computed inside the regions that read them.

A region has one result. An elementwise value that only elementwise neighbours of its shape read
(or a sum over its axes) is computed inside them, a block at a time, and never has bytes; where two
regions read it, it is computed in both if that costs less than storing and reading it again. The
choice is made from the graph alone, before any policy, so that the bits are the same under every
one; and it lets no plan hold more, but for a buffer where an expectation is not met:

- a value that would keep two buffers waiting for a third, later one is computed when they are
  there (three terms of a gradient are two buffers at a time, not three);
- a region reads few buffers (MOST, in a sweep MOST_IN_SWEEP), or a checkpointed chain of steps
  would need the states of all the steps it has fused at once.

The nodes are taken from the last to the first; what is expected of values yet to come, their
`cones` say.
"""

from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t

from .cones cimport (
    LONGEST,
    MOST,
    MOST_AT_ONCE,
    Cone,
    Part,
    buffer_of,
    buffers_read,
    expected,
    find_cones,
    may_be_twice,
)
from .graph cimport Graph
from .nodes cimport Node
from .sums cimport is_sum
from .traits cimport KERNEL, MAPS, SUMS, traits

cdef enum:
    MOST_IN_SWEEP = 3             # buffers that a region of a sweep reads


cdef struct Reader:
    int32_t first, second         # the regions (by their node) that read the value, or -1
    int8_t apart                  # something reads its bytes
    int8_t twice                  # cost per element that is computed twice to reach it


cdef struct Inside:               # of the region that ends in a node
    int16_t length                # operations so far
    int8_t waits                  # reads a buffer that is computed after the values yet to come
    int8_t n_read
    int32_t read[MOST_AT_ONCE]    # the buffers it reads: the values yet to come among them


cdef int8_t* fuse(Graph graph, const Node* nodes, const int32_t* sources, const int8_t* needed,
                  int8_t* apart, int32_t last) except NULL:
    """The Place of every node up to `last`; `needed` nodes are computed, `apart` ones have bytes.
    `nodes` and `sources` are those of the graph with the forms of products, simplified.

    Inputs of the program are not needed, and apart. The result belongs to the caller
    (PyMem_Free).
    """
    cdef int8_t* place = <int8_t*> PyMem_Calloc(last + 1, 1)
    cdef Reader* readers = <Reader*> PyMem_Calloc(last + 1, sizeof(Reader))
    cdef Inside* inside = <Inside*> PyMem_Calloc(last + 1, sizeof(Inside))
    cdef Part part
    part.nodes, part.needed, part.sources = nodes, needed, sources
    part.roles = <int8_t*> PyMem_Calloc(last + 1, 1)
    part.sizes = <int64_t*> PyMem_Calloc(last + 1, sizeof(int64_t))
    part.cones = <Cone*> PyMem_Calloc(last + 1, sizeof(Cone))
    part.calls = NULL
    if graph.calls:
        part.calls = <int32_t*> PyMem_Calloc(last + 1, sizeof(int32_t))
    try:
        if (place == NULL or readers == NULL or inside == NULL or part.roles == NULL
                or part.sizes == NULL or part.cones == NULL
                or (graph.calls and part.calls == NULL)):
            raise MemoryError("no memory to fuse the operations of a program")
        look(graph, &part, apart, last)
        with nogil:
            find_cones(&part, apart, last)
            choose(&part, apart, last, readers, inside, place)
        return place
    except BaseException:
        PyMem_Free(place)
        raise
    finally:
        PyMem_Free(readers)
        PyMem_Free(inside)
        PyMem_Free(part.roles)
        PyMem_Free(part.sizes)
        PyMem_Free(part.cones)
        PyMem_Free(part.calls)


cdef int look(Graph graph, Part* part, int8_t* apart, int32_t last) except -1:
    """Find out about the nodes what only Python knows."""
    cdef int32_t v
    cdef int64_t size = 1
    cdef void* shape = NULL       # that has this size
    cdef const Node* node
    for v in range(last + 1):
        node = &part.nodes[v]
        if node.shape != shape:
            shape = node.shape
            size = 1
            for extent in <tuple> shape:
                size *= <int64_t> extent
        part.sizes[v] = size
        part.roles[v] = traits[node.op].role
        if part.roles[v] == SUMS and part.needed[v] and not is_sum(graph, node):
            part.roles[v] = KERNEL
        if traits[node.op].may_fail and node.dtype < 11:
            apart[v] = True       # so that the error names it
    if part.calls != NULL:
        for v in range(last + 1):
            part.calls[v] = graph.calls.get(v, 0)
    return 0


cdef void choose(const Part* part, const int8_t* apart, int32_t last, Reader* readers,
                 Inside* inside, int8_t* place) noexcept nogil:
    """Go from the last node to the first: what reads a value is known when it is reached."""
    cdef int32_t v, j, u
    cdef int8_t role
    cdef const Node* node
    cdef Reader* x
    for v in range(last + 1):
        readers[v].first = readers[v].second = -1
    for v in range(last, -1, -1):
        if not part.needed[v]:
            continue
        node = &part.nodes[v]
        role = part.roles[v]
        x = &readers[v]
        if (role == MAPS and not apart[v] and not x.apart and x.first >= 0
                and (may_join(v, &inside[x.first], x.first, part)
                     if x.second < 0 else may_repeat(v, x, inside, part))):
            place[v] = INSIDE
            join(v, &inside[x.first], part)
            if x.second >= 0:
                join(v, &inside[x.second], part)
                x.twice += traits[node.op].cost
        else:
            for j in range(2):
                u = x.second if j else x.first
                if u >= 0 and buffer_of(v, u, part) >= 0:
                    inside[u].waits = True
            x.first, x.second, x.twice = -1, -1, 0
            if role == MAPS or role == SUMS:
                x.first = v
                inside[v].n_read = buffers_read(v, part, inside[v].read)
        for j in range(node.n_inputs):
            u = part.sources[node.first_edge + j]
            read(&readers[u], x, u, part)


cdef void* pass_shape(int32_t root, const Part* part) noexcept nogil:
    """The shape a region goes over: of its result, or of what it sums (shapes are interned)."""
    if part.roles[root] == SUMS:
        root = part.sources[part.nodes[root].first_edge]
    return part.nodes[root].shape


cdef void read(Reader* source, const Reader* x, int32_t u, const Part* part) noexcept nogil:
    """Note that the regions of `x` read node `u`."""
    cdef int32_t root, j
    if x.first < 0:
        source.apart = True
        return
    for j in range(2):
        root = x.second if j else x.first
        if root < 0 or root == source.first or root == source.second:
            continue
        if pass_shape(root, part) != part.nodes[u].shape:
            source.apart = True
        elif source.first < 0:
            source.first = root
        elif source.second < 0:
            source.second = root
        else:
            source.apart = True
    source.twice = max(source.twice, x.twice)


cdef bint same_call(int32_t v, int32_t root, const Part* part) noexcept nogil:
    return part.calls == NULL or part.calls[v] == part.calls[root]


cdef int read_after(int32_t v, const Inside* region, const Part* part,
                    int32_t* found) noexcept nogil:
    """Write to `found` the buffers a region reads once `v` is computed in it; how many."""
    cdef int n = buffers_read(v, part, found), j, k
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


cdef bint may_join(int32_t v, const Inside* region, int32_t root,
                   const Part* part) noexcept nogil:
    """Whether `v`, which one region reads, is computed in it."""
    cdef int32_t found[3 + MOST_AT_ONCE]
    cdef int n = read_after(v, region, part, found)
    cdef int most = MOST_IN_SWEEP if part.nodes[root].level else MOST
    if n > MOST_AT_ONCE or region.length >= LONGEST or not same_call(v, root, part):
        return False
    if (expected(found, n, region.length + 1, v, part)
            > max(most, expected(region.read, region.n_read, region.length, v, part))):
        return False
    if not region.waits:
        return True
    n = buffers_read(v, part, found)
    return expected(found, n, region.length + 1, v, part) <= 1


cdef void join(int32_t v, Inside* region, const Part* part) noexcept nogil:
    """Compute `v` in a region: it reads what `v` reads."""
    cdef int32_t found[3 + MOST_AT_ONCE]
    cdef int n = min(read_after(v, region, part, found), <int> MOST_AT_ONCE), k
    for k in range(n):
        region.read[k] = found[k]
    region.n_read = n
    region.length += 1


cdef bint may_repeat(int32_t v, const Reader* x, const Inside* inside,
                     const Part* part) noexcept nogil:
    """Whether `v`, which two regions read, is computed in both."""
    cdef int32_t found[3]
    cdef int n = expected(found, buffers_read(v, part, found), 1, v, part)
    if not may_be_twice(x.twice + traits[part.nodes[v].op].cost, n, v, part):
        return False
    if inside[x.first].length >= LONGEST or inside[x.second].length >= LONGEST:
        return False
    return n <= 1 and same_call(v, x.first, part) and same_call(v, x.second, part)
