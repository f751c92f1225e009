"""Graphs of variables and operations (section 6.5.1): flat, append-only, in topological order.

A node is a C struct; a `Variable` is a thin handle on one, and there is at most one handle per
node, so that identity is equality. Variables keep their graph alive, never the reverse.
Equal pure subexpressions are one node: the table below is keyed on the operation, its inputs,
its attributes and its dtype.
"""

import math
from contextvars import ContextVar
from weakref import ref

import numpy as np

from cpython.mem cimport PyMem_Free, PyMem_Realloc
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint64_t
from libc.string cimport memcmp, memset

from ..errors import DTypeError, ShapeError

from .lines cimport place_of, text_of, user_line
from .operations cimport Operation, functions, operations, type_dtypes
from .operations import operation
from .variable cimport Variable

cdef Operation _constant = operation("constant")

cdef enum:
    MAX_NDIM = 32                 # as in call.h
    SCALARS = 1024                # literals remembered: learning rates are many

_innermost = ContextVar("autodiff.graph", default=None)   # Graph of `with`, or None
_own = ContextVar("autodiff.own_graph", default=None)     # weak reference to the context's own
_entries = ContextVar("autodiff.entries", default=None)   # nested `with`: (token, outer entries)


cpdef Graph current_graph():
    """Return the innermost graph of `with ad.Graph():`, else the context's own."""
    graph = _innermost.get()
    if graph is None:
        reference = _own.get()
        graph = reference() if reference is not None else None
        if graph is None:
            graph = Graph()
            _own.set(ref(graph))
    return graph


cdef object tagged(object value):
    """A key in which 1, 1.0 and True differ, and floats differ by bit pattern.

    Ints, strings, None and tuples of such are their own keys; everything else stands behind its
    type, which is no key of its own.
    """
    cdef bint plain = True
    kind = type(value)
    if kind is int or kind is str or value is None:
        return value
    if kind is tuple:
        keys = [tagged(item) for item in <tuple> value]
        for key, item in zip(keys, <tuple> value):
            plain = plain and key is item
        return value if plain else tuple(keys)
    if kind is list:
        return (list, tuple([tagged(item) for item in value]))
    if kind is slice:
        return (slice, tagged((value.start, value.stop, value.step)))
    if kind is float:
        return (float, value.hex())
    if kind is dict:
        return (dict, tuple([(tagged(k), tagged(v)) for k, v in value.items()]))
    return (kind, value)


cdef dict scalars = {}            # (type, scalar, dtype) -> what `make_scalar` returns, if not zero


cdef tuple make_scalar(object scalar, int dtype):
    """(its array, the attributes of its constant node, their key): the same for every graph."""
    value = np.asarray(scalar, type_dtypes[dtype])
    if value.dtype.kind == "b" and not isinstance(scalar, (bool, np.bool_)):
        raise DTypeError(f"{scalar!r} is not a boolean")
    value.flags.writeable = False
    attrs = (value.tobytes(), value.dtype.char)
    return value, attrs, tagged(attrs)


