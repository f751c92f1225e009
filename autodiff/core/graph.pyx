"""Graphs of variables and operations (section 6.5.1): flat, append-only, in topological order.

A node is a C struct; a `Variable` is a thin handle on one, and there is at most one handle per
node, so that identity is equality. Variables keep their graph alive, never the reverse.
Equal pure subexpressions are one node: the table below is keyed on the operation, its inputs,
its attributes and its dtype.
"""

import operator
import os
from contextvars import ContextVar
from weakref import ref

import numpy as np

cimport cython
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from cpython.object cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.string cimport memcmp, memset

from ..errors import ConcretizationError, DTypeError, GraphError, ShapeError

cdef extern from "Python.h":
    ctypedef struct PyFrameObject:
        pass
    PyFrameObject* PyEval_GetFrame() noexcept
    PyFrameObject* PyFrame_GetBack(PyFrameObject*) noexcept
    ctypedef struct PyCodeObject:
        pass
    PyCodeObject* PyFrame_GetCode(PyFrameObject*) noexcept
    int PyFrame_GetLasti(PyFrameObject*) noexcept
    void Py_IncRef(PyObject*)
    void Py_DecRef(PyObject*)

cdef enum:
    MAX_NDIM = 32                 # as in call.h

cdef list operations = []             # every Operation, by index
cdef dict operation_by_name = {}
cdef dict functions = {}              # what the layers above give to Variable's methods
# Files below these are not the user's: a line in them is never reported.
cdef tuple NOT_THE_USER = (
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep,
    os.path.dirname(os.path.abspath(np.__file__)) + os.sep,
)

# Values are booleans, integers of any width, float32 and float64; indexed by NumPy's type number.
type_dtypes = [None] * 32
for _character in "?bhilqBHILQfd":
    type_dtypes[np.dtype(_character).num] = np.dtype(_character)


cdef class Operation:
    """One row of the operation table: what a node computes and how it is differentiated.

    Subclasses in `autodiff.ops` add shapes, kernels and rules; the core knows the name, the
    effect and which argument positions carry a gradient.
    """

    def __init__(self, str name, bytes derivative=b"\x01", str effect="pure", merges=True,
                 views=False):
        if name in operation_by_name:
            raise ValueError(f"an operation named {name!r} exists already")
        self.name = name
        self.effect = effect
        self.merges = merges and effect == "pure"
        self.derivative = derivative
        self.views = views
        self.index = len(operations)
        operations.append(self)
        operation_by_name[name] = self

    def __repr__(self):
        return f"<operation {self.name}>"

    def __reduce__(self):
        return operation, (self.name,)

    cdef object binary(self, object a, object b):
        return NotImplemented

    cdef int derivative_at(self, int position) noexcept:
        cdef Py_ssize_t n = len(self.derivative)
        return self.derivative[position if position < n else n - 1]


def operation(str name):
    """Return the operation registered under `name`."""
    return operation_by_name[name]


def all_operations():
    """Return every registered operation, in the order of registration."""
    return list(operations)


def provide(**given):
    """Give Variable's methods the functions of the layers above (`sum`, `getitem`, ...)."""
    functions.update(given)


class Alias(Operation):
    """An argument of a transform: a leaf, or a fresh alias of an outer Variable."""

    def bprop(self, position, g, y, x):
        return g

    def jvp(self, tangents, y, x):
        return tangents[0]


VARIABLE = Operation("variable", b"\x00", merges=False)   # a leaf the user named
ARGUMENT = Alias("argument", merges=False)
CONSTANT = Operation("constant", b"\x00")                 # a literal or a captured array
cdef Operation _variable = VARIABLE, _argument = ARGUMENT, _constant = CONSTANT


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
    """A key in which 1, 1.0 and True differ, and floats differ by bit pattern."""
    if type(value) is tuple or type(value) is list:
        return (type(value), tuple([tagged(item) for item in value]))
    if type(value) is slice:
        return (slice, tagged((value.start, value.stop, value.step)))
    if type(value) is float:
        return (float, value.hex())
    if type(value) is dict:
        return (dict, tuple([(tagged(k), tagged(v)) for k, v in value.items()]))
    return (type(value), value)


