"""Transforms: functions of arrays in, functions of arrays out, nested to any order.

Each differentiates by adding nodes to the graph of the function it is given, so that a transform
of a transform is a graph of a graph; only the outermost one runs anything.
"""

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autodiff.core.arguments import argument, fresh_arguments, graph_of, positions
from autodiff.core.containers import flatten, leaves_like, paths, unflatten
from autodiff.core.gradients import gradients, tangents
from autodiff.core.graph import current_graph
from autodiff.core.making import constant
from autodiff.core.variable import Variable
from autodiff.errors import ArgumentError, DTypeError, ShapeError, brief
from autodiff.ops.movement import zeros_of
from autodiff.planning import as_policy
from autodiff.pullbacks import Pullback, run_forward
from autodiff.tracing import Trace, is_tracing, traced, traced_gradient
from autodiff.transformed import Transformed


def normal_argnums(argnums):
    """(argnums as a tuple, whether one was given alone)."""
    alone = isinstance(argnums, (int, np.integer))
    try:
        if not alone and not isinstance(argnums, Sequence):
            raise TypeError
        return tuple([operator.index(k) for k in ([argnums] if alone else argnums)]), alone
    except TypeError:
        raise ArgumentError(
            f"argnums is an int or a tuple of ints, not {brief(argnums)}; the arguments of f come "
            "in a second call, ad.grad(f)(x)") from None


def checked_policy(policy):
    """`policy` as an object, or None for that of the enclosing `ad.use_policy` at the call."""
    return None if policy is None else as_policy(policy)


def returned_none(f, name):
    """What an error says about a function that gives nothing."""
    shown = getattr(f, "__name__", repr(f))
    return f"{name}: the function {shown} returned None, not a number; did you forget `return`?"


def floating(y, name):
    """A result as a Variable of floating point; a number in its place becomes a constant."""
    if not isinstance(y, Variable):
        array = np.asarray(y)
        if array.dtype.kind not in "biuf":
            raise DTypeError(f"{name}: the function returned {y!r}, not a number")
        y = constant(current_graph(), array.astype(np.result_type(array, 0.0)))
    if y.dtype.kind != "f":
        raise DTypeError(f"{name}: the function returned {y!r}, which is not of floating point")
    return y


def scalar_output(y, name, f):
    """The result of a function to be differentiated, a floating scalar Variable."""
    if y is None:
        raise DTypeError(returned_none(f, name))
    if isinstance(y, (dict, list, tuple)):
        raise ShapeError(
            f"{name} differentiates a function that returns one scalar; this one returned a "
            f"{type(y).__name__}. Use has_aux=True for a pair (scalar, anything), or ad.vjp")
    y = floating(y, name)
    if y.shape != ():
        raise ShapeError(
            f"{name} differentiates a function that returns a scalar; this one returned {y!r} of "
            f"shape {y.shape}. Use ad.jacobian or ad.vjp, or differentiate its .sum()")
    return y


def pulled_back(outputs, groups, seeds=None):
    """The gradients of outputs, in the containers of the arguments."""
    targets = [x for _, group in groups for x in group]
    found = iter(gradients(outputs, targets, seeds) if targets else [])
    return tuple([unflatten(structure, [next(found) for _ in group])
                  for structure, group in groups])


def value_and_grad(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False,
    policy: Any = None,
) -> Transformed:
    """Make a function that returns the value of f and its gradient.

    For z = f(x, ...) it returns (z, dz/dx): gradients have the shape, dtype and container of
    their argument, zeros where z does not depend on it.

    Parameters
    ----------
    f : callable
        Returns a scalar; with `has_aux` a pair (scalar, anything).
    argnums : int or tuple of int
        Which positional arguments are differentiated; a tuple gives a tuple of gradients.
    has_aux : bool
        Then the value returned is the pair (z, aux).
    policy : policy, str or None
        What is stored and what recomputed; None means the enclosing `ad.use_policy`, else Store.
        Inside another transform the policy of the outermost one is in force.

    Raises
    ------
    ShapeError
        If f does not return a scalar.
    DTypeError
        If an argument of `argnums` is not of floating point.

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> ad.value_and_grad(lambda x: (x**2).sum())(np.array([1.0, 2.0]))
    (array(5.), array([2., 4.]))

    Source: algorithms 6.5 and 6.6, symbol to number.
    """
    argnums, alone = normal_argnums(argnums)
    policy = checked_policy(policy)

    def call(*args, **kwargs):
        z, aux, grads = differentiated(
            f, argnums, has_aux, policy, args, kwargs, True, "value_and_grad")
        return ((z, aux) if has_aux else z), (grads[0] if alone else grads)

    return Transformed(
        call, value_and_grad, f, argnums=argnums[0] if alone else argnums, has_aux=has_aux,
        policy=policy)