cdef class Graph:
    """A graph of variables and operations, written by tracing NumPy expressions.

    Use it as a context (`with ad.Graph() as g:`) to keep a computation to itself; otherwise
    variables made in one context share a graph of their own. `print(graph)` lists it,
    `graph.to_dot()` draws it. Source: section 6.5.1.

    >>> import numpy as np, autodiff as ad
    >>> with ad.Graph() as g:
    ...     x = ad.variable("x", (3,), np.float64)
    ...     y = np.tanh(x)
    >>> [v.name for v in g]
    ['x', 'u1']
    """

    def __cinit__(self):
        self.shapes = {}
        self.attr_index = {(): 0}
        self.attrs = [()]
        self.attr_keys = [()]
        self.code_index = {}
        self.codes = []
        self.names = {}
        self.lines = {}
        self.payloads = {}
        self.captures = {}
        self.literals = {}
        self.calls = {}
        self.saved = {}
        self.bindings = {}
        self.sweep_code = -1

    def __dealloc__(self):
        PyMem_Free(self.nodes)
        PyMem_Free(self.sources)
        PyMem_Free(self.edges)
        PyMem_Free(self.handles)
        PyMem_Free(self.table)

    def __len__(self):
        return self.n_nodes

    def __iter__(self):
        cdef int32_t k
        for k in range(self.n_nodes):
            yield self.handle(k)

    def __getitem__(self, Py_ssize_t index):
        if not 0 <= index < self.n_nodes:
            raise IndexError(f"node {index} of a graph with {self.n_nodes} nodes")
        return self.handle(<int32_t> index)

    def __enter__(self):
        # The tokens of nested entries travel in a context variable's history, not in the graph.
        _entries.set((_innermost.set(self), _entries.get()))
        return self

    def __exit__(self, *exception):
        token, outer = _entries.get()
        _innermost.reset(token)
        _entries.set(outer)
        return False

    def __repr__(self):
        return f"<Graph of {self.n_nodes} nodes>"

    def __str__(self):
        return functions["graph_listing"](self)

    def to_dot(self):
        """Return the graph as Graphviz text: ellipses for leaves, boxes for operations.

        >>> import numpy as np, autodiff as ad
        >>> with ad.Graph() as g:
        ...     y = np.tanh(ad.variable("x", (3,)))
        >>> print(g.to_dot().splitlines()[0])
        digraph {
        """
        return functions["graph_dot"](self)

    def verify(self):
        """Check what every stage relies on; AssertionError names the node. Run by debug builds."""
        cdef int32_t v, j, edge
        cdef Node* node
        for v in range(self.n_nodes):
            node = &self.nodes[v]
            assert 0 <= node.op < len(operations), f"node {v}: no operation {node.op}"
            assert 0 <= node.attrs < len(self.attrs), f"node {v}: no attributes {node.attrs}"
            assert type_dtypes[node.dtype] is not None, f"node {v}: dtype {node.dtype}"
            shape = <object> node.shape
            assert self.shapes.get(shape) is shape, f"node {v}: shape {shape} is not interned"
            for j in range(node.n_inputs):
                edge = node.first_edge + j
                assert 0 <= self.sources[edge] < v, f"node {v} reads {self.sources[edge]}"
                assert self.edges[edge].consumer == v, f"edge {edge} is not of node {v}"
                assert self.nodes[self.sources[edge]].level <= node.level, (
                    f"node {v} of level {node.level} reads a higher one")
            edge = node.consumer
            while edge >= 0:
                assert self.sources[edge] == v, f"edge {edge} does not read node {v}"
                assert self.edges[edge].next < edge, f"the consumers of node {v} are not in order"
                edge = self.edges[edge].next

    def can_repeat(self, Py_ssize_t index):
        """Whether a node is computed, and may be computed a second time."""
        cdef Node* node = &self.nodes[index]
        return node.n_inputs > 0 and (<Operation> operations[node.op]).effect != "callback"

    def forget(self):
        """Let go of captured arrays and argument values; the nodes stay."""
        self.payloads = {}
        self.bindings = {}
        self.captures = {}
        self.literals = {}

    # ---- growing ------------------------------------------------------------------------------

    cdef int32_t append(self, Operation op, int32_t n, const int32_t* inputs, tuple shape,
                        int dtype, int32_t attrs, int flags) except -1:
        """Add a node, or find the equal one that exists; return its index."""
        cdef uint64_t h = 0
        cdef int64_t slot = 0
        cdef int32_t k, j, code, lasti, level = self.base_level
        cdef Node* node
        given = shape
        shape = self.intern_shape(given)
        if shape is None:
            raise ShapeError(f"{op.name}: {no_shape(given)}{self.here()}")
        for j in range(n):
            if self.nodes[inputs[j]].level > level:
                level = self.nodes[inputs[j]].level
        if op.merges:
            if 2 * (self.table_used + 1) > self.table_room:
                self.rehash()
            h = hash_node(op.index, attrs, dtype, flags, n, inputs)
            slot = <int64_t> (h & <uint64_t> (self.table_room - 1))
            while self.table[2 * slot]:
                if self.table[2 * slot + 1] == <int32_t> (h >> 32):
                    k = self.table[2 * slot] - 1
                    node = &self.nodes[k]
                    if (node.op == op.index and node.attrs == attrs and node.dtype == dtype
                            and node.flags == flags and node.n_inputs == n
                            and memcmp(self.sources + node.first_edge, inputs,
                                       n * sizeof(int32_t)) == 0):
                        if node.level > level:
                            node.level = level
                        self.note_line(k)
                        return k
                slot = (slot + 1) & (self.table_room - 1)
        self.find_line(&code, &lasti)   # may run Python code: before anything is written
        self.grow(n)
        k = self.n_nodes
        node = &self.nodes[k]
        node.op = op.index
        node.first_edge = self.n_edges
        node.n_inputs = n
        node.consumer = -1
        node.attrs = attrs
        node.level = level
        node.dtype = dtype
        node.flags = flags
        node.shape = <void*> shape      # kept alive by self.shapes
        node.ordinal = 0
        if n > 0:
            self.n_ordinals += 1
            node.ordinal = self.n_ordinals
        for j in range(n):
            self.sources[self.n_edges + j] = inputs[j]
            self.edges[self.n_edges + j].consumer = k
            self.edges[self.n_edges + j].next = self.nodes[inputs[j]].consumer
            self.nodes[inputs[j]].consumer = self.n_edges + j
        self.handles[k] = NULL
        node.code = code
        node.lasti = lasti
        self.n_edges += n
        self.n_nodes += 1
        if op.merges:
            self.table[2 * slot] = k + 1
            self.table[2 * slot + 1] = <int32_t> (h >> 32)
            self.table_used += 1
        return k

    cdef int grow(self, int32_t n_inputs) except -1:
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

    cdef int rehash(self) except -1:
        """Double the table of mergeable nodes."""
        cdef int64_t room = 2 * self.table_room if self.table_room else 128, k, slot
        cdef int32_t* old = self.table
        cdef int32_t* new = NULL
        cdef Node* node
        resize(<void**> &new, 2 * room * sizeof(int32_t))
        memset(new, 0, 2 * room * sizeof(int32_t))
        for k in range(self.table_room):
            if old[2 * k]:
                node = &self.nodes[old[2 * k] - 1]
                slot = <int64_t> (hash_node(node.op, node.attrs, node.dtype, node.flags,
                                            node.n_inputs, self.sources + node.first_edge)
                                  & <uint64_t> (room - 1))
                while new[2 * slot]:
                    slot = (slot + 1) & (room - 1)
                new[2 * slot] = old[2 * k]
                new[2 * slot + 1] = old[2 * k + 1]
        PyMem_Free(old)
        self.table = new
        self.table_room = room
        return 0

    cdef tuple intern_shape(self, tuple shape):
        """The one tuple equal to `shape`; None where no array has such a shape."""
        found = self.shapes.get(shape)
        if found is None and no_shape(shape) is None:
            found = self.shapes[shape] = shape
        return <tuple> found

    cdef int32_t intern_attrs(self, tuple attrs) except -1:
        """Index of `attrs`; what cannot be hashed is equal to nothing but itself."""
        if not attrs:
            return 0
        try:
            key = tagged(attrs)
            hash(key)
        except TypeError:
            key = _Unmerged(attrs)
        return self.intern_key(attrs, key)

    cdef int32_t intern_key(self, tuple attrs, object key) except -1:
        """Index of `attrs`, which have this key."""
        index = self.attr_index.get(key)
        if index is None:
            index = len(self.attrs)
            self.attrs.append(attrs)
            self.attr_keys.append(key)
            self.attr_index[key] = index
        return index

    cdef str here(self):
        """The user's line now, as the tail of a message: " (file.py:12)"."""
        cdef int32_t code, lasti
        self.find_line(&code, &lasti)
        place = text_of(place_of(self.codes, code, lasti))
        return f" ({place})" if place else ""

    cdef int32_t literal(self, object scalar, int dtype) except -1:
        """The constant node of a Python or NumPy scalar, converted to `dtype`."""
        key = (type(scalar), scalar, dtype)
        known = self.literals.get(key) if scalar else None       # -0.0 equals 0.0: never cached
        if known is not None:
            return known
        made = scalars.get(key) if scalar else None
        if made is None:
            made = make_scalar(scalar, dtype)
            if scalar:
                if len(scalars) >= SCALARS:
                    scalars.clear()
                scalars[key] = made
        value, attrs, attrs_key = <tuple> made
        cdef int32_t index = self.append(
            _constant, 0, NULL, (), dtype, self.intern_key(<tuple> attrs, attrs_key), 0)
        if index not in self.payloads:
            self.payloads[index] = value
        if scalar:
            self.literals[key] = index
        return index

    cdef int32_t capture(self, object array) except -1:
        """The constant node of a copy of `array`; captured again unchanged, it is the same node."""
        if array.ndim == 0:
            return self.literal(array[()], array.dtype.num)
        known = self.captures.get(id(array))
        if known is not None:
            held = self.payloads[known]
            if (held.shape == array.shape and held.dtype == array.dtype
                    and same_bits(held, array)):
                return known
        value = array.astype(array.dtype.newbyteorder("="), order="C", copy=True)
        value.flags.writeable = False
        cdef int32_t attrs = self.intern_attrs((value.dtype.char, _Unmerged()))
        cdef int32_t index = self.append(_constant, 0, NULL, value.shape, value.dtype.num, attrs, 0)
        self.payloads[index] = value
        self.captures[id(array)] = index
        return index

    # ---- lines --------------------------------------------------------------------------------

    cdef int find_line(self, int32_t* code, int32_t* lasti) except -1:
        """The user's line now; in a sweep, the line of the node that is differentiated."""
        code[0] = self.sweep_code
        lasti[0] = self.sweep_lasti
        if self.sweep_code < 0:
            user_line(self.code_index, self.codes, code, lasti)
        return 0

    cdef int note_line(self, int32_t index) except -1:
        """Remember that a merged node was written on this line too."""
        cdef int32_t code, lasti
        self.find_line(&code, &lasti)
        if code < 0 or (code == self.nodes[index].code and lasti == self.nodes[index].lasti):
            return 0
        further = self.lines.get(index)
        if further is None:
            self.lines[index] = {(code, lasti): None}
        else:
            further[(code, lasti)] = None
        return 0

    # ---- handles ------------------------------------------------------------------------------

    cdef Variable handle(self, int32_t index):
        """The one Variable of a node."""
        cdef Variable v
        if self.handles[index] != NULL:
            return <Variable> self.handles[index]
        v = Variable.__new__(Variable)
        v.graph = self
        v.index = index
        self.handles[index] = <void*> v
        return v


