"""Rows that give the same elements other axes: linear, and views of 0 bytes where they can be."""

import math
import operator

import numpy as np

from autodiff.core.making import constant, here
from autodiff.core.operations import provide
from autodiff.core.variable import Variable
from autodiff.errors import AutodiffError, DTypeError, ShapeError
from autodiff.ops.table import Linear


def normal_axis(axis, ndim, name, x):
    """`axis` counted from the front; ShapeError, at the line of `x`, where there is none such."""
    try:
        axis = operator.index(axis)
    except TypeError as error:
        raise _no_ints(error, axis, name, "an axis is an int", here(x)) from None
    if not -ndim <= axis < ndim:
        raise ShapeError(f"{name}: axis {axis} is out of bounds for {ndim} dimensions{here(x)}")
    return axis % ndim


def _no_ints(error, given, name, wanted, where):
    """What to raise where `operator.index` refused what an operation was given."""
    if isinstance(error, AutodiffError):          # a Variable without a value
        return error
    return DTypeError(f"{name}: {wanted}, not {given!r}{where}")


def distinct_axes(axis, ndim, name, x):
    """One axis or several, counted from the front, as a tuple; ShapeError if one is twice there."""
    given = axis if isinstance(axis, (tuple, list)) else (axis,)
    axes = tuple(normal_axis(item, ndim, name, x) for item in given)
    if len(set(axes)) != len(axes):
        raise ShapeError(f"{name}: {axis} names an axis twice{here(x)}")
    return axes


def shape_tuple(shape, name, x=None, wanted="a shape is an int or a tuple of ints"):
    """A shape given as an int or a sequence, as a tuple of ints; DTypeError, at the line of `x`."""
    if type(shape) is tuple and all([type(extent) is int for extent in shape]):
        return shape                              # the usual case
    try:
        if isinstance(shape, (int, np.integer)):
            return (int(shape),)
        return tuple(map(operator.index, shape))
    except TypeError as error:
        where = "" if x is None else here(x)
        raise _no_ints(error, shape, name, wanted, where) from None


# ---- broadcast_to ---------------------------------------------------------------------------

def _broadcast_view(y, shape, strides):
    lead = y.ndim - len(shape)
    kept = [
        0 if extent == 1 and wanted != 1 else stride
        for extent, wanted, stride in zip(shape, y.shape[lead:], strides, strict=True)
    ]
    return [0] * lead + kept, 0


_broadcast_to = Linear(
    "broadcast_to", (lambda g, y, x: sum_to(g, x.shape),),
    again=lambda tangents, y, x: broadcast_to(tangents[0], y.shape),
    view=_broadcast_view, doc="y = x repeated along new or single axes")


def broadcast_to(x, shape):
    """Repeat `x` to `shape`, y[..., i, j] = x[i, j]; see numpy.broadcast_to.

    Parameters
    ----------
    x : Variable or array
    shape : int or tuple of int
        The new shape; its last axes are those of `x`, or repeat one of extent 1.

    Raises
    ------
    ShapeError
        Where `x` does not fit.

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> np.broadcast_to(ad.variable("x", (3, 1)), (2, 3, 4)).shape
    (2, 3, 4)
    """
    if not isinstance(x, Variable):
        return np.broadcast_to(x, shape)
    shape = shape_tuple(shape, "broadcast_to", x)
    if x.shape == shape:
        return x
    lead = len(shape) - x.ndim
    if lead < 0 or x.shape and any(
            p not in (1, q) for p, q in zip(x.shape, shape[lead:], strict=True)):
        raise ShapeError(
            f"broadcast_to: shape {x.shape} cannot become {shape}{here(x)}")
    return _broadcast_to([x], shape, x.dtype, (shape,))


def sum_to(g, shape):
    """Undo broadcasting: sum `g` over the axes along which `shape` was repeated."""
    from autodiff.ops.reductions import sum as sum_over

    lead = g.ndim - len(shape)
    if lead < 0 or any(q not in (1, p) for p, q in zip(g.shape[lead:], shape, strict=True)):
        # a rule may be smaller than its variable: then it stands for the same number everywhere
        return broadcast_to(g, shape)
    axes = tuple(range(lead)) + tuple(
        lead + k for k, (p, q) in enumerate(zip(g.shape[lead:], shape, strict=True))
        if q == 1 and p != 1
    )
    return reshape(sum_over(g, axis=axes), shape)


def zeros_of(x):
    """Zeros of the shape and dtype of `x`, in its graph."""
    return broadcast_to(constant(x.graph, x.dtype.type(0)), x.shape)


# ---- reshape --------------------------------------------------------------------------------

