"""The user's own operations: forward in NumPy, a rule by argument position."""

from contextvars import ContextVar

import numpy as np

from autodiff.core.arguments import argument
from autodiff.core.gradients import gradients
from autodiff.core.making import here
from autodiff.core.operations import dtype_number
from autodiff.core.variable import Variable
from autodiff.errors import ArgumentError, DTypeError, ShapeError
from autodiff.ops.table import UNDEFINED, Structural, variables

open_trace = ContextVar("autodiff.trace", default=None)  # the Trace being written, or None


class UserOperation(Structural):
    """A row whose kernel is a Python function of arrays; made by `operation`."""

    advice = "Give ad.operation its rule, bprop=(lambda g, y, *inputs: ..., one for each argument)."

    def __init__(self, name, forward, bprop, jvp, shape, effect):
        rules = UNDEFINED if bprop is None else bprop
        super().__init__(
            name, (rules,) if rules is UNDEFINED else rules,
            jvp=self._transposed_twice if jvp is None else self._by_rule,
            kernel="python", effect=effect, doc=f"y = {name}(...), a user's operation")
        self.forward, self.shape, self.tangent = forward, shape, jvp
        self.counted = isinstance(bprop, tuple)   # one rule for each argument
        self.signatures = {}                      # input shapes and dtypes -> of the result
        self.fitting = set()                      # numbers of inputs that the rules take

    def __call__(self, *args):
        if not any(isinstance(arg, Variable) for arg in args):
            return self.compute(map(np.asarray, args))
        inputs = variables(self.name, *args)
        if self.counted and len(self.rules) != len(inputs):
            raise ArgumentError(
                f"{self.name}: {len(self.rules)} rules in bprop for {len(inputs)} arguments")
        if len(inputs) not in self.fitting:
            self.check_rules(len(inputs))
        shape, dtype = self.result(inputs)
        return super().__call__(inputs, shape, dtype)

    def check_rules(self, n):
        """Raise ArgumentError where a rule cannot be called with n inputs."""
        from inspect import signature  # 3 ms, and only operations of one's own need it

        rules = self.rules if self.counted else [self.rule]
        wanted = ["g", "y", *(f"x{k + 1}" for k in range(n))]
        wanted = wanted if self.counted else ["position", *wanted]
        for rule in rules:
            try:
                parameters = signature(rule) if callable(rule) else None
            except (TypeError, ValueError):       # some built-in functions do not say
                continue
            try:
                if parameters is not None:
                    parameters.bind(*wanted)
            except TypeError:
                kind = "a rule of bprop" if self.counted else "bprop, one callable for all inputs,"
                other = "" if self.counted else (
                    "; give a tuple for one rule (g, y, *inputs) for each argument")
                raise ArgumentError(
                    f"{self.name}: {kind} has the parameters {parameters}, and is called with "
                    f"({', '.join(wanted)}){other}") from None
        self.fitting.add(n)

    def result(self, inputs):
        """Shape and dtype of the result: asked of `shape`, or of `forward` on arrays of ones."""
        key = tuple((x.shape, x.dtype) for x in inputs)
        found = self.signatures.get(key)
        if found is None:
            if self.shape is not None:
                shape, dtype = self.shape(*inputs)
            else:
                y = self.compute(map(_readonly_ones, inputs))
                shape, dtype = y.shape, y.dtype
            shape = tuple(map(int, shape))
            dtype_number(dtype, f"the result of {self.name}")
            if any(extent < 0 for extent in shape):
                raise ShapeError(f"{self.name}: the result cannot have shape {shape}")
            found = self.signatures[key] = (shape, np.dtype(dtype))
        return found

    def bprop(self, position, g, y, *inputs):
        """The vector-Jacobian product; a rule of its own for this argument has to return one."""
        found = super().bprop(position, g, y, *inputs)
        if found is None and self.counted:
            raise ArgumentError(
                f"{self.name}: the rule towards argument {position} in bprop returned None"
                f"{here(y)}; return g^T J, or put None in place of the rule where nothing flows "
                "back")
        return found

    def compute(self, inputs):
        """The result of `forward`, in which transforms run at once although a trace may be open."""
        token = open_trace.set(None)
        try:
            return np.asarray(self.forward(*inputs))
        finally:
            open_trace.reset(token)

    def call_forward(self, inputs, out):
        """Compute the result from read-only arrays into `out`; called by the executor."""
        y = self.compute(inputs)
        if y.shape != out.shape:
            raise ShapeError(
                f"{self.name}: forward returned shape {y.shape}, the trace promised {out.shape}")
        if y.dtype != out.dtype and y.dtype.newbyteorder("=") != out.dtype:
            raise DTypeError(
                f"{self.name}: forward returned {y.dtype}, the trace promised {out.dtype}")
        out[...] = y

    def _by_rule(self, tangents, y, *inputs):
        """J t by the rule that was given, which has to return one where bprop has a tuple."""
        found = self.tangent(tangents, y, *inputs)
        if found is None and self.counted:
            raise ArgumentError(f"{self.name}: jvp returned None{here(y)}; return J t")
        return found

    def _transposed_twice(self, tangents, y, *inputs):
        """J t from bprop alone: u -> u^T J is linear, and its transpose is t -> J t."""
        u = argument(y.graph, y.shape, y.dtype, "u")
        total = None
        for position, t in enumerate(tangents):
            if t is None:
                continue
            pulled = self.bprop(position, u, y, *inputs)
            if pulled is None:
                continue
            part = gradients([pulled], [u], [t])[0]
            total = part if total is None else total + part
        return total


