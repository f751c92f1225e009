"""Samples of the rows that move elements: views, joining, slicing, indexing, and transposes."""

import numpy as np

from autodiff.core.variable import Variable
from autodiff.errors import (
    ArgumentError,
    DTypeError,
    IndexingError,
    IndexRangeError,
    ShapeError,
)
from autodiff.ops import gathering, indexing, joining, movement, slicing
from samples import BadSample, Sample, values

PICK = np.array([[2, 0, -1], [1, 1, -4]])
MASK = np.array([[True, False, True, True], [False] * 4, [True, False, False, True]])
MIXED = np.arange(6, dtype=np.int8).reshape(2, 3)
RANGES = ((1, 2, 2), 3, (3, -1, 4))        # of an array of shape (4, 5, 4)


def inside(f, reference):
    """An inner row as a call that takes plain arrays too."""
    return lambda *args: (f if any(isinstance(x, Variable) for x in args) else reference)(*args)


def same(f, *args, **options):
    """A sample whose reference is the same expression on arrays."""
    return Sample(f, f, args, **options)


def _embedded(x):
    y = np.zeros((4, 5, 4), x.dtype)
    y[1:4:2, 3, ::-1] = x
    return y


def _scattered(x):
    y = np.zeros((2, 4, 3), x.dtype)
    np.add.at(y, (slice(None), PICK), x)
    return y


def _scatter(x):
    return gathering.scatter_add(x, (2, 4, 3), 1, [PICK])


def _scattered_pairs(x, rows, columns):
    y = np.zeros((3, 4), x.dtype)
    np.add.at(y, (rows, columns), x)
    return y


def _added(f):
    """What `f(x, ...)`, a few numbers among zeros, adds to a total, without being made first."""
    def call(x, total, *more):
        y = f(x, *more)
        return y.op.add_to(y, total)
    return call


def _add_embedded(x, total):
    total = total.copy()
    total[1:4:2, 3, ::-1] += x
    return total


def _add_scattered(x, total):
    total = total.copy()
    np.add.at(total, (slice(None), PICK), x)
    return total


def _add_pairs(x, total, rows, columns):
    total = total.copy()
    np.add.at(total, (rows, columns), x)
    return total


