"""Cones: what a value is computed from if all that can be fused is.

Fusion goes from the last node to the first, and has to know of a value yet to come whether it is a
buffer that a region reads, or will be computed inside it. It is expected inside if all it is
computed from is read there in any case; else it counts as a buffer.
"""

from libc.stdint cimport int8_t, int32_t

from .nodes cimport Node
from .traits cimport ALIAS, MAPS, SUMS, VIEWS, traits

cdef enum:
    LARGE = 1 << 16               # elements from which computing twice beats memory
    CHEAP = 4                     # cost per element that is computed twice of small values
    DEAR = 16                     # and of large ones that are computed from arguments alone


cdef void find_cones(const Part* part, const int8_t* apart, int32_t last) noexcept nogil:
    """Find the cone of every node; they are zeros before."""
    cdef int32_t v, j, u
    cdef const Node* node
    cdef Cone* cone
    for v in range(last + 1):
        node = &part.nodes[v]
        for j in range(node.n_inputs if part.needed[v] else 0):
            u = part.sources[node.first_edge + j]
            part.cones[u].n_readers += 1
            if part.roles[v] != SUMS and (
                    part.roles[v] != MAPS or part.nodes[u].shape != node.shape):
                part.cones[u].is_apart = True
    for v in range(last + 1):
        if not part.needed[v]:
            continue
        cone = &part.cones[v]
        if part.roles[v] == MAPS:
            gather_cone(v, cone, part)
            if not apart[v] and not cone.is_apart and (
                    cone.n_readers == 1 or may_be_twice(cone.weight, cone.n, v, part)):
                continue
        cone.n, cone.weight, cone.length = 1, 0, 0
        cone.buffers[0] = v


cdef void gather_cone(int32_t v, Cone* cone, const Part* part) noexcept nogil:
    """The cone of what a map reads, and the cost of the dearest way."""
    cdef const Node* node = &part.nodes[v]
    cdef int32_t j, u, b
    cdef int k, weight = 0, length = 1
    for j in range(node.n_inputs):
        u = part.sources[node.first_edge + j]
        b = buffer_of(u, v, part)
        if b == u:
            weight = max(weight, <int> part.cones[u].weight)
            length += part.cones[u].length
            for k in range(min(<int> part.cones[u].n, <int> MOST)):
                add_to(cone, part.cones[u].buffers[k])
            cone.n = max(cone.n, part.cones[u].n)
        elif b >= 0:
            add_to(cone, b)
    cone.weight = min(weight + traits[node.op].cost, <int> DEAR + 1)
    cone.length = min(length, <int> LONGEST + 1)


cdef void add_to(Cone* cone, int32_t buffer) noexcept nogil:
    cdef int k
    for k in range(min(<int> cone.n, <int> MOST)):
        if cone.buffers[k] == buffer:
            return
    if cone.n < MOST:
        cone.buffers[cone.n] = buffer
    cone.n = min(cone.n + 1, <int> MOST + 1)


cdef bint may_be_twice(int weight, int n, int32_t v, const Part* part) noexcept nogil:
    """Whether computing a value twice, at this cost, from n buffers, beats storing it."""
    return weight <= CHEAP or (weight <= DEAR and n == 0 and part.sizes[v] >= LARGE)


cdef int32_t buffer_of(int32_t u, int32_t v, const Part* part) noexcept nogil:
    """The node whose bytes `u` has, where it is computed and no smaller than `v`; else -1."""
    cdef int32_t root = u
    cdef int8_t role
    while part.needed[root] and part.nodes[root].n_inputs:
        role = part.roles[root]
        if role != VIEWS and role != ALIAS:
            return root if part.sizes[root] >= part.sizes[v] else -1
        root = part.sources[part.nodes[root].first_edge]
    return -1


cdef int buffers_read(int32_t v, const Part* part, int32_t* found) noexcept nogil:
    """Write to `found` the different buffers of at least the size of `v` it reads; how many."""
    cdef const Node* node = &part.nodes[v]
    cdef int32_t j, k, u
    cdef int n = 0
    for j in range(node.n_inputs):                # at most three
        u = buffer_of(part.sources[node.first_edge + j], v, part)
        for k in range(n):
            if found[k] == u:
                break
        else:
            if u >= 0:
                found[n] = u
                n += 1
    return n


cdef int expected(const int32_t* read, int n, int length, int32_t v,
                  const Part* part) noexcept nogil:
    """How many buffers a region of this length reads in the end, of these and of values yet to
    come (those below `v`)."""
    cdef int32_t settled[3 + MOST_AT_ONCE]
    cdef int k, n_settled = 0, more = 0
    for k in range(n):
        if read[k] >= v or is_buffer(read[k], part):
            settled[n_settled] = read[k]
            n_settled += 1
    for k in range(n):
        if read[k] >= v or is_buffer(read[k], part):
            continue
        if (length + part.cones[read[k]].length <= LONGEST
                and covers(settled, n_settled, &part.cones[read[k]])):
            length += part.cones[read[k]].length
        else:
            more += 1
    return n_settled + more


cdef bint is_buffer(int32_t u, const Part* part) noexcept nogil:
    """Whether a value cannot be computed inside a region."""
    return part.cones[u].n == 1 and part.cones[u].buffers[0] == u


cdef bint covers(const int32_t* settled, int n, const Cone* cone) noexcept nogil:
    """Whether all that a value is computed from is among these."""
    cdef int j, k
    for j in range(cone.n):
        for k in range(n if j < MOST else 0):
            if settled[k] == cone.buffers[j]:
                break
        else:
            return False
    return True
