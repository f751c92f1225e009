"""Indexing as NumPy has it: x[index] with ints, slices, None, Ellipsis, integer arrays and masks.

An index is cut into three steps: a slice, a reshape (both views), and, where integer arrays take
part, one `gather` over neighbouring axes. A mask is the integer array of its true places; they
have to be known while tracing, so a mask that is a Variable is evaluated.
"""

import math

import numpy as np

from autodiff.core.making import constant, here
from autodiff.core.operations import provide
from autodiff.core.variable import Variable
from autodiff.errors import ArgumentError, DTypeError, IndexingError
from autodiff.ops.gathering import INT64, as_places, check_range, gather_along
from autodiff.ops.joining import stack
from autodiff.ops.movement import normal_axis, reshape
from autodiff.ops.slicing import as_range, slice_of


def _read(x, item):
    """One item of an index as None, Ellipsis, a slice, an int, a mask (boolean array), an int64
    array, or an integer Variable."""
    if item is None or item is Ellipsis or isinstance(item, slice):
        return item
    if type(item) is int:
        return item
    if isinstance(item, Variable):
        if item.dtype.kind == "b":
            return item.value
        if item.dtype.kind in "iu":
            return item
        raise IndexingError(
            f"indexing: {item!r} cannot be an index: it is not of integers or booleans")
    if isinstance(item, (list, tuple)) and any(isinstance(i, Variable) for i in item):
        return _read(x, stack(item))
    try:
        array = np.asarray(item)
    except ValueError:                             # a ragged list
        array = np.asarray(None)
    if array.size == 0 and not isinstance(item, (np.ndarray, np.generic)):
        array = array.astype(INT64)                # [] is an index of nothing, not of floats
    if array.dtype.kind == "b":
        return array
    if array.dtype.kind not in "iu":
        raise IndexingError(
            f"indexing: {item!r} cannot index shape {x.shape}{here(x)}: only integers, "
            "slices, ..., None, and arrays of integers or booleans can")
    return int(array) if array.ndim == 0 else as_places(array)


def _is_mask(item):
    return isinstance(item, np.ndarray) and item.dtype.kind == "b"


def _axes_read(item):
    """How many axes of the indexed array an item stands for."""
    if item is None or item is Ellipsis:
        return 0
    return item.ndim if _is_mask(item) else 1


def _expand(x, items):
    """The items with full slices for the axes that the ellipsis, or the end, leaves out."""
    places = [k for k, item in enumerate(items) if item is Ellipsis]
    if len(places) > 1:
        raise IndexingError(f"indexing: more than one ellipsis (...){here(x)}")
    missing = x.ndim - sum(map(_axes_read, items))
    if missing < 0:
        raise IndexingError(
            f"indexing: {x.ndim - missing} indices are too many for shape {x.shape}{here(x)}")
    at = places[0] + 1 if places else len(items)
    return [*items[:at], *[slice(None)] * missing, *items[at:]]


def _basic(x, index):
    """The ranges of an index of slices and ints of axes of `x`; None for another or a wrong one."""
    shape = x.shape
    if len(index) > len(shape):
        return None
    ranges = [(0, 1, extent) for extent in shape]
    for axis, item in enumerate(index):
        extent = shape[axis]
        if type(item) is slice:
            ranges[axis] = as_range(item, extent, x)
        elif type(item) is int and -extent <= item < extent:
            ranges[axis] = item % extent
        else:
            return None
    return ranges


def _check_mask(x, mask, extents):
    # an empty one-dimensional mask selects nothing of any axis, as in NumPy
    if mask.shape != extents and mask.shape != (0,):
        raise IndexingError(
            f"indexing: a mask of shape {mask.shape} does not fit the extents {extents} of shape "
            f"{x.shape}{here(x)}")


