"""Graphs of variables and operations (section 6.5.1): flat, append-only, in topological order.

A node is a C struct; a `Variable` is a thin handle on one, and there is at most one handle per
node, so that identity is equality. Variables keep their graph alive, never the reverse.
Equal pure subexpressions are one node.
"""

import math
from contextvars import ContextVar
from weakref import ref

from libc.stdint cimport INT64_MAX, int32_t

from ..errors import ShapeError

from .keys cimport Unmerged, tagged
from .lines cimport place_of, text_of, user_line
from .nodes cimport Node, Nodes
from .operations cimport Operation, functions, operations, type_dtypes
from .variable cimport Variable, new_variable

cdef enum:
    MAX_NDIM = 32                 # as in call.h

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


cdef class Graph(Nodes):
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
        self.recent = [None] * RECENT
        self.sweep_code = -1

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
        cdef Node* node
        if not 0 <= index < self.n_nodes:
            raise IndexError(f"node {index} of a graph with {self.n_nodes} nodes")
        node = &self.nodes[index]
        return node.n_inputs > 0 and (<Operation> operations[node.op]).effect != "callback"

    def forget(self):
        """Let go of captured arrays and argument values; the nodes stay."""
        self.payloads = {}
        self.bindings = {}
        self.captures = {}
        self.literals = {}
        self.recent = [None] * RECENT

    # ---- growing ------------------------------------------------------------------------------

    cdef int32_t append(self, Operation op, int32_t n, const int32_t* inputs, tuple shape,
                        int dtype, int32_t attrs, int flags) except -1:
        """Add a node, or find the equal one that exists; return its index."""
        cdef Node made
        cdef int32_t k, j
        made.op, made.attrs, made.dtype, made.flags = op.index, attrs, dtype, flags
        made.n_inputs, made.level, made.merges = n, self.base_level, op.merges
        for j in range(n):
            made.level = max(made.level, self.nodes[inputs[j]].level)
        if op.merges:
            k = self.find(&made, inputs)
            if k >= 0:
                self.nodes[k].level = min(self.nodes[k].level, made.level)
                self.note_line(k)
                return k
        self.find_line(&made.code, &made.lasti)   # may run Python code: before anything is written
        made.shape = <void*> shape
        if n == 0 or made.shape != self.nodes[inputs[0]].shape:
            made.shape = self.intern_shape(op, shape)
        self.make_room(n)
        return self.add(&made, inputs)

    cdef void* intern_shape(self, Operation op, tuple shape) except NULL:
        """The one tuple equal to `shape`; ShapeError where no array has such a shape."""
        found = self.shapes.get(shape)
        if found is None:
            why = no_shape(shape)
            if why is not None:
                raise ShapeError(f"{op.name}: {why}{self.here()}")
            found = self.shapes[shape] = shape
        return <void*> found      # kept alive by self.shapes

    cdef int32_t intern_attrs(self, tuple attrs) except -1:
        """Index of `attrs`; what cannot be hashed is equal to nothing but itself."""
        if not attrs:
            return 0
        try:
            key = tagged(attrs)
            hash(key)
        except TypeError:
            key = Unmerged(attrs)
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

    # ---- lines --------------------------------------------------------------------------------

    cdef int find_line(self, int32_t* code, int32_t* lasti) except -1:
        """The user's line now; in a sweep, the line of the node that is differentiated."""
        code[0] = self.sweep_code
        lasti[0] = self.sweep_lasti
        if self.sweep_code < 0:
            user_line(self.code_index, self.codes, &self.met, code, lasti)
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

    cdef list inputs_of(self, int32_t index):
        """The Variables a node reads, in order."""
        cdef Node* node = &self.nodes[index]
        cdef int32_t j
        return [self.handle(self.sources[node.first_edge + j]) for j in range(node.n_inputs)]

    cdef Variable handle(self, int32_t index):
        """The one Variable of a node."""
        cdef Variable v
        if self.handles[index] != NULL:
            return <Variable> self.handles[index]
        v = new_variable()
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
