"""grad and value_and_grad: arguments, containers, policies, and errors inside the function."""

import dataclasses
from collections import namedtuple

import numpy as np
import pytest

import autodiff as ad
from autodiff.numpy import cos, tanh
from transform_cases import PARAMS, POLICIES, RNG, X, Y, cubes, network, same

# ---- grad and value_and_grad --------------------------------------------------------------------

def test_value_and_gradient():
    value, g = ad.value_and_grad(cubes)(X)
    np.testing.assert_allclose(value, (X**3).sum())
    np.testing.assert_allclose(g, 3 * X**2)
    assert type(value) is type(g) is np.ndarray
    assert value.shape == ()


def test_the_gradient_of_a_network_in_its_container():
    g = ad.grad(network)(PARAMS, X, Y)
    assert list(g) == list(PARAMS)
    for key, W in PARAMS.items():
        assert (g[key].shape, g[key].dtype) == (W.shape, W.dtype)
    H = np.tanh(X @ PARAMS["W1"] + PARAMS["b1"])
    D = 2 * (H @ PARAMS["W2"] - Y) / Y.size
    np.testing.assert_allclose(g["W2"], H.T @ D)
    np.testing.assert_allclose(g["b1"], (D @ PARAMS["W2"].T * (1 - H * H)).sum(0))
    np.testing.assert_allclose(g["W1"], X.T @ (D @ PARAMS["W2"].T * (1 - H * H)))


@pytest.mark.parametrize("argnums", [0, 1, 2, -1, (0,), (2, 0), (-1, 1), [1], (), (1, 1)])
def test_argnums(argnums):
    def f(a, b, c):
        return a * b * c

    args = (2.0, 3.0, 5.0)
    partials = (15.0, 10.0, 6.0)
    found = ad.grad(f, argnums)(*args)
    if isinstance(argnums, int):
        assert found == partials[argnums]
    else:
        assert found == tuple(partials[k] for k in argnums)


@pytest.mark.parametrize("argnums", [2, -3, (0, 2), 2**70])
@pytest.mark.parametrize("transform", [ad.grad, ad.value_and_grad, ad.jacobian])
def test_argnums_out_of_range(transform, argnums):
    with pytest.raises(ad.ArgumentError, match="2 positional arguments"):
        transform(lambda a, b: a * b, argnums)(1.0, 2.0)


@pytest.mark.parametrize("argnums", ["x", 1.5, None, ("a",)])
def test_argnums_are_ints(argnums):
    with pytest.raises(ad.ArgumentError, match="argnums"):
        ad.grad(cubes, argnums)


def test_keywords_reach_the_function_and_are_not_differentiated():
    def f(x, *, scale, shift=0.0):
        return (x * scale + shift).sum()

    value, g = ad.value_and_grad(f)(X, scale=np.array(2.0), shift=1.0)
    np.testing.assert_allclose(value, (2 * X + 1).sum())
    np.testing.assert_array_equal(g, np.full(X.shape, 2.0))


def test_has_aux():
    def f(x):
        y = x * x
        return y.sum(), {"y": y, "n": 3, "text": "kept"}

    (value, aux), g = ad.value_and_grad(f, has_aux=True)(X)
    np.testing.assert_allclose(value, (X * X).sum())
    np.testing.assert_array_equal(aux["y"], X * X)
    assert (aux["n"], aux["text"]) == (3, "kept")
    g2, aux2 = ad.grad(f, has_aux=True)(X)
    assert same(g, g2)
    assert same(aux["y"], aux2["y"])


@pytest.mark.parametrize("result", [lambda y: y, lambda y: (y,), lambda y: [y, y]])
def test_has_aux_wants_a_pair(result):
    with pytest.raises(ad.ArgumentError, match="has_aux"):
        ad.grad(lambda x: result(x.sum()), has_aux=True)(X)


def test_aux_may_be_integers_and_the_arguments_themselves():
    a = X.copy()
    _, (k, same_a) = ad.grad(lambda x: (x.sum(), (x.argmax(), x)), has_aux=True)(a)
    assert k == X.argmax()
    np.testing.assert_array_equal(same_a, X)
    a[:] = 0                                   # results are copies
    np.testing.assert_array_equal(same_a, X)


# ---- containers ---------------------------------------------------------------------------------

Pair = namedtuple("Pair", "W b")


@dataclasses.dataclass(frozen=True)
class Layer:
    W: np.ndarray
    b: np.ndarray | None


@pytest.mark.parametrize(
    "build", [lambda W, b: {"W": W, "b": b}, lambda W, b: [W, b], lambda W, b: (W, b), Pair, Layer,
              lambda W, b: {"deep": [Pair(W, (b, {}))]}])