cdef object source_line(Graph graph, int32_t code, int32_t lasti):
    """The (file, line) of an instruction, or None where there is no Python frame."""
    if code < 0:
        return None
    code_object = graph.codes[code]
    for start, end, line in code_object.co_lines():
        if start <= lasti < end and line is not None:
            return code_object.co_filename, line
    return code_object.co_filename, code_object.co_firstlineno


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
        cdef int32_t k, j, level = self.base_level
        cdef Node* node
        if len(shape) > MAX_NDIM:
            raise ShapeError(
                f"{op.name}: {len(shape)} axes{self.here()}; autodiff goes up to {MAX_NDIM}")
        shape = self.intern_shape(shape)
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
        self.find_line(&node.code, &node.lasti)
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
        return <tuple> self.shapes.setdefault(shape, shape)

    cdef int32_t intern_attrs(self, tuple attrs) except -1:
        """Index of `attrs`; what cannot be hashed is equal to nothing but itself."""
        if not attrs:
            return 0
        try:
            key = tagged(attrs)
            index = self.attr_index.get(key)
        except TypeError:
            key, index = None, None
        if index is None:
            index = len(self.attrs)
            self.attrs.append(attrs)
            self.attr_keys.append(key if key is not None else _Unmerged(attrs))
            if key is not None:
                self.attr_index[key] = index
        return index

    cdef str here(self):
        """The user's line now, as the tail of a message: " (file.py:12)"."""
        cdef int32_t code, lasti
        self.find_line(&code, &lasti)
        found = source_line(self, code, lasti)
        return f" ({os.path.basename(found[0])}:{found[1]})" if found else ""

    cdef int32_t literal(self, object scalar, int dtype) except -1:
        """The constant node of a Python or NumPy scalar, converted to `dtype`."""
        key = (type(scalar), scalar, dtype)
        known = self.literals.get(key) if scalar else None       # -0.0 equals 0.0: never cached
        if known is not None:
            return known
        value = np.asarray(scalar, type_dtypes[dtype])
        if value.dtype.kind == "b" and not isinstance(scalar, (bool, np.bool_)):
            raise DTypeError(f"{scalar!r} is not a boolean")
        cdef int32_t attrs = self.intern_attrs((value.tobytes(), value.dtype.char))
        cdef int32_t index = self.append(_constant, 0, NULL, (), dtype, attrs, 0)
        if index not in self.payloads:
            value.flags.writeable = False
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
                    and held.tobytes() == array.tobytes()):
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
        """Where the user stands: the innermost frame outside this package and NumPy.

        A sweep's nodes carry the line of the node they differentiate. Only (code, lasti) is
        kept (about 1 ns against 85 for the line number).
        """
        cdef PyFrameObject* frame
        cdef PyFrameObject* outer
        cdef PyObject* found
        code[0] = self.sweep_code
        lasti[0] = self.sweep_lasti
        if self.sweep_code >= 0:
            return 0
        frame = PyEval_GetFrame()
        if frame == NULL:
            return 0
        outer = frame
        Py_IncRef(<PyObject*> frame)
        while frame != NULL:
            found = <PyObject*> PyFrame_GetCode(frame)
            index = self.code_index.get(<object> found)
            if index is None:
                if (<object> found).co_filename.startswith(NOT_THE_USER):
                    index = -1
                else:
                    index = len(self.codes)
                    self.codes.append(<object> found)
                self.code_index[<object> found] = index
            Py_DecRef(found)
            if index >= 0:
                code[0] = index
                lasti[0] = PyFrame_GetLasti(frame)
                break
            outer = PyFrame_GetBack(frame)
            Py_DecRef(<PyObject*> frame)
            frame = outer
        if frame != NULL:
            Py_DecRef(<PyObject*> frame)
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


# ---- Variable -----------------------------------------------------------------------------------

OPERATORS = ("add", "subtract", "multiply", "divide", "power", "less", "less_equal",
             "equal", "not_equal", "greater", "greater_equal", "floor_divide", "remainder")
cdef enum:
    ADD, SUBTRACT, MULTIPLY, DIVIDE, POWER, LESS, LESS_EQUAL, EQUAL, NOT_EQUAL, GREATER
    GREATER_EQUAL, FLOOR_DIVIDE, REMAINDER
cdef list operators = [None] * len(OPERATORS)


def set_operator(str symbol, Operation op):
    """Let a Python operator on Variables mean `op`."""
    operators[OPERATORS.index(symbol)] = op


cdef inline object operate(int which, object a, object b):
    op = operators[which]
    if op is None:
        return NotImplemented
    return (<Operation> op).binary(a, b)


