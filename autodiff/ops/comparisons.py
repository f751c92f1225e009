"""Comparisons and logic: their results are conditions, and carry no gradient."""

import math

import numpy as np

from autodiff.core.variable import set_operator
from autodiff.ops.table import Elementwise, common


def _condition(ufunc, n_inputs, doc, resolve=None, beyond=None):
    def rewrite(a, b):
        """The same of a number that the integers it meets cannot hold: `beyond` in its place."""
        if type(b) is int and _is_beyond(b, a):
            return row(a, beyond(b))
        if type(a) is int and _is_beyond(a, b):
            return row(beyond(a), b)
        return None

    row = Elementwise(
        ufunc.__name__, ufunc, *[None] * n_inputs, resolve=resolve,
        rewrite=beyond and rewrite, doc=f"y = {doc}; carries zero")
    return row


def _is_beyond(number, x):
    if x.dtype.kind not in "iu":
        return False
    limits = np.iinfo(x.dtype)
    return not limits.min <= number <= limits.max


def _comparison(ufunc, doc):
    """A row of two operands; every integer is on the same side of such a number as of infinity."""
    return _condition(ufunc, 2, doc, beyond=lambda number: math.inf if number > 0 else -math.inf)


def _one_dtype(*dtypes):
    """NumPy itself would convert mixed operands to booleans first."""
    return (common(*dtypes),) * len(dtypes) + (np.dtype(bool),)


less = _comparison(np.less, "a < b")
less_equal = _comparison(np.less_equal, "a <= b")
equal = _comparison(np.equal, "a == b")
not_equal = _comparison(np.not_equal, "a != b")
greater = _comparison(np.greater, "a > b")
greater_equal = _comparison(np.greater_equal, "a >= b")

logical_and = _condition(np.logical_and, 2, "a and b, each as != 0", _one_dtype, bool)
logical_or = _condition(np.logical_or, 2, "a or b, each as != 0", _one_dtype, bool)
logical_not = _condition(np.logical_not, 1, "x == 0")

for _row in (less, less_equal, equal, not_equal, greater, greater_equal):
    set_operator(_row.name, _row)
