"""Derivatives of derivatives and of vectors, made of the transforms: Jacobians and Hessians."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autodiff.core.arguments import positions
from autodiff.core.containers import LEAF, flatten, unflatten
from autodiff.core.making import constant
from autodiff.core.variable import Variable
from autodiff.errors import ArgumentError
from autodiff.ops.movement import reshape
from autodiff.transformed import Transformed
from autodiff.transforms import (
    checked_policy,
    gradient_for,
    normal_argnums,
    value_and_pullback,
    value_and_tangent,
)


def distinct_positions(args, argnums):
    """`argnums` counted from the front; ArgumentError where an argument is named twice."""
    chosen = positions(args, argnums)
    if len(set(chosen)) < len(chosen):
        raise ArgumentError(f"argnums names an argument twice: they are {tuple(chosen)}")
    return chosen


def stacked(rows, y, x):
    """The gradients of the elements of y with respect to x as one array."""
    shape = (*y.shape, *np.shape(x)) if not isinstance(x, Variable) else (*y.shape, *x.shape)
    if rows:
        return reshape(np.stack(rows), shape)
    dtype = x.dtype if isinstance(x, (Variable, np.ndarray, np.generic)) else np.float64
    empty = np.zeros(shape, dtype)
    return constant(y.graph, empty) if isinstance(y, Variable) else empty


def jacobian(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0, policy: Any = None,
) -> Transformed:
    """Make a function that returns the Jacobian: J[i..., j...] = d f[i...] / d x[j...].

    Its shape is that of the value followed by that of the argument; containers of arguments give
    containers. One reverse sweep is run for each element of the value.

    Parameters
    ----------
    f : callable
        Returns one array of floating point.
    argnums : int or tuple of int
        Which positional arguments; a tuple gives a tuple of Jacobians.
    policy : policy, str or None
        As in `value_and_grad`.

    Raises
    ------
    ArgumentError
        If f returns a container, or `argnums` names an argument twice.
    DTypeError
        If an argument of `argnums` is not of floating point.

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> ad.jacobian(lambda x: x**2)(np.array([1.0, 3.0]))
    array([[2., 0.],
           [0., 6.]])
    """
    argnums, alone = normal_argnums(argnums)
    policy = checked_policy(policy)
    call = rows_of("jacobian", f, argnums, alone, policy)
    return Transformed(
        call, jacobian, f, argnums=argnums[0] if alone else argnums, policy=policy)


def rows_of(name, f, argnums, alone, policy):
    """`jacobian(f)`, inside the transform `name`, of which its errors speak."""
    def call(*args, **kwargs):
        chosen = distinct_positions(args, argnums)
        y, pullback = value_and_pullback(f, args, kwargs, policy, chosen, name, lends=True)
        if flatten(y)[1] != LEAF:
            what = "function returned" if name == "jacobian" else "argument is"
            raise ArgumentError(f"{name}: the {what} a {type(y).__name__}, not one array")
        leaves, structure = flatten(tuple([args[k] for k in chosen]))
        basis = np.eye(y.size, dtype=y.dtype).reshape(y.size, *y.shape)
        rows = [flatten(pullback(direction))[0] for direction in basis]
        found = unflatten(structure, [
            stacked([row[k] for row in rows], y, x) for k, x in enumerate(leaves)])
        return found[0] if alone else found

    return call


def hessian(f: Callable[..., Any], argnums: int = 0, policy: Any = None) -> Transformed:
    """Make a function that returns the Hessian H[i..., j...] = d2 f / dx[i...] dx[j...].

    Parameters are those of `jacobian`, f returns a scalar and `argnums` is one int. One reverse
    sweep is run for each element of the argument.

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> ad.hessian(lambda x: (x**3).sum())(np.array([1.0, 2.0]))
    array([[ 6.,  0.],
           [ 0., 12.]])
    """
    argnums, alone = normal_argnums(argnums)
    if not alone:
        raise ArgumentError("hessian differentiates one argument; use jacobian(grad(f, argnums))")
    policy = checked_policy(policy)
    call = rows_of("hessian", gradient_for("hessian", f, argnums, True), argnums, True, policy)
    return Transformed(call, hessian, f, argnums=argnums[0], policy=policy)


def hvp(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0, policy: Any = None,
) -> Transformed:
    """Make a function (x, v) -> H v, forward mode over reverse mode; H is never formed.

    It is called as `hvp(f)(x, *args, v)`: the direction v follows the arguments of f and is built
    like argument `argnums`; for a tuple of `argnums` it is a tuple, and so is the product. SciPy
    puts the direction second: with its `args=`, give `hessp=lambda x, p, *args: hvp(x, *args, p)`
    for `hvp = ad.hvp(f)`; without, `hessp=ad.hvp(f)` does.

    Parameters
    ----------
    f : callable
        Returns a scalar.
    argnums : int or tuple of int
        Which positional arguments.
    policy : policy, str or None
        As in `value_and_grad`.

    Raises
    ------
    ArgumentError
        If there is no direction, it is not built like its argument, or `argnums` names one twice.
    ShapeError
        If f does not return a scalar, or the direction has another shape than its argument.

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> ad.hvp(lambda x: (x**3).sum())(np.array([1.0, 2.0]), np.array([1.0, 0.0]))
    array([6., 0.])
    """
    argnums, alone = normal_argnums(argnums)
    policy = checked_policy(policy)
    gradient = gradient_for("hvp", f, argnums, alone)

    def call(*args, **kwargs):
        if len(args) < 2:
            raise ArgumentError(
                f"hvp: {len(args)} positional arguments were given, and the last one is the "
                "direction: call it as hvp(f)(x, *args, v)")
        *args, v = args
        chosen = distinct_positions(args, argnums)
        directions = (v,) if alone else v
        if not isinstance(directions, tuple) or len(directions) != len(chosen):
            raise ArgumentError(f"hvp: the direction is a tuple of {len(chosen)}, as argnums is")
        return value_and_tangent(gradient, args, kwargs, directions, policy, chosen,
                                 "hvp(f)(x, *args, v): the direction v", only_tangent=True)

    return Transformed(
        call, hvp, f, argnums=argnums[0] if alone else argnums, policy=policy)
