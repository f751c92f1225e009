"""Rows that reduce axes: sums, means, extremes."""

import numpy as np

from autodiff.core import graph
from autodiff.core.graph import Variable
from autodiff.ops.elementwise import astype
from autodiff.ops.movement import broadcast_to, normal_axis, reshape
from autodiff.ops.table import Linear


def normal_axes(axis, ndim, name):
    """The reduced axes as a sorted tuple; None means all."""
    if axis is None:
        return tuple(range(ndim))
    axes = tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    axes = tuple(sorted(normal_axis(a, ndim, name) for a in axes))
    if len(set(axes)) != len(axes):
        raise ValueError(f"{name}: axis {axis} names an axis twice")
    return axes


def reduced_shape(shape, axes, keepdims):
    """The shape that is left when `axes` are reduced."""
    if keepdims:
        return tuple(1 if d in axes else n for d, n in enumerate(shape))
    return tuple(n for d, n in enumerate(shape) if d not in axes)


def restore_axes(y, axes, shape):
    """A reduced Variable with its reduced axes back as extents of one, repeated to `shape`."""
    return broadcast_to(reshape(y, reduced_shape(shape, axes, True)), shape)


def reduction_params(first_element):
    """Parameters of the kernel `reduce`: where it begins, and a flag for each axis."""
    def params(y):
        axes = y.attrs[0]
        return (int(first_element), *(int(d in axes) for d in range(y.inputs[0].ndim)))
    return params


_sum = Linear(
    "sum", (lambda g, y, x: restore_axes(g, y.attrs[0], x.shape),),
    again=lambda tangents, y, x: sum(tangents[0], *y.attrs),
    kernel="reduce", loop=lambda y: (np.add, (y.dtype.num,) * 3),
    params=reduction_params(False), doc="y = sum of x over axes, pairwise")


def sum(x, axis=None, keepdims=False):
    """Sum over `axis` (None: all axes); booleans and small integers are summed as int64."""
    if not isinstance(x, Variable):
        return np.sum(x, axis=axis, keepdims=keepdims)
    axes = normal_axes(axis, x.ndim, "sum")
    if x.dtype.kind in "biu":
        x = astype(x, np.uint64 if x.dtype.kind == "u" else np.int64)
    if not axes:
        return x
    keepdims = bool(keepdims)
    return _sum([x], reduced_shape(x.shape, axes, keepdims), x.dtype, (axes, keepdims))


graph.provide(sum=sum)