@cython.no_gc_clear       # __dealloc__ must still see the graph
cdef class Variable:
    """A node of a graph: a value that is not yet computed.

    It has the shape and dtype of the array it stands for, takes part in NumPy expressions, and
    answers the book's `get_operation`, `get_inputs`, `get_consumers` as `op`, `inputs`,
    `consumers()`. Made by `ad.variable`, by operations and by the transforms.
    Source: section 6.5.1.
    """

    def __init__(self):
        raise TypeError("use ad.variable(name, shape, dtype) to make a Variable")

    def __dealloc__(self):
        if self.graph is not None:
            self.graph.handles[self.index] = NULL

    @property
    def op(self):
        """The operation that computes this value (`variable`, `constant` for leaves)."""
        return operations[self.graph.nodes[self.index].op]

    @property
    def inputs(self):
        """The Variables the operation reads, in order, as a tuple."""
        cdef Node* node = &self.graph.nodes[self.index]
        cdef int32_t j
        return tuple([self.graph.handle(self.graph.sources[node.first_edge + j])
                      for j in range(node.n_inputs)])

    def consumers(self):
        """The Variables that read this one, oldest first, once per edge."""
        cdef int32_t edge = self.graph.nodes[self.index].consumer
        found = []
        while edge >= 0:
            found.append(self.graph.handle(self.graph.edges[edge].consumer))
            edge = self.graph.edges[edge].next
        return found[::-1]

    @property
    def attrs(self):
        """The static parameters of the operation (axes, shapes, ...), as a tuple."""
        return self.graph.attrs[self.graph.nodes[self.index].attrs]

    @property
    def shape(self):
        """The shape of the value, a tuple of ints."""
        return <object> self.graph.nodes[self.index].shape

    @property
    def dtype(self):
        """The NumPy dtype of the value."""
        return type_dtypes[self.graph.nodes[self.index].dtype]

    @property
    def ndim(self):
        """The number of axes."""
        return len(<tuple> self.graph.nodes[self.index].shape)

    @property
    def size(self):
        """The number of elements."""
        cdef int64_t n = 1
        for extent in <tuple> self.graph.nodes[self.index].shape:
            n *= extent
        return n

    @property
    def nbytes(self):
        """The bytes of the value when it is held, size times itemsize."""
        return self.size * self.dtype.itemsize

    @property
    def level(self):
        """How many gradient sweeps made this node: 0 for the user's own."""
        return self.graph.nodes[self.index].level

    @property
    def weak(self):
        """Whether the dtype is a Python scalar's and gives way to any other (NEP 50)."""
        return bool(self.graph.nodes[self.index].flags & FLAG_WEAK)

    @property
    def name(self):
        """The user's name, else u1, u2, ... in the order of making (figure 6.8)."""
        given = self.graph.names.get(self.index)
        if given is not None:
            return given
        cdef Node* node = &self.graph.nodes[self.index]
        if node.ordinal:
            return f"u{node.ordinal}"
        payload = self.graph.payloads.get(self.index)
        if payload is not None and payload.ndim == 0:
            return repr(payload.item())
        return f"c{self.index}"

    @name.setter
    def name(self, str given):
        self.graph.names[self.index] = given

    @property
    def line(self):
        """The user's source line, "file.py:12", or "" where there is none."""
        cdef Node* node = &self.graph.nodes[self.index]
        found = source_line(self.graph, node.code, node.lasti)
        return f"{os.path.basename(found[0])}:{found[1]}" if found else ""

    @property
    def lines(self):
        """Every source line that wrote this (merged) expression, the first one first."""
        places = [self.line] if self.line else []
        for code, lasti in self.graph.lines.get(self.index, ()):
            path, number = source_line(self.graph, code, lasti)
            text = f"{os.path.basename(path)}:{number}"
            if text not in places:
                places.append(text)
        return places

    @property
    def location(self):
        """The user's source line as (path, number), or None."""
        cdef Node* node = &self.graph.nodes[self.index]
        return source_line(self.graph, node.code, node.lasti)

    @property
    def value(self):
        """The value as a read-only array, computed now if it has not been.

        Raises ConcretizationError where no values exist (a symbolic graph, `ad.compile`).
        """
        return functions["evaluate"](self)

    def __repr__(self):
        shape = f"{self.dtype}{list(self.shape)}"
        where = f", {self.line}" if self.line else ""
        return f"<Variable {self.name}: {shape} = {self.op.name}{where}>"

    def __hash__(self):
        return <Py_ssize_t> <void*> self >> 4

    def __len__(self):
        if not self.shape:
            raise TypeError("len() of a 0-d Variable")
        return self.shape[0]

    def __iter__(self):
        if not self.shape:
            raise TypeError("iteration over a 0-d Variable")
        return iter([self[k] for k in range(self.shape[0])])

    def __bool__(self):
        return functions["to_bool"](self)

    def __float__(self):
        return functions["to_float"](self)

    def __int__(self):
        return functions["to_int"](self)

    def __index__(self):
        if self.dtype.kind not in "iu":
            raise TypeError(f"only integer Variables can be an index, not {self!r}")
        return functions["to_int"](self)

    def __array__(self, dtype=None, copy=None):
        raise ConcretizationError(
            f"{self!r} cannot become a NumPy array: the value would leave the graph and its "
            "gradient would be lost. Use np.stack or np.concatenate to collect Variables, "
            "x.value for the number itself.")

    def __reduce__(self):
        raise TypeError("a Variable belongs to its graph and cannot be pickled or copied")

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    # ---- operators ----------------------------------------------------------------------------

    def __add__(self, other): return operate(ADD, self, other)
    def __radd__(self, other): return operate(ADD, other, self)
    def __sub__(self, other): return operate(SUBTRACT, self, other)
    def __rsub__(self, other): return operate(SUBTRACT, other, self)
    def __mul__(self, other): return operate(MULTIPLY, self, other)
    def __rmul__(self, other): return operate(MULTIPLY, other, self)
    def __truediv__(self, other): return operate(DIVIDE, self, other)
    def __rtruediv__(self, other): return operate(DIVIDE, other, self)
    def __floordiv__(self, other): return operate(FLOOR_DIVIDE, self, other)
    def __rfloordiv__(self, other): return operate(FLOOR_DIVIDE, other, self)
    def __mod__(self, other): return operate(REMAINDER, self, other)
    def __rmod__(self, other): return operate(REMAINDER, other, self)
    def __pow__(self, other, modulus): return operate(POWER, self, other)
    def __rpow__(self, other, modulus): return operate(POWER, other, self)
    def __matmul__(self, other): return functions["matmul"](self, other)
    def __rmatmul__(self, other): return functions["matmul"](other, self)
    def __lt__(self, other): return operate(LESS, self, other)
    def __le__(self, other): return operate(LESS_EQUAL, self, other)
    def __eq__(self, other): return operate(EQUAL, self, other)
    def __ne__(self, other): return operate(NOT_EQUAL, self, other)
    def __gt__(self, other): return operate(GREATER, self, other)
    def __ge__(self, other): return operate(GREATER_EQUAL, self, other)
    def __neg__(self): return functions["negative"](self)
    def __pos__(self): return self
    def __abs__(self): return functions["abs"](self)
    def __getitem__(self, index): return functions["getitem"](self, index)

    def __setitem__(self, index, value):
        raise GraphError(
            f"{self!r} cannot be assigned to: a Variable is a value, not a place. Build the "
            "result with np.where, np.stack or np.concatenate.")

    def __array_ufunc__(self, ufunc, method, *inputs, **keywords):
        return functions["array_ufunc"](ufunc, method, inputs, keywords)

    def __array_function__(self, function, types, inputs, keywords):
        return functions["array_function"](function, types, inputs, keywords)

    # ---- ndarray's methods --------------------------------------------------------------------

    @property
    def T(self):
        """The transpose, all axes reversed."""
        return functions["transpose"](self)

    def sum(self, axis=None, keepdims=False):
        """Sum over `axis` (None: all axes); see numpy.sum."""
        return functions["sum"](self, axis=axis, keepdims=keepdims)

    def mean(self, axis=None, keepdims=False):
        """Mean over `axis`; see numpy.mean."""
        return functions["mean"](self, axis=axis, keepdims=keepdims)

    def max(self, axis=None, keepdims=False):
        """Maximum over `axis`; see numpy.max."""
        return functions["max"](self, axis=axis, keepdims=keepdims)

    def min(self, axis=None, keepdims=False):
        """Minimum over `axis`; see numpy.min."""
        return functions["min"](self, axis=axis, keepdims=keepdims)

    def argmax(self, axis=None, keepdims=False):
        """Index of the maximum over `axis`; see numpy.argmax."""
        return functions["argmax"](self, axis=axis, keepdims=keepdims)

    def dot(self, other):
        """Dot product; see numpy.dot."""
        return functions["dot"](self, other)

    def reshape(self, *shape):
        """The same elements in another shape; see numpy.reshape."""
        return functions["reshape"](self, shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes):
        """Permute the axes; see numpy.transpose."""
        if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], (tuple, list))):
            axes = axes[0]
        return functions["transpose"](self, axes or None)

    def swapaxes(self, axis1, axis2):
        """Exchange two axes; see numpy.swapaxes."""
        return functions["swapaxes"](self, axis1, axis2)

    def squeeze(self, axis=None):
        """Drop axes of extent one; see numpy.squeeze."""
        return functions["squeeze"](self, axis=axis)

    def take(self, indices, axis=None):
        """Elements at `indices` along `axis`; see numpy.take."""
        return functions["take"](self, indices, axis=axis)

    def clip(self, a_min=None, a_max=None):
        """Limit values to the closed interval [a_min, a_max]; see numpy.clip."""
        return functions["clip"](self, a_min, a_max)

    def ravel(self):
        """All elements along one axis; see numpy.ravel."""
        return functions["reshape"](self, (-1,))

    def astype(self, dtype):
        """Convert to `dtype`; see numpy.ndarray.astype."""
        return functions["astype"](self, dtype)


