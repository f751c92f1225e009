"""The kinds of rows of the operation table. An operation is one place: its row.

`Elementwise` rows hold one linear action on g per input; `Structural` rows hold a shape rule, a
kernel, `bprop` and `jvp` side by side; `Linear` rows are structural ones that say in which inputs
they are linear, and forward mode follows. Rules are written with Variables, so that a gradient is
graph, and what it reads is visible to the planner.
"""

import numpy as np

from autodiff.core import elementwise as core
from autodiff.core.making import constant, here, node
from autodiff.core.operations import Operation, provide
from autodiff.core.variable import Variable
from autodiff.errors import DTypeError, GraphError, brief

UNDEFINED = object()  # an action: a gradient that arrives here is an error


def derivative_codes(rules):
    """One byte for each rule: 0 carries nothing, 1 a rule, 2 undefined."""
    return bytes(2 if rule is UNDEFINED else int(rule is not None) for rule in rules)


class Elementwise(core.Elementwise):
    """A row that acts element by element.

    Parameters
    ----------
    name : str
        Its name in graphs and plans; NumPy's where NumPy has it.
    ufunc : numpy.ufunc or None
        What it computes; its inner loops are the kernel.
    *actions : callables (g, y, *inputs) -> Variable, None or UNDEFINED
        By input: g times the partial derivative, in the inputs and the output y.
    loop, resolve : str, callable
        For rows without a ufunc: the name of an own loop, and dtypes -> (inputs..., output).
    rewrite : callable (*args) -> Variable or None
        Literal special cases that are other rows.
    doc : str
        One line: the formula and its conventions.
    cost : int
        How many additions an element is worth, roughly, while its operands are in the cache: 1
        for arithmetic, comparison and selection, 2 for a division, 4 for a root, 8 for a function
        such as exp or sin, 20 for a power, 60 where NumPy divides as integers do.

    Attributes
    ----------
    cost_per_element : int
        `cost`; plans weigh computing again with it.
    """

    def __init__(self, name, ufunc, *actions, doc, loop=None, resolve=None, rewrite=None, cost=1):
        super().__init__(
            name, len(actions), actions, ufunc, loop, resolve, rewrite,
            derivative_codes(actions))
        self.doc, self.cost_per_element = doc, cost

    def jvp(self, tangents, y, *inputs):
        """The tangent of y: the Jacobian is diagonal, so each action carries its tangent."""
        total = None
        for tangent, action in zip(tangents, self.actions, strict=True):
            if tangent is not None:
                part = action(tangent, y, *inputs)
                if part is not None:
                    total = part if total is None else total + part
        return None if total is None else broadcast_tangent(total, y.shape)


def common(*dtypes):
    """NumPy's promotion of dtypes and of `int` and `float`, which stand for Python scalars."""
    return np.result_type(
        *(np.empty(0, t) if isinstance(t, np.dtype) else t(1) for t in dtypes))


def dtype_of(value):
    """The dtype of an operand, or `int` or `float` for a Python scalar."""
    if type(value) in (int, float):
        return type(value)
    return (value if isinstance(value, Variable) else np.asarray(value)).dtype


def only_floats(dtype):
    """Resolve an own function of one real: booleans and integers become float64."""
    dtype = np.dtype(dtype)
    if dtype.kind in "biu":
        dtype = np.dtype(np.float64)
    elif dtype not in (np.float32, np.float64):
        raise TypeError(f"no loop for {dtype}")
    return dtype, dtype


def literal(x):
    """The number of a 0-d constant, or None: rules have shorter forms for literal operands."""
    payload = x.graph.payloads.get(x.index)
    return None if payload is None or payload.ndim else payload.item()


def broadcast_tangent(tangent, shape):
    """A tangent in the shape of its node (a row of a broadcast sum may be smaller)."""
    if tangent.shape == shape:
        return tangent
    from autodiff.ops.movement import broadcast_to

    return broadcast_to(tangent, shape)


