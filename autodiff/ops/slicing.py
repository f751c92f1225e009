"""Slicing and its transpose: `slice` takes a regular part of an array, `embed` puts it among zeros,
and `embed_add` adds it to that part of another array, in place where that one dies.

The part is named by its ranges: for each axis an int, which drops the axis, or (start, step,
count). A slice is a view of 0 bytes; where its step is negative it is packed.
"""

from autodiff.core.making import here
from autodiff.errors import AutodiffError, IndexingError
from autodiff.ops.table import Linear


def as_range(part, extent, x):
    """The (start, step, count) of a Python slice of an axis of `x`, the same for the same elements.

    IndexingError for a slice that is none.
    """
    try:
        start, stop, step = part.indices(extent)
    except (TypeError, ValueError) as error:
        if isinstance(error, AutodiffError):       # a Variable without a value
            raise
        raise IndexingError(f"indexing: {part}: {error}{here(x)}") from None
    count = len(range(start, stop, step))
    return (start if count else 0, step if count > 1 else 1, count)


def _slice_view(y, shape, strides):
    offset, kept = 0, []
    for item, stride in zip(y.attrs[0], strides, strict=True):
        if isinstance(item, tuple):
            kept.append(item[1] * stride)
            item = item[0]
        offset += item * stride
    return kept, 0 if 0 in y.shape else offset    # no elements: stay inside the operand


_slice = Linear(
    "slice", (lambda g, y, x: embed(g, x.shape, y.attrs[0]),),
    again=lambda tangents, y, x: slice_of(tangents[0], y.attrs[0]),
    view=_slice_view, doc="y = a regular part of x")


def slice_of(x, ranges):
    """The part of `x` that `ranges` names: an int or (start, step, count) for each axis."""
    if list(ranges) == [(0, 1, n) for n in x.shape]:
        return x
    shape = tuple([item[2] for item in ranges if type(item) is tuple])
    return _slice([x], shape, x.dtype, (tuple(ranges),))


def _embed_params(y):
    """The byte of y where x begins, and the byte stride in y of each axis of x."""
    ranges = y.attrs[-1]
    stride, offset, strides = y.dtype.itemsize, 0, []
    for item, n in zip(ranges[::-1], y.shape[::-1], strict=True):
        if isinstance(item, tuple):
            strides.append(item[1] * stride)
            item = item[0]
        offset += item * stride
        stride *= n
    return (offset, *strides[::-1])


_embed = Linear(
    "embed", (lambda g, y, x: slice_of(g, y.attrs[1]),),
    again=lambda tangents, y, x: embed(tangents[0], *y.attrs),
    kernel="embed", params=_embed_params,
    add_to=lambda y, total: embed_add(y.inputs[0], total, y.attrs[1]),
    doc="y = zeros, and x as a regular part among them")


def embed(x, shape, ranges):
    """Zeros of `shape`, with `x` as the part that `ranges` names: the transpose of `slice_of`."""
    return _embed([x], shape, x.dtype, (shape, ranges))


def _embed_add_tangent(tangents, y, x, total):
    if tangents[1] is None:
        return embed(tangents[0], y.shape, y.attrs[0])
    return tangents[1] if tangents[0] is None else embed_add(*tangents, y.attrs[0])


_embed_add = Linear(
    "embed_add", (lambda g, y, x, total: slice_of(g, y.attrs[0]), lambda g, y, x, total: g),
    again=_embed_add_tangent, kernel="embed_add:{}", params=_embed_params, overwrites=(1,),
    cost=lambda y: 50 + 3 * y.inputs[0].size,      # in place, as is usual
    doc="y = total, with x added to a regular part of it")


def embed_add(x, total, ranges):
    """`total` with `x` added to the part that `ranges` names: total + embed(x), but that elements
    outside the part stay the same bits (-0 + 0 is +0)."""
    return _embed_add([x, total], total.shape, total.dtype, (ranges,))