def variable(str name, shape=(), dtype=np.float64, Graph graph=None):
    """Make a leaf of the current graph that stands for an array to be given later.

    Parameters
    ----------
    name : str
        Its name in listings; need not be unique.
    shape : int or tuple of int
        Shape of the arrays it stands for.
    dtype : NumPy dtype
        float32, float64, an integer type or bool.
    graph : Graph, optional
        The graph to put it in; the innermost `with ad.Graph():` otherwise, else the context's.

    Raises
    ------
    DTypeError
        For object, string, complex and other dtypes.

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> W = ad.variable("W", (784, 10), np.float32)
    >>> W.shape, W.dtype, W.op.name
    ((784, 10), dtype('float32'), 'variable')
    """
    if isinstance(shape, (int, np.integer)):
        shape = (shape,)
    shape = tuple([operator.index(extent) for extent in shape])
    if any([extent < 0 for extent in shape]):
        raise ValueError(f"variable {name!r}: shape {shape} has a negative extent")
    cdef int32_t index
    cdef int number = dtype_number(dtype, f"variable {name!r}")
    if graph is None:
        graph = current_graph()
    index = graph.append(_variable, 0, NULL, shape, number, 0, 0)
    graph.names[index] = name
    return graph.handle(index)


def argument(Graph graph, shape, dtype, str name=None, weak=False, Variable outer=None):
    """Make an argument of a transform: a fresh leaf, or a fresh alias of an `outer` Variable."""
    cdef int32_t inputs[1]
    cdef int32_t index
    if outer is not None:
        inputs[0] = outer.index
        index = graph.append(_argument, 1, inputs, outer.shape,
                             graph.nodes[outer.index].dtype, 0,
                             graph.nodes[outer.index].flags | (FLAG_WEAK if weak else 0))
    else:
        index = graph.append(_argument, 0, NULL, tuple(shape), np.dtype(dtype).num, 0,
                             FLAG_WEAK if weak else 0)
    if name is not None:
        graph.names[index] = name
    return graph.handle(index)


