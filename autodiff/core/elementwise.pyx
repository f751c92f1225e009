"""Elementwise operations: promotion, broadcasting and casts while tracing.

A Python scalar is weak (NEP 50): it takes the dtype of what it meets. A conversion is a node of
its own, so a kernel only ever sees one combination of dtypes that NumPy has a loop for.
"""

import numpy as np

from cpython.mem cimport PyMem_Free
from libc.stdint cimport int8_t, int32_t
from libc.string cimport memcpy

from ..errors import DTypeError, GraphError, IndexRangeError, NumberError, ShapeError, brief

from .constants cimport capture, literal
from .graph cimport Graph
from .nodes cimport FLAG_WEAK
from .operations cimport Operation, dtype_number, is_special, type_dtypes
from .room cimport resize
from .variable cimport Variable
from .kernels cimport PyUFuncGenericFunction, find_loop, npy_intp

cdef enum:
    WEAK_BOOL = 32                # codes beyond NumPy's type numbers: Python's own scalars
    WEAK_INT = 33
    WEAK_FLOAT = 34
    ARRAY = 64                    # not a Variable: to be captured

# Rounded as IEEE asks by whoever computes them: what they make of literals is a literal.
cdef frozenset exact = frozenset([
    np.add, np.subtract, np.multiply, np.divide, np.negative, np.square, np.sqrt, np.absolute])
cdef dict weak_types = {WEAK_BOOL: np.dtype(bool), WEAK_INT: int, WEAK_FLOAT: float}
cdef Operation cast_operation = None


def set_cast(Operation op):
    """Tell the core which operation converts dtypes."""
    global cast_operation
    cast_operation = op


cdef tuple broadcast(tuple a, tuple b):
    """The shape of a result whose operands have shapes `a` and `b`; None if they do not fit."""
    cdef Py_ssize_t na = len(a), nb = len(b), k
    if a is b or nb == 0:
        return a
    if na == 0:
        return b
    if a == b:
        return a
    if na < nb:
        a, b, na, nb = b, a, nb, na
    out = list(a)
    for k in range(nb):
        p, q = a[na - nb + k], b[k]
        if p != q:
            if p == 1:
                out[na - nb + k] = q
            elif q != 1:
                return None
    return tuple(out)


cdef int32_t cast(Graph graph, int32_t index, int dtype) except -1:
    """The node of `index` converted to `dtype`; itself where it has that dtype."""
    cdef int32_t inputs[1]
    if graph.nodes[index].dtype == dtype and not graph.nodes[index].flags & FLAG_WEAK:
        return index
    inputs[0] = index
    if (<tuple> graph.nodes[index].shape) == () and type_dtypes[dtype].kind == "f":
        payload = graph.payloads.get(index) if graph.nodes[index].n_inputs == 0 else None
        if payload is not None:
            with np.errstate(all="ignore"):
                return literal(graph, payload[()], dtype)
    return graph.append(cast_operation, 1, inputs, <tuple> graph.nodes[index].shape, dtype, 0, 0)


cdef bint are_leaves(Graph graph, int n, const int32_t* inputs) noexcept:
    cdef int j
    for j in range(n):
        if graph.nodes[inputs[j]].n_inputs:
            return False
    return True


cdef object fold(Graph graph, object ufunc, int n, const int32_t* inputs):
    """The number a ufunc makes of literals; None where a leaf is none."""
    cdef int j
    for j in range(n):
        if inputs[j] not in graph.payloads:
            return None
    with np.errstate(all="ignore"):
        return ufunc(*[graph.payloads[inputs[j]] for j in range(n)])