def getitem(x, index):
    """Take a part of `x`, x[index]: basic and advanced indexing; see numpy.ndarray.__getitem__.

    Parameters
    ----------
    x : Variable or array
    index : int, slice, None, Ellipsis, integer or boolean array or Variable, or a tuple of these
        Basic parts are views of 0 bytes. An index that is an integer Variable is looked up when
        the program runs, and carries no gradient; a boolean Variable is evaluated at once.

    Raises
    ------
    IndexRangeError
        For a place outside its axis: while tracing, or by the run where the index is a Variable.
    IndexingError
        For too many items, a mask of another shape, arrays that do not broadcast, or an item
        that is no index.

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> x = ad.variable("x", (5, 3))
    >>> x[1:4, None].shape, x[[0, 2, 0], 1].shape, x[..., ::-1].shape
    ((3, 1, 3), (3,), (5, 3))
    """
    index = index if isinstance(index, tuple) else (index,)
    if type(x) is Variable:
        ranges = _basic(x, index)
        if ranges is not None:
            return slice_of(x, ranges)
    else:
        known = next((item for item in index if isinstance(item, Variable)), None)
        if known is None:
            return x[index]
        x = constant(known.graph, x)
    items = _expand(x, [_read(x, item) for item in index])
    ranges, shape = [], []                         # of the slice, and of the reshape after it
    chosen, indices, named = [], [], []            # axes of that shape, their indices, axes of x
    places = []                                    # of ints and arrays among the items
    for place, item in enumerate(items):
        axis = len(ranges)
        if item is Ellipsis:
            continue                               # of no axes: it separates arrays all the same
        if item is None:
            shape.append(1)
            continue
        if isinstance(item, slice):
            ranges.append(as_range(item, x.shape[axis], x))
            shape.append(ranges[-1][2])
            continue
        places.append(place)
        if isinstance(item, int):
            check_range(x, item, item, x.shape[axis], axis)
            ranges.append(item % x.shape[axis])
            continue
        extents = x.shape[axis:axis + _axes_read(item)]
        if _is_mask(item):
            _check_mask(x, item, extents)
            item = np.flatnonzero(item)            # over its axes merged into one
        chosen.append(len(shape))
        indices.append(item)
        named.append(axis)
        ranges += [(0, 1, n) for n in extents]
        shape.append(math.prod(extents))
    y = reshape(slice_of(x, ranges), tuple(shape))
    if not chosen:
        return y
    # NumPy: index arrays (and ints among them) that something separates give the leading axes
    apart = places[-1] - places[0] + 1 != len(places)
    return gather_along(y, chosen, indices, apart, named)


def take(x, indices, axis=None, mode="raise"):
    """Take elements by place along an axis, y[i, j] = x[indices[i, j]]; see numpy.take.

    Parameters
    ----------
    x : Variable or array
    indices : int, or integer array or Variable of any shape
    axis : int, optional
        Where to take; None takes from all elements in C order.
    mode : "raise"
        Places outside the axis are errors.

    Raises
    ------
    IndexRangeError
        For a place outside the axis.
    DTypeError
        For indices that are not integers.
    ArgumentError
        For another `mode`.

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> np.take(ad.variable("x", (5, 3)), [[0, 1]], axis=1).shape
    (5, 1, 2)
    """
    if isinstance(indices, (list, tuple)) and any(isinstance(i, Variable) for i in indices):
        indices = stack(indices)
    if not isinstance(x, Variable):
        if not isinstance(indices, Variable):
            return np.take(x, indices, axis=axis, mode=mode)
        x = constant(indices.graph, x)
    if mode != "raise":
        raise ArgumentError(
            f"take: mode {mode!r} is not supported; bring the indices into range before"
            f"{here(x)}")
    if not isinstance(indices, Variable):
        indices = np.asarray(indices)
    if indices.dtype.kind not in "biu":
        raise DTypeError(f"take: indices are integers, not {indices.dtype}{here(x)}")
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    axis = normal_axis(axis, x.ndim, "take", x)
    if 0 in x.shape[:axis]:                        # NumPy: nothing is taken, no place is looked at
        return reshape(x, (*x.shape[:axis], *indices.shape, *x.shape[axis + 1:]))
    return getitem(x, (*[slice(None)] * axis, as_places(indices)))


provide(getitem=getitem, take=take)
