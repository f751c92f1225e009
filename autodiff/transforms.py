"""Transforms: functions of arrays in, functions of arrays out, nested to any order.

Each differentiates by adding nodes to the graph of the function it is given, so that a transform
of a transform is a graph of a graph; only the outermost one runs anything.
"""

from functools import wraps

import numpy as np

from autodiff.core.gradients import gradients, tangents
from autodiff.core.graph import Variable, argument, constant
from autodiff.core.queries import boundary
from autodiff.errors import ArgumentError, DTypeError, ShapeError
from autodiff.ops.movement import reshape, zeros_of
from autodiff.planning import as_policy
from autodiff.programs import Program
from autodiff.tracing import (
    Trace,
    current_target,
    fresh_arguments,
    has_variables,
    traced,
    _open,
)
from autodiff.trees import flatten, unflatten


def normal_argnums(argnums):
    """(argnums as a tuple, whether one was given alone)."""
    if isinstance(argnums, (int, np.integer)):
        return (int(argnums),), True
    return tuple(int(k) for k in argnums), False


def scalar_output(y, name):
    """The result of a function to be differentiated, a floating scalar Variable."""
    if not isinstance(y, Variable):
        if isinstance(y, (dict, list, tuple)):
            raise ShapeError(
                f"{name} differentiates a function that returns one scalar; this one returned a "
                f"{type(y).__name__}. Use has_aux=True for a pair (scalar, anything), or ad.vjp")
        array = np.asarray(y)
        if array.dtype.kind not in "biuf":
            raise DTypeError(f"{name}: the function returned {y!r}, not a number")
        y = constant(current_target(), array.astype(np.result_type(array, np.float32)
                                                    if array.dtype.kind != "f" else array.dtype))
    if y.shape != ():
        raise ShapeError(
            f"{name} differentiates a function that returns a scalar; this one returned {y!r} of "
            f"shape {y.shape}. Use ad.jacobian or ad.vjp, or differentiate its .sum()")
    if y.dtype.kind != "f":
        raise DTypeError(f"{name}: the function returned {y!r}, which is not of floating point")
    return y


def value_and_grad(f, argnums=0, has_aux=False, policy=None):
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

    def body(args, kwargs):
        args, groups = fresh_arguments(args, argnums)
        z = f(*args, **kwargs)
        aux = None
        if has_aux:
            if not isinstance(z, tuple) or len(z) != 2:
                raise ArgumentError("with has_aux=True the function returns (scalar, anything)")
            z, aux = z
        z = scalar_output(z, "grad")
        targets = [x for _, group in groups for x in group]
        found = iter(gradients(z, targets) if targets else [])
        grads = tuple(unflatten(structure, [next(found) for _ in group])
                      for structure, group in groups)
        return ((z, aux) if has_aux else z), (grads[0] if alone else grads)

    @wraps(f)
    def transformed(*args, **kwargs):
        return traced(body, args, kwargs, policy)

    return transformed


def grad(f, argnums=0, has_aux=False, policy=None):
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
    both = value_and_grad(f, argnums, has_aux)

    def body(args, kwargs):
        value, grads = both(*args, **kwargs)
        return (grads, value[1]) if has_aux else grads

    @wraps(f)
    def transformed(*args, **kwargs):
        return traced(body, args, kwargs, policy)

    return transformed


def differentiable_outputs(tree, name):
    """(Variables, structure) of a result; numbers in it become constants."""
    leaves, structure = flatten(tree)
    found = []
    for leaf in leaves:
        if not isinstance(leaf, Variable):
            leaf = constant(current_target(), np.asarray(leaf, dtype=np.result_type(leaf, 0.0)))
        if leaf.dtype.kind != "f":
            raise DTypeError(f"{name}: the function returned {leaf!r}, not of floating point")
        found.append(leaf)
    return found, structure


def matching_leaves(tree, variables, structure, what):
    """The leaves of a cotangent or tangent, checked against the Variables they belong to."""
    leaves, given = flatten(tree)
    if given != structure:
        raise ArgumentError(f"{what} has another structure than what it belongs to")
    for leaf, x in zip(leaves, variables, strict=True):
        shape = leaf.shape if isinstance(leaf, Variable) else np.shape(leaf)
        if tuple(shape) != x.shape:
            raise ShapeError(f"{what} has shape {tuple(shape)} where {x.shape} is needed")
    return leaves


def vjp(f, *args, policy=None):
    """Evaluate f and return its value with the pullback u -> u^T J (eq. 6.47).

    The value is computed once; what the backward pass reads is kept, and each call of the
    pullback runs only the backward pass.

    Parameters
    ----------
    f : callable
        Returns an array, or a container of arrays.
    *args : arrays, numbers, containers
        All are differentiated.

    Returns
    -------
    value, pullback
        `pullback(u)`, u like the value, returns a tuple with a gradient for each argument.

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> value, pullback = ad.vjp(np.sin, np.array([0.0, np.pi]))
    >>> pullback(np.ones(2))[0]
    array([ 1., -1.])
    """
    def backward(outputs, groups, seeds):
        targets = [x for _, group in groups for x in group]
        found = iter(gradients(outputs, targets, seeds))
        return tuple(unflatten(structure, [next(found) for _ in group])
                     for structure, group in groups)

    def body(args, kwargs):
        args, groups = fresh_arguments(args, range(len(args)))
        outputs, structure = differentiable_outputs(f(*args), "vjp")
        return outputs, structure, groups

    if _open.get() is not None or has_variables(args, {}) is not None:
        outputs, structure, groups = traced(body, args, {}, policy)

        def pullback(u):
            seeds = matching_leaves(u, outputs, structure, "vjp: the cotangent")
            return backward(outputs, groups, seeds)

        return unflatten(structure, outputs), pullback

    policy = as_policy(policy)
    trace = Trace(policy)
    try:
        with trace:
            outputs, structure, groups = body(*trace.take(args, {}))
            first = len(trace.graph)
            seeds = [argument(trace.graph, y.shape, y.dtype, "cotangent") for y in outputs]
            grads, grads_structure = flatten(backward(outputs, groups, seeds))
            kept = boundary(grads, first)
            results = trace.run(outputs + kept)
        values, residuals = results[:len(outputs)], results[len(outputs):]
        program = Program(kept + seeds, grads, policy)
        constants = program.constants()
    finally:
        trace.close()

    def pullback(u):
        seeds = matching_leaves(u, outputs, structure, "vjp: the cotangent")
        seeds = [np.asarray(s, y.dtype) for s, y in zip(seeds, outputs, strict=True)]
        return unflatten(grads_structure, program.run([*residuals, *seeds], constants))

    return unflatten(structure, values), pullback