cdef class Elementwise(Operation):
    """An operation that acts element by element, with one linear action on g per input.

    `action(g, y, *inputs)` is g times the partial derivative, in Variables; the Jacobian is
    diagonal, so the same action carries a tangent forward.
    """

    def __dealloc__(self):
        PyMem_Free(self.promotions)

    def __init__(self, str name, int n_inputs, tuple actions, ufunc=None, loop=None,
                 resolve=None, rewrite=None, derivative=None):
        if derivative is None:
            derivative = bytes([action is not None for action in actions])
        super().__init__(name, derivative)
        self.n_inputs = n_inputs
        self.actions = actions
        self.ufunc = ufunc
        self.loop = loop if loop is not None else ufunc
        self.resolve = resolve or (lambda *given: ufunc.resolve_dtypes(given + (None,)))
        self.rewrite = rewrite
        self.cost_per_element = 1

    def __call__(self, *args):
        """Apply the operation; NumPy computes at once where no argument is a Variable."""
        cdef int n = len(args)
        if n != self.n_inputs:
            raise TypeError(f"{self.name} takes {self.n_inputs} arguments, {n} were given")
        result = self.apply(n, args[0], args[1] if n > 1 else None, args[2] if n > 2 else None)
        if result is NotImplemented:
            kinds = ", ".join([type(arg).__name__ for arg in args])
            where = (<Graph> [x.graph for x in args if type(x) is Variable][0]).here()
            raise DTypeError(f"{self.name} cannot take arguments of types {kinds}{where}")
        return result

    def bprop(self, int position, g, y, *inputs):
        """The vector-Jacobian product towards one input (eq. 6.54)."""
        if not 0 <= position < len(self.actions):
            raise IndexRangeError(f"{self.name} has no argument {position}")
        action = self.actions[position]
        if len(inputs) == 1:      # without a tuple, see Sweep.push
            return action(g, y, inputs[0])
        if len(inputs) == 2:
            return action(g, y, inputs[0], inputs[1])
        return action(g, y, *inputs)

    cdef object binary(self, object a, object b):
        return self.apply(2, a, b, None)

    cdef object apply(self, int n, object a, object b, object c):
        """Trace one application on `n` of the three arguments."""
        cdef int codes[3]
        cdef int32_t inputs[3]
        cdef void* args[3]
        cdef Graph graph = None
        cdef Variable v
        cdef int j, out_flags = FLAG_WEAK
        cdef int8_t resolved[4]
        cdef tuple shape
        cdef object held = None       # arrays made of arguments
        args[0], args[1], args[2] = <void*> a, <void*> b, <void*> c
        for j in range(n):
            if type(<object> args[j]) is Variable:
                v = <Variable> args[j]
                if graph is None:
                    graph = v.graph
                elif v.graph is not graph:
                    raise GraphError(
                        f"{self.name}: its arguments belong to different graphs"
                        f"{graph.here()}; make them in one `with ad.Graph():`")
        if graph is None:
            return self.compute([a, b, c][:n])
        if self.rewrite is not None:
            other = self.rewrite(a, b)
            if other is not None:
                return other
        for j in range(n):
            kind = type(<object> args[j])
            if kind is Variable:
                v = <Variable> args[j]
                inputs[j] = v.index
                if graph.nodes[v.index].flags & FLAG_WEAK:
                    codes[j] = WEAK_FLOAT
                else:
                    codes[j] = graph.nodes[v.index].dtype
                    out_flags = 0
            elif kind is float:
                codes[j] = WEAK_FLOAT
            elif kind is int:
                codes[j] = WEAK_INT
            elif kind is bool:
                codes[j] = WEAK_BOOL
            else:
                array = as_operand(<object> args[j])
                if array is None:
                    return NotImplemented
                held = (array, held)
                args[j] = <void*> array
                codes[j] = ARRAY + dtype_number(array.dtype, f"{self.name}: argument {j + 1}")
                out_flags = 0
        self.promote(n, codes, graph, resolved)
        for j in range(n):
            if type(<object> args[j]) is not Variable:
                if codes[j] < ARRAY:
                    try:
                        inputs[j] = literal(graph, <object> args[j], resolved[j])
                    except OverflowError:
                        raise NumberError(
                            f"{self.name}: {brief(<object> args[j])} does not fit "
                            f"{type_dtypes[resolved[j]]}{graph.here()}; convert the other operand "
                            "with .astype") from None
                    continue
                inputs[j] = capture(graph, <object> args[j])
            if graph.nodes[inputs[j]].dtype != resolved[j]:
                inputs[j] = cast(graph, inputs[j], resolved[j])
        shape = <tuple> graph.nodes[inputs[0]].shape
        for j in range(1, n):
            shape = broadcast(shape, <tuple> graph.nodes[inputs[j]].shape)
            if shape is None:
                shapes = " and ".join([str(<tuple> graph.nodes[inputs[k]].shape)
                                       for k in range(n)])
                raise ShapeError(
                    f"{self.name}: shapes {shapes} cannot be broadcast together{graph.here()}")
        if not shape and are_leaves(graph, n, inputs) and self.ufunc in exact:
            folded = fold(graph, self.ufunc, n, inputs)
            if folded is not None:
                return graph.handle(literal(graph, folded, resolved[n]))
        return graph.handle(graph.append(self, n, inputs, shape, resolved[n], 0, out_flags))

    cdef object compute(self, list args):
        """Apply the operation to plain arrays: by NumPy, or by the own loop of the row."""
        if self.ufunc is not None:
            return self.ufunc(*args)
        given = [type(arg) if type(arg) in (int, float) else np.asarray(arg).dtype
                 for arg in args]
        try:
            resolved = self.resolve(*given)
        except TypeError as error:
            raise DTypeError(f"{self.name} cannot take arguments of types {given}") from error
        arrays = np.broadcast_arrays(
            *[np.asarray(arg, dtype) for arg, dtype in zip(args, resolved)])
        out = np.empty(arrays[0].shape, resolved[len(args)])
        run_loop(self, [array.ravel() for array in arrays], out.ravel())
        return out[()]

    cdef int promote(self, int n, const int* codes, Graph graph, int8_t* resolved) except -1:
        """Write the type numbers of inputs and output for operands of these codes, by NumPy's own
        rules."""
        cdef int j
        cdef int32_t packed = 0
        for j in range(n):
            packed = (packed << 8) | (codes[j] & 63)
        for j in range(self.n_promotions):        # a few
            if self.promotions[j].packed == packed:
                memcpy(resolved, self.promotions[j].numbers, 4)
                return 0
        given = [weak_types.get(codes[j] & 63) or type_dtypes[codes[j] & 63] for j in range(n)]
        dtypes = given
        if all([type(dtype) is type for dtype in given]):
            dtypes = [np.dtype(dtype) for dtype in given]
        try:
            found = [dtype_number(dtype, self.name) for dtype in self.resolve(*dtypes)]
        except TypeError as error:
            names = ", ".join([getattr(dtype, "name", None) or dtype.__name__ for dtype in given])
            raise DTypeError(
                f"{self.name} is not defined for {names}{graph.here()}: convert with "
                ".astype(float)") from error
        resize(<void**> &self.promotions, (self.n_promotions + 1) * sizeof(Promotion))
        for j in range(n + 1):
            resolved[j] = found[j]
        memcpy(self.promotions[self.n_promotions].numbers, resolved, 4)
        self.promotions[self.n_promotions].packed = packed
        self.n_promotions += 1
        return 0


