"""Samples of the elementwise rows: broadcasts, 0-d, empty, special values, every kind of dtype."""

import numpy as np
from scipy import special

from autodiff import numpy as anp
from autodiff.errors import ArgumentError, DTypeError, ShapeError
from autodiff.ops import selection
from samples import BadSample, Sample, values

SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e300, -1e300, 1e-300, 1.5, -2.5])
PAIRS = tuple(np.array(side) for side in zip(*[(a, b) for a in SPECIAL for b in SPECIAL]))
INTEGERS = np.array([-7, -3, -1, 0, 1, 2, 5], np.int64)
BOOLEANS = np.array([True, False, True, True])
LONG = 67                     # more than a SIMD register of any width, and a remainder


def unary(f, reference, ulp=0.0, low=-2.0, high=2.0, apart=(), integers=INTEGERS):
    """One function of one real: shapes, special values and the dtypes that are converted."""
    at = {"low": low, "high": high, "apart": apart}
    group = [Sample(f, reference, (values(*shape, seed=len(shape), **at),), ulp=ulp)
             for shape in ((), (1,), (0,), (2, 0), (3, 4), (2, 3, 2), (LONG,))]
    group.append(Sample(f, reference, (SPECIAL,), ulp=ulp, order=0))
    if integers is not None:
        group += [Sample(f, reference, (integers.astype(t),), (), ulp=ulp)
                  for t in (np.int64, np.int32)]
    return group


def binary(f, reference, ulp=0.0, second=None, wrt=(0, 1), integers=INTEGERS, **at):
    """A function of two: every way to broadcast, scalars on either side, mixed dtypes."""
    draw = second or (lambda *shape: values(*shape, seed=9, **at))
    shapes = (((), ()), ((3,), ()), ((), (3,)), ((3, 4), (4,)), ((3, 1), (1, 4)), ((1,), (2, 3)),
              ((0,), (1,)), ((0, 3), (3,)), ((2, 3), (2, 3)), ((LONG,), (LONG,)))
    group = [Sample(f, reference, (values(*a, seed=1, **at), draw(*b)), wrt, ulp=ulp)
             for a, b in shapes]
    x = values(2, 3, seed=2, **at)
    group += [
        Sample(lambda a: f(a, 1.75), lambda a: reference(a, 1.75), (x,), wrt[:1], ulp=ulp),
        Sample(lambda b: f(1.75, b), lambda b: reference(1.75, b), (draw(2, 3),),
               (0,) if 1 in wrt else (), ulp=ulp),
        Sample(lambda a: f(a, draw(2, 3).astype(np.float32)),
               lambda a: reference(a, draw(2, 3).astype(np.float32)), (x,), wrt[:1], ulp=ulp),
        Sample(f, reference, PAIRS, wrt, ulp=ulp, order=0),
    ]
    if integers is not None:
        positive = np.abs(integers) % 5 + 1
        group += [
            Sample(f, reference, (integers, positive), (), ulp=ulp),
            Sample(f, reference, (integers.astype(np.int32), positive.astype(np.int8)), (),
                   ulp=ulp),
            Sample(f, reference, (positive.astype(np.uint8), positive.astype(np.uint8)), (),
                   ulp=ulp),
            Sample(f, reference, (draw(7), positive), wrt[:1], ulp=ulp, order=0),
            Sample(lambda a: f(a, 3), lambda a: reference(a, 3), (integers,), (), ulp=ulp),
        ]
    return group


def condition(f, reference):
    """A comparison: never differentiated; equal operands, NaN, integers and booleans."""
    x = values(3, 4, seed=3)
    return [
        Sample(f, reference, (x, x.T.copy().T), ()),
        Sample(f, reference, (x, np.round(x[0])), ()),
        Sample(f, reference, PAIRS, ()),
        Sample(lambda a: f(a, 0), lambda a: reference(a, 0), (np.round(x),), ()),
        Sample(lambda a: f(0.5, a), lambda a: reference(0.5, a), (np.round(2 * x) / 2,), ()),
        Sample(f, reference, (INTEGERS, INTEGERS[::-1].copy()), ()),
        Sample(f, reference, (INTEGERS, INTEGERS.astype(np.uint64)), ()),
        Sample(f, reference, (BOOLEANS, BOOLEANS[::-1].copy()), ()),
        Sample(f, reference, (values(), values(0)), ()),
    ]


