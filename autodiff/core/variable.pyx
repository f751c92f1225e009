"""Variables: thin handles on the nodes of a graph, with NumPy's operators and methods.

What the methods compute is given by the layers above (`operations.provide`, `set_operator`).
"""

import numpy as np

cimport cython
from libc.stdint cimport int32_t, int64_t

from ..errors import ConcretizationError, GraphError

from .lines cimport place_of, text_of
from .nodes cimport FLAG_WEAK, Node
from .operations cimport Operation, functions, operations, type_dtypes

OPERATORS = ("add", "subtract", "multiply", "divide", "power", "less", "less_equal",
             "equal", "not_equal", "greater", "greater_equal", "floor_divide", "remainder")
cdef enum:
    ADD, SUBTRACT, MULTIPLY, DIVIDE, POWER, LESS, LESS_EQUAL, EQUAL, NOT_EQUAL, GREATER
    GREATER_EQUAL, FLOOR_DIVIDE, REMAINDER
cdef list operators = [None] * len(OPERATORS)


cdef dict ufuncs = {}             # numpy.ufunc -> what takes its place on Variables


def set_ufuncs(dict given):
    """Let calls of NumPy's ufuncs on Variables mean these functions."""
    global ufuncs
    ufuncs = given


def set_operator(str symbol, Operation op):
    """Let a Python operator on Variables mean `op`."""
    operators[OPERATORS.index(symbol)] = op


cdef inline object operate(int which, object a, object b):
    op = operators[which]
    if op is None:
        return NotImplemented
    found = (<Operation> op).binary(a, b)
    if found is NotImplemented and which != EQUAL and which != NOT_EQUAL:
        return functions["no_operand"](op, a, b)
    return found


cdef object by_numpy(str name, a, b, dict options):
    """What a function of NumPy makes of these: its options are read where NumPy's calls are."""
    return getattr(np, name)(a, b, **options)


cdef object reduced(str name, x, axis, keepdims, dict options):
    """A reduction; with options that are NumPy's alone, by NumPy's function."""
    if options:
        options["keepdims"] = keepdims
        return by_numpy(name, x, axis, options)
    return functions[name](x, axis=axis, keepdims=keepdims)


cdef int being_made = 0           # Variables that graphs make now: those of others have no graph


cdef Variable new_variable():
    """A Variable whose graph and index the caller sets at once."""
    global being_made
    being_made += 1
    try:
        return Variable.__new__(Variable)
    finally:
        being_made -= 1


