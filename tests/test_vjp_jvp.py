"""vjp and jvp: values with pullbacks and tangents, of any containers."""

import numpy as np
import pytest

import autodiff as ad
from autodiff.numpy import tanh
from transform_cases import PARAMS, RNG, X, Y, network, same


def test_vjp_of_containers():
    def f(p, c):
        return {"sum": p["a"] + p["b"], "rest": (p["a"] * c,)}

    p = {"a": X, "b": X[0]}
    value, pullback = ad.vjp(f, p, 2.0)
    np.testing.assert_array_equal(value["sum"], X + X[0])
    u = {"rest": (np.ones(X.shape),), "sum": X}       # keys in another order
    dp, dc = pullback(u)
    np.testing.assert_array_equal(dp["a"], X + 2)
    np.testing.assert_allclose(dp["b"], X.sum(0))
    np.testing.assert_allclose(dc, X.sum())


def test_a_pullback_is_linear_and_used_again():
    _, pullback = ad.vjp(lambda x: tanh(x) * x, X)
    u, v = RNG.normal(size=X.shape), RNG.normal(size=X.shape)
    first = pullback(u)[0]
    np.testing.assert_allclose(
        pullback(2 * u + v)[0], 2 * first + pullback(v)[0], rtol=1e-12, atol=1e-12)
    assert same(pullback(u)[0], first)
    assert same(pullback(np.asfortranarray(u))[0], first)
    assert same(pullback(u.astype(u.dtype.newbyteorder()))[0], first)


def test_a_pullback_runs_the_backward_pass_alone(monkeypatch):
    runs = []
    original = ad.Program.run

    def counted(self, *args):
        runs.append(self.plan.evaluations)
        return original(self, *args)

    monkeypatch.setattr(ad.Program, "run", counted)
    _, pullback = ad.vjp(lambda x: tanh(tanh(x)), X)
    assert runs.pop()["tanh"] == 2
    pullback(X)
    pullback(X)
    assert [counts.get("tanh", 0) for counts in runs] == [0, 0]


@pytest.mark.parametrize(
    ("u", "error", "match"),
    [(np.ones(3), ad.ShapeError, r"cotangent of value\['a'\] has shape \(3,\), \(3, 4\)"),
     (None, None, None), ("text", ad.DTypeError, "dtype <U4"),
     (np.ones((3, 4), complex), ad.DTypeError, "complex")])
def test_cotangents_that_do_not_fit(u, error, match):
    _, pullback = ad.vjp(lambda x: {"a": x * x}, X)
    if error is None:
        with pytest.raises(ad.ArgumentError, match=r"not built like the value.*value\['a'\]"):
            pullback(u)
    else:
        with pytest.raises(error, match=match):
            pullback({"a": u})
    np.testing.assert_array_equal(pullback({"a": X})[0], 2 * X * X)


@pytest.mark.parametrize("u", [2, 2.0, True, np.float64(2), np.int8(2), np.array(2.0, ">f8")])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cotangents_and_tangents_take_the_dtype_of_what_they_belong_to(u, dtype):
    x = dtype(3)
    value, pullback = ad.vjp(lambda x: x * x, x)
    tangent = ad.jvp(lambda x: x * x, (x,), (u,))[1]
    assert value.dtype == pullback(u)[0].dtype == tangent.dtype == dtype
    assert pullback(u)[0] == tangent == 6 * u
    assert ad.grad(lambda x: ad.vjp(lambda x: x * x, x)[1](u)[0])(x) == 2 * u


def test_a_pullback_of_arrays_is_not_differentiated():
    _, pullback = ad.vjp(lambda x: x * x, X)
    with pytest.raises(ad.GraphError, match="inside the function"):
        ad.grad(lambda u: pullback(u)[0].sum())(X)


def test_vjp_inside_a_transform_is_differentiated():
    def f(x, u):
        value, pullback = ad.vjp(lambda x: x * x, x)
        return (pullback(u)[0] * value).sum()             # 2 x u x²

    u = RNG.normal(size=X.shape)
    np.testing.assert_allclose(ad.grad(f)(X, u), 6 * X**2 * u)
    np.testing.assert_allclose(ad.grad(f, 1)(X, u), 2 * X**3)


def test_jvp_of_containers_and_of_what_does_not_depend():
    def f(p):
        return {"y": p["x"] * p["s"], "c": np.ones(2), "n": 3.0}

    p = {"x": X, "s": 2.0}
    value, tangent = ad.jvp(f, (p,), ({"s": 1.0, "x": np.ones(X.shape)},))
    np.testing.assert_array_equal(value["y"], 2 * X)
    np.testing.assert_array_equal(tangent["y"], 2 + X)
    np.testing.assert_array_equal(tangent["c"], np.zeros(2))
    assert (value["n"], tangent["n"]) == (3, 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_two_modes_agree(dtype):
    x, y, t = X.astype(dtype), Y.astype(dtype), RNG.normal(size=X.shape).astype(dtype)
    W = {key: value.astype(dtype) for key, value in PARAMS.items()}
    value, tangent = ad.jvp(lambda x: network(W, x, y), (x,), (t,))
    value2, g = ad.value_and_grad(network, 1)(W, x, y)
    assert same(value, value2)
    assert tangent.dtype == dtype
    np.testing.assert_allclose(tangent, (g * t).sum(), rtol=1e-5 if dtype == np.float32 else 1e-12)


@pytest.mark.parametrize(
    ("args", "directions", "error", "match"),
    [((X,), (X, X), ad.ArgumentError, "2 tangents for 1 arguments"),
     (X, X, ad.ArgumentError, "tuples"),
     (({"a": X},), (X,), ad.ArgumentError, r"argument 0\['a'\]"),
     ((X,), (X[0],), ad.ShapeError, r"tangent of argument 0 has shape \(4,\)"),
     ((X,), ("t",), ad.DTypeError, "dtype <U1"),
     ((np.arange(3),), (np.arange(3),), ad.DTypeError, "argument 0 has dtype int64")])
def test_tangents_that_do_not_fit(args, directions, error, match):
    with pytest.raises(error, match=match):
        ad.jvp(lambda x: x, args, directions)


def test_functions_of_no_arguments_and_of_no_result():
    value, pullback = ad.vjp(lambda: 3.0)
    assert value == 3
    assert pullback(1.0) == ()
    assert ad.jvp(lambda: 3.0, (), ()) == (3.0, 0.0)
    for f in (lambda x: None, lambda x: ()):
        with pytest.raises(ad.ArgumentError, match="(no|not a) number"):
            ad.vjp(f, X)
        with pytest.raises(ad.ArgumentError, match="(no|not a) number"):
            ad.jvp(f, (X,), (X,))
