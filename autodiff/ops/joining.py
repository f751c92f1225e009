"""Joining arrays along an axis: concatenate and stack."""

import itertools

import numpy as np

from autodiff.core.making import here
from autodiff.core.variable import Variable
from autodiff.errors import DTypeError, ShapeError
from autodiff.ops.elementwise import astype
from autodiff.ops.movement import expand_dims, normal_axis, reshape, zeros_of
from autodiff.ops.slicing import slice_of
from autodiff.ops.table import Linear, variables


def _part(position, g, y, *inputs):
    """The part of g that came from one input."""
    axis, starts = y.attrs
    start = starts[position]
    return slice_of(g, tuple(
        (start, 1, starts[position + 1] - start) if d == axis else (0, 1, n)
        for d, n in enumerate(y.shape)))


def _tangent(tangents, y, *inputs):
    return _concatenate(
        [zeros_of(x) if t is None else t for t, x in zip(tangents, inputs, strict=True)],
        y.shape, y.dtype, y.attrs)


_concatenate = Linear(
    "concatenate", _part, again=_tangent,
    kernel="concatenate", params=lambda y: (y.attrs[0],),
    doc="y = the inputs one after the other along an axis")


def _joined(name, arrays):
    """The arrays as Variables of one graph; lists are read as NumPy reads them."""
    arrays = [x if isinstance(x, Variable) else np.asarray(x) for x in arrays]
    return variables(name, *arrays)


def _collected(name, arrays, axis):
    """The arrays as a list; DTypeError where the second one stands in the place of the axis."""
    if type(axis) is not int and np.ndim(axis):
        x = arrays if isinstance(arrays, Variable) else axis
        where = here(x) if isinstance(x, Variable) else ""
        raise DTypeError(f"{name}: pass a tuple of arrays, np.{name}((a, b)){where}")
    return list(arrays)


def concatenate(arrays, axis=0):
    """Join arrays along an axis they have; see numpy.concatenate.

    Parameters
    ----------
    arrays : sequence of Variables and arrays
        Of the same shape but along `axis`; their dtypes are promoted.
    axis : int or None
        Where to join; None joins them flattened.

    Raises
    ------
    ShapeError
        Where the shapes do not fit, or there is no such axis.

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> x = ad.variable("x", (2, 3))
    >>> np.concatenate([x, np.zeros((1, 3)), x]).shape
    (5, 3)
    """
    arrays = _collected("concatenate", arrays, axis)
    if not any(isinstance(x, Variable) for x in arrays):
        return np.concatenate(arrays, axis=axis)
    found = _joined("concatenate", arrays)
    if axis is None:
        found, axis = [reshape(x, (-1,)) for x in found], 0
    shapes = [x.shape for x in found]
    if () in shapes:
        raise ShapeError(
            "concatenate: a 0-d array has no axis to join along, use stack"
            f"{here(found[0])}")
    axis = normal_axis(axis, len(shapes[0]), "concatenate", found[0])
    others = shapes[0][:axis], shapes[0][axis + 1:]
    for shape in shapes:
        if (shape[:axis], shape[axis + 1:]) != others or len(shape) != len(shapes[0]):
            raise ShapeError(
                f"concatenate: shapes {shapes[0]} and {shape} differ beside axis {axis}"
                f"{here(found[0])}")
    if len(found) == 1:
        return found[0]
    dtype = np.result_type(*{x.dtype for x in found})
    found = [x if x.dtype == dtype else astype(x, dtype) for x in found]
    starts = tuple(itertools.accumulate((shape[axis] for shape in shapes), initial=0))
    return _concatenate(found, (*others[0], starts[-1], *others[1]), dtype, (axis, starts))


def stack(arrays, axis=0):
    """Join arrays of one shape along a new axis; see numpy.stack.

    Parameters
    ----------
    arrays : sequence of Variables, arrays and scalars
        All of the same shape; their dtypes are promoted.
    axis : int
        Where the new axis is in the result.

    Raises
    ------
    ShapeError
        Where the shapes differ, or the result has no such axis.

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> x = ad.variable("x", (3,))
    >>> np.stack([x.sum(), 1.0, x[0]]).shape
    (3,)
    """
    arrays = _collected("stack", arrays, axis)
    if not any(isinstance(x, Variable) for x in arrays):
        return np.stack(arrays, axis=axis)
    found = _joined("stack", arrays)
    for x in found:
        if x.shape != found[0].shape:
            raise ShapeError(
                f"stack: shapes {found[0].shape} and {x.shape} differ{here(x)}")
    axis = normal_axis(axis, found[0].ndim + 1, "stack", found[0])
    return concatenate([expand_dims(x, axis) for x in found], axis)
