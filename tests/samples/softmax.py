"""Samples of the rows of a softmax; SciPy is the oracle."""

import numpy as np
from scipy import special

from autodiff.errors import DTypeError, IndexRangeError, ShapeError
from autodiff.ops import softmax as sm
from samples import BadSample, Sample, values

CUBE = values(3, 4, 5, low=-4, high=4)
FAR = np.array([[0.0, 700.0, -700.0], [1e4, 1e4 - 1, 0.0], [-1e5, -1e5, -1e5]])
INFINITE = np.array([[0.0, -np.inf, 1.0], [np.nan, 0.0, 1.0], [np.inf, 0.0, 1.0],
                     [-np.inf, -np.inf, -np.inf]])
WIDE = values(3, 1500, seed=4)             # a row longer than a block
LABELS = np.array([4, 0, 2])


def along(function, reference):
    """Samples of a function along one axis."""
    close = {"ulp": 8, "ulp_of_largest": 4}
    return [
        *[Sample(lambda x, a=axis: function(x, axis=a), lambda x, a=axis: reference(x, axis=a),
                 (CUBE,), **close) for axis in (0, 1, 2, -1, -3)],
        Sample(function, lambda x: reference(x, axis=-1), (values(7),), **close),
        Sample(function, lambda x: reference(x, axis=-1), (values(4, 1),), **close),
        Sample(function, lambda x: reference(x, axis=-1), (values(200, 9),), order=0, **close),
        Sample(function, lambda x: reference(x, axis=-1), (WIDE,), order=0, **close),
        Sample(function, lambda x: reference(x, axis=-1), (FAR,), order=0, **close),
        Sample(function, lambda x: reference(x, axis=-1), (INFINITE,), order=0, wrt=(), **close),
        Sample(function, lambda x: x, (values(0, 3),), order=0),
        Sample(function, lambda x: x, (values(3, 0),), order=0),
        Sample(lambda x: function(x * 2), lambda x: reference(x * 2.0, axis=-1),
               (np.arange(6).reshape(2, 3),), wrt=(), **close),
    ]


def over(axes, x, **fields):
    """Samples of logsumexp over axes, with and without keepdims."""
    return [
        Sample(lambda x, a=axis, k=keep: sm.logsumexp(x, axis=a, keepdims=k),
               lambda x, a=axis, k=keep: special.logsumexp(x, axis=a, keepdims=k), (x,),
               ulp=8, ulp_of_largest=4, **fields)
        for axis in axes for keep in (False, True)
    ]


def mean_loss(x, labels):
    x = x if x.dtype.kind == "f" else x.astype(float)
    picked = special.log_softmax(x, axis=1)[np.arange(len(labels)), labels]
    return -picked.mean() if len(labels) else x.dtype.type(np.nan)


def loss(x, labels, **fields):
    return Sample(sm.cross_entropy, mean_loss, (x, labels), ulp=32, ulp_of_largest=4, **fields)


def error(x, labels):
    """m times the gradient of the mean loss."""
    return special.softmax(x, axis=1) - np.eye(x.shape[1], dtype=x.dtype)[labels]