def run_loop(Elementwise op, list arrays, out):
    """Run the inner loop of `op` once over one-dimensional arrays, where they lie in memory."""
    cdef PyUFuncGenericFunction loop
    cdef void* data
    cdef char* at[4]
    cdef npy_intp steps[4]
    cdef npy_intp length = len(out)
    cdef int j
    if len(arrays) != op.n_inputs:
        raise ShapeError(f"{op.name} takes {op.n_inputs} arrays, {len(arrays)} were given")
    find_loop(op.loop, tuple([array.dtype.num for array in [*arrays, out]]), &loop, &data)
    for j, array in enumerate([*arrays, out]):
        if len(array) != length:
            raise ShapeError(f"{op.name}: {len(array)} elements against {length}")
        at[j] = <char*> <size_t> array.ctypes.data
        steps[j] = array.strides[0]
    with nogil:
        loop(at, &length, steps, data)


def as_operand(value):
    """`value` as an array a Variable can meet, or None for what is not one."""
    if isinstance(value, (np.ndarray, np.generic)):
        if is_special(value):
            raise DTypeError(f"{type(value).__name__} is not supported: pass a plain array")
        return np.asarray(value)
    if isinstance(value, (list, tuple)):
        try:
            array = np.asarray(value)
        except ValueError:                         # a ragged list
            return None
        return None if array.dtype == object else array
    if isinstance(value, (int, float)) and type(value) not in (bool, int, float):
        array = np.asarray(value)     # NumPy: only Python's own numbers are weak, not their heirs
        return None if array.dtype == object else array
    return None