def test_gradients_come_in_the_container_of_the_argument(build):
    def f(p):
        W, b = leaves(p)
        return (W * b).sum()

    def leaves(p):
        if isinstance(p, (Pair, Layer)):
            return p.W, p.b
        if isinstance(p, dict) and "deep" in p:
            return p["deep"][0].W, p["deep"][0].b[0]
        return p.values() if isinstance(p, dict) else p

    b = RNG.normal(size=4)
    p = build(X, b)
    g = ad.grad(f)(p)
    assert type(g) is type(p)
    dW, db = leaves(g)
    np.testing.assert_array_equal(dW, np.broadcast_to(b, X.shape))
    np.testing.assert_allclose(db, X.sum(0))


def test_none_stays_none():
    g = ad.grad(lambda p: (p.W * p.W).sum())(Layer(X, None))
    np.testing.assert_array_equal(g.W, 2 * X)
    assert g.b is None
    assert ad.grad(lambda p: 1.0)(None) is None
    value, pullback = ad.vjp(lambda x, nothing: x, X, None)
    assert pullback(X)[1] is None


def test_empty_containers():
    assert ad.grad(lambda p, x: cubes(x))({}, X) == {}
    assert ad.grad(lambda p: 2.0)([]) == []


# ---- policies -----------------------------------------------------------------------------------

def deep(x):
    for k in range(12):
        x = tanh(x * (1.0 + 0.1 * k)) + cos(x)
    return x


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_gives_the_same_bits(policy):
    x = RNG.normal(size=(8, 16))
    for make in (
        lambda p: ad.value_and_grad(lambda x: deep(x).sum(), policy=p)(x),
        lambda p: (ad.vjp(deep, x, policy=p)[0], ad.vjp(deep, x, policy=p)[1](x)[0]),
        lambda p: ad.jvp(deep, (x,), (x,), policy=p),
        lambda p: (ad.jacobian(deep, policy=p)(x[0, :3]),),
        lambda p: (ad.hvp(lambda x: deep(x).sum(), policy=p)(x, x),),
        lambda p: (ad.compile(ad.grad(lambda x: deep(x).sum()), policy=p)(x),),
    ):
        assert all(same(a, b) for a, b in zip(make(None), make(policy), strict=True))


def test_the_policy_of_the_outermost_transform_is_in_force():
    x = np.linspace(0, 1, 1000)
    f = ad.grad(lambda x: deep(x).sum())
    plans = {p: ad.plan(f, x, policy=p) for p in ("store", "recompute")}
    assert plans["recompute"].peak_bytes < plans["store"].peak_bytes
    with ad.use_policy("recompute"):
        assert ad.plan(f, x).peak_bytes == plans["recompute"].peak_bytes
    own = ad.grad(lambda x: deep(x).sum(), policy="recompute")
    assert ad.plan(own, x).peak_bytes == plans["store"].peak_bytes     # ad.plan is the outermost


# ---- errors inside the function -----------------------------------------------------------------

def test_an_error_inside_leaves_nothing_behind():
    class OwnError(Exception):
        pass

    def f(x):
        ad.grad(cubes)(x)
        raise OwnError

    for transform in (ad.grad(f), ad.jacobian(f), ad.compile(f), lambda x: ad.vjp(f, x),
                      lambda x: ad.jvp(f, (x,), (x,)), lambda x: ad.plan(f, x)):
        with pytest.raises(OwnError):
            transform(X)
        assert isinstance(ad.grad(cubes)(X), np.ndarray)     # outermost again
        assert ad.variable("x").graph is not None


def test_an_error_in_the_inner_transform_can_be_caught():
    def f(x):
        try:
            ad.grad(lambda y: y)(x)
        except ad.ShapeError:
            pass
        return (x * x).sum()

    np.testing.assert_array_equal(ad.grad(f)(X), 2 * X)


def test_a_variable_kept_from_an_earlier_call():
    kept = []
    ad.grad(lambda x: (kept.append(x * x), x.sum())[1])(X)
    with pytest.raises(ad.GraphError, match="graphs"):
        ad.grad(lambda x: (x * kept[0]).sum())(X)
    with pytest.raises(ad.GraphError, match="earlier call"):
        ad.grad(lambda x: (x.sum(), kept[0]), has_aux=True)(X)
    with pytest.raises(ad.GraphError, match="earlier call"):
        ad.compile(lambda x: kept[0])(X)
    with pytest.raises(ad.ConcretizationError):
        float(kept[0].value)
    np.testing.assert_array_equal(ad.grad(lambda x: x.sum())(X), np.ones(X.shape))


def test_indices_out_of_range_name_the_line_of_the_function_that_runs():
    """Two functions of one structure share programs, but not their lines."""
    x = np.arange(3.0)
    lines = []
    for f in (lambda x, k: (x[k] * 2).sum(),
              lambda x, k: (x[k] * 2).sum()):
        ad.grad(f)(x, np.array([0, 1]))
        with pytest.raises(ad.IndexRangeError) as caught:
            ad.grad(f)(x, np.array([0, 3]))
        lines.append(f"test_transforms.py:{f.__code__.co_firstlineno}")
        assert lines[-1] in str(caught.value)
    assert lines[0] != lines[1]
