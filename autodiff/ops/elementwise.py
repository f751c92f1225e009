"""Elementwise rows: arithmetic, functions of one real, comparisons, selection, conversion."""

import numpy as np

from autodiff.core import elementwise as core
from autodiff.core import graph, regions
from autodiff.core.graph import Variable
from autodiff.errors import DTypeError
from autodiff.ops.table import UNDEFINED, Elementwise

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def keep_dtype(*dtypes):
    """Resolve a row whose result has the dtype of its one input."""
    return (*dtypes, dtypes[-1])


def only_floats(dtype):
    """Resolve an own function of one real: integers become float64."""
    dtype = np.dtype(dtype)
    if dtype.kind in "biu":
        dtype = np.dtype(np.float64)
    return dtype, dtype


# ---- copies and conversions -----------------------------------------------------------------

copy = Elementwise(
    "copy", None, lambda g, y, x: g,
    loop="copy", resolve=keep_dtype, doc="y = x, in C order and in memory of its own")
regions.set_copy(copy)


class _Cast(Elementwise):
    """Conversion: its dtype is part of the node; to integers its derivative is undefined."""

    def bprop(self, position, g, y, x):
        return astype(g, x.dtype)

    def jvp(self, tangents, y, x):
        return astype(tangents[0], y.dtype)


cast = _Cast(
    "astype", None, lambda g, y, x: astype(g, x.dtype),
    loop="cast", doc="y = x converted to another dtype; dx = g converted back")
core.set_cast(cast)
to_integer = Elementwise(
    "astype_integer", None, UNDEFINED,
    loop="cast", doc="y = x truncated to integers; no derivative")


def astype(x, dtype):
    """Convert `x` to `dtype`; itself where it has that dtype."""
    dtype = np.dtype(dtype)
    if not isinstance(x, Variable):
        return np.asarray(x).astype(dtype)
    graph.dtype_number(dtype, "astype")
    if x.dtype == dtype and not x.weak:
        return x
    op = to_integer if x.dtype.kind == "f" and dtype.kind in "iu" else cast
    return graph.node(op, [x], x.shape, dtype)


# ---- arithmetic -----------------------------------------------------------------------------

add = Elementwise("add", np.add, lambda g, y, a, b: g, lambda g, y, a, b: g, doc="y = a + b")
multiply = Elementwise(
    "multiply", np.multiply, lambda g, y, a, b: g * b, lambda g, y, a, b: g * a, doc="y = a b")
negative = Elementwise("negative", np.negative, lambda g, y, x: -g, doc="y = -x")


# ---- maximum and relu -----------------------------------------------------------------------

relu = Elementwise(
    "relu", None, lambda g, y, x: where(y > 0, g, 0),
    loop="relu", resolve=only_floats, doc="y = max(x, 0), relu'(0) = 0")


def _is_zero(value):
    return type(value) in (int, float) and value == 0 and str(value)[0] != "-"


def _relu_instead(a, b):
    """maximum with a literal 0 is the row relu, whose action reads only y."""
    if _is_zero(b) and isinstance(a, Variable) and a.dtype.kind == "f":
        return relu(a)
    if _is_zero(a) and isinstance(b, Variable) and b.dtype.kind == "f":
        return relu(b)
    return None


def _share(better):
    """Ties share equally: half of g to each."""
    def action(position):
        def act(g, y, a, b):
            mine, other = (a, b) if position == 0 else (b, a)
            return where(better(mine, other), g, where(mine == other, g * 0.5, 0))
        return act
    return action(0), action(1)


maximum = Elementwise(
    "maximum", np.maximum, *_share(lambda mine, other: mine > other),
    rewrite=_relu_instead, doc="y = max(a, b); ties share g equally")

exp = Elementwise("exp", np.exp, lambda g, y, x: g * y, doc="y = e^x", ulp=4)
tanh = Elementwise("tanh", np.tanh, lambda g, y, x: g * (1 - y * y), doc="y = tanh x", ulp=4)

# ---- comparisons and selection --------------------------------------------------------------

greater = Elementwise("greater", np.greater, None, None, doc="y = a > b; carries zero")
equal = Elementwise("equal", np.equal, None, None, doc="y = a == b; carries zero")


def _select_dtypes(condition, a, b):
    weak = [t for t in (a, b) if isinstance(t, type)]
    strong = [t for t in (a, b) if not isinstance(t, type)]
    dtype = np.result_type(*(np.empty(0, t) for t in strong), *(t(1) for t in weak))
    if np.dtype(condition) != bool:
        raise TypeError("the condition of where must be boolean")
    return np.dtype(bool), dtype, dtype, dtype


where = Elementwise(
    "where", None, None, lambda g, y, c, a, b: where(c, g, 0), lambda g, y, c, a, b: where(c, 0, g),
    loop="where", resolve=_select_dtypes, doc="y = a where c, else b")




for _symbol, _row in {"add": add, "multiply": multiply, "greater": greater, "equal": equal}.items():
    graph.set_operator(_symbol, _row)
graph.provide(negative=negative, add=add, astype=astype)