def constant(Graph graph, array):
    """Capture an array or scalar: a constant node that holds a copy."""
    array = np.asarray(array)
    dtype_number(array.dtype, "a captured array")
    return graph.handle(graph.capture(array))


cpdef int dtype_number(object dtype, str what) except -1:
    """NumPy's type number of `dtype`; DTypeError if values of it cannot be computed with."""
    found = np.dtype(dtype)
    if found.num >= 32 or type_dtypes[found.num] is None:
        raise DTypeError(
            f"{what} has dtype {found}; autodiff computes with float32, float64, integers and "
            "booleans. Convert it with .astype(float).")
    return found.num


def node(Operation op, inputs, tuple shape, dtype, tuple attrs=(), weak=False):
    """Apply an operation whose shape and dtype are known: a new node, or the equal one."""
    cdef int32_t room[8]
    cdef int32_t* indices = room
    cdef int32_t j, index, n = <int32_t> len(inputs)
    cdef Graph graph = (<Variable?> inputs[0]).graph
    cdef Variable x
    if n > 8:
        indices = NULL
        resize(<void**> &indices, n * sizeof(int32_t))
    try:
        for j in range(n):
            x = <Variable?> inputs[j]
            if x.graph is not graph:
                raise GraphError(
                    f"{op.name}: its arguments belong to different graphs{graph.here()}; make "
                    "them in one `with ad.Graph():`")
            indices[j] = x.index
        index = graph.append(op, n, indices, shape, np.dtype(dtype).num,
                             graph.intern_attrs(attrs), FLAG_WEAK if weak else 0)
    finally:
        if indices != room:
            PyMem_Free(indices)
    return graph.handle(index)


def here(Variable x):
    """The user's line now, as the tail of a message: " (file.py:12)"."""
    return x.graph.here()