def operation(forward, *, bprop=None, jvp=None, shape=None, name=None, effect="pure"):
    """Make an operation of your own, y = forward(x1, ..., xn).

    Parameters
    ----------
    forward : callable (*arrays) -> array
        Computes the result with NumPy, transforms and programs. It is given read-only copies,
        which it may keep; what it returns is copied.
    bprop : tuple of callables (g, y, *inputs) -> Variable, or one callable
        By argument position, the product g^T J towards that input, written with Variables
        (eq. 6.54); None in its place where nothing flows back. One callable
        (position, g, y, *inputs) serves any number of arguments, and may return None. Without
        `bprop` a gradient that arrives is an error.
    jvp : callable (tangents, y, *inputs) -> Variable, optional
        Forward mode; derived from `bprop` where it is not given.
    shape : callable (*inputs) -> (shape, dtype), optional
        Of the result. Where it is not given, `forward` is called once on arrays of ones for each
        combination of input shapes and dtypes, while tracing.
    name : str, optional
        In graphs, plans and messages; the function's name by default.
    effect : "pure" or "callback"
        A pure operation may be merged with an equal one, recomputed and moved. A callback is run
        once, in the order of the trace.

    Returns
    -------
    callable
        Takes Variables, arrays and numbers; arrays alone are computed at once.

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> cube = ad.operation(lambda x: x**3, bprop=(lambda g, y, x: 3 * g * x**2,), name="cube")
    >>> ad.grad(cube)(2.0)
    array(12.)
    """
    if not callable(forward):
        raise ArgumentError(f"operation: forward is a function of arrays, not {forward!r}")
    if effect not in ("pure", "callback"):
        raise ArgumentError(f"operation: the effect is 'pure' or 'callback', not {effect!r}")
    if bprop is not None and not callable(bprop):
        bprop = tuple(bprop)
        if not bprop or not all(rule is None or callable(rule) for rule in bprop):
            raise ArgumentError(
                "operation: bprop is one callable, or a tuple with a callable or None for each "
                "argument")
    name = name or getattr(forward, "__name__", "operation").strip("<>")
    return UserOperation(_free_name(name), forward, bprop, jvp, shape, effect)


def _free_name(name):
    """`name`, or name_2, name_3 ... where rows of that name exist."""
    from autodiff.core.operations import all_operations

    taken = {op.name for op in all_operations()}
    free, number = name, 1
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free


def _readonly_ones(x):
    array = np.ones(x.shape, x.dtype)
    array.flags.writeable = False
    return array
