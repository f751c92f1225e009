"""Comparisons and logic: their results are conditions, and carry no gradient."""

import numpy as np

from autodiff.core.variable import set_operator
from autodiff.ops.table import Elementwise, common


def _condition(ufunc, n_inputs, doc, resolve=None):
    return Elementwise(
        ufunc.__name__, ufunc, *[None] * n_inputs, resolve=resolve, doc=f"y = {doc}; carries zero")


def _one_dtype(*dtypes):
    """NumPy itself would convert mixed operands to booleans first."""
    return (common(*dtypes),) * len(dtypes) + (np.dtype(bool),)


less = _condition(np.less, 2, "a < b")
less_equal = _condition(np.less_equal, 2, "a <= b")
equal = _condition(np.equal, 2, "a == b")
not_equal = _condition(np.not_equal, 2, "a != b")
greater = _condition(np.greater, 2, "a > b")
greater_equal = _condition(np.greater_equal, 2, "a >= b")

logical_and = _condition(np.logical_and, 2, "a and b, each as != 0", _one_dtype)
logical_or = _condition(np.logical_or, 2, "a or b, each as != 0", _one_dtype)
logical_not = _condition(np.logical_not, 1, "x == 0")

for _row in (less, less_equal, equal, not_equal, greater, greater_equal):
    set_operator(_row.name, _row)
