"""Products of matrices and vectors."""

import math

import numpy as np

from autodiff.core.making import here
from autodiff.core.operations import provide
from autodiff.core.variable import Variable
from autodiff.errors import ShapeError
from autodiff.ops.movement import reshape, sum_to, transpose
from autodiff.ops.table import Form, Structural, promoted, variables

BLAS_EXTENT = 2**31 - 1  # its integers are C ints


def flip(x):
    """The last two axes exchanged."""
    return transpose(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def _column(x):
    """A vector (or batch of them) as a matrix of one column."""
    return reshape(x, (*x.shape, 1))


def _stacked(x):
    """A batch of matrices as one, row below row."""
    return reshape(x, (math.prod(x.shape[:-1]), x.shape[-1]))


def _towards_first(g, y, a, b):
    if b.ndim == 1:                               # y = A b, or a' b: the outer product g b'
        return g * b if a.ndim == 1 else _column(g) * b
    if a.ndim == 1 and b.ndim == 2:               # y = a' B
        return matmul(b, g)
    if a.ndim == 1:                               # y = a' B over a batch: the sum of B g
        return sum_to(reshape(matmul(b, _column(g)), b.shape[:-1]), a.shape)
    return sum_to(matmul(g, flip(b)), a.shape)


def _towards_second(g, y, a, b):
    if a.ndim == 1:                               # y = a' B, or a' b: the outer product a g'
        return a * g if b.ndim == 1 else _column(a) * reshape(g, (*g.shape[:-1], 1, g.shape[-1]))
    if b.ndim == 1:                               # y = A b: A' g, the batch being more rows
        return matmul(reshape(g, (g.size,)), _stacked(a))
    if b.ndim == 2:                               # y = A B: A' G, the batch being more rows
        return matmul(flip(_stacked(a)), _stacked(g))
    return sum_to(matmul(flip(a), g), b.shape)


def _tangent(tangents, y, a, b):
    parts = [] if tangents[0] is None else [matmul(tangents[0], b)]
    if tangents[1] is not None:
        parts.append(matmul(a, tangents[1]))
    return parts[0] if len(parts) == 1 else parts[0] + parts[1]


def _cost(y):
    return 50 + y.size * (y.inputs[0].shape[-1] // 8 + 1)


_matmul = Structural(
    "matmul", (_towards_first, _towards_second), jvp=_tangent, kernel="matmul", layouts="matrix",
    cost=_cost, doc="y = a b: matrices, vectors, and batches of them")
Form("matmul_add", kernel="matmul_add", layouts="matrix", cost=_cost, overwrites=(2,),
     doc="y = a b + c, added where c stands (BLAS's beta)")
Form("matmul_scaled", kernel="matmul_scaled", layouts="matrix", cost=_cost,
     doc="y = s (a b) with a scalar s (BLAS's alpha)")
Form("matmul_scaled_add", kernel="matmul_scaled_add", layouts="matrix", cost=_cost,
     overwrites=(2,), doc="y = s (a b) + c, added where c stands")
Form("matmul_divided", kernel="matmul_divided", layouts="matrix", cost=_cost,
     doc="y = (a b) / s with a scalar s")
Form("matmul_divided_add", kernel="matmul_divided_add", layouts="matrix", cost=_cost,
     overwrites=(2,), doc="y = (a b) / s + c, added where c stands")


def matmul(a, b):
    """Multiply matrices, vectors or batches of them: y_ij = sum over k of a_ik b_kj.

    Parameters
    ----------
    a, b : arrays or Variables, at least one axis each
        Matrices in the last two axes, the axes before them a batch that broadcasts; a vector is
        a row on the left, a column on the right. NumPy's promotion of dtypes.

    Raises
    ------
    ShapeError
        For a scalar, where columns and rows do not fit, or are 2^31 and more of floats.

    Examples
    --------
    >>> matmul(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, 10.0]))
    array([21., 43.])

    Source: numpy.matmul; gradients as in section 6.5.2 with algorithm 6.4.
    """
    if not isinstance(a, Variable) and not isinstance(b, Variable):
        return np.matmul(a, b)
    a, b = promoted("matmul", a, b)
    if a.ndim == 0 or b.ndim == 0:
        raise ShapeError(
            f"matmul: shapes {a.shape} and {b.shape}: a scalar is no matrix, use *{here(a)}")
    inner = b.shape[-2] if b.ndim > 1 else b.shape[0]
    try:
        batch = a.shape[:-2]
        if batch != b.shape[:-2]:
            batch = np.broadcast_shapes(batch, b.shape[:-2])
    except ValueError:
        batch = None
    if a.shape[-1] != inner or batch is None:
        raise ShapeError(
            f"matmul: shapes {a.shape} and {b.shape} do not fit: {a.shape[-1]} columns meet "
            f"{inner} rows{here(a)}")
    if a.dtype.kind == "f" and max(*a.shape[-2:], *b.shape[-2:]) > BLAS_EXTENT:
        raise ShapeError(
            f"matmul: shapes {a.shape} and {b.shape}: BLAS counts rows and columns up to "
            f"{BLAS_EXTENT}{here(a)}")
    shape = (*batch, *a.shape[-2:-1], *(b.shape[-1:] if b.ndim > 1 else ()))
    return _matmul([a, b], shape, a.dtype)


def dot(a, b):
    """Sum over the last axis of `a` and the last but one of `b`; see numpy.dot.

    With a scalar it is the product, with vectors and matrices `matmul`; for more axes
    y[i, j, k] = sum over l of a[i, l] b[j, l, k]. ShapeError where the two axes differ.

    >>> dot(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    np.float64(11.0)
    """
    if not isinstance(a, Variable) and not isinstance(b, Variable):
        return np.dot(a, b)
    a, b = variables("dot", a, b)
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    if a.shape[-1] != b.shape[-2:][0]:
        raise ShapeError(
            f"dot: shapes {a.shape} and {b.shape} do not fit: {a.shape[-1]} columns meet "
            f"{b.shape[-2:][0]} rows{here(a)}")
    if b.ndim <= 2:
        return matmul(a, b)
    rows = transpose(b, (b.ndim - 2, *range(b.ndim - 2), b.ndim - 1))
    rest = rows.shape[1:]
    return reshape(
        matmul(_stacked(a), reshape(rows, (rows.shape[0], math.prod(rest)))),
        (*a.shape[:-1], *rest))


def outer(a, b):
    """Products of all pairs of elements, y_ij = a_i b_j, of the flattened operands.

    >>> outer(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    array([[3., 4.],
           [6., 8.]])
    """
    if not isinstance(a, Variable) and not isinstance(b, Variable):
        return np.outer(a, b)
    a, b = variables("outer", a, b)
    return reshape(a, (a.size, 1)) * reshape(b, (1, b.size))


provide(matmul=matmul, dot=dot)