def softplus(x):
    return np.logaddexp(x, np.zeros((), np.asarray(x).dtype))


def converted(dtype, x, **fields):
    return Sample(lambda a: anp.astype(a, dtype), lambda a: a.astype(dtype), (x,), **fields)


def shared(g, p, q):
    g, p, q = np.broadcast_arrays(g, p, q)
    return np.where(p > q, g, np.where(p == q, g / 2, 0)).astype(np.result_type(g, p, q))


STEPS = (-1.0, 0.0, 1.0)      # where floor, sign, abs, ... have their corners, within (-2, 2)
ONE = np.ones(())
X, Y = values(3, 4, seed=5), values(4, seed=6)
POSITIVE = {"low": 0.3, "high": 3.0}

SAMPLES = {
    "add": binary(lambda a, b: a + b, np.add),
    "subtract": binary(lambda a, b: a - b, np.subtract),
    "multiply": binary(lambda a, b: a * b, np.multiply),
    "divide": [
        *binary(lambda a, b: a / b, np.divide,
                second=lambda *shape: values(*shape, seed=9, **POSITIVE)),
        Sample(lambda x: 1 / x, lambda x: 1 / x, (X + 3,)),
    ],
    "floor_divide": binary(
        lambda a, b: a // b, np.floor_divide, low=2.1, high=2.9,
        second=lambda *shape: values(*shape, seed=9, low=1.5, high=1.7)),
    "remainder": binary(
        lambda a, b: a % b, np.remainder, low=2.1, high=2.9,
        second=lambda *shape: values(*shape, seed=9, low=1.5, high=1.6)),
    "negative": unary(lambda x: -x, np.negative),
    "abs": [*unary(abs, np.abs, apart=(0.0,)), Sample(abs, np.abs, (BOOLEANS,), ())],
    "sign": unary(anp.sign, np.sign, apart=(0.0,)),
    "floor": unary(anp.floor, np.floor, apart=STEPS),
    "square": [*unary(anp.square, np.square),
               Sample(lambda x: x**2, np.square, (X,)),
               Sample(lambda x: x**2, np.square, (INTEGERS,), ())],
    "sqrt": [*unary(anp.sqrt, np.sqrt, **POSITIVE),
             Sample(lambda x: x**0.5, np.sqrt, (np.abs(X) + 0.3,))],
    "power": [
        *binary(lambda a, b: a**b, np.power, ulp=1, integers=None, **POSITIVE),
        *[Sample(lambda x, p=p: x**p, lambda x, p=p: np.power(x, p), (np.abs(X) + 0.3,), ulp=2)
          for p in (0, 1.0, 2.0, 3, -1, -2, 0.3, 1.5, -0.5)],
        *[Sample(lambda x, p=p: x**p, lambda x, p=p: np.power(x, p), (X,), ulp=2)
          for p in (0, 3, 4.0)],
        *[Sample(lambda x, c=c: c**x, lambda x, c=c: np.power(c, x), (X,), ulp=1)
          for c in (2, 0.7, 1)],
        Sample(lambda x: x**INTEGERS, lambda x: x**INTEGERS, (np.abs(values(7)) + 0.3,), ulp=1),
        Sample(lambda k: k**0.5, lambda k: k**0.5, (np.abs(INTEGERS),), (), ulp=1),
    ],
    "power_integer": [
        Sample(lambda a, b: a**b, np.power, (INTEGERS, np.arange(7)), ()),
        *[Sample(lambda a, b: a**b, np.power,
                 (np.arange(-3, 4).astype(t), np.arange(7).astype(t)), ())
          for t in (np.int8, np.int16, np.int32, np.uint8, np.uint16, np.uint32, np.uint64)],
        Sample(lambda a, b: a**b, np.power, (BOOLEANS, BOOLEANS[::-1].copy()), ()),
        Sample(lambda a: a**3, lambda a: a**3, (INTEGERS,), ()),
        Sample(lambda b: 3**b, lambda b: 3**b, (np.arange(50),), ()),
    ],
    "exp": unary(anp.exp, np.exp, ulp=4),
    "expm1": unary(anp.expm1, np.expm1, ulp=4),
    "log": unary(anp.log, np.log, ulp=4, **POSITIVE),
    "log1p": unary(anp.log1p, np.log1p, ulp=4, low=-0.7, high=3.0),
    "sin": unary(anp.sin, np.sin, ulp=4),
    "cos": unary(anp.cos, np.cos, ulp=4),
    "arctan": unary(anp.arctan, np.arctan, ulp=4),
    "tanh": unary(anp.tanh, np.tanh, ulp=4),
    "sigmoid": unary(anp.sigmoid, special.expit, ulp=4),
    "softplus": unary(anp.softplus, softplus, ulp=4),
    "relu": [
        *unary(anp.relu, lambda x: np.maximum(x, 0.0), apart=(0.0,)),
        Sample(lambda x: anp.maximum(x, 0), lambda x: np.maximum(x, 0), (values(5, apart=[0]),)),
        Sample(lambda x: anp.maximum(0.0, x), lambda x: np.maximum(0.0, x),
               (values(5, apart=[0]),)),
    ],
    "maximum": [
        *binary(anp.maximum, np.maximum, second=lambda *shape: values(*shape, low=3, high=4)),
        Sample(anp.maximum, np.maximum, (X, values(3, 4, seed=7)), (0, 1)),
        Sample(anp.maximum, np.maximum, (X, X.copy()), (0, 1), order=0),
        Sample(lambda k: anp.maximum(k, 0), lambda k: np.maximum(k, 0), (INTEGERS,), ()),
    ],
    "minimum": [
        *binary(anp.minimum, np.minimum, second=lambda *shape: values(*shape, low=3, high=4)),
        Sample(anp.minimum, np.minimum, (X, values(3, 4, seed=7)), (0, 1)),
        Sample(anp.minimum, np.minimum, (X, X.copy()), (0, 1), order=0),
        Sample(lambda x: anp.minimum(x, 0), lambda x: np.minimum(x, 0), (values(5, apart=[0]),)),
    ],
    "share": [
        Sample(selection.share, shared, (X, X[::-1].copy(), Y)),
        Sample(selection.share, shared, (X, np.sign(X), np.sign(X[::-1]))),
        Sample(selection.share, shared, (values(), values(LONG), 0 * ONE)),
        Sample(selection.share, shared, (np.array(1.0), *PAIRS)),
    ],
    "where": [
        Sample(lambda a, b: anp.where(b > 0, a, b), lambda a, b: np.where(b > 0, a, b),
               (X, values(3, 4, apart=[0])), (0, 1)),
        Sample(anp.where, np.where, (X > 0, X, Y), (1, 2)),
        Sample(anp.where, np.where, (Y > 0, Y[0], X), (1, 2)),
        Sample(anp.where, np.where, (np.array(True), X, Y), (1, 2)),
        Sample(anp.where, np.where, (X[:, :1] > 0, X[:, :1], Y), (1, 2)),
        Sample(anp.where, np.where, (values(0) > 0, values(0), values()), (1, 2)),
        Sample(anp.where, np.where, (INTEGERS, values(7), values(7, seed=1)), (1, 2)),
        Sample(anp.where, np.where, (INTEGERS > 0, INTEGERS, INTEGERS.astype(np.int8)), ()),
        Sample(anp.where, np.where, (BOOLEANS, BOOLEANS, ~BOOLEANS), ()),
        Sample(anp.where, np.where, (values(LONG) > 0, values(LONG), values(LONG, seed=1)), (1, 2)),
        Sample(anp.where, np.where, (np.isfinite(SPECIAL), SPECIAL, ONE), (1, 2), order=0),
        Sample(lambda x: anp.where(x, x, 0), lambda x: np.where(x, x, 0), (values(5, apart=[0]),)),
        Sample(lambda x: anp.where([True, False], x, 1.5),
               lambda x: np.where([True, False], x, 1.5), (values(2),)),
        Sample(lambda c: anp.where(c, 1, 0), lambda c: np.where(c, 1, 0), (BOOLEANS,), ()),
        Sample(lambda c: anp.where(c, 1, 0.5), lambda c: np.where(c, 1, 0.5), (BOOLEANS,), ()),
    ],
    "clip": [
        *[Sample(lambda x, low=low, high=high: anp.clip(x, low, high),
                 lambda x, low=low, high=high: np.clip(x, low, high),
                 (values(3, 4, apart=(-1.0, 0.5)),))
          for low, high in ((-1, 0.5), (-1.0, None), (None, 0.5), (-1, np.array([0.5] * 4)))],
        Sample(lambda x: x.clip(0, 3), lambda x: x.clip(0, 3), (INTEGERS,), ()),
        Sample(lambda x: x.clip(0, None), lambda x: x.clip(0, None), (INTEGERS,), ()),
        Sample(lambda x: x.clip(None, 2.5), lambda x: x.clip(None, 2.5), (INTEGERS,), ()),
        Sample(lambda x: x.clip(None, 1), lambda x: np.clip(x, None, 1), (BOOLEANS,), ()),
        Sample(anp.clip, np.clip, (X, X[0] - 0.3, X[1] + X[0] + 3), (0, 1, 2)),
        Sample(anp.clip, np.clip, (SPECIAL, -ONE, ONE), (0, 1, 2), order=0),
        Sample(anp.clip, np.clip, (values(0), values(), values() + 3), (0, 1, 2)),
    ],
    **{ufunc.__name__: condition(getattr(anp, ufunc.__name__), ufunc)
       for ufunc in (np.less, np.less_equal, np.equal, np.not_equal, np.greater,
                     np.greater_equal, np.logical_and, np.logical_or)},
    "logical_not": [Sample(anp.logical_not, np.logical_not, (x,), ())
                    for x in (SPECIAL, INTEGERS, BOOLEANS, values(), values(0))],
    "copy": [Sample(lambda x: x.T, lambda x: x.T.copy(), (X,)),
             Sample(lambda x: x.T, lambda x: x.T.copy(), (np.arange(6, dtype=np.int8)[None],), ()),
             Sample(lambda x: x.T, lambda x: x.T.copy(), (np.arange(6, dtype=np.int16)[None],), ()),
             Sample(lambda x: x.T, lambda x: x.T.copy(), (X > 0,), ())],
    "astype": [
        converted(np.float32, X, order=0),
        *[converted(np.float64, x) for x in (X, values(), values(0))],
        converted(np.float64, SPECIAL, order=0),
        *[converted(t, x, wrt=()) for x in (INTEGERS, BOOLEANS, np.arange(9, dtype=np.uint8))
          for t in (np.float32, np.float64, np.int8, np.uint16, np.int64)],
        converted(np.bool_, INTEGERS, wrt=()),
        Sample(lambda a, b: a + b, np.add, (X, Y.astype(np.float32)), (0, 1), order=0),
        Sample(lambda a, b: a * b, np.multiply, (values(7), INTEGERS), (0,)),
    ],
    "astype_integer": [converted(t, x, wrt=()) for x in (100 * X, values(), values(0))
                       for t in (np.int8, np.int32, np.int64)],
    "astype_boolean": [converted(np.bool_, x, order=0) for x in (X, np.round(X), SPECIAL)],
}