def differentiated(f, argnums, has_aux, policy, args, kwargs, valued, name):
    """(value or None, aux or None, tuple of gradients) of a call of f, for the transform `name`."""
    structures = []

    def forward(args, kwargs):
        args, groups = fresh_arguments(args, positions(args, argnums))
        z, aux = f(*args, **kwargs), None
        if has_aux:
            if not isinstance(z, tuple) or len(z) != 2:
                raise ArgumentError("with has_aux=True the function returns (scalar, anything)")
            z, aux = z
        z = scalar_output(z, name, f)
        targets = [x for _, group in groups for x in group]
        structures[:] = [structure for structure, _ in groups]
        return z, targets, lambda: gradients([z], targets) if targets else [], aux

    def assemble(z, found, aux):
        rest = iter(found)
        return z, aux, tuple([
            unflatten(structure, [next(rest) for _ in range(structure.n_leaves)])
            for structure in structures])

    return traced_gradient(forward, assemble, args, kwargs, policy, valued)


def grad(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False,
    policy: Any = None,
) -> Transformed:
    """Make a function that returns the gradient of f; see `value_and_grad`.

    With `has_aux` it returns (gradient, aux).

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> ad.grad(np.tanh)(0.0)
    array(1.)
    >>> ad.grad(ad.grad(lambda x: x**3))(2.0)
    array(12.)
    """
    given = argnums
    argnums, alone = normal_argnums(argnums)
    policy = checked_policy(policy)

    def call(*args, **kwargs):
        _, aux, grads = differentiated(f, argnums, has_aux, policy, args, kwargs, False, "grad")
        grads = grads[0] if alone else grads
        return (grads, aux) if has_aux else grads

    return Transformed(call, grad, f, argnums=given, has_aux=has_aux, policy=policy)


def gradient_for(name, f, argnums, alone):
    """`grad(f, argnums)`, inside the transform `name`, of which its errors speak."""
    def call(*args, **kwargs):
        grads = differentiated(f, argnums, False, None, args, kwargs, False, name)[2]
        return grads[0] if alone else grads
    return call


def differentiable_outputs(tree, name, f):
    """(Variables, structure) of a result; numbers in it become constants."""
    if tree is None:
        raise ArgumentError(returned_none(f, name))
    leaves, structure = flatten(tree)
    if not leaves:
        raise ArgumentError(f"{name}: the function returned {tree!r}, no number")
    return [floating(leaf, name) for leaf in leaves], structure


def matching_leaves(tree, variables, structure, what, owner):
    """The leaves of a cotangent or tangent: Variables, and arrays in the dtype of their owners."""
    names = paths(unflatten(structure, variables), owner)
    leaves = leaves_like(structure, tree)
    if leaves is None:
        raise ArgumentError(
            f"{what} is not built like the {owner}; it needs {', '.join(names) or 'None'}")
    found = []
    for leaf, x, name in zip(leaves, variables, names, strict=True):
        if not isinstance(leaf, Variable):
            leaf = np.asarray(leaf)
            if leaf.dtype.kind not in "biuf":
                raise DTypeError(f"{what} of {name} has dtype {leaf.dtype}, not a real number")
            leaf = leaf.astype(x.dtype, copy=False)
        if leaf.shape != x.shape:
            raise ShapeError(f"{what} of {name} has shape {leaf.shape}, {x.shape} is needed")
        found.append(leaf)
    return found


def vjp(
    f: Callable[..., Any], *args: Any, policy: Any = None,
) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """Evaluate f and return its value with the pullback u -> u^T J (eq. 6.47).

    The value is computed once; what the backward pass reads is kept, and each call of the
    pullback runs only the backward pass.

    Under a byte budget the forward pass and each call of the pullback hold at most the budget, and
    all that stays held between them counts in both: what is kept, and the value, which lies in the
    same block of memory. Where not all that the backward pass reads can be kept, less is, and the
    pullback computes the rest again; at the least it keeps a copy of the arguments. The caller's
    own arrays never count: the arguments, and the cotangent. Inside another transform, or of
    Variables, both passes are part of one program, and its budget is that of the whole.

    Parameters
    ----------
    f : callable
        Returns an array, or a container of arrays.
    *args : arrays, numbers, containers
        All are differentiated.
    policy : policy, str or None
        As in `value_and_grad`.

    Returns
    -------
    value, pullback
        `pullback(u)`, u built like the value, returns a tuple with a gradient for each argument.
        One that was made of arrays says what it holds: `pullback.residual_bytes` of kept arrays,
        `held_bytes` with the value; `forward_peak_bytes` of the forward pass and `peak_bytes` of a
        call, planned, with what is held beside them; `measured_peak_bytes` of the last run; and
        `plan`, `forward_plan`.

    Raises
    ------
    DTypeError
        If an argument or the value is not of floating point.
    ArgumentError, ShapeError
        By the pullback, if u is not built like the value, or has other shapes.
    BudgetError
        Before anything runs, where no choice of what is kept is found for which both passes fit.

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> value, pullback = ad.vjp(np.sin, np.array([0.0, np.pi]))
    >>> pullback(np.ones(2))[0]
    array([ 1., -1.])
    >>> pullback.residual_bytes, pullback.held_bytes, pullback.peak_bytes
    (16, 32, 48)
    """
    return value_and_pullback(f, args, {}, policy, range(len(args)))


