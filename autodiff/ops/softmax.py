"""Rows of a softmax: softmax, its logarithm, logsumexp, and cross-entropy on integer labels.

Each row works along the last axis of a dense operand, so that a row of it is in cache while it
is read again; the functions move the axis there by a view.
"""

import numpy as np

from autodiff.core.making import here
from autodiff.core.variable import Variable
from autodiff.errors import DTypeError, IndexRangeError, ShapeError
from autodiff.ops.elementwise import astype, exp
from autodiff.ops.gathering import as_places
from autodiff.ops.movement import broadcast_to, reshape, transpose
from autodiff.ops.reductions import flatten_last, normal_axes, reduced_shape, sum
from autodiff.ops.table import Structural, variables

BLOCK = 1024  # elements: as in rows.h
FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def _block(y):
    """Workspace of a row that only passes through its exponentials."""
    return max(BLOCK, y.inputs[0].shape[-1]) * y.inputs[0].dtype.itemsize


def _row(name, bprop, **fields):
    return Structural(name, bprop, kernel=f"{name}:{{}}", layouts="dense", **fields)


def _sum_last(x):
    return sum(x, axis=-1, keepdims=True)


# ---- softmax and its logarithm --------------------------------------------------------------

def _softmax_slope(g, y):
    """The Jacobian of softmax at y applied to g: it is diag(y) - y y', symmetric."""
    return y * (g - _sum_last(g * y))


_softmax = _row(
    "softmax", (lambda g, y, x: _softmax_slope(g, y),),
    jvp=lambda tangents, y, x: _softmax_slope(tangents[0], y),
    doc="y = e^x / sum of e^x along the last axis")
_log_softmax = _row(
    "log_softmax", (lambda g, y, x: g - exp(y) * _sum_last(g),),
    jvp=lambda tangents, y, x: tangents[0] - _sum_last(exp(y) * tangents[0]),
    doc="y = x - log of the sum of e^x along the last axis")
_logsumexp = _row(
    "logsumexp",
    (lambda g, y, x: broadcast_to(reshape(g, (*g.shape, 1)), x.shape) * softmax(x),),
    jvp=lambda tangents, y, x: sum(tangents[0] * softmax(x), axis=-1),
    workspace=_block, doc="y = log of the sum of e^x along the last axis")


def _floating(name, x):
    """`x` as floating point: integers and booleans become float64."""
    return x if x.dtype.kind == "f" else astype(x, np.float64)


def _along(row, x, axis):
    """Apply `row` along `axis`."""
    x = _floating(row.name, x)
    axes = normal_axes(axis, x, row.name)
    if len(axes) != 1:
        raise ShapeError(
            f"{row.name}: needs one axis of shape {x.shape}, not {axis}{here(x)}")
    order = list(range(x.ndim))
    order[axes[0]], order[-1] = order[-1], order[axes[0]]      # its own inverse
    x = transpose(x, order)
    return transpose(row([x], x.shape, x.dtype), order)


def _shifted(x, axis, finite=True):
    """A plain array less its largest along `axis`, and what was taken off (0 for infinities)."""
    x = np.asarray(x)
    if x.dtype not in FLOATS:
        x = x.astype(np.float64)
    shift = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    if finite:
        shift = np.where(np.isfinite(shift), shift, x.dtype.type(0))
    return x - shift, shift


def softmax(x, axis=-1):
    """Exponentials that sum to one, e^x / sum of e^x along `axis`, shifted so as not to overflow.

    Parameters
    ----------
    x : array or Variable
        Logits of any shape; float32 and float64 are kept, integers become float64.
    axis : int
        The axis along which the results sum to one.

    Raises
    ------
    ShapeError
        Where there is no such axis.

    Examples
    --------
    >>> softmax(np.log([[1.0, 2.0, 5.0]])).round(3)
    array([[0.125, 0.25 , 0.625]])

    Source: eq. 6.29.
    """
    if isinstance(x, Variable):
        return _along(_softmax, x, axis)
    y = np.exp(_shifted(x, axis, finite=False)[0])
    return y / np.sum(y, axis=axis, keepdims=True)


def log_softmax(x, axis=-1):
    """Logarithm of the softmax, x - log(sum of e^x) along `axis`, without overflow.

    Parameters, errors and dtypes as in `softmax`.

    >>> np.exp(log_softmax(np.log([[1.0, 2.0, 5.0]]))).round(3)
    array([[0.125, 0.25 , 0.625]])

    Source: eq. 6.30.
    """
    if isinstance(x, Variable):
        return _along(_log_softmax, x, axis)
    x, _ = _shifted(x, axis)
    return x - np.log(np.sum(np.exp(x), axis=axis, keepdims=True))


def logsumexp(x, axis=None, keepdims=False):
    """Logarithm of the sum of e^x over `axis` (int, tuple; None: all axes), without overflow.

    The sum over no elements is 0 and its logarithm -inf. Integers become float64.
    ShapeError where there is no such axis.

    >>> np.exp(logsumexp(np.log([1.0, 2.0, 5.0]))).round(3)
    np.float64(8.0)
    """
    if not isinstance(x, Variable):
        x, shift = _shifted(x, axis)
        y = np.log(np.sum(np.exp(x), axis=axis, keepdims=True)) + shift
        return y if keepdims else np.squeeze(y, axis=axis)[()]
    x = _floating("logsumexp", x)
    axes = normal_axes(axis, x, "logsumexp")
    if not axes:
        return x
    y = _logsumexp([flatten_last(x, axes)], reduced_shape(x.shape, axes, False), x.dtype)
    return reshape(y, reduced_shape(x.shape, axes, keepdims))


# ---- labels ---------------------------------------------------------------------------------