def _reshape_view(y, shape, strides):
    """The strides of the same elements in another shape, or None if they must be copied."""
    if 0 in shape:
        return [0] * y.ndim, 0
    extents = [(n, s) for n, s in zip(shape, strides, strict=True) if n != 1]
    runs = []                                     # maximal dense runs: [elements, inner stride]
    for n, s in extents:
        if runs and runs[-1][1] == n * s:
            runs[-1] = [runs[-1][0] * n, s]
        else:
            runs.append([n, s])
    out, left = [], list(reversed(runs))
    for n in reversed(y.shape):
        if n == 1:
            out.append(y.dtype.itemsize)
            continue
        if not left or left[0][0] % n:
            return None
        out.append(left[0][1])
        left[0] = [left[0][0] // n, left[0][1] * n]
        if left[0][0] == 1:
            left.pop(0)
    return out[::-1], 0


_reshape = Linear(
    "reshape", (lambda g, y, x: reshape(g, x.shape),),
    again=lambda tangents, y, x: reshape(tangents[0], y.shape),
    view=_reshape_view, doc="y = the elements of x in C order in another shape")


def reshape(x, shape):
    """Give the elements of `x`, in C order, another shape; see numpy.reshape.

    Parameters
    ----------
    x : Variable or array
    shape : int or tuple of int
        The new shape, of as many elements; one extent may be -1 and is inferred.

    Raises
    ------
    ShapeError
        Where the numbers of elements differ.

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> np.reshape(ad.variable("x", (3, 4)), (2, -1)).shape
    (2, 6)
    """
    if not isinstance(x, Variable):
        return np.reshape(x, shape)
    shape = shape_tuple(shape, "reshape", x)
    if shape.count(-1) == 1:
        known = -math.prod(shape)
        if known > 0 and x.size % known == 0:
            shape = tuple(x.size // known if n == -1 else n for n in shape)
    if math.prod(shape) != x.size or any([n < 0 for n in shape]):
        raise ShapeError(
            f"reshape: {x.size} elements of shape {x.shape} cannot become {shape}{here(x)}")
    if shape == x.shape:
        return x
    return _reshape([x], shape, x.dtype, (shape,))


# ---- transpose ------------------------------------------------------------------------------

_transpose = Linear(
    "transpose", (lambda g, y, x: transpose(g, np.argsort(y.attrs[0])),),
    again=lambda tangents, y, x: transpose(tangents[0], y.attrs[0]),
    view=lambda y, shape, strides: ([strides[axis] for axis in y.attrs[0]], 0),
    doc="y = x with its axes permuted")


def transpose(x, axes=None):
    """Permute the axes of `x`, axis k of the result is axes[k]; see numpy.transpose.

    Parameters
    ----------
    x : Variable or array
    axes : tuple of int, optional
        A permutation of the axes; None reverses them.

    Raises
    ------
    ShapeError
        Where `axes` is no permutation.

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> np.transpose(ad.variable("x", (2, 3, 4)), (0, 2, 1)).shape
    (2, 4, 3)
    """
    if not isinstance(x, Variable):
        return np.transpose(x, axes)
    if axes is None:
        axes = tuple(range(x.ndim)[::-1])
        if len(axes) < 2:
            return x
        return _transpose([x], x.shape[::-1], x.dtype, (axes,))
    axes = shape_tuple(axes, "transpose", x, "axes are ints")
    if len(axes) != x.ndim:
        raise ShapeError(
            f"transpose: axes {axes} do not permute the {x.ndim} of {x.shape}{here(x)}")
    axes = distinct_axes(axes, x.ndim, "transpose", x)
    if axes == tuple(range(x.ndim)):
        return x
    return _transpose([x], tuple(x.shape[axis] for axis in axes), x.dtype, (axes,))


def swapaxes(x, axis1, axis2):
    """Exchange two axes of `x`; see numpy.swapaxes.

    Raises ShapeError for an axis that `x` has not.

    >>> import numpy as np, autodiff as ad
    >>> np.swapaxes(ad.variable("x", (2, 3, 4)), 0, -1).shape
    (4, 3, 2)
    """
    if not isinstance(x, Variable):
        return np.swapaxes(x, axis1, axis2)
    first = normal_axis(axis1, x.ndim, "swapaxes", x)
    second = normal_axis(axis2, x.ndim, "swapaxes", x)
    axes = list(range(x.ndim))
    axes[first], axes[second] = second, first
    return transpose(x, axes)


# ---- axes of extent one ---------------------------------------------------------------------

def squeeze(x, axis=None):
    """Drop axes of extent one; see numpy.squeeze.

    Parameters
    ----------
    x : Variable or array
    axis : int or tuple of int, optional
        Which axes; None drops all of extent one.

    Raises
    ------
    ShapeError
        For an axis of another extent, or one that `x` has not.

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> np.squeeze(ad.variable("x", (1, 3, 1)), axis=-1).shape
    (1, 3)
    """
    if not isinstance(x, Variable):
        return np.squeeze(x, axis=axis)
    if axis is None:
        return reshape(x, tuple(n for n in x.shape if n != 1))
    axes = distinct_axes(axis, x.ndim, "squeeze", x)
    for d in axes:
        if x.shape[d] != 1:
            raise ShapeError(
                f"squeeze: axis {d} of shape {x.shape} has extent {x.shape[d]}, not 1"
                f"{here(x)}")
    return reshape(x, tuple(n for d, n in enumerate(x.shape) if d not in axes))


def expand_dims(x, axis):
    """Insert axes of extent one, at the places `axis` of the result; see numpy.expand_dims.

    Parameters
    ----------
    x : Variable or array
    axis : int or tuple of int
        Where the new axes are in the result; negative ones count from its end.

    Raises
    ------
    ShapeError
        For a place the result has not, or one given twice.

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> np.expand_dims(ad.variable("x", (3, 4)), (0, -1)).shape
    (1, 3, 4, 1)
    """
    if not isinstance(x, Variable):
        return np.expand_dims(x, axis)
    ndim = x.ndim + (len(axis) if isinstance(axis, (tuple, list)) else 1)
    axes = distinct_axes(axis, ndim, "expand_dims", x)
    extents = iter(x.shape)
    return reshape(x, tuple(1 if d in axes else next(extents) for d in range(ndim)))


provide(
    sum_to=sum_to, zeros_of=zeros_of, reshape=reshape, transpose=transpose, swapaxes=swapaxes,
    squeeze=squeeze)