WRONG = [np.array([0, 5, 1]), np.array([0, -1, 1]), np.array([0, 1, 2**40])]
SAMPLES = {
    "softmax": along(sm.softmax, special.softmax),
    "log_softmax": along(sm.log_softmax, special.log_softmax),
    "logsumexp": [
        *over((None, 0, 1, -1, (0, 2), (1, 2), (0, 1, 2)), CUBE),
        *over((None, 1), FAR, order=0), *over((1,), INFINITE, order=0, wrt=()),
        *over((1,), WIDE, order=0), *over((1,), values(300, 7), order=0),
        *over((0,), np.arange(6).reshape(2, 3), wrt=()),
        Sample(lambda x: sm.logsumexp(x, axis=1),
               lambda x: np.full(3, -np.inf, x.dtype), (values(3, 0),), order=0),
        Sample(lambda x: sm.logsumexp(x, axis=0),
               lambda x: np.zeros(0, x.dtype), (values(3, 0),), order=0),
    ],
    "cross_entropy": [
        *[loss(values(3, 5), LABELS.astype(kind)) for kind in (np.int64, np.int8, np.uint16)],
        loss(values(1, 5), np.array([3])), loss(values(3, 1), np.zeros(3, int)),
        loss(values(40, 60), np.arange(40), order=1), loss(WIDE, LABELS, order=0),
        loss(FAR, np.array([0, 1, 2]), order=0), loss(np.arange(6).reshape(2, 3), LABELS[1:],
                                                      wrt=()),
        loss(values(0, 5), np.zeros(0, int), order=0),
        Sample(lambda x, w, t: sm.cross_entropy(x @ w, t), lambda x, w, t: mean_loss(x @ w, t),
               (values(3, 4), values(4, 5, seed=2), LABELS), (0, 1), ulp=32, ulp_of_largest=4),
    ],
    "softmax_error": [
        Sample(sm.softmax_error, error, (values(3, 5), LABELS), ulp=8, ulp_of_largest=4),
        Sample(sm.softmax_error, error, (values(40, 60), np.arange(40)), ulp=8, ulp_of_largest=4,
               order=0),
    ],
    "one_hot": [
        Sample(lambda t: sm.one_hot(t, 5), lambda t: np.eye(5)[t], (LABELS,), ()),
        Sample(lambda t: sm.one_hot(t, 3, np.float32), lambda t: np.eye(3, dtype=np.float32)[t],
               (np.array([[0, 1], [2, 2]], np.uint8),), ()),
        Sample(lambda t: sm.one_hot(t, 5), lambda t: np.eye(5)[t], (np.array(3),), ()),
        Sample(lambda t: sm.one_hot(t, 4), lambda t: np.zeros((0, 4)), (np.zeros(0, int),), ()),
        Sample(lambda t, x: sm.one_hot(t, 5) * x, lambda t, x: np.eye(5)[t] * x,
               (LABELS, values(3, 5)), (1,), dtypes=(np.float64,)),
    ],
}
ERRORS = {
    **{name: [BadSample(lambda x, f=f, a=axis: f(x, axis=a), (CUBE,), ShapeError)
              for axis in (3, -4)] + [BadSample(f, (np.array(1.0),), ShapeError)]
       for name, f in (("softmax", sm.softmax), ("log_softmax", sm.log_softmax))},
    "logsumexp": [BadSample(lambda x: sm.logsumexp(x, axis=3), (CUBE,), ShapeError)],
    "cross_entropy": [
        *[BadSample(sm.cross_entropy, (np.ones(p), np.zeros(q, int)), ShapeError)
          for p, q in (((3, 5), (4,)), ((3,), (3,)), ((3, 5), (3, 1)), ((2, 3, 5), (2,)))],
        *[BadSample(sm.cross_entropy, (values(3, 5), t), IndexRangeError,
                    rf"cross_entropy \(.*label {t[1] if t[1] not in (0, 1) else t[2]} ")
          for t in WRONG],
        BadSample(sm.cross_entropy, (np.ones((3, 0)), np.zeros(3, int)), IndexRangeError),
        BadSample(sm.cross_entropy, (values(3, 5), np.ones(3)), DTypeError),
        BadSample(sm.cross_entropy, (values(3, 5), np.ones(3, bool)), DTypeError),
    ],
    "softmax_error": [BadSample(sm.softmax_error, (values(3, 5), t), IndexRangeError)
                      for t in WRONG],
    "one_hot": [
        *[BadSample(lambda t: sm.one_hot(t, 5), (t,), IndexRangeError) for t in WRONG],
        BadSample(lambda t: sm.one_hot(t, 5), (np.ones(3),), DTypeError),
        BadSample(lambda t: sm.one_hot(t, 5, int), (LABELS,), DTypeError),
        BadSample(lambda t: sm.one_hot(t, -1), (LABELS,), ShapeError),
    ],
}
