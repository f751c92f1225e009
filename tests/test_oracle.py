"""The oracle itself: each textbook operation against differences of its values, and conventions."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from autodiff import textbook
from oracle import HOLE, ORACLE


def numbers(*shape, seed=0, low=-2.0, high=2.0):
    """Random numbers, none near an integer, so none near a kink or step of the functions here."""
    rng = np.random.default_rng(seed)
    whole = rng.integers(int(np.floor(low)), int(np.ceil(high)), shape)
    return whole + rng.uniform(0.1, 0.9, shape)


def positive(*shape, seed=0):
    return numbers(*shape, seed=seed, low=0.0)


A, B, ROW = numbers(3, 4), numbers(3, 4, seed=1) + 0.03, numbers(4, seed=2) + 0.06
CUBE = numbers(2, 3, 4, seed=3)
COLUMN, MASK = numbers(3, 1, seed=4), np.array([True, False, True, True])
PLACES, MORE_PLACES = np.array([0, 2, 2, -1]), np.array([[1], [0]])
PAIRS = ("add", "subtract", "multiply", "maximum", "minimum", "less", "less_equal", "equal",
         "not_equal", "greater", "greater_equal", "logical_and", "logical_or")
SINGLES = ("negative", "square", "exp", "expm1", "sin", "cos", "tanh", "arctan", "relu", "abs",
           "sigmoid", "softplus", "floor", "sign", "logical_not")

# (name, operation, inputs, how many of them are differentiated)
CASES = [
    *((name, ORACLE[name], inputs, 2) for name in PAIRS for inputs in ([A, B], [A, ROW])),
    *((name, ORACLE[name], [A], 1) for name in SINGLES),
    *((name, ORACLE[name], [A, np.where(A > 0, 1.3, -0.7) * ROW / ROW], 2)
      for name in ("divide", "remainder", "floor_divide")),
    *((name, ORACLE[name], [positive(3, 4)], 1) for name in ("log", "log1p", "sqrt")),
    ("power", ORACLE["power"], [positive(3, 4) + 0.5, ROW], 2),
    ("where", ORACLE["where"], [MASK, A, COLUMN], 3),
    ("clip", ORACLE["clip"], [A, np.array(-0.99), positive(4) + 0.02], 3),
    ("astype", ORACLE["astype"](np.float64), [A], 1),
    ("astype", ORACLE["astype"](np.int64), [A], 1),
    ("astype", ORACLE["astype"](bool), [A], 1),
    *((name, ORACLE[name](axis, keepdims), [CUBE], 1)
      for name in ("sum", "mean", "max", "min", "logsumexp")
      for axis, keepdims in ((None, False), (1, True), (-1, False), ((0, 2), False))),
    ("sum", ORACLE["sum"](0), [MASK], 1),
    ("argmax", ORACLE["argmax"](1), [A], 0),
    *(("matmul", ORACLE["matmul"], pair, 2) for pair in (
        [A, A.T], [A, ROW], [ROW, A.T], [ROW, ROW], [CUBE, A.T], [A, A.T[None]], [CUBE, ROW],
        [ROW, CUBE.swapaxes(1, 2)])),
    *(("dot", ORACLE["dot"], pair, 2) for pair in (
        [A, A.T], [A, ROW], [ROW, A.T], [ROW, ROW], [CUBE, CUBE.swapaxes(1, 2)],
        [ROW, CUBE.swapaxes(1, 2)], [CUBE, ROW], [np.array(1.5), A], [A, np.array(1.5)])),
    ("outer", ORACLE["outer"], [ROW, COLUMN], 2),
    ("outer", ORACLE["outer"], [A, ROW], 2),
    ("reshape", ORACLE["reshape"]((2, -1)), [A], 1),
    ("transpose", ORACLE["transpose"](), [CUBE], 1),
    ("transpose", ORACLE["transpose"]((1, -1, 0)), [CUBE], 1),
    ("swapaxes", ORACLE["swapaxes"](0, -1), [CUBE], 1),
    ("squeeze", ORACLE["squeeze"](), [COLUMN], 1),
    ("expand_dims", ORACLE["expand_dims"]((0, -1)), [A], 1),
    ("broadcast_to", ORACLE["broadcast_to"]((2, 3, 4)), [COLUMN], 1),
    ("concatenate", ORACLE["concatenate"](1), [A, COLUMN, B], 3),
    ("stack", ORACLE["stack"](-1), [A, B], 2),
    ("index", ORACLE["index"](1, slice(None, None, -2)), [A], 1),
    ("index", ORACLE["index"](Ellipsis, None, slice(1, 3)), [A], 1),
    ("index", ORACLE["index"](slice(None), MASK), [A], 1),
    ("index", ORACLE["index"](PLACES), [ROW], 1),
    ("index", ORACLE["index"](HOLE, slice(None), HOLE), [CUBE, MORE_PLACES, PLACES], 1),
    ("take", ORACLE["take"](), [A, MORE_PLACES], 1),
    ("take", ORACLE["take"](1), [A, PLACES], 1),
    *((name, ORACLE[name](axis), [CUBE], 1) for name in ("softmax", "log_softmax")
      for axis in (0, -1)),
    ("cross_entropy", ORACLE["cross_entropy"], [A, np.array([3, 0, 3])], 1),
    ("one_hot", ORACLE["one_hot"](4), [MORE_PLACES], 0),
]


def differences(f, x, h=1e-3):
    """The Jacobian of f at x by central differences of fourth order, axes of f(x) first."""
    jacobian = np.zeros((*np.shape(f(x)), x.size))
    for k in range(x.size):
        e = np.zeros(x.size)
        e[k] = h
        e = e.reshape(x.shape)
        near, far = f(x + e) - f(x - e), f(x + 2 * e) - f(x - 2 * e)
        jacobian[..., k] = (8 * near - far) / (12 * h)
    return jacobian


@pytest.mark.parametrize(("name", "operation", "inputs", "n"),
                         [pytest.param(*case, id=f"{case[0]}-{k}") for k, case in enumerate(CASES)])
def test_bprop_equals_differences(name, operation, inputs, n):
    graph = textbook.Graph()
    variables = [graph.variable(f"x{k}", x) for k, x in enumerate(inputs)]
    y = graph.apply(operation, *variables)
    seed = numbers(*y.value.shape, seed=9) * (name != "argmax")
    gradients = textbook.algorithm_6_5(variables, graph, y, seed)
    for k, (x, V) in enumerate(zip(inputs, variables)):
        if k >= n:
            assert not gradients[V].any()
        elif np.asarray(x).dtype.kind == "f":
            def value(at, k=k):
                return np.asarray(operation.f([*inputs[:k], at, *inputs[k + 1 :]]), float)
            expected = np.tensordot(seed, differences(value, x), seed.ndim).reshape(x.shape)
            assert_allclose(gradients[V], expected, rtol=1e-8, atol=1e-8)


def test_every_operation_has_a_case():
    assert {name for name, *_ in CASES} == set(ORACLE)


@pytest.mark.parametrize(("name", "expected"), [
    ("softmax", lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True)),
    ("log_softmax", lambda x: np.log(np.exp(x) / np.exp(x).sum(-1, keepdims=True))),
    ("logsumexp", lambda x: np.log(np.exp(x).sum())),
])
def test_rows_of_a_softmax_equal_their_definitions(name, expected):
    assert_allclose(ORACLE[name]().f([CUBE]), expected(CUBE), rtol=1e-14)


def test_functions_equal_their_definitions():
    for name, expected in (("sigmoid", 1 / (1 + np.exp(-A))), ("softplus", np.log(1 + np.exp(A))),
                           ("relu", np.clip(A, 0, None))):
        assert_allclose(ORACLE[name].f([A]), expected, rtol=1e-14)
    assert_array_equal(ORACLE["one_hot"](3).f([np.array([2, 0])]), [[0, 0, 1], [1, 0, 0]])


@pytest.mark.parametrize(("name", "inputs", "expected"), [
    ("maximum", [1.0, 1.0], [0.5, 0.5]),
    ("minimum", [1.0, 1.0], [0.5, 0.5]),
    ("relu", [0.0], [0.0]),
    ("abs", [0.0], [0.0]),
    ("sqrt", [0.0], [0.0]),
    ("power", [0.0, 0.5], [0.0, 0.0]),
    ("power", [0.0, 2.0], [0.0, 0.0]),
    ("power", [0.0, 1.0], [1.0, 0.0]),
    ("clip", [1.0, 1.0, 2.0], [1.0, 0.0, 0.0]),
    ("clip", [2.0, 1.0, 2.0], [1.0, 0.0, 0.0]),
])
def test_conventions(name, inputs, expected):
    inputs = [np.array(x) for x in inputs]
    found = [ORACLE[name].bprop(inputs, k, np.array(1.0)) for k in range(len(inputs))]
    assert_array_equal(found, expected)


@pytest.mark.parametrize("name", ["max", "min"])
def test_ties_of_extremes_share_equally(name):
    x = np.array([[1.0, 1.0, 1.0, 1.0], [0.0, 3.0, 3.0, 0.0], [5.0, 4.0, 4.0, 5.0]])
    tied = x == getattr(np, name)(x, axis=1, keepdims=True)
    found = ORACLE[name](1).bprop([x], 0, np.ones(3))
    assert_allclose(found, tied / tied.sum(1, keepdims=True))


def test_no_gradient_passes_through_argmax():
    with pytest.raises(AssertionError, match="argmax"):
        ORACLE["argmax"]().bprop([A], 0, np.array(1.0))