def jvp(f, args, directions, policy=None):
    """Evaluate f and its derivative along a direction: (f(x), J t), in forward mode.

    Parameters
    ----------
    f : callable
    args, directions : tuples
        The arguments, and for each a direction of its structure and shapes.

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> ad.jvp(np.sin, (0.0,), (2.0,))
    (array(0.), array(2.))
    """
    if len(args) != len(directions):
        raise ArgumentError(f"jvp: {len(directions)} tangents for {len(args)} arguments")

    def body(args, kwargs):
        args, directions = args
        fresh, groups = fresh_arguments(args, range(len(args)))
        sources = [x for _, group in groups for x in group]
        given = []
        for (structure, group), direction in zip(groups, directions, strict=True):
            for leaf, x in zip(
                    matching_leaves(direction, group, structure, "jvp: the tangent"), group,
                    strict=True):
                if not isinstance(leaf, Variable):
                    leaf = constant(x.graph, np.asarray(leaf, x.dtype))
                given.append(leaf if leaf.dtype == x.dtype and not leaf.weak
                             else leaf.astype(x.dtype))
        outputs, structure = differentiable_outputs(f(*fresh), "jvp")
        found = tangents(outputs, sources, given)
        found = [zeros_of(y) if t is None else t for y, t in zip(outputs, found, strict=True)]
        return unflatten(structure, outputs), unflatten(structure, found)

    return traced(body, (tuple(args), tuple(directions)), {}, policy)


def jacobian(f, argnums=0, policy=None):
    """Make a function that returns the Jacobian: J[i..., j...] = d f[i...] / d x[j...].

    Its shape is that of the value followed by that of the argument; containers of arguments give
    containers. One reverse sweep is run for each element of the value.

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> ad.jacobian(lambda x: x**2)(np.array([1.0, 3.0]))
    array([[2., 0.],
           [0., 6.]])
    """
    argnums, alone = normal_argnums(argnums)

    def rows(y, pull):
        """The gradients of every element of y, stacked."""
        basis = np.eye(y.size, dtype=y.dtype).reshape(y.size, *y.shape)
        return [pull(direction) for direction in basis]

    def stacked(rows_of_leaves, y, leaves):
        built = []
        for k, x in enumerate(leaves):
            parts = [row[k] for row in rows_of_leaves]
            if not parts:
                built.append(np.zeros((*y.shape, *np.shape(x))))
            elif isinstance(parts[0], Variable):
                built.append(reshape(np.stack(parts), (*y.shape, *x.shape)))
            else:
                built.append(np.stack(parts).reshape(*y.shape, *np.shape(x)))
        return built

    @wraps(f)
    def transformed(*args, **kwargs):
        chosen = [args[k] for k in argnums]

        def partial(*given):
            full = list(args)
            for k, value in zip(argnums, given, strict=True):
                full[k] = value
            return f(*full, **kwargs)

        y, pullback = vjp(partial, *chosen, policy=policy)
        if isinstance(y, (dict, list, tuple)):
            raise ArgumentError(
                f"jacobian: the function returned a {type(y).__name__}, not one array")
        leaves, structure = flatten(tuple(chosen))
        found = stacked([flatten(row)[0] for row in rows(y, pullback)], y, leaves)
        grads = unflatten(structure, found)
        return grads[0] if alone else grads

    return transformed


def hessian(f, argnums=0, policy=None):
    """Make a function that returns the Hessian H[i..., j...] = d2 f / dx[i...] dx[j...].

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> ad.hessian(lambda x: (x**3).sum())(np.array([1.0, 2.0]))
    array([[ 6.,  0.],
           [ 0., 12.]])
    """
    if not isinstance(argnums, (int, np.integer)):
        raise ArgumentError("hessian differentiates one argument; use jacobian(grad(f, argnums))")
    return jacobian(grad(f, argnums), argnums, policy)


def hvp(f, argnums=0, policy=None):
    """Make a function (x, v) -> H v, forward mode over reverse mode; H is never formed.

    The direction v follows the arguments of f and has the structure of argument `argnums`.

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> ad.hvp(lambda x: (x**3).sum())(np.array([1.0, 2.0]), np.array([1.0, 0.0]))
    array([6., 0.])
    """
    gradient = grad(f, argnums)

    @wraps(f)
    def transformed(*args, **kwargs):
        *args, v = args

        def along(x):
            full = list(args)
            full[argnums] = x
            return gradient(*full, **kwargs)

        return jvp(along, (args[argnums],), (v,), policy)[1]

    return transformed


