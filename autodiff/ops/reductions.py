"""Rows that reduce axes: sums, means, extremes and the place of the largest."""

import builtins
import math

import numpy as np

from autodiff.core.making import here
from autodiff.core.operations import provide
from autodiff.core.variable import Variable
from autodiff.errors import ShapeError
from autodiff.ops.elementwise import astype, equal, sqrt, square, where
from autodiff.ops.movement import broadcast_to, distinct_axes, reshape, transpose
from autodiff.ops.table import UNDEFINED, Linear, Structural

# ---- axes -----------------------------------------------------------------------------------

def normal_axes(axis, x, name, of_scalars=True):
    """The reduced axes of `x` as a sorted tuple; None means all. A scalar has an axis 0, as in
    numpy.sum, that reduces nothing; but not `of_scalars` in a mean, as in numpy.mean."""
    if axis is None:
        return tuple(range(x.ndim))
    one_axis = of_scalars and not isinstance(axis, (tuple, list))
    axes = distinct_axes(axis, x.ndim or int(one_axis), name, x)
    return tuple(sorted(axes)) if x.ndim else ()


def reduced_shape(shape, axes, keepdims):
    """The shape that is left when `axes` are reduced."""
    if len(axes) == len(shape) and not keepdims:
        return ()
    if keepdims:
        return tuple(1 if d in axes else n for d, n in enumerate(shape))
    return tuple(n for d, n in enumerate(shape) if d not in axes)


def restore_axes(y, axes, shape):
    """A reduced Variable with its reduced axes back as extents of one, repeated to `shape`."""
    if y.shape == shape[len(axes):] and axes == tuple(range(len(axes))):
        return broadcast_to(y, shape)             # leading axes come back by themselves
    return broadcast_to(reshape(y, reduced_shape(shape, axes, True)), shape)


def flatten_last(x, axes):
    """`x` with `axes` moved last and made one: a view where `x` lies so."""
    kept = [d for d in range(x.ndim) if d not in axes]
    shape = [x.shape[d] for d in kept]
    return reshape(
        transpose(x, (*kept, *axes)), (*shape, math.prod(x.shape[d] for d in axes)))


def reduction_params(first_element):
    """Parameters of the kernel `reduce`: where it begins, and a flag for each axis."""
    def params(y):
        axes = y.attrs[0]
        return (int(first_element), *(int(d in axes) for d in range(y.inputs[0].ndim)))
    return params


def _reduce(row, x, axes, keepdims, dtype=None):
    """The node of a reduction; its attributes are the axes and keepdims."""
    keepdims = bool(keepdims)
    return row([x], reduced_shape(x.shape, axes, keepdims), dtype or x.dtype, (axes, keepdims))


def _add_loop(y):
    return np.add, (y.dtype.num,) * 3


def _count_of(y):
    """How many elements of its input go into each element of a reduction."""
    return math.prod(y.inputs[0].shape[d] for d in y.attrs[0])


# ---- sum and mean ---------------------------------------------------------------------------

_sum = Linear(
    "sum", (lambda g, y, x: restore_axes(g, y.attrs[0], x.shape),),
    again=lambda tangents, y, x: sum(tangents[0], *y.attrs),
    kernel="reduce", loop=_add_loop, params=reduction_params(False),
    doc="y = sum of x over axes, pairwise")
_count = Structural(
    "count", (None,), kernel="count", params=reduction_params(False),
    doc="y = how many of x are true over axes; carries zero")
_mean = Linear(
    "mean", (lambda g, y, x: restore_axes(g / _count_of(y), y.attrs[0], x.shape),),
    again=lambda tangents, y, x: mean(tangents[0], *y.attrs),
    kernel="mean", loop=_add_loop, params=reduction_params(False),
    doc="y = sum of x over axes / number of elements in it")


def sum(x, axis=None, keepdims=False):
    """Sum over `axis` (int, tuple; None: all axes); see numpy.sum.

    Booleans and small integers are summed as int64, unsigned ones as uint64.

    >>> sum(np.ones((2, 3)), axis=0)
    array([2., 2., 2.])
    """
    if not isinstance(x, Variable):
        return np.sum(x, axis=axis, keepdims=keepdims)
    axes = normal_axes(axis, x, "sum")
    if x.dtype == bool and axes:
        return _reduce(_count, x, axes, keepdims, np.int64)
    if x.dtype.kind in "biu":
        x = astype(x, np.uint64 if x.dtype.kind == "u" else np.int64)
    return _reduce(_sum, x, axes, keepdims) if axes else x


def mean(x, axis=None, keepdims=False):
    """Mean over `axis` (int, tuple; None: all axes); see numpy.mean.

    Integers and booleans have a float64 mean; the mean of no elements is NaN.

    >>> mean(np.array([[1, 2], [3, 5]]), axis=0)
    array([2. , 3.5])
    """
    if not isinstance(x, Variable):
        return np.mean(x, axis=axis, keepdims=keepdims)
    axes = normal_axes(axis, x, "mean", of_scalars=False)
    if x.dtype.kind in "biu":
        x = astype(x, np.float64)
    return _reduce(_mean, x, axes, keepdims) if axes else x