def value_and_pullback(f, args, kwargs, policy, chosen, name="vjp", lends=False):
    """`vjp` of the arguments at `chosen`, for the transform `name`.

    With `lends` the pullback reads the caller's arrays where they lie, so that none may change
    before its last call; else it has copies of what it reads.
    """
    def body(args, kwargs):
        args, groups = fresh_arguments(args, chosen)
        outputs, structure = differentiable_outputs(f(*args, **kwargs), name, f)
        return outputs, structure, groups

    def seeds_of(u, outputs, structure):
        return matching_leaves(u, outputs, structure, "vjp: the cotangent", "value")

    if is_tracing() or graph_of(args, kwargs) is not None:
        outputs, structure, groups = traced(body, args, kwargs, policy)

        def pull(u):
            return pulled_back(outputs, groups, seeds_of(u, outputs, structure))

        return unflatten(structure, outputs), pull

    trace = Trace(as_policy(policy), lends=lends)
    try:
        with trace:
            outputs, structure, groups = body(*trace.take(args, kwargs))
            first = len(trace.graph)
            seeds = [argument(trace.graph, y.shape, y.dtype, "cotangent") for y in outputs]
            grads, grads_structure = flatten(pulled_back(outputs, groups, seeds))
            values, residuals, lent, passes = run_forward(trace, outputs, seeds, grads, first)
    finally:
        trace.close()
    pullback = Pullback(
        passes, residuals, lent, lambda u: seeds_of(u, outputs, structure), grads_structure)
    return unflatten(structure, values), pullback


def jvp(
    f: Callable[..., Any], args: Sequence[Any], directions: Sequence[Any], policy: Any = None,
) -> tuple[Any, Any]:
    """Evaluate f and its derivative along a direction: (f(x), J t), in forward mode.

    Parameters
    ----------
    f : callable
        Returns an array, or a container of arrays.
    args, directions : tuples
        The arguments, all differentiated, and for each a direction of its structure and shapes.
    policy : policy, str or None
        As in `value_and_grad`.

    Raises
    ------
    ArgumentError, ShapeError
        If a direction is not built like its argument, or has another shape.
    DTypeError
        If an argument or the value is not of floating point.

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> ad.jvp(np.sin, (0.0,), (2.0,))
    (array(0.), array(2.))
    """
    if not isinstance(args, (tuple, list)) or not isinstance(directions, (tuple, list)):
        raise ArgumentError("jvp: arguments and tangents are tuples, ad.jvp(f, (x,), (t,))")
    if len(args) != len(directions):
        raise ArgumentError(f"jvp: {len(directions)} tangents for {len(args)} arguments")
    return value_and_tangent(f, args, {}, directions, policy, range(len(args)))


def value_and_tangent(
    f, args, kwargs, directions, policy, chosen, what="jvp: the tangent", only_tangent=False,
):
    """`jvp` along directions of the arguments at `chosen`; `what` a direction is called.

    With `only_tangent` the value is no result, so that nothing computes or holds it.
    """
    n = len(args)
    names = [f"argument {k}" for k in range(n)]

    def body(given, kwargs):
        fresh, groups = fresh_arguments(given[:n], chosen)
        sources, along = [], []
        for k, direction, (structure, group) in zip(chosen, given[n:], groups, strict=True):
            sources += group
            along += matching_leaves(direction, group, structure, what, names[k])
        along = [t.astype(x.dtype) if isinstance(t, Variable) else constant(x.graph, t)
                 for t, x in zip(along, sources, strict=True)]
        outputs, structure = differentiable_outputs(f(*fresh, **kwargs), "jvp", f)
        found = tangents(outputs, sources, along) if sources else [None] * len(outputs)
        found = [zeros_of(y) if t is None else t for y, t in zip(outputs, found, strict=True)]
        tangent = unflatten(structure, found)
        return tangent if only_tangent else (unflatten(structure, outputs), tangent)

    return traced(body, (*args, *directions), kwargs, policy,
                  names + [f"tangent of {names[k]}" for k in chosen])
