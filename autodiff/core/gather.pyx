"""Gathering: the operations that one pass computes, in order, and the values it reads."""

from libc.stdint cimport int32_t

from .fuse cimport INSIDE
from .nodes cimport Node


cdef int32_t gather(const Lowering* of, int32_t region, int32_t root, Inner* inners,
                    int32_t* read, int32_t* n_read) noexcept nogil:
    """Write the operations up to `root` of a region, and the values they read; how many there are.

    There is room for MOST_INNERS and MOST_READ. A copy is not among the operations: the pass
    makes it where it reads.
    """
    cdef int32_t inside[MOST_INNERS]
    cdef int32_t n = take_in(of, region, root, inside), n_inners = 0, k, j, u
    cdef const Node* node
    cdef Inner* inner
    n_read[0] = 0
    for k in range(n):
        node = &of.nodes[inside[k]]
        inner = &inners[n_inners]
        for j in range(node.n_inputs):
            u = of.sources[node.first_edge + j]
            inner.inputs[j] = (of.register[u] if of.place[u] == INSIDE
                               else position(of.value[u] - 1, read, n_read))
        if node.op == of.copy:
            of.register[inside[k]] = inner.inputs[0]
            continue
        inner.node, inner.op, inner.dtype = inside[k], node.op, node.dtype
        inner.n_inputs = node.n_inputs
        of.register[inside[k]] = ~n_inners
        n_inners += 1
    return n_inners


cdef int32_t take_in(const Lowering* of, int32_t region, int32_t root,
                     int32_t* found) noexcept nogil:
    """Find `root` and what is computed inside its region, in topological order; how many."""
    cdef int32_t n = 1, seen = 0, j, k, u
    cdef const Node* node
    found[0] = root
    while seen < n:
        node = &of.nodes[found[seen]]
        seen += 1
        for j in range(node.n_inputs):
            u = of.sources[node.first_edge + j]
            if of.place[u] == INSIDE and of.region[u] != region:
                of.region[u] = region
                found[n] = u
                n += 1
    for j in range(1, n):                         # ascending; they come nearly descending
        u = found[j]
        k = j
        while k > 0 and found[k - 1] > u:
            found[k] = found[k - 1]
            k -= 1
        found[k] = u
    return n


cdef int32_t position(int32_t value, int32_t* read, int32_t* n) noexcept nogil:
    """The position of `value` among those that are read, added where it is new."""
    cdef int32_t k
    for k in range(n[0]):
        if read[k] == value:
            return k
    read[n[0]] = value
    n[0] += 1
    return n[0] - 1
