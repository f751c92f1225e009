"""Graphs of variables and operations: flat arrays inside, thin handles outside."""

from libc.stdint cimport int8_t, int16_t, int32_t, int64_t

from .operations cimport Operation
from .variable cimport Variable

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
    void* shape                   # interned tuple, borrowed from graph.shapes


cdef struct Edge:
    int32_t consumer              # the node that reads
    int32_t next                  # the next older edge that reads the same source, or -1


cdef class Graph:
    cdef Node* nodes
    cdef int32_t* sources         # by edge: the node read; the inputs of a node stand together
    cdef Edge* edges
    cdef void** handles           # borrowed Variable of each node, or NULL
    cdef int32_t n_nodes, n_edges, node_room, edge_room
    cdef int32_t* table           # open addressing: pairs (node + 1, high half of the hash)
    cdef int64_t table_room, table_used
    cdef int32_t n_ordinals
    cdef dict shapes              # tuple -> the same tuple: equal shapes are one object
    cdef dict attr_index          # tagged attributes -> index into attrs
    cdef readonly list attrs      # attribute tuples of the operations
    cdef list attr_keys           # by index into attrs: the tagged key
    cdef dict code_index          # code object -> index into codes, -1 if it is ours
    cdef readonly list codes
    cdef dict names               # node -> name given by the user
    cdef dict lines               # node -> further (code, lasti) of merged nodes
    cdef readonly dict payloads   # constant node -> its captured array
    cdef dict literals            # (type, scalar, dtype) -> its constant node
    cdef dict captures            # id of a captured array -> its constant node
    cdef readonly dict calls      # node -> `ad.checkpoint` call that made it; < 0: its result
    cdef readonly dict saved      # node -> name given to it by `ad.save`
    cdef public dict bindings     # argument node -> array, while its trace is open
    cdef public int base_level    # level of the nodes made now
    cdef int32_t sweep_code, sweep_lasti  # in a sweep: the line of the node differentiated
    cdef object __weakref__

    cdef int grow(self, int32_t n_inputs) except -1
    cdef int rehash(self) except -1
    cdef int find_line(self, int32_t* code, int32_t* lasti) except -1
    cdef int note_line(self, int32_t index) except -1
    cdef int32_t append(self, Operation op, int32_t n, const int32_t* inputs, tuple shape,
                        int dtype, int32_t attrs, int flags) except -1
    cdef int32_t intern_attrs(self, tuple attrs) except -1
    cdef int32_t intern_key(self, tuple attrs, object key) except -1
    cdef str here(self)
    cdef tuple intern_shape(self, tuple shape)
    cdef Variable handle(self, int32_t index)
    cdef int32_t literal(self, object scalar, int dtype) except -1
    cdef int32_t capture(self, object array) except -1


cpdef Graph current_graph()
cdef int resize(void** p, size_t nbytes) except -1
