"""Arithmetic on pairs of numbers, and absolute values and steps of one."""

import numpy as np

from autodiff.core.operations import provide
from autodiff.core.variable import set_operator
from autodiff.ops.table import Elementwise, literal

add = Elementwise("add", np.add, lambda g, y, a, b: g, lambda g, y, a, b: g, doc="y = a + b")
subtract = Elementwise(
    "subtract", np.subtract, lambda g, y, a, b: g, lambda g, y, a, b: -g, doc="y = a - b")
multiply = Elementwise(
    "multiply", np.multiply, lambda g, y, a, b: g * b, lambda g, y, a, b: g * a, doc="y = a b")
negative = Elementwise("negative", np.negative, lambda g, y, x: -g, doc="y = -x")


def _towards_divisor(g, y, a, b):
    """-g y/b. It shares g/b with the dividend's action; 1/b needs only y, -g y y."""
    if literal(a) == 1:
        return -(g * y * y)
    return -(g / b * y)


divide = Elementwise(
    "divide", np.divide, lambda g, y, a, b: g / b, _towards_divisor, doc="y = a / b",
    cost=2)
floor_divide = Elementwise(
    "floor_divide", np.floor_divide, None, None, doc="y = floor(a / b); carries zero",
    cost=60)
remainder = Elementwise(
    "remainder", np.remainder,
    lambda g, y, a, b: g, lambda g, y, a, b: -(g * floor_divide(a, b)),
    doc="y = a - b floor(a / b); db = -g floor(a / b)", cost=60)

abs = Elementwise(
    "abs", np.absolute, lambda g, y, x: g * sign(x), doc="y = |x|, abs'(0) = 0")
sign = Elementwise("sign", np.sign, None, doc="y = -1, 0 or 1, the sign of x; carries zero")
floor = Elementwise("floor", np.floor, None, doc="y = largest integer <= x; carries zero")

for _row in (add, subtract, multiply, divide, floor_divide, remainder):
    set_operator(_row.name, _row)
provide(add=add, negative=negative, abs=abs)
