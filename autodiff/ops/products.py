"""Products of matrices and vectors."""

import numpy as np

from autodiff.core import graph
from autodiff.core.graph import Variable
from autodiff.errors import ShapeError
from autodiff.ops.movement import reshape, sum_to, transpose
from autodiff.ops.reductions import sum as sum_over
from autodiff.ops.table import Structural, promoted


def flip(x):
    """The last two axes exchanged."""
    return transpose(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def _towards_first(g, y, a, b):
    if a.ndim == 1 and b.ndim == 1:
        return g * b
    if b.ndim == 1:                               # y = a b: the outer product g b'
        return reshape(g, (*g.shape, 1)) * b
    if a.ndim == 1:                               # y = a' B, over the batch: sum of B g
        return sum_to(matmul(b, reshape(g, (*g.shape, 1)))[..., 0], a.shape)
    return sum_to(matmul(g, flip(b)), a.shape)


def _towards_second(g, y, a, b):
    if a.ndim == 1 and b.ndim == 1:
        return g * a
    if a.ndim == 1:
        return reshape(a, (*a.shape, 1)) * reshape(g, (*g.shape[:-1], 1, g.shape[-1]))
    if b.ndim == 1:                               # y = A b, over the batch: sum of A' g
        return sum_over(a * reshape(g, (*g.shape, 1)), axis=tuple(range(a.ndim - 1)))
    return sum_to(matmul(flip(a), g), b.shape)


def _tangent(tangents, y, a, b):
    parts = [] if tangents[0] is None else [matmul(tangents[0], b)]
    if tangents[1] is not None:
        parts.append(matmul(a, tangents[1]))
    return parts[0] if len(parts) == 1 else parts[0] + parts[1]


_matmul = Structural(
    "matmul", (_towards_first, _towards_second), jvp=_tangent, kernel="matmul", layouts="matrix",
    cost=lambda y: 50 + y.size * (y.inputs[0].shape[-1] // 8 + 1),
    doc="y = a b: matrices, vectors, and batches of them")


def matmul(a, b):
    """Multiply matrices, vectors or batches of them; see numpy.matmul."""
    if not isinstance(a, Variable) and not isinstance(b, Variable):
        return np.matmul(a, b)
    a, b = promoted("matmul", a, b)
    if a.ndim == 0 or b.ndim == 0:
        raise ShapeError(
            f"matmul: shapes {a.shape} and {b.shape}: a scalar is no matrix, use *{graph.here(a)}")
    inner = b.shape[-2] if b.ndim > 1 else b.shape[0]
    try:
        batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    except ValueError:
        batch = None
    if a.shape[-1] != inner or batch is None:
        raise ShapeError(
            f"matmul: shapes {a.shape} and {b.shape} do not fit: {a.shape[-1]} columns meet "
            f"{inner} rows{graph.here(a)}")
    shape = (*batch, *a.shape[-2:-1], *(b.shape[-1:] if b.ndim > 1 else ()))
    return _matmul([a, b], shape, a.dtype)


graph.provide(matmul=matmul)