cdef str no_shape(tuple shape):
    """Why no array has this shape, or None: its bytes must be a number that an int64 counts."""
    if len(shape) > MAX_NDIM:
        return f"{len(shape)} axes are too many, autodiff goes up to {MAX_NDIM}"
    if any([extent < 0 for extent in shape]):
        return f"shape {shape} has a negative extent"
    if 8 * math.prod([max(extent, 1) for extent in shape]) >= INT64_MAX:
        return f"shape {shape} is larger than any array"
    return None


cdef bint same_bits(object held, object array) except -1:
    """Whether two arrays of one shape and dtype are equal bit by bit."""
    bits = np.dtype(f"u{held.itemsize}")
    return (held.view(bits) == np.asarray(array, held.dtype).view(bits)).all()


class _Unmerged:
    """A key that is equal to nothing but itself."""

    def __init__(self, attrs=()):
        self.attrs = attrs

    def __repr__(self):
        return "captured"


cdef uint64_t hash_node(int op, int32_t attrs, int dtype, int flags, int32_t n,
                        const int32_t* inputs) noexcept nogil:
    cdef uint64_t h = (<uint64_t> op << 32) ^ <uint64_t> attrs
    cdef int32_t j
    h = (h ^ <uint64_t> (dtype * 4 + flags)) * 0x9E3779B97F4A7C15ULL
    for j in range(n):
        h = (h ^ (h >> 29) ^ <uint64_t> inputs[j]) * 0xBF58476D1CE4E5B9ULL
    return h ^ (h >> 31)


cdef int resize(void** p, size_t nbytes) except -1:
    cdef void* new = PyMem_Realloc(p[0], nbytes)
    if new == NULL:
        raise MemoryError(f"no memory for {nbytes} bytes of a graph")
    p[0] = new
    return 0