def _error_slope(g, x):
    """The Jacobian of softmax at x applied to g; the labels shift, and have no part in it."""
    return _softmax_slope(g, softmax(x))


_softmax_error = _row(
    "softmax_error", (lambda g, y, x, labels: _error_slope(g, x), None),
    jvp=lambda tangents, y, x, labels: _error_slope(tangents[0], x),
    blamed="cross_entropy",
    doc="y = softmax(x) - one_hot(labels), m times the gradient of cross_entropy")
_cross_entropy = _row(
    "cross_entropy",
    (lambda g, y, x, labels: softmax_error(x, labels) * (g / x.shape[0]), None),
    jvp=lambda tangents, y, x, labels:
        sum(tangents[0] * softmax_error(x, labels)) / x.shape[0],
    workspace=_block, doc="y = mean over the rows of logsumexp(x) - x[label]")


class _OneHot(Structural):
    """The labels come first, so the kernel follows the dtype of the result."""

    def kernel_for(self, y):
        return self.kernel.format("d" if y.dtype == np.float64 else "f")


_one_hot = _OneHot(
    "one_hot", (None,), kernel="one_hot:{}", layouts="dense", params=lambda y: y.attrs,
    doc="y = 1 at the label along a new last axis, 0 elsewhere; carries nothing")


def _require_labels(name, labels, where=""):
    if labels.dtype.kind not in "iu":
        raise DTypeError(f"{name}: labels are integers, not {labels.dtype}{where}")


def _require_pair(name, x, labels, where=""):
    if x.ndim != 2 or labels.shape != x.shape[:1]:
        raise ShapeError(
            f"{name}: logits of shape {x.shape} and labels of shape {labels.shape}; they must be "
            f"(m, c) and (m,){where}")
    _require_labels(name, labels, where)


def _traced_pair(name, logits, labels):
    """Logits and labels as the inputs of a row."""
    x, labels = variables(name, logits, labels)
    _require_pair(name, x, labels, here(x))
    return [_floating(name, x), as_places(labels)]


def _plain_pair(name, logits, labels):
    """Logits and labels as arrays, checked."""
    x, labels = np.asarray(logits), np.asarray(labels)
    _require_pair(name, x, labels)
    _require_classes(name, labels, x.shape[1])
    return x, labels


def _require_classes(name, labels, n_classes):
    """IndexRangeError for a plain label that names no class."""
    outside = (labels < 0) | (labels >= n_classes)
    if outside.any():
        raise IndexRangeError(
            f"{name}: label {labels[outside][0]} is out of range for {n_classes} classes")


def cross_entropy(logits, labels):
    """Mean over the batch of -log softmax(logits)[label], the negative log-likelihood.

    Parameters
    ----------
    logits : array or Variable of shape (m, c)
        Unnormalised log-probabilities of c classes; float32 and float64 are kept, integers
        become float64.
    labels : integer array or Variable of shape (m,)
        Classes in [0, c), of any integer dtype.

    Returns
    -------
    0-d, of the dtype of the logits; its gradient is (softmax(logits) - one_hot(labels)) / m.

    Raises
    ------
    ShapeError, DTypeError
        For other shapes, or labels that are not integers.
    IndexRangeError
        When a label is out of range; for Variables, in the run.

    Examples
    --------
    >>> cross_entropy(np.zeros((2, 4)), np.array([0, 3])).round(4)    # log 4
    np.float64(1.3863)

    Source: eq. 6.12 with 6.30.
    """
    if not isinstance(logits, Variable) and not isinstance(labels, Variable):
        x, labels = _plain_pair("cross_entropy", logits, labels)
        return -np.mean(log_softmax(x)[np.arange(len(labels)), labels])
    x, labels = _traced_pair("cross_entropy", logits, labels)
    return _cross_entropy([x, labels], (), x.dtype)


def softmax_error(logits, labels):
    """The softmax less a 1 at each label: m times the gradient of `cross_entropy`.

    In one row, because a one-hot array beside it would take as much memory again.
    Parameters and errors as in `cross_entropy`.

    >>> softmax_error(np.zeros((1, 4)), np.array([2]))
    array([[ 0.25,  0.25, -0.75,  0.25]])
    """
    if not isinstance(logits, Variable) and not isinstance(labels, Variable):
        x, labels = _plain_pair("softmax_error", logits, labels)
        y = softmax(x)
        y[np.arange(len(labels)), labels] -= 1
        return y
    x, labels = _traced_pair("softmax_error", logits, labels)
    return _softmax_error([x, labels], x.shape, x.dtype)


def one_hot(labels, n_classes, dtype=np.float64):
    """Rows of zeros with a 1 at the label, of shape (*labels.shape, n_classes).

    Parameters
    ----------
    labels : integer array or Variable of any shape
        Classes in [0, n_classes).
    n_classes : int
    dtype : float32 or float64

    Raises
    ------
    DTypeError
        For labels that are not integers, or another dtype.
    IndexRangeError
        When a label is out of range; for Variables, in the run.

    Examples
    --------
    >>> one_hot(np.array([2, 0]), 3)
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """
    dtype, n_classes = np.dtype(dtype), int(n_classes)
    if dtype not in FLOATS:
        raise DTypeError(f"one_hot: makes float32 or float64, not {dtype}")
    if n_classes < 0:
        raise ShapeError(f"one_hot: {n_classes} classes")
    if not isinstance(labels, Variable):
        labels = np.asarray(labels)
        _require_labels("one_hot", labels)
        _require_classes("one_hot", labels, n_classes)
        return np.equal(labels[..., None], np.arange(n_classes)).astype(dtype)
    _require_labels("one_hot", labels, here(labels))
    return _one_hot(
        [as_places(labels)], (*labels.shape, n_classes), dtype, (n_classes,))
