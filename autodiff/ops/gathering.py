"""Selection by integer arrays and its transpose: `gather` looks up, `scatter_add` adds back to
zeros, and `add_at` to another array, in place where that one dies.

The index arrays are int64, stand for neighbouring axes of the large operand and are broadcast
together; negative places count from the end. Places are checked when the program runs.
"""

import numpy as np

from autodiff.core.making import constant, here
from autodiff.core.variable import Variable
from autodiff.errors import IndexingError, IndexRangeError
from autodiff.ops.elementwise import astype, minimum
from autodiff.ops.movement import transpose
from autodiff.ops.table import Linear

INT64 = np.dtype(np.int64)
LARGEST = np.uint64(2**63 - 1)


def as_places(index):
    """An integer array or Variable as int64; what that cannot count becomes its largest number,
    which is no place of any axis."""
    return astype(minimum(index, LARGEST) if index.dtype == np.uint64 else index, INT64)


def _looked_up(y):
    """Cost of a gather: what is looked up, not all of the operand."""
    return 50 + 2 * y.size + sum(i.size for i in y.inputs[1:])


_gather = Linear(
    "gather", (lambda g, y, x, *index: _scatter_add([g, *index], x.shape, g.dtype, y.attrs), None),
    again=lambda tangents, y, x, *index: _gather([tangents[0], *index], y.shape, y.dtype, y.attrs),
    kernel="gather", params=lambda y: (y.attrs[0], *y.attrs[1]), cost=_looked_up,
    doc="y = x[:, ..., i1, ..., ik, ...], integer arrays broadcast together")
_scatter_add = Linear(
    "scatter_add",
    (lambda g, y, x, *index: _gather([g, *index], x.shape, g.dtype, y.attrs), None),
    again=lambda tangents, y, x, *index: _scatter_add(
        [tangents[0], *index], y.shape, y.dtype, y.attrs),
    kernel="scatter_add:{}", params=lambda y: (y.attrs[0], *y.attrs[1]),
    add_to=lambda y, total: _add_at(
        [y.inputs[0], total, *y.inputs[1:]], total.shape, total.dtype, y.attrs),
    doc="y = zeros; y[:, ..., i1, ..., ik, ...] += x, repeated places add in their order")


def _add_at_tangent(tangents, y, x, total, *index):
    if tangents[1] is None:
        return _scatter_add([tangents[0], *index], y.shape, y.dtype, y.attrs)
    if tangents[0] is None:
        return tangents[1]
    return _add_at([*tangents[:2], *index], y.shape, y.dtype, y.attrs)


_add_at = Linear(
    "add_at",
    (lambda g, y, x, total, *index: _gather([g, *index], x.shape, g.dtype, y.attrs),
     lambda g, y, x, total, *index: g, None),
    again=_add_at_tangent, kernel="add_at:{}", params=lambda y: (y.attrs[0], *y.attrs[1]),
    overwrites=(1,),
    cost=lambda y: 50 + 3 * y.inputs[0].size + sum(i.size for i in y.inputs[2:]),
    doc="y = total; y[:, ..., i1, ..., ik, ...] += x, repeated places add in their order")


def gather_along(x, axes, indices, front, named):
    """Select along `axes` of `x`; the axes of the indices stand in their place, or in `front`.

    `named` are the axes an error names: those of the array the user indexed.
    """
    given, (indices, shape) = indices, _broadcast(x, indices)
    if 0 not in shape:                             # NumPy: nothing is looked up, nothing is wrong
        for index, d, axis in zip(given, axes, named, strict=True):
            if not isinstance(index, Variable):
                check_range(x, int(index.min()), int(index.max()), x.shape[d], axis)
    lead = 0 if front else axes[0]
    if list(axes) != list(range(lead, lead + len(axes))):
        x = transpose(x, (*axes, *(d for d in range(x.ndim) if d not in axes)))
    shape = (*x.shape[:lead], *shape, *x.shape[lead + len(axes):])
    return _gather([x, *indices], shape, x.dtype, (lead, tuple(named)))


def check_range(x, low, high, extent, axis):
    """IndexRangeError unless `low` to `high` are places of an axis of this extent."""
    if not (-extent <= low and high < extent):
        wrong = high if high >= extent else low
        raise IndexRangeError(
            f"indexing: {wrong} is out of bounds for axis {axis} with size {extent}{here(x)}")


def scatter_add(x, shape, lead, indices):
    """Zeros of `shape`, and the elements of `x` added where a gather would read them.

    The transpose of `gather_along` over the axes from `lead` on; contributions to one place are
    added in the order of the indices.
    """
    indices, _ = _broadcast(x, indices)
    named = tuple(range(lead, lead + len(indices)))
    return _scatter_add([x, *indices], shape, x.dtype, (lead, named))


def _broadcast(x, indices):
    """The index arrays as int64 Variables, and the shape they broadcast to."""
    indices = [
        as_places(i) if isinstance(i, Variable) else constant(x.graph, i) for i in indices]
    try:
        return indices, np.broadcast_shapes(*(i.shape for i in indices))
    except ValueError:
        shapes = " and ".join(str(i.shape) for i in indices)
        raise IndexingError(
            f"indexing: index arrays of shapes {shapes} cannot be broadcast together"
            f"{here(x)}") from None