SAMPLES = {
    "broadcast_to": [
        Sample(lambda x, s=shape: movement.broadcast_to(x, s),
               lambda x, s=shape: np.broadcast_to(x, s), (values(*given),))
        for given, shape in [((3, 1), (2, 3, 4)), ((), (2, 2)), ((), (0, 2)), ((1,), (0,)),
                             ((1, 1), (1, 5))]
    ],
    "reshape": [
        Sample(lambda x: movement.reshape(x, (2, -1)), lambda x: np.reshape(x, (2, -1)),
               (values(3, 4),)),
        Sample(lambda x: movement.reshape(x, -1), lambda x: np.reshape(x, -1), (values(2, 0),)),
        Sample(lambda x: movement.reshape(x, ()), lambda x: np.reshape(x, ()), (values(1, 1),)),
        Sample(lambda x: movement.reshape(movement.transpose(x), (6, 2)),
               lambda x: np.reshape(x.T, (6, 2)), (values(3, 4),)),
        Sample(movement.squeeze, np.squeeze, (values(1, 3, 1),)),
        Sample(lambda x: movement.squeeze(x, (0, -1)), lambda x: np.squeeze(x, (0, -1)),
               (values(1, 3, 1, 1),)),
        Sample(lambda x: movement.expand_dims(x, (0, -2)), lambda x: np.expand_dims(x, (0, -2)),
               (values(3, 2),)),
        Sample(lambda x: movement.expand_dims(x, -1), lambda x: np.expand_dims(x, -1),
               (values(),)),
    ],
    "transpose": [
        Sample(movement.transpose, np.transpose, (values(2, 3, 4),)),
        Sample(lambda x: movement.transpose(x, (1, -1, 0)), lambda x: np.transpose(x, (1, -1, 0)),
               (values(2, 3, 4),)),
        Sample(lambda x: movement.swapaxes(x, 0, -1), lambda x: np.swapaxes(x, 0, -1),
               (values(2, 1, 3),)),
        Sample(movement.transpose, np.transpose, (values(0, 3),)),
    ],
    "concatenate": [
        Sample(lambda *xs: joining.concatenate(xs, axis=-1),
               lambda *xs: np.concatenate(xs, axis=-1),
               (values(2, 3), values(2, 1, seed=1), values(2, 0)), (0, 1, 2)),
        Sample(lambda x: joining.concatenate([x, x]), lambda x: np.concatenate([x, x]),
               (values(3, 2),)),
        Sample(lambda x, i: joining.concatenate([x, i], axis=None),
               lambda x, i: np.concatenate([x, i], axis=None), (values(2, 2), MIXED)),
        Sample(lambda a, b: joining.stack([a, b], axis=1), lambda a, b: np.stack([a, b], axis=1),
               (values(3, 2), values(3, 2, seed=1)), (0, 1)),
        Sample(lambda a, b: joining.stack([a, b, a]), lambda a, b: np.stack([a, b, a]),
               (values(), values(seed=1)), (0, 1)),
        Sample(lambda a, b: joining.concatenate([movement.transpose(a), b]),
               lambda a, b: np.concatenate([a.T, b]), (values(3, 2), values(1, 3)), (0, 1)),
    ],
    "slice": [
        same(lambda x: x[1], values(3, 4)),
        same(lambda x: x[-1, ::-2], values(3, 5)),
        same(lambda x: x[1:, None, ..., 2:0:-1], values(3, 2, 4)),
        same(lambda x: x[..., 5:2], values(3, 4)),
        same(lambda x: x[2, 3, ...], values(3, 4)),
        Sample(inside(lambda x: slicing.slice_of(x, RANGES), lambda x: x[1:4:2, 3, ::-1]),
               lambda x: x[1:4:2, 3, ::-1], (values(4, 5, 4),)),
    ],
    "embed": [
        Sample(inside(lambda x: slicing.embed(x, (4, 5, 4), RANGES), _embedded), _embedded,
               (values(2, 4),)),
        Sample(inside(lambda x: slicing.embed(x, (3,), (2,)),
                      lambda x: np.concatenate([np.zeros(2, x.dtype), x[None]])),
               lambda x: np.concatenate([np.zeros(2, x.dtype), x[None]]), (values(),)),
    ],
    "embed_add": [
        Sample(inside(_added(lambda x: slicing.embed(x, (4, 5, 4), RANGES)), _add_embedded),
               _add_embedded, (values(2, 4), values(4, 5, 4)), wrt=(0, 1)),
        Sample(inside(_added(lambda x: slicing.embed(x, (3,), (2,))),
                      lambda x, total: total + np.array([0, 0, x], x.dtype)),
               lambda x, total: total + np.array([0, 0, x], x.dtype), (values(), values(3)),
               wrt=(0, 1)),
        Sample(inside(_added(lambda x: slicing.embed(x, (3, 4), ((0, 1, 0), (0, 1, 4)))),
                      lambda x, total: total.copy()),
               lambda x, total: total.copy(), (values(0, 4), values(3, 4)), wrt=(0, 1)),
    ],
    "gather": [
        same(lambda x: x[PICK], values(4, 2)),
        same(lambda x: x[:, [0, 0, -1]], values(3, 4)),
        same(lambda x: x[[1, 0], [[2], [-1]]], values(3, 4)),
        same(lambda x: x[0, :, [1, 2, 1]], values(2, 3, 4)),
        same(lambda x: x[:, 0, [1, 2, 1], None], values(2, 3, 4)),
        same(lambda x: x[MASK], values(3, 4)),
        same(lambda x: x[:, MASK[0]], values(2, 4)),
        same(lambda x: x[[]], values(3, 2)),
        same(lambda x, i: x[i], values(4, 3), PICK),
        same(lambda x, i, j: x[i, 1:, j], values(4, 3, 2), PICK, np.array(1)),
        same(lambda x, i: x[i], values(4, 3), np.array([3, 1], np.uint8)),
        Sample(lambda x: indexing.take(x, PICK), lambda x: np.take(x, PICK), (values(3, 3),)),
        Sample(lambda x, i: indexing.take(x, i, axis=-1), lambda x, i: np.take(x, i, axis=-1),
               (values(2, 4), PICK)),
    ],
    "scatter_add": [
        Sample(inside(_scatter, _scattered), _scattered, (values(2, 2, 3, 3),)),
        Sample(inside(lambda x, i, j: gathering.scatter_add(x, (3, 4), 0, [i, j]),
                      _scattered_pairs), _scattered_pairs,
               (values(2, 3), np.array([[2], [0]]), np.array([0, -1, 0]))),
    ],
    "add_at": [
        Sample(inside(_added(_scatter), _add_scattered), _add_scattered,
               (values(2, 2, 3, 3), values(2, 4, 3)), wrt=(0, 1)),
        Sample(inside(_added(lambda x, i, j: gathering.scatter_add(x, (3, 4), 0, [i, j])),
                      _add_pairs), _add_pairs,
               (values(2, 3), values(3, 4), np.array([[2], [0]]), np.array([0, -1, 0])),
               wrt=(0, 1)),
    ],
}

