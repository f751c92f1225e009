"""Reductions against NumPy over every way an operand can lie, and what their gradients share."""

import itertools
import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autodiff as ad
import autodiff.numpy as adnp
from autodiff.errors import ShapeError
from autodiff.ops import reductions as red


def evaluate(f, *arrays):
    """f on Variables that stand for these arrays, run."""
    with ad.Graph():
        xs = [ad.variable(f"x{k}", a.shape, a.dtype) for k, a in enumerate(arrays)]
        return ad.Program(xs, [f(*xs)])(*arrays)[0]


def gradient(f, x):
    with ad.Graph():
        v = ad.variable("x", x.shape, x.dtype)
        return ad.Program([v], [ad.gradients(f(v), v)])(x)[0]


@st.composite
def operands(draw):
    """An integer-valued array of up to four axes, permuted, stepped, reversed and repeated."""
    shape = draw(st.lists(st.integers(1, 4), max_size=4))
    steps = draw(st.lists(st.sampled_from([1, 2, -1, -2]), min_size=len(shape),
                          max_size=len(shape)))
    order = draw(st.permutations(range(len(shape))))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    wide = rng.integers(-9, 10, [2 * n for n in shape]).astype(draw(st.sampled_from("dfilB?")))
    x = wide[tuple(slice(None, None, s) for s in steps)]
    x = x[tuple(slice(n) for n in shape)].transpose(order)
    if shape and draw(st.booleans()):
        x = np.broadcast_to(x[..., :1], x.shape)
    axes = draw(st.sets(st.sampled_from(range(len(shape))))) if shape else set()
    axis = draw(st.sampled_from([None, tuple(axes)]))
    return x, axis, draw(st.booleans())


@given(operands())
def test_exact_reductions_of_any_layout(case):
    """Whole numbers: sums, counts, extremes are exact, whatever the order of the folds."""
    x, axis, keepdims = case
    for name in ("sum", "max", "min"):
        found = evaluate(lambda v, n=name: getattr(red, n)(v, axis, keepdims), x)
        expected = np.asarray(getattr(np, name)(x, axis=axis, keepdims=keepdims))
        assert found.dtype == expected.dtype, name
        np.testing.assert_array_equal(found, expected, err_msg=name, strict=True)
    mean = evaluate(lambda v: red.mean(v, axis, keepdims), x)
    expected = np.asarray(np.mean(x, axis=axis, keepdims=keepdims))
    np.testing.assert_allclose(mean, expected, rtol=1e-6 if x.dtype == np.float32 else 1e-15)
    assert mean.dtype == expected.dtype
    for one in (None, *range(-x.ndim, x.ndim)):
        np.testing.assert_array_equal(
            evaluate(lambda v, a=one: red.argmax(v, a, keepdims), x),
            np.argmax(x, axis=one, keepdims=keepdims), strict=True)


