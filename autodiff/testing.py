"""Check the derivatives of a function against central differences, in both modes and any order."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autodiff.core.arguments import leaf_kind, leaf_names
from autodiff.core.containers import flatten, unflatten
from autodiff.errors import ArgumentError, DTypeError
from autodiff.tracing import traced
from autodiff.transforms import jvp, vjp

# By dtype: the step of the differences, (rounding)^(1/3), and what they are then good for.
_STEP = {"d": 6e-6, "f": 5e-3}
_TOLERANCE = {"d": 1e-6, "f": 5e-3}


def check_grads(
    f: Callable[..., Any],
    args: Sequence[Any],
    order: int = 2,
    modes: str | Sequence[str] = ("fwd", "rev"),
    rtol: float | None = None,
    atol: float | None = None,
    eps: float | None = None,
    rng: "int | np.random.Generator" = 0,  # noqa: UP037  (unquoted it imports numpy.random: 7 ms)
) -> None:
    """Compare the derivatives of f with central differences, and raise where they differ.

    For each floating point array x among the arguments, with random directions t and, for the
    value of f, random cotangents u, it holds

        <u, J t>  (forward)  and  <J' u, t>  (reverse)
        against  <u, f(x + eps t) - f(x - eps t)> / (2 eps)

    and for higher orders the same of x -> J t and of x -> J' u.

    Parameters
    ----------
    f : callable
        Returns an array or a container of arrays, all of floating point. It is called on traced
        values, and near `args`: differences are of use where f is smooth.
    args : tuple
        Its arguments: arrays, numbers, containers. Float leaves are differentiated, integers
        and the rest stay as they are.
    order : int
        Derivatives up to this one are checked.
    modes : sequence of "fwd", "rev"
        Which modes; orders above the first are checked in all their combinations.
    rtol, atol : float, optional
        The two numbers a, b may differ by atol + rtol max(|a|, |b|); 1e-6 in float64, 5e-3 in
        float32.
    eps : float, optional
        Step of the differences; 6e-6 in float64, 5e-3 in float32.
    rng : int or numpy.random.Generator
        What the directions are drawn from.

    Raises
    ------
    AssertionError
        Naming the argument, the mode, the order and the two numbers.
    ArgumentError
        For an order below 1, an unknown mode, or nothing to differentiate.

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> ad.check_grads(lambda x: np.tanh(x).sum(), (np.array([0.5, -1.0]),))
    """
    modes = (modes,) if isinstance(modes, str) else tuple(modes)
    if not modes or set(modes) - {"fwd", "rev"}:
        raise ArgumentError(f"check_grads: modes are 'fwd' and 'rev', not {modes!r}")
    if not isinstance(order, (int, np.integer)) or order < 1:
        raise ArgumentError(f"check_grads: order is an int from 1, not {order!r}")
    if not isinstance(args, (tuple, list)):
        raise ArgumentError("check_grads: args is a tuple, ad.check_grads(f, (x,))")
    leaves, structure = flatten(tuple(args))
    floats = [k for k, leaf in enumerate(leaves) if is_float(leaf)]
    if not floats:
        raise ArgumentError("check_grads: no argument is of floating point")

    def of_floats(*xs):
        full = list(leaves)
        for k, x in zip(floats, xs, strict=True):
            full[k] = x
        return f(*unflatten(structure, full))

    names = leaf_names(tuple(args), {})
    points = [np.array(leaves[k]) for k in floats]
    single = any(x.dtype == np.float32 for x in points)
    kind = "f" if single else "d"
    checker = Checker(
        [names[k] for k in floats], modes, np.random.default_rng(rng),
        _TOLERANCE[kind] if rtol is None else rtol, _TOLERANCE[kind] if atol is None else atol,
        _STEP[kind] if eps is None else eps)
    checker.check(of_floats, points, order, ())


def is_float(leaf):
    """Whether a leaf is differentiated."""
    kind = leaf_kind(leaf)
    return kind == "weak" or (kind == "array" and leaf.dtype.kind == "f")


class Checker:
    """The settings of one check, and the recursion over orders."""

    def __init__(self, names, modes, rng, rtol, atol, eps):
        self.names, self.modes, self.rng = names, modes, rng
        self.rtol, self.atol, self.eps = rtol, atol, eps

    def check(self, f, points, order, path):
        """Check the derivatives of f up to `order`; `path` are the modes that led to f."""
        y = values(f, points)
        cotangents = self.like(y)
        tangents = self.like(points)
        for k, name in enumerate(self.names):
            alone = [t if j == k else np.zeros_like(t) for j, t in enumerate(tangents)]
            expected = self.difference(f, points, k, tangents[k], cotangents)
            for mode in self.modes:
                self.compare(product(mode, f, points, alone, cotangents, k), expected, name,
                             (*path, mode))
        if order > 1:
            for mode in self.modes:
                self.check(derivative(mode, f, tangents, cotangents), points, order - 1,
                           (*path, mode))

    def like(self, arrays):
        """Random arrays of these shapes and dtypes."""
        return [np.asarray(self.rng.standard_normal(x.shape), x.dtype) for x in arrays]

    def difference(self, f, points, k, tangent, cotangents):
        """<u, (f(x + eps t) - f(x - eps t)) / (2 eps)> along argument k."""
        ahead, behind = list(points), list(points)
        step = (self.eps * tangent).astype(tangent.dtype)
        ahead[k], behind[k] = points[k] + step, points[k] - step
        return sum(
            np.sum(u * ((a.astype(float) - b.astype(float)) / (2 * self.eps)))
            for u, a, b in zip(cotangents, values(f, ahead), values(f, behind), strict=True))

    def compare(self, found, expected, name, path):
        """Raise where a derivative is not what the difference says."""
        allowed = self.atol + self.rtol * max(abs(found), abs(expected))
        if not abs(found - expected) <= allowed:
            raise AssertionError(
                f"check_grads: the derivative towards {name} is wrong in mode "
                f"{' of '.join(reversed(path))!r}, order {len(path)}: {found:.10g}, central "
                f"differences give {expected:.10g} (eps {self.eps:g}, rtol {self.rtol:g}, atol "
                f"{self.atol:g})")


def values(f, points):
    """The leaves of f at `points`, as arrays."""
    found = traced(lambda args, kwargs: f(*args), tuple(points), {}, None)
    leaves = [np.asarray(leaf) for leaf in flatten(found)[0]]
    for y in leaves:
        if y.dtype.kind != "f":
            raise DTypeError(f"check_grads: the function returned {y.dtype}, no floating point")
    return leaves


def product(mode, f, points, tangents, cotangents, k):
    """<u, J t> found in one mode, t other than zero in argument k alone."""
    if mode == "fwd":
        found = flatten(jvp(f, tuple(points), tuple(tangents))[1])[0]
        return sum(float(np.sum(u * t, dtype=float))
                   for u, t in zip(cotangents, found, strict=True))
    value, pullback = vjp(f, *points)
    found = pullback(unflatten(flatten(value)[1], cotangents))[k]
    return float(np.sum(tangents[k] * found, dtype=float))


def derivative(mode, f, tangents, cotangents):
    """The function x -> J t or x -> J' u."""
    def forward(*xs):
        return jvp(f, xs, tuple(tangents))[1]

    def reverse(*xs):
        value, pullback = vjp(f, *xs)
        return pullback(unflatten(flatten(value)[1], cotangents))

    return forward if mode == "fwd" else reverse
