"""Squares, roots and powers: guarded, so that both orders are finite where the function is.

Where x^p has a finite value at 0 and an infinite slope (0 < p < 1), the derivative is taken as 0
there, in every order. The guard replaces the base before it is divided by, so that no 0 * inf
arises in a rule's own derivative.
"""

import math

import numpy as np

from autodiff.core.making import constant, here
from autodiff.core.operations import provide
from autodiff.core.variable import Variable, set_operator
from autodiff.errors import ArgumentError, brief
from autodiff.ops.arithmetic import divide
from autodiff.ops.comparisons import logical_and
from autodiff.ops.functions import log
from autodiff.ops.movement import broadcast_to
from autodiff.ops.selection import where
from autodiff.ops.table import Elementwise, common, dtype_of, literal

square = Elementwise("square", np.square, lambda g, y, x: g * (x + x), doc="y = x^2")
sqrt = Elementwise(
    "sqrt", np.sqrt, lambda g, y, x: g / where(y == 0, math.inf, y + y),
    doc="y = sqrt(x); dx = g/(2 y), sqrt'(0) = 0", cost=4)


def _towards_base(g, y, a, b):
    """g b a^(b-1)."""
    p = literal(b)
    if p is None:
        steep = logical_and(a == 0, logical_and(b >= 0, b < 1))
        return g * where(steep, 0, b * where(steep, 1, a) ** (b - 1))
    if p == 0:
        return None
    base = where(a == 0, math.inf, a) if 0 < p < 1 else a
    return g * (p * base ** (p - 1))


def _towards_exponent(g, y, a, b):
    """g y log(a); zero at a = 0."""
    c = literal(a)
    if c is None:
        return g * (y * log(where(a == 0, 1, a)))
    if c == 0:
        return None
    return g * (y * (math.log(c) if c > 0 else math.nan))


def _simpler(a, b):
    """NumPy's fast paths for literal exponents, whose bits they are, and the row for integers."""
    if isinstance(b, np.floating) and isinstance(a, Variable) and a.dtype == b.dtype:
        b = float(b)
    if isinstance(a, Variable) and type(b) in (int, float):
        kind = a.dtype.kind
        if b == 2 and (kind == "f" or kind in "iu" and type(b) is int):
            return square(a)
        if kind == "f":
            if b == 1:
                return a
            if b == 0.5:
                return sqrt(a)
            if b == -1:
                return divide(1, a)
            if b == 0 and not a.weak:
                return broadcast_to(constant(a.graph, a.dtype.type(1)), a.shape)
            return None
    if common(dtype_of(a), dtype_of(b)).kind in "biu":
        return power_integer(a, b)
    return None


def _no_negative_power(a, b):
    if type(b) is int and b < 0:
        raise ArgumentError(
            f"power: integers to the negative integer power {brief(b)}{here(a)}; convert the "
            "base with .astype(float)")


power_integer = Elementwise(
    "power_integer", np.power, None, None, loop="power", rewrite=_no_negative_power,
    doc="y = a^b of integers, b >= 0; ArgumentError for a negative exponent, as in NumPy",
    cost=20)
power = Elementwise(
    "power", np.power, _towards_base, _towards_exponent, rewrite=_simpler,
    doc="y = a^b; where 0 < b < 1, 0 is taken for the slope at a = 0", cost=20)

provide(square=square)
set_operator("power", power)