class Structural(Operation):
    """A row with a shape rule, a kernel and rules of its own.

    Parameters
    ----------
    name : str
        Its name in graphs and plans.
    bprop : callables (g, y, *inputs) -> Variable, None or UNDEFINED
        By argument position, or one callable (position, g, y, *inputs) for any number of inputs.
    jvp : callable (tangents, y, *inputs) -> Variable
        The tangent of y; tangents are Variables or None.
    kernel : str
        Name of the kernel; "{}" in it becomes "f" or "d", by the dtype of the first input.
    layouts : "any", "dense" or "matrix"
        What the kernel can read: any strides, C order, or what BLAS can (C order from the third
        input on).
    loop : callable y -> (ufunc or name, type numbers), or None
        The inner loop the kernel uses.
    params, workspace, cost : callables of y
        Static parameters (ints), bytes of scratch, and the cost in elementwise operations.
    views : bool, with `view(y, shape, strides) -> (strides, offset) or None`
        The result is a view of its input, 0 bytes, where `view` finds one.
    overwrites : tuple of int
        Positions of inputs over which the kernel can write its result, where they die: buffers of
        the result's layout, in which no other operand lies.
    add_to : callable (y, total) -> Variable, or None
        total + y without making y first: what gradients add up where y is mostly zeros.
    blamed : str
        What errors of a run call it, where it is part of another operation of the user's.
    doc : str
        One line: the formula and its conventions.
    """

    def __init__(self, name, bprop, *, doc, jvp=None, kernel=None, layouts="any", loop=None,
                 params=None, workspace=None, cost=None, view=None, effect="pure",
                 overwrites=(), add_to=None, blamed=None):
        rules = bprop if isinstance(bprop, tuple) else None
        super().__init__(
            name, b"\x01" if rules is None else derivative_codes(rules), effect,
            views=view is not None)
        self.rules, self.rule = rules, bprop
        self.doc, self.kernel, self.layouts = doc, kernel, layouts
        self.loop_for = loop or (lambda y: None)
        self.params = params or (lambda y: ())
        self.workspace = workspace or (lambda y: 0)
        self.cost = cost or elements_moved
        self.overwrites, self.add_to, self.blamed = overwrites, add_to, blamed or name
        if view is not None:
            self.view = view
        if jvp is not None:
            self.jvp = jvp

    def bprop(self, position, g, y, *inputs):
        """The vector-Jacobian product towards one input (eq. 6.54)."""
        if self.rules is None:
            return self.rule(position, g, y, *inputs)
        return self.rules[position](g, y, *inputs)

    def kernel_for(self, y):
        """The name of the kernel for the dtype of the first input."""
        return self.kernel.format("d" if y.inputs[0].dtype == np.float64 else "f")

    def __call__(self, inputs, shape, dtype, attrs=()):
        """Make the node of this operation on Variables."""
        return node(self, inputs, shape, dtype, attrs)


class Linear(Structural):
    """A structural row that is linear in all its differentiable inputs jointly.

    `again(tangents, y, *inputs)` applies it to tangents; where a tangent is None, zeros stand.
    """

    def __init__(self, name, transpose, *, again, **fields):
        super().__init__(name, transpose, jvp=again, **fields)


class Form(Structural):
    """What several nodes of a graph are in a program: one call of a kernel; see `core.forms`.

    No graph has such a node, so there are no rules. `cost` is asked of the product.
    """

    def __init__(self, name, **fields):
        super().__init__(name, None, **fields)


def elements_moved(y):
    """Cost of a row that touches each element of its inputs and its result once."""
    return 50 + y.size + sum(x.size for x in y.inputs)


def variables(name, *args):
    """The arguments of one operation as Variables of one graph, arrays captured.

    Raises GraphError where no argument is a Variable, DTypeError for what is no array.
    """
    found = [arg for arg in args if type(arg) is Variable]
    if len(found) == len(args):
        return found
    first = found[0] if found else None
    if first is None:
        raise GraphError(f"{name}: no argument is a Variable")
    found = []
    for arg in args:
        if not isinstance(arg, Variable):
            array = core.as_operand(arg)
            if array is None:
                if not isinstance(arg, (bool, int, float)):
                    raise DTypeError(f"{name} cannot take a {type(arg).__name__}{here(first)}")
                array = np.asarray(arg)
            arg = constant(first.graph, array)
        found.append(arg)
    return found


def promoted(name, *args):
    """The arguments as Variables of one dtype, NumPy's promotion; Python's scalars are weak."""
    if all(type(arg) is Variable and not arg.weak for arg in args):
        dtype = args[0].dtype
        if all(arg.dtype is dtype for arg in args):            # the usual case
            return list(args)
    found = variables(name, *args)
    strong = [
        x.dtype for arg, x in zip(args, found, strict=True)
        if type(arg) not in (bool, int, float) and not x.weak
    ]
    weak = [arg for arg in args if type(arg) in (bool, int, float)]
    weak += [1.0 for x in found if x.weak]
    arrays = [np.empty((0,), dtype) for dtype in strong]
    dtype = np.result_type(*arrays, *weak)
    from autodiff.ops.conversion import astype

    return [astype(x, dtype) for x in found]


def no_operand(op, a, b):
    """NotImplemented where the other operand of a Variable may know what to do; Python's own types
    do not, and are refused."""
    x, other = (a, b) if isinstance(a, Variable) else (b, a)
    if type(other).__module__ != "builtins":
        return NotImplemented
    raise DTypeError(f"{op.name}: {brief(other)} is no number or array of numbers{here(x)}")


provide(no_operand=no_operand)
