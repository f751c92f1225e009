"""Samples of the reductions."""

import numpy as np

from autodiff.errors import ShapeError
from autodiff.ops import reductions as red
from samples import BadSample, Sample, values

CUBE = values(3, 4, 5)
# Far enough apart that no difference quotient changes which is the largest.
RANKED = np.random.default_rng(3).permutation(60).reshape(3, 4, 5) / 20 - 1.5
TIED = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0], [-1.0, -5.0, -1.0]])
BITS = values(3, 4, seed=7) > 0
AXES = (None, 0, 1, 2, -1, (0, 2), (1, -1), (2, 0), (0, 1, 2))


def over(function, reference, x, axes=AXES, keepdims=(False, True), **fields):
    """A sample of a reduction of `x` for each axis and keepdims."""
    return [
        Sample(lambda x, a=axis, k=keep: function(x, axis=a, keepdims=k),
               lambda x, a=axis, k=keep: np.asarray(reference(x, axis=a, keepdims=k)), (x,),
               **fields)
        for axis in axes for keep in keepdims
    ]


def arithmetic(function, reference):
    """Samples of sum or mean: shapes, empties, 0-d, permuted and repeated operands, integers."""
    close = {"ulp_of_largest": 16}
    return [
        *over(function, reference, CUBE, **close),
        *over(function, reference, values(1, 7), (0, 1), (False,), **close),
        *over(function, reference, values(0, 3), (0,), (True,), wrt=(0,), order=0, **close),
        Sample(lambda x: function(x.transpose(2, 0, 1), axis=(0, 2)),
               lambda x: reference(x.transpose(2, 0, 1), axis=(0, 2)), (CUBE,), **close),
        Sample(lambda x: function(x + np.zeros((6, 1, 1), x.dtype), axis=1),
               lambda x: reference(x + np.zeros((6, 1, 1), x.dtype), axis=1), (values(4, 3),),
               **close),
        Sample(lambda x: function(x * x, axis=0) * x[0], lambda x: reference(x * x, axis=0) * x[0],
               (values(5, 3),), **close),
        Sample(function, reference, (values(1000),), order=1, **close),
        *over(function, reference, np.arange(12).reshape(3, 4), (None, 0, 1), (False,), wrt=(),
              **close),
        *over(function, reference, np.arange(12, dtype=np.uint8).reshape(3, 4), (None, 1),
              (False,), wrt=(), **close),
    ]


def extreme(function, reference):
    """Samples of max or min: ranked ones differ anywhere, tied ones only share."""
    return [
        *over(function, reference, RANKED),
        *over(function, reference, TIED, (None, 0, 1), order=0),
        *over(function, reference, values(0, 3), (1,), (False,), order=0),
        *over(function, reference, np.array([[1.0, np.nan, 2.0], [3.0, np.inf, -np.inf]]),
              (None, 0, 1), (False,), order=0, wrt=()),
        Sample(lambda x: function(x.transpose(1, 2, 0), axis=1),
               lambda x: reference(x.transpose(1, 2, 0), axis=1), (RANKED,)),
        Sample(lambda x: function(x * x, axis=1), lambda x: reference(x * x, axis=1),
               (RANKED + 2,)),
        *over(function, reference, np.array([[3, 9, 9], [7, -1, 2]]), (None, 0, 1), (False,),
              wrt=()),
        *over(function, reference, np.array([[3, 9, 9], [7, 1, 2]], np.uint8), (None, 0),
              (False,), wrt=()),
        *over(function, reference, BITS, (None, 0), (False,), wrt=()),
    ]


def largest_place(x):
    return over(red.argmax, np.argmax, x, (None, 0, 1, -1), (False, True), wrt=())


SAMPLES = {
    "sum": arithmetic(red.sum, np.sum),
    "mean": arithmetic(red.mean, np.mean),
    "count": [
        *over(red.sum, np.sum, BITS, (None, 0, 1, (0, 1)), wrt=()),
        *over(red.sum, np.sum, np.ones((3, 0), bool), (0, 1), (False,), wrt=()),
        Sample(lambda x: red.sum(x > 0, axis=0), lambda x: np.sum(x > 0, axis=0), (CUBE,)),
    ],
    "max": extreme(red.max, np.max),
    "min": extreme(red.min, np.min),
    "argmax": [
        *largest_place(RANKED), *largest_place(TIED),
        *largest_place(np.array([[1.0, np.nan, np.nan], [np.inf, 2.0, np.inf]])),
        *largest_place(np.array([[3, 9, 9], [7, -1, 2]])), *largest_place(BITS),
        *over(red.argmax, np.argmax, np.array(2.5), (None, 0), (False,), wrt=()),
        *over(red.argmax, np.argmax, np.ones((0, 3)), (1,), (False,), wrt=()),
    ],
}
EMPTY = np.ones((0, 3))
ERRORS = {
    name: [BadSample(lambda x, f=f, a=axis: f(x, axis=a), (CUBE,), ShapeError)
           for axis in (3, -4, (0, 0), (0, 5))]
    for name, f in (("sum", red.sum), ("mean", red.mean), ("max", red.max), ("min", red.min))
}
ERRORS["max"] += [BadSample(lambda x, a=axis: red.max(x, axis=a), (EMPTY,), ShapeError)
                  for axis in (None, 0)]
ERRORS["min"] += [BadSample(red.min, (EMPTY,), ShapeError)]
ERRORS["argmax"] = [
    BadSample(lambda x, a=axis: red.argmax(x, axis=a), (CUBE,), ShapeError)
    for axis in (3, -4, (0, 1))
] + [BadSample(red.argmax, (EMPTY,), ShapeError)]