X = values(3, 4)
ERRORS = {
    "broadcast_to": [BadSample(lambda x: movement.broadcast_to(x, (3, 5)), (X,), ShapeError)],
    "reshape": [
        BadSample(lambda x: movement.reshape(x, (5, -1)), (X,), ShapeError),
        BadSample(lambda x: movement.reshape(x, (-1, -1)), (X,), ShapeError),
        BadSample(lambda x: movement.squeeze(x, 1), (X,), ShapeError, "squeeze.*extent 4"),
        BadSample(lambda x: movement.expand_dims(x, 4), (X,), ShapeError, "expand_dims"),
        BadSample(lambda x: movement.expand_dims(x, (0, 0)), (X,), ShapeError, "twice"),
    ],
    "transpose": [
        BadSample(lambda x: movement.transpose(x, (0,)), (X,), ShapeError),
        BadSample(lambda x: movement.transpose(x, (0, -2)), (X,), ShapeError),
        BadSample(lambda x: movement.swapaxes(x, 0, 2), (X,), ShapeError, "swapaxes"),
    ],
    "concatenate": [
        BadSample(lambda x: joining.concatenate([x, x[0]]), (X,), ShapeError),
        BadSample(lambda x: joining.concatenate([x, x[1:]], axis=1), (X,), ShapeError),
        BadSample(lambda x: joining.concatenate([x, x], axis=2), (X,), ShapeError),
        BadSample(lambda x: joining.concatenate([x[0, 0], x[0, 1]]), (X,), ShapeError, "0-d"),
        BadSample(lambda x: joining.stack([x, x[0]]), (X,), ShapeError, "stack"),
        BadSample(lambda x: joining.stack([x, x], axis=3), (X,), ShapeError, "stack"),
    ],
    "slice": [
        BadSample(lambda x: x[3], (X,), IndexRangeError, "3 is out of bounds for axis 0"),
        BadSample(lambda x: x[:, -5], (X,), IndexRangeError, "-5 is out of bounds for axis 1"),
        BadSample(lambda x: x[0, 0, 0], (X,), IndexingError, "too many"),
        BadSample(lambda x: x[..., ...], (X,), IndexingError, "ellipsis"),
        BadSample(lambda x: x[1.5], (X,), IndexingError, "integers"),
        BadSample(lambda x: x["a"], (X,), IndexingError, "integers"),
        BadSample(lambda x: x[[[1], [2, 3]]], (X,), IndexingError, "integers"),
    ],
    "gather": [
        BadSample(lambda x: x[[0, 3]], (X,), IndexRangeError, "3 is out of bounds for axis 0"),
        BadSample(lambda x, i: x[:, i], (X, np.array([0, -5])), IndexRangeError,
                  "-5 is out of bounds for axis 1"),
        BadSample(lambda x: x[[0, 1], [0, 1, 2]], (X,), IndexingError, "broadcast"),
        BadSample(lambda x: x[MASK.T], (X,), IndexingError, "mask"),
        BadSample(lambda x: x[x], (X,), IndexingError, "integers"),
        BadSample(lambda x: indexing.take(x, [0.5]), (X,), DTypeError, "take"),
        BadSample(lambda x: indexing.take(x, [0], mode="wrap"), (X,), ArgumentError, "take"),
        BadSample(lambda x: indexing.take(x, [4], axis=1), (X,), IndexRangeError, "axis 1"),
    ],
}
