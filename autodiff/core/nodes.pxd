"""Nodes and edges in flat arrays, and the table in which an equal node is found."""

from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint32_t

cdef enum:
    FLAG_WEAK = 1                 # a Python scalar's dtype: gives way to any other (NEP 50)


cdef struct Node:
    int32_t op                    # index into the table of operations
    int32_t first_edge            # its input edges are first_edge .. first_edge + n_inputs
    int32_t n_inputs
    int32_t consumer              # newest edge that reads this node, or -1
    int32_t attrs                 # index into graph.attrs, 0 for none
    int32_t code                  # index into graph.codes: the user's code object
    int32_t lasti                 # instruction offset in it; the line is looked up when asked
    int32_t ordinal               # k of the automatic name uk, 0 for leaves
    int16_t level                 # how many sweeps made it
    int8_t dtype                  # NumPy type number
    int8_t flags
    int8_t merges                 # an equal node is this one
    void* shape                   # interned tuple, borrowed from graph.shapes


cdef struct Edge:
    int32_t consumer              # the node that reads
    int32_t next                  # the next older edge that reads the same source, or -1


cdef class Nodes:
    cdef Node* nodes
    cdef int32_t* sources         # by edge: the node read; the inputs of a node stand together
    cdef Edge* edges
    cdef void** handles           # borrowed Variable of each node, or NULL
    cdef int32_t n_nodes, n_edges, node_room, edge_room
    cdef uint32_t* table          # open addressing: pairs (node + 1, hash)
    cdef int64_t table_room
    cdef int32_t n_entered        # the nodes before this one are in the table
    cdef int32_t n_ordinals

    cdef int make_room(self, int32_t n_inputs) except -1
    cdef int32_t add(self, const Node* made, const int32_t* inputs) noexcept nogil
    cdef int32_t find(self, const Node* wanted, const int32_t* inputs) except -2
    cdef bint among_readers(self, const Node* wanted, const int32_t* inputs,
                            int32_t* found) noexcept nogil
    cdef bint is_same(self, int32_t k, const Node* wanted, const int32_t* inputs) noexcept nogil
    cdef int32_t look_up(self, const Node* wanted, const int32_t* inputs) noexcept nogil
    cdef int enter_all(self) except -1