def test_empty_operands_are_reduced_as_numpy_does():
    for shape in itertools.product((0, 1, 2), repeat=2):
        x = np.ones(shape)
        for axis in (None, 0, 1, (0, 1)):
            total = evaluate(lambda v, a=axis: red.sum(v, a), x)
            np.testing.assert_array_equal(total, np.sum(x, axis=axis), strict=True)
            for name in ("max", "min", "argmax"):
                if name == "argmax" and axis == (0, 1):
                    continue
                ours, theirs = getattr(red, name), getattr(np, name)
                try:
                    expected = np.asarray(theirs(x, axis=axis))
                except ValueError:
                    with pytest.raises(ShapeError, match=rf"{name}.*\(test_reductions"):
                        evaluate(lambda v, a=axis, f=ours: f(v, a), x)
                else:
                    np.testing.assert_array_equal(
                        evaluate(lambda v, a=axis, f=ours: f(v, a), x), expected, strict=True)
    assert np.isnan(evaluate(red.mean, np.ones(0)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_long_sums_are_pairwise(dtype):
    """The error of a sum of n numbers grows with log n, not with n."""
    x = np.random.default_rng(0).uniform(0, 1, 300_000).astype(dtype)
    exact = math.fsum(x.tolist())
    assert abs(float(evaluate(red.sum, x)) - exact) < 20 * np.finfo(dtype).eps * exact


def test_sums_over_any_axes_agree_with_numpy_to_rounding():
    x = np.random.default_rng(1).normal(size=(37, 41, 29))
    for axis in (0, 1, 2, (0, 2), None):
        found = evaluate(lambda v, a=axis: red.sum(v, a), x)
        np.testing.assert_allclose(found, np.sum(x, axis=axis), rtol=0, atol=1e-11)


def test_ties_share_equally():
    x = np.array([[5.0, 1.0, 5.0, 5.0], [2.0, 2.0, 0.0, 2.0]])
    each = np.array([[1, 0, 1, 1], [1, 1, 0, 1]]) / 3
    np.testing.assert_array_equal(gradient(lambda v: red.max(v, axis=1).sum(), x), each)
    np.testing.assert_array_equal(gradient(lambda v: red.min(-v, axis=1).sum(), x), -each)
    np.testing.assert_array_equal(gradient(red.max, np.zeros((2, 3))), np.full((2, 3), 1 / 6))


def test_an_extreme_of_infinities_has_a_gradient():
    x = np.array([np.inf, 1.0, np.inf])
    np.testing.assert_array_equal(gradient(red.max, x), [0.5, 0, 0.5])
    np.testing.assert_array_equal(gradient(red.min, x), [0, 1, 0])
    np.testing.assert_array_equal(gradient(red.max, np.array([np.nan, 1.0])), [0, 0])


def test_gradients_of_sums_and_means_hold_no_array():
    """They are views of a scalar: the result is all a gradient of them costs."""
    for f in (red.sum, red.mean):
        with ad.Graph():
            x = ad.variable("x", (300, 400))
            program = ad.Program([x], [ad.gradients(f(x), x)])
        assert program.peak_bytes <= x.nbytes + 128


def test_counting_makes_no_integers_of_the_booleans():
    with ad.Graph():
        x = ad.variable("x", (1000, 100), bool)
        program = ad.Program([x], [red.sum(x, axis=0)])
    assert program.plan.evaluations == {"count": 1}
    assert program.peak_bytes == 800


def test_a_scalar_has_an_axis_that_reduces_nothing():
    for axis in (None, 0, -1, ()):
        assert evaluate(lambda v, a=axis: red.sum(v, a), np.array(3.0)) == np.sum(3.0, axis=axis)
    with pytest.raises(ShapeError, match="sum: axis 1"):
        evaluate(lambda v: red.sum(v, 1), np.array(3.0))


@pytest.mark.parametrize("f", [np.sum, np.max, np.min, np.argmax, np.mean, np.var, np.std])
@pytest.mark.parametrize("axis", [None, 0, -1, 1, -2, (0,), ()])
def test_axes_of_a_scalar_are_numpys(f, axis):
    x = np.array(2.0)
    try:
        wanted = f(x, axis=axis)
    except (np.exceptions.AxisError, TypeError):   # argmax takes no tuple
        with pytest.raises(ShapeError, match=f.__name__.replace("std", "var")):
            ad.compile(lambda x: f(x, axis=axis))(x)
    else:
        assert ad.compile(lambda x: f(x, axis=axis))(x) == wanted


@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2), (), (0, 1, 2)])
@pytest.mark.parametrize("ddof", [0, 1, 20])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, bool])
def test_var_and_std_are_numpys(axis, ddof, dtype):
    x = np.random.default_rng(0).uniform(-2, 2, (3, 4, 5)).astype(dtype)
    for f in (np.var, np.std):
        for keepdims in (False, True):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                wanted = np.asarray(f(x, axis=axis, ddof=ddof, keepdims=keepdims))
            found = ad.compile(
                lambda x, f=f, k=keepdims: f(x, axis=axis, ddof=ddof, keepdims=k))(x)
            assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype)
            np.testing.assert_allclose(found, wanted, rtol=1e-14 if dtype != np.float32 else 1e-5)


def test_var_and_std_in_every_spelling():
    x = np.random.default_rng(1).normal(size=(3, 4))
    step = ad.compile(lambda x: (
        np.var(x, axis=1, ddof=1), x.var(axis=1, ddof=1), np.var(x, axis=1, correction=1),
        x.var(axis=1, correction=1), adnp.var(x, 1, 1)))
    for found in step(x):
        np.testing.assert_allclose(found, np.var(x, axis=1, ddof=1), rtol=1e-14)
    assert ad.compile(lambda x: x.std(dtype=np.float32))(x).dtype == np.float32
    np.testing.assert_array_equal(adnp.std(x, axis=0), np.std(x, axis=0))
    with pytest.raises(ad.UnsupportedError, match="var.*where="):
        ad.compile(lambda x: x.var(where=x > 0))(x)


def test_gradients_of_var_and_std():
    x = np.random.default_rng(2).normal(size=(3, 4))
    deviation = x - x.mean(axis=0)
    np.testing.assert_allclose(
        ad.grad(lambda x: x.var(axis=0, ddof=1).sum())(x), 2 * deviation / 2, atol=1e-15)
    np.testing.assert_allclose(
        ad.grad(lambda x: x.std(axis=0).sum())(x), deviation / (3 * x.std(axis=0)), atol=1e-15)
    np.testing.assert_array_equal(ad.grad(lambda x: x.std())(np.ones(4)), np.zeros(4))
    ad.check_grads(lambda x: x.std(axis=1).sum(), (x,))


def test_methods_take_the_options_of_ndarrays_that_change_nothing():
    x = ad.variable("x", (3, 4), np.float32)
    assert x.copy() is x.copy("K") is np.copy(x) is x
    assert x.flatten().shape == x.ravel(order="C").shape == (12,)
    assert x.reshape(4, 3, order="C").shape == x.reshape((4, 3), order="C").shape == (4, 3)
    assert x.sum(dtype=np.float64).dtype == np.float64
    assert x.sum(out=None).shape == ()
    assert x.astype(np.float64, copy=False).dtype == np.float64
    assert x.clip(min=0).op.name == x.clip(max=1).op.name == "clip"
