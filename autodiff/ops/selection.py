"""Rows whose result is one of their operands: where, relu, maximum, minimum, clip."""

import numpy as np

from autodiff.core.making import here
from autodiff.core.operations import provide
from autodiff.core.variable import Variable
from autodiff.errors import UnsupportedError
from autodiff.ops.conversion import astype
from autodiff.ops.table import Elementwise, common, dtype_of, only_floats

# ---- where ----------------------------------------------------------------------------------

def _select_dtypes(condition, a, b):
    dtype = common(a, b)
    return np.dtype(bool), dtype, dtype, dtype


_where = Elementwise(
    "where", None, None, lambda g, y, c, a, b: where(c, g, 0), lambda g, y, c, a, b: where(c, 0, g),
    loop="where", resolve=_select_dtypes, doc="y = a where c, else b; g goes where y came from")


def where(condition, x=None, y=None):
    """Select elements: x where `condition`, else y; see numpy.where with three arguments.

    What is not selected gets a gradient of zero. Beware that 0 times an infinite slope is NaN:
    guard the argument as well, as in `where(x > 0, log(where(x > 0, x, 1)), 0)`.

    Parameters
    ----------
    condition, x, y : Variable, array or scalar
        Broadcast together; a condition that is not boolean means != 0.

    Raises
    ------
    ShapeError
        Where the three shapes cannot be broadcast together.
    UnsupportedError
        For a condition alone.

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> x = ad.variable("x", (2,))
    >>> y = np.where(x > 0, x, 0)
    >>> ad.Program([x], [y])(np.array([-1.0, 2.0]))[0]
    array([0., 2.])
    """
    if isinstance(condition, Variable):
        if x is None or y is None:
            raise UnsupportedError(
                f"where takes a condition, x and y{here(condition)}: how many places are true "
                "depends on the values, np.flatnonzero(condition.value) finds them")
        if condition.dtype.kind != "b":
            condition = astype(condition, bool)
    elif not isinstance(x, Variable) and not isinstance(y, Variable):
        return np.where(condition, x, y)
    else:
        condition = np.asarray(condition).astype(bool)
    return _where(condition, x, y)


# ---- relu, maximum, minimum -----------------------------------------------------------------

relu = Elementwise(
    "relu", None, lambda g, y, x: where(y > 0, g, 0),
    loop="relu", resolve=only_floats, doc="y = max(x, 0), relu'(0) = 0")


def _is_zero(value):
    return type(value) in (int, float) and value == 0 and str(value)[0] != "-"


def _relu_instead(a, b):
    """maximum with a literal 0 is the row relu, whose action reads only y; relu(-0.0) is 0.0."""
    if _is_zero(b) and isinstance(a, Variable) and a.dtype.kind == "f":
        return relu(a)
    if _is_zero(a) and isinstance(b, Variable) and b.dtype.kind == "f":
        return relu(b)
    return None


share = Elementwise(
    "share", None, lambda h, y, g, p, q: share(h, p, q), None, None,
    loop="share", resolve=lambda *dtypes: (common(*dtypes),) * 4,
    doc="y = g where p > q, g/2 where p == q, else 0: the actions of maximum and minimum")

maximum = Elementwise(
    "maximum", np.maximum,
    lambda g, y, a, b: share(g, a, b), lambda g, y, a, b: share(g, b, a),
    rewrite=_relu_instead, doc="y = max(a, b); ties share g equally")
minimum = Elementwise(
    "minimum", np.minimum,
    lambda g, y, a, b: share(g, b, a), lambda g, y, a, b: share(g, a, b),
    doc="y = min(a, b); ties share g equally")


# ---- clip -----------------------------------------------------------------------------------

_clip = Elementwise(
    "clip", np._core.umath.clip,
    lambda g, y, x, low, high: where(y == x, g, 0),
    lambda g, y, x, low, high: where(x < low, g, 0),
    lambda g, y, x, low, high: where(x > high, g, 0),
    doc="y = min(max(x, low), high); at a bound g goes to x: the interval is closed")


def _limits(*operands):
    """The least and the greatest number of the dtype that operands are promoted to."""
    try:
        dtype = common(*map(dtype_of, operands))
    except TypeError:             # the row refuses them
        return -np.inf, np.inf
    if dtype.kind == "b":
        return False, True
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return int(limits.min), int(limits.max)
    return -np.inf, np.inf


def clip(a, a_min=None, a_max=None):
    """Limit values to the closed interval: y = min(max(a, a_min), a_max); see numpy.clip.

    Parameters
    ----------
    a : Variable or array
    a_min, a_max : Variable, array, scalar or None
        None means no bound; both must be broadcastable with `a`, a_min <= a_max.

    Raises
    ------
    ShapeError
        Where the shapes cannot be broadcast together.

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> x = ad.variable("x", (3,))
    >>> ad.Program([x], [x.clip(0, 1)])(np.array([-1.0, 0.5, 2.0]))[0]
    array([0. , 0.5, 1. ])
    """
    if not any(isinstance(arg, Variable) for arg in (a, a_min, a_max)):
        return np.clip(a, a_min, a_max)
    if not isinstance(a, Variable):
        a = np.asarray(a)
    if a.dtype.kind in "iu":      # NumPy: an int that no element is beyond is no bound
        lowest, highest = _limits(a)
        if type(a_min) is int and a_min <= lowest:
            a_min = None
        if type(a_max) is int and a_max >= highest:
            a_max = None
    if a_min is None and a_max is None:
        return a
    if a_min is None or a_max is None:
        lowest, highest = _limits(a, a_max if a_min is None else a_min)
        a_min, a_max = lowest if a_min is None else a_min, highest if a_max is None else a_max
    return _clip(a, a_min, a_max)


provide(clip=clip, where=where)
