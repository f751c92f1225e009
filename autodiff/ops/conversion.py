"""Copies and conversions to another dtype."""

import numpy as np

from autodiff.core import elementwise as core
from autodiff.core import layouts
from autodiff.core.making import here, node
from autodiff.core.operations import dtype_number, provide
from autodiff.core.variable import Variable
from autodiff.errors import DTypeError
from autodiff.ops.table import UNDEFINED, Elementwise


def keep_dtype(*dtypes):
    """Resolve a row whose result has the dtype of its one input."""
    return (*dtypes, dtypes[-1])


copy = Elementwise(
    "copy", None, lambda g, y, x: g,
    loop="copy", resolve=keep_dtype, doc="y = x, in C order and in memory of its own")
layouts.set_copy(copy)


class _Cast(Elementwise):
    """Conversion: its dtype is part of the node, so a tangent is converted forwards."""

    def jvp(self, tangents, y, x):
        return astype(tangents[0], y.dtype)


cast = _Cast(
    "astype", None, lambda g, y, x: astype(g, x.dtype),
    loop="cast", doc="y = x converted to another dtype; dx = g converted back")
core.set_cast(cast)
to_integer = Elementwise(
    "astype_integer", None, UNDEFINED,
    loop="cast", doc="y = x truncated to integers; no derivative")
to_boolean = Elementwise(
    "astype_boolean", None, None,
    loop="cast", doc="y = x != 0, as a conversion; a condition, so it carries zero")


def astype(x, dtype):
    """Convert `x` to `dtype`: y = x, rounded or truncated as NumPy does; `x` where it has it.

    A gradient is converted back. To integers the derivative is undefined
    (UndefinedDerivativeError when a gradient arrives), to booleans it is zero.

    Parameters
    ----------
    x : Variable or array
    dtype : NumPy dtype
        float32, float64, an integer type or bool.

    Raises
    ------
    DTypeError
        For object, string, complex and other dtypes.

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> x = ad.variable("x", (3,))
    >>> x.astype(np.float32).dtype
    dtype('float32')
    """
    if not isinstance(x, Variable):
        return np.asarray(x).astype(dtype)
    try:
        dtype_number(dtype, "astype")
    except DTypeError as error:
        raise DTypeError(f"{error}{here(x)}") from None
    dtype = np.dtype(dtype)
    if x.dtype == dtype and not x.weak:
        return x
    op = cast
    if x.dtype.kind == "f" and dtype.kind != "f":
        op = to_boolean if dtype.kind == "b" else to_integer
    return node(op, [x], x.shape, dtype)


provide(astype=astype)
