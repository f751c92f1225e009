"""All elementwise rows by name, for the rules and namespaces built on them.

Their files, lowest first: conversion, comparisons, selection, arithmetic, functions, powers.
"""

from autodiff.ops.arithmetic import (
    abs,
    add,
    divide,
    floor,
    floor_divide,
    multiply,
    negative,
    remainder,
    sign,
    subtract,
)
from autodiff.ops.comparisons import (
    equal,
    greater,
    greater_equal,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    not_equal,
)
from autodiff.ops.conversion import astype
from autodiff.ops.functions import (
    arctan,
    cos,
    exp,
    expm1,
    log,
    log1p,
    sigmoid,
    sin,
    softplus,
    tanh,
)
from autodiff.ops.powers import power, sqrt, square
from autodiff.ops.selection import clip, maximum, minimum, relu, where

__all__ = [
    "abs",
    "add",
    "arctan",
    "astype",
    "clip",
    "cos",
    "divide",
    "equal",
    "exp",
    "expm1",
    "floor",
    "floor_divide",
    "greater",
    "greater_equal",
    "less",
    "less_equal",
    "log",
    "log1p",
    "logical_and",
    "logical_not",
    "logical_or",
    "maximum",
    "minimum",
    "multiply",
    "negative",
    "not_equal",
    "power",
    "relu",
    "remainder",
    "sigmoid",
    "sign",
    "sin",
    "softplus",
    "sqrt",
    "square",
    "subtract",
    "tanh",
    "where",
]
