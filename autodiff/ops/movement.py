"""Rows that move elements without changing them: all linear, most of them views of 0 bytes."""

import numpy as np

from autodiff.core import graph
from autodiff.core.graph import Variable, constant
from autodiff.errors import ShapeError
from autodiff.ops.table import Linear


def normal_axis(axis, ndim, name):
    """`axis` counted from the front; ShapeError where there is none such."""
    if not -ndim <= axis < ndim:
        raise ShapeError(f"{name}: axis {axis} is out of bounds for {ndim} dimensions")
    return int(axis) % ndim


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
    """Repeat `x` to `shape`; see numpy.broadcast_to."""
    shape = (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(map(int, shape))
    if not isinstance(x, Variable):
        return np.broadcast_to(x, shape)
    if x.shape == shape:
        return x
    lead = len(shape) - x.ndim
    if lead < 0 or any(p not in (1, q) for p, q in zip(x.shape, shape[lead:], strict=True)):
        raise ShapeError(
            f"broadcast_to: shape {x.shape} cannot become {shape}{graph.here(x)}")
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
    """The elements of `x` in C order in another shape; one extent may be -1."""
    shape = (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(map(int, shape))
    if not isinstance(x, Variable):
        return np.reshape(x, shape)
    if shape.count(-1) == 1:
        known = -int(np.prod(shape))
        if known > 0 and x.size % known == 0:
            shape = tuple(x.size // known if n == -1 else n for n in shape)
    if any(n < 0 for n in shape) or int(np.prod(shape)) != x.size:
        raise ShapeError(
            f"reshape: {x.size} elements of shape {x.shape} cannot become {shape}{graph.here(x)}")
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
    """Permute the axes of `x` (None: reverse them); see numpy.transpose."""
    if not isinstance(x, Variable):
        return np.transpose(x, axes)
    axes = range(x.ndim)[::-1] if axes is None else axes
    axes = tuple(normal_axis(axis, x.ndim, "transpose") for axis in axes)
    if sorted(axes) != list(range(x.ndim)):
        raise ShapeError(
            f"transpose: axes {axes} do not permute the {x.ndim} of {x.shape}{graph.here(x)}")
    if axes == tuple(range(x.ndim)):
        return x
    return _transpose([x], tuple(x.shape[axis] for axis in axes), x.dtype, (axes,))


graph.provide(sum_to=sum_to, zeros_of=zeros_of, reshape=reshape, transpose=transpose)
