"""Graphs of variables and operations: flat arrays inside, thin handles outside."""

from libc.stdint cimport int32_t

from .lines cimport Met
from .nodes cimport Nodes
from .operations cimport Operation
from .variable cimport Variable

cdef enum:
    RECENT = 32                   # literals found again by their address


cdef class Graph(Nodes):
    cdef dict shapes              # tuple -> the same tuple: equal shapes are one object
    cdef dict attr_index          # tagged attributes -> index into attrs
    cdef readonly list attrs      # attribute tuples of the operations
    cdef list attr_keys           # by index into attrs: the tagged key
    cdef dict code_index          # code object -> index into codes, -1 if it is ours
    cdef readonly list codes
    cdef Met met                  # the code object of the last line
    cdef dict names               # node -> name given by the user
    cdef dict lines               # node -> further (code, lasti) of merged nodes
    cdef readonly dict payloads   # constant node -> its captured array
    cdef dict literals            # (type, scalar, dtype) -> its constant node
    cdef list recent              # literals by address and dtype, the last ones met; or None
    cdef int32_t recent_nodes[RECENT]
    cdef dict captures            # id of a captured array -> its node, reference; bits -> node
    cdef readonly dict calls      # node -> `ad.checkpoint` call that made it; < 0: its result
    cdef readonly dict saved      # node -> name given to it by `ad.save`
    cdef public dict bindings     # argument node -> array, while its trace is open
    cdef public int base_level    # level of the nodes made now
    cdef public int32_t settled   # nodes before it are computed as written: see `forms`
    cdef int32_t sweep_code, sweep_lasti  # in a sweep: the line of the node differentiated
    cdef object __weakref__

    cdef int find_line(self, int32_t* code, int32_t* lasti) except -1
    cdef int note_line(self, int32_t index) except -1
    cdef int32_t append(self, Operation op, int32_t n, const int32_t* inputs, tuple shape,
                        int dtype, int32_t attrs, int flags) except -1
    cdef int32_t intern_attrs(self, tuple attrs) except -1
    cdef int32_t intern_key(self, tuple attrs, object key) except -1
    cdef str here(self)
    cdef void* intern_shape(self, Operation op, tuple shape) except NULL
    cdef list inputs_of(self, int32_t index)
    cdef Variable handle(self, int32_t index)


cpdef Graph current_graph()
