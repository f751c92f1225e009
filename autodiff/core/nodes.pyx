"""Nodes and edges in flat arrays, and the table in which an equal node is found.

Arrays grow at their end only, in topological order: an edge leads to an earlier node. The table is
keyed on the operation, its inputs, its attributes and its dtype; it is filled when it is asked.
"""

from cpython.mem cimport PyMem_Free
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from .room cimport resize

cdef enum:
    FEW = 8                       # readers of a node that are looked through


cdef class Nodes:
    """What a graph consists of, without Python."""

    def __dealloc__(self):
        PyMem_Free(self.nodes)
        PyMem_Free(self.sources)
        PyMem_Free(self.edges)
        PyMem_Free(self.handles)
        PyMem_Free(self.table)

    cdef int make_room(self, int32_t n_inputs) except -1:
        """Make room for one more node with `n_inputs` edges."""
        cdef int32_t room
        if self.n_nodes == self.node_room:
            room = 2 * self.node_room if self.node_room else 64
            resize(<void**> &self.nodes, room * sizeof(Node))
            resize(<void**> &self.handles, room * sizeof(void*))
            self.node_room = room
        if self.n_edges + n_inputs > self.edge_room:
            room = 2 * self.edge_room + n_inputs + 64
            resize(<void**> &self.sources, room * sizeof(int32_t))
            resize(<void**> &self.edges, room * sizeof(Edge))
            self.edge_room = room
        return 0

    cdef int32_t add(self, const Node* made, const int32_t* inputs) noexcept nogil:
        """Write a node, for which there is room, and its edges; return its index."""
        cdef int32_t k = self.n_nodes, edge = self.n_edges, j
        cdef Node* node = &self.nodes[k]
        node[0] = made[0]
        node.first_edge = edge
        node.consumer = -1
        node.ordinal = 0
        if node.n_inputs:
            self.n_ordinals += 1
            node.ordinal = self.n_ordinals
        memcpy(self.sources + edge, inputs, node.n_inputs * sizeof(int32_t))
        for j in range(node.n_inputs):
            self.edges[edge].consumer = k
            self.edges[edge].next = self.nodes[inputs[j]].consumer
            self.nodes[inputs[j]].consumer = edge
            edge += 1
        self.handles[k] = NULL
        self.n_edges = edge
        self.n_nodes += 1
        return k

    cdef int32_t find(self, const Node* wanted, const int32_t* inputs) except -2:
        """The node that is equal to the one wanted; -1 for none."""
        cdef int32_t k
        if self.among_readers(wanted, inputs, &k):
            return k
        self.enter_all()
        return self.look_up(wanted, inputs)

    cdef bint among_readers(self, const Node* wanted, const int32_t* inputs,
                            int32_t* found) noexcept nogil:
        """Whether it is known without the table, which is as large as the graph and in no cache.

        An equal node reads the latest of the inputs, which mostly has few readers so far.
        """
        cdef int32_t j, _, edge, latest = -1
        found[0] = -1
        for j in range(wanted.n_inputs):
            latest = max(latest, inputs[j])
        if latest < 0:
            return False
        edge = self.nodes[latest].consumer
        for _ in range(FEW):
            if edge < 0:
                return True
            if self.is_same(self.edges[edge].consumer, wanted, inputs):
                found[0] = self.edges[edge].consumer
                return True
            edge = self.edges[edge].next
        return edge < 0

    cdef bint is_same(self, int32_t k, const Node* wanted, const int32_t* inputs) noexcept nogil:
        cdef const Node* node = &self.nodes[k]
        return (node.op == wanted.op and node.attrs == wanted.attrs
                and node.dtype == wanted.dtype and node.flags == wanted.flags
                and node.n_inputs == wanted.n_inputs
                and memcmp(self.sources + node.first_edge, inputs,
                           node.n_inputs * sizeof(int32_t)) == 0)

    cdef int32_t look_up(self, const Node* wanted, const int32_t* inputs) noexcept nogil:
        """The node in the table that is equal to the one wanted; -1 for none."""
        cdef uint32_t hashed = hash_node(wanted, inputs)
        cdef int64_t slot = hashed & (self.table_room - 1)
        while self.table[2 * slot]:
            if (self.table[2 * slot + 1] == hashed
                    and self.is_same(<int32_t> self.table[2 * slot] - 1, wanted, inputs)):
                return <int32_t> self.table[2 * slot] - 1
            slot = (slot + 1) & (self.table_room - 1)
        return -1

    cdef int enter_all(self) except -1:
        """Enter the nodes made since the last time, those that merge, into the table."""
        cdef int64_t room = self.table_room if self.table_room else 128, k
        cdef uint32_t* new = NULL
        cdef const Node* node
        while 2 * <int64_t> (self.n_nodes + 1) > room:
            room *= 2
        if room > self.table_room:
            resize(<void**> &new, 2 * room * sizeof(uint32_t))
            memset(new, 0, 2 * room * sizeof(uint32_t))
            for k in range(self.table_room):
                if self.table[2 * k]:
                    put(new, room, self.table[2 * k], self.table[2 * k + 1])
            PyMem_Free(self.table)
            self.table, self.table_room = new, room
        for k in range(self.n_entered, self.n_nodes):
            node = &self.nodes[k]
            if node.merges:
                put(self.table, room, <uint32_t> k + 1,
                    hash_node(node, self.sources + node.first_edge))
        self.n_entered = self.n_nodes
        return 0


cdef void put(uint32_t* table, int64_t room, uint32_t entry, uint32_t hashed) noexcept nogil:
    cdef int64_t slot = hashed & (room - 1)
    while table[2 * slot]:
        slot = (slot + 1) & (room - 1)
    table[2 * slot] = entry
    table[2 * slot + 1] = hashed


cdef uint32_t hash_node(const Node* node, const int32_t* inputs) noexcept nogil:
    cdef uint64_t h = (<uint64_t> node.op << 32) ^ <uint64_t> node.attrs
    cdef int32_t j
    h = (h ^ <uint64_t> (node.dtype * 4 + node.flags)) * 0x9E3779B97F4A7C15ULL
    for j in range(node.n_inputs):
        h = (h ^ (h >> 29) ^ <uint64_t> inputs[j]) * 0xBF58476D1CE4E5B9ULL
    return <uint32_t> (h >> 32)