MISFIT = (np.ones((2, 3)), np.ones((2, 4)))
ERRORS = {
    **{name: [BadSample(getattr(anp, name), MISFIT, ShapeError, rf"{name}: shapes \(2, 3\) and")]
       for name in ("add", "subtract", "multiply", "divide", "power", "maximum", "minimum",
                    "less", "equal", "logical_and", "floor_divide", "remainder")},
    "less_equal": [BadSample(lambda x: anp.less_equal(x, "text"), (X,), DTypeError)],
    "greater": [BadSample(lambda x: anp.greater(x, 1j), (X,), DTypeError)],
    "not_equal": [BadSample(lambda x: anp.not_equal(x, np.array([1j])), (X,), DTypeError)],
    "where": [BadSample(anp.where, (np.ones(2, bool), *MISFIT), ShapeError)],
    "clip": [BadSample(lambda x, y: anp.clip(x, y, y), MISFIT, ShapeError),
             BadSample(lambda x: anp.clip(x, "low", 2), (X,), DTypeError)],
    "power_integer": [
        BadSample(lambda k: k**-1, (INTEGERS,), ArgumentError, "negative integer power"),
        BadSample(lambda k, e: k**e, (INTEGERS, INTEGERS), ArgumentError, "negative integer power"),
    ],
    "negative": [BadSample(lambda x: -x, (BOOLEANS,), DTypeError)],
    "sign": [BadSample(anp.sign, (BOOLEANS,), DTypeError)],
    "astype": [BadSample(lambda x: x.astype(complex), (X,), DTypeError),
               BadSample(lambda x: x.astype(object), (X,), DTypeError)],
}