@cython.freelist(64)      # a sweep makes and drops a handle for each node it looks at
@cython.no_gc_clear       # __dealloc__ must still see the graph
cdef class Variable:
    """A node of a graph: a value that is not yet computed.

    It has the shape and dtype of the array it stands for, takes part in NumPy expressions, and
    answers the book's `get_operation`, `get_inputs`, `get_consumers` as `op`, `inputs`,
    `consumers()`. Made by `ad.variable`, by operations and by the transforms.

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> x = ad.variable("x", (3,))
    >>> y = np.tanh(x)
    >>> y.op, y.shape, y.inputs[0] is x, x.consumers()[0] is y
    (<operation tanh>, (3,), True, True)

    Source: section 6.5.1.
    """

    def __cinit__(self):
        if not being_made:
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
        return tuple(self.graph.inputs_of(self.index))

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
        cdef int64_t n = 1, extent
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
        return text_of(place_of(self.graph.codes, node.code, node.lasti))

    @property
    def lines(self):
        """Every source line that wrote this (merged) expression, the first one first."""
        places = [self.line] if self.line else []
        for code, lasti in self.graph.lines.get(self.index, ()):
            text = text_of(place_of(self.graph.codes, code, lasti))
            if text not in places:
                places.append(text)
        return places

    @property
    def location(self):
        """The user's source line as (path, number), or None."""
        cdef Node* node = &self.graph.nodes[self.index]
        return place_of(self.graph.codes, node.code, node.lasti)

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

    def __format__(self, spec):
        return format(self.value, spec) if spec else str(self)

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
            "x.value for the number itself. Functions of SciPy's take arrays only: write "
            "ad.nn.softmax for its softmax, and add others by ad.operation(function, bprop=...).")

    def __reduce__(self):
        raise TypeError("a Variable belongs to its graph and cannot be pickled or copied")

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    # ---- operators ----------------------------------------------------------------------------

    def __pow__(self, other, modulus):
        if modulus is not None:
            return NotImplemented                 # as arrays
        if type(other) is int and other == 2 and self.dtype.kind == "b":
            return functions["square"](self)      # NumPy: of booleans int8, np.power has int64
        return operate(POWER, self, other)

    def __rpow__(self, other, modulus):
        return operate(POWER, other, self) if modulus is None else NotImplemented

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

    # Without a rule: through NumPy to the error that says what to use.
    def __and__(self, other): return by_numpy("bitwise_and", self, other, {})
    def __rand__(self, other): return by_numpy("bitwise_and", other, self, {})
    def __or__(self, other): return by_numpy("bitwise_or", self, other, {})
    def __ror__(self, other): return by_numpy("bitwise_or", other, self, {})
    def __xor__(self, other): return by_numpy("bitwise_xor", self, other, {})
    def __rxor__(self, other): return by_numpy("bitwise_xor", other, self, {})
    def __lshift__(self, other): return by_numpy("left_shift", self, other, {})
    def __rshift__(self, other): return by_numpy("right_shift", self, other, {})
    def __divmod__(self, other): return by_numpy("divmod", self, other, {})
    def __invert__(self): return np.invert(self)
    def __round__(self, digits=0): return by_numpy("round", self, digits, {})

    def __setitem__(self, index, value):
        raise GraphError(
            f"{self!r} cannot be assigned to: a Variable is a value, not a place. Build the "
            "result with np.where, np.stack or np.concatenate.")

    def __array_ufunc__(self, ufunc, method, *inputs, **keywords):
        if not keywords and method == "__call__":
            frontend = ufuncs.get(ufunc)
            if frontend is not None:
                return frontend(*inputs)
        return functions["array_ufunc"](ufunc, method, inputs, keywords)

    def __array_function__(self, function, types, inputs, keywords):
        return functions["array_function"](function, types, inputs, keywords)

    # ---- ndarray's methods --------------------------------------------------------------------

    @property
    def T(self):
        """The transpose, all axes reversed."""
        return functions["transpose"](self)

    def sum(self, axis=None, keepdims=False, **others):
        """Sum over `axis` (None: all axes); see numpy.sum."""
        return reduced("sum", self, axis, keepdims, others)

    def mean(self, axis=None, keepdims=False, **others):
        """Mean over `axis`; see numpy.mean."""
        return reduced("mean", self, axis, keepdims, others)

    def max(self, axis=None, keepdims=False, **others):
        """Maximum over `axis`; see numpy.max."""
        return reduced("max", self, axis, keepdims, others)

    def min(self, axis=None, keepdims=False, **others):
        """Minimum over `axis`; see numpy.min."""
        return reduced("min", self, axis, keepdims, others)

    def argmax(self, axis=None, keepdims=False, **others):
        """Index of the maximum over `axis`; see numpy.argmax."""
        return reduced("argmax", self, axis, keepdims, others)

    def var(self, axis=None, keepdims=False, **others):
        """Variance over `axis`; see numpy.var."""
        return reduced("var", self, axis, keepdims, others)

    def std(self, axis=None, keepdims=False, **others):
        """Standard deviation over `axis`; see numpy.std."""
        return reduced("std", self, axis, keepdims, others)

    def dot(self, other):
        """Dot product; see numpy.dot."""
        return functions["dot"](self, other)

    def reshape(self, *shape, **others):
        """The same elements in another shape; see numpy.reshape."""
        if len(shape) == 1:
            shape, = shape
        if others:
            return by_numpy("reshape", self, shape, others)
        return functions["reshape"](self, shape)

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

    def take(self, indices, axis=None, **others):
        """Elements at `indices` along `axis`; see numpy.take."""
        if others:
            others["axis"] = axis
            return by_numpy("take", self, indices, others)
        return functions["take"](self, indices, axis=axis)

    def clip(self, a_min=None, a_max=None, **others):
        """Limit values to the closed interval [a_min, a_max]; see numpy.clip."""
        if others:
            others["a_max"] = a_max
            return by_numpy("clip", self, a_min, others)
        return functions["clip"](self, a_min, a_max)

    def ravel(self, order="C"):
        """All elements along one axis; see numpy.ravel."""
        if order != "C":
            return by_numpy("ravel", self, order, {})
        return functions["reshape"](self, (-1,))

    def flatten(self, order="C"):
        """All elements along one axis; see numpy.ndarray.flatten."""
        return self.ravel(order)

    def copy(self, order="C"):
        """Itself: a value that nothing can change needs no copy; see numpy.ndarray.copy."""
        return by_numpy("copy", self, order, {})

    def astype(self, dtype, **others):
        """Convert to `dtype`; see numpy.ndarray.astype."""
        if others:
            return functions["astype_with"](self, dtype, others)
        return functions["astype"](self, dtype)