def var(x, axis=None, ddof=0, keepdims=False):
    """Variance over `axis`, sum of (x - mean)^2 / (n - ddof); see numpy.var.

    Integers and booleans have a float64 variance; where n <= ddof it is NaN or infinite.

    >>> var(np.array([[1.0, 3.0], [2.0, 6.0]]), axis=1)
    array([1., 4.])
    """
    if not isinstance(x, Variable):
        return np.var(x, axis=axis, ddof=ddof, keepdims=keepdims)
    axes = normal_axes(axis, x, "var", of_scalars=False)
    if x.dtype.kind in "biu":
        x = astype(x, np.float64)
    count = math.prod(x.shape[d] for d in axes)
    squares = square(x - mean(x, axes, keepdims=True))
    return sum(squares, axes, keepdims) / builtins.max(float(count - ddof), 0.0)


def std(x, axis=None, ddof=0, keepdims=False):
    """Standard deviation over `axis`, the root of `var`; see numpy.std.

    Its slope at 0, where all elements are equal, is taken as 0.

    >>> std(np.array([[1.0, 3.0], [2.0, 6.0]]), axis=1)
    array([1., 2.])
    """
    if not isinstance(x, Variable):
        return np.std(x, axis=axis, ddof=ddof, keepdims=keepdims)
    return sqrt(var(x, axis, ddof, keepdims))


# ---- extremes -------------------------------------------------------------------------------

def _ties(y, x):
    """Where x is the extreme y, and how often that is, in the dtype and shape of y."""
    at = equal(x, restore_axes(y, y.attrs[0], x.shape))
    return at, astype(sum(at, *y.attrs), y.dtype)


def _towards_extreme(g, y, x):
    at, count = _ties(y, x)
    return where(at, restore_axes(g / count, y.attrs[0], x.shape), 0)


def _tangent_of_extreme(tangents, y, x):
    at, count = _ties(y, x)
    return sum(where(at, tangents[0], 0), *y.attrs) / count


def _extreme(name, ufunc, symbol):
    return Structural(
        name, (_towards_extreme,), jvp=_tangent_of_extreme, kernel="reduce",
        loop=lambda y: (ufunc, (y.dtype.num,) * 3), params=reduction_params(True),
        doc=f"y = {symbol} of x over axes; ties share g equally, a NaN carries zero")


_max = _extreme("max", np.maximum, "the largest")
_min = _extreme("min", np.minimum, "the smallest")


def _extreme_over(row, x, axis, keepdims):
    axes = normal_axes(axis, x, row.name)
    _require_elements(x, axes, row.name)
    return _reduce(row, x, axes, keepdims) if axes else x


def _require_elements(x, axes, name):
    """ShapeError where an extreme would have to be found among no elements."""
    if math.prod(x.shape[d] for d in axes) == 0:
        raise ShapeError(
            f"{name}: there is no extreme of no elements, shape {x.shape} over axes "
            f"{axes}{here(x)}")


def max(x, axis=None, keepdims=False):
    """Largest element over `axis` (int, tuple; None: all axes); see numpy.max.

    In the gradient equal elements share equally. ShapeError for the maximum of no elements.

    >>> max(np.array([[1.0, 4.0], [3.0, 2.0]]), axis=1)
    array([4., 3.])
    """
    if not isinstance(x, Variable):
        return np.max(x, axis=axis, keepdims=keepdims)
    return _extreme_over(_max, x, axis, keepdims)


def min(x, axis=None, keepdims=False):
    """Smallest element over `axis` (int, tuple; None: all axes); see numpy.min.

    In the gradient equal elements share equally. ShapeError for the minimum of no elements.

    >>> min(np.array([[1.0, 4.0], [3.0, 2.0]]), axis=1)
    array([1., 2.])
    """
    if not isinstance(x, Variable):
        return np.min(x, axis=axis, keepdims=keepdims)
    return _extreme_over(_min, x, axis, keepdims)


_argmax = Structural(
    "argmax", (UNDEFINED,), kernel="argmax", layouts="dense",
    loop=lambda y: (np.maximum, (y.inputs[0].dtype.num,) * 3),
    doc="y = index of the first largest along the last axis; no derivative")


def argmax(x, axis=None, keepdims=False):
    """Index of the first largest element along `axis` (None: of all, flat); see numpy.argmax.

    The result is int64 and has no derivative. ShapeError for the argmax of no elements.

    >>> argmax(np.array([[1.0, 4.0], [3.0, 2.0]]), axis=1)
    array([1, 0])
    """
    if not isinstance(x, Variable):
        return np.argmax(x, axis=axis, keepdims=keepdims)
    if isinstance(axis, (tuple, list)):
        raise ShapeError(f"argmax: takes one axis or None, not {axis}{here(x)}")
    axes = normal_axes(axis, x, "argmax")
    _require_elements(x, axes, "argmax")
    shape = reduced_shape(x.shape, axes, keepdims)
    return reshape(_argmax([flatten_last(x, axes)], reduced_shape(x.shape, axes, False), np.int64),
                   shape)


provide(sum=sum, mean=mean, var=var, std=std, max=max, min=min, argmax=argmax)
