"""What may be differentiated, what a function may return, and what is refused."""

import numpy as np
import pytest

import autodiff as ad
from transform_cases import X, cubes


@pytest.mark.parametrize("x", [2, 2.0, np.float64(2), np.array(2.0)])
def test_numbers_are_float64_scalars(x):
    g = ad.grad(lambda x: x**3)(x)
    assert (g.shape, g.dtype) == ((), np.float64)
    assert g == 12


def test_float32_stays_float32():
    g = ad.grad(lambda x: (x * 2.5 + 1).sum())(X.astype(np.float32))
    assert g.dtype == np.float32


@pytest.mark.parametrize("a", [3, 3.0])
@pytest.mark.parametrize("nested", [False, True])
def test_python_numbers_are_weak(a, nested):
    """They do not turn float32 into float64, inside another transform neither."""
    w = X.astype(np.float32)
    dtypes = []

    def f(a):
        y = a * w
        dtypes.append(y.dtype)
        return y.sum()

    if nested:
        g = ad.grad(lambda s: ad.grad(f)(a) * s)(2.0)
    else:
        g = ad.grad(f)(a)
    assert dtypes == [np.float32]
    assert g.dtype == np.float64
    np.testing.assert_allclose(g, w.sum(), rtol=1e-6)


def test_integer_arrays_are_refused_with_the_remedy():
    with pytest.raises(ad.DTypeError, match=r"argument 0\['n'\] has dtype int64.*astype\(float\)"):
        ad.grad(lambda p: p["n"].sum())({"x": X, "n": np.arange(3)})


def test_an_heir_of_arrays_has_the_dtype_of_its_memory():
    class Claims(np.ndarray):
        dtype = np.dtype(float)

    for held in (np.ones(3, complex), np.ones(3, np.float16)):
        with pytest.raises(ad.DTypeError, match=f"argument 0 has dtype {held.dtype}"):
            ad.grad(lambda x: x.sum())(held.view(Claims))


def test_integers_that_are_not_differentiated_are_welcome():
    def f(x, k, mask, n):
        return (x[k] * mask).sum() * n

    g = ad.grad(f)(np.arange(4.0), np.array([1, 1, 3]), np.array([True, True, False]), 5)
    np.testing.assert_array_equal(g, [0, 10, 0, 0])


@pytest.mark.parametrize(
    ("leaf", "match"),
    [("text", "a str"), (True, "a bool"), (1j, "a complex"), (np.ones(2, complex), "complex128"),
     (np.array(["a"]), "argument 1 has dtype <U1"), (np.array([None]), "dtype object"),
     (np.ones(2, np.float16), "float16"), (np.ones(2, np.longdouble), "longdouble|float128"),
     (np.ma.masked_array([1.0, 2.0]), "MaskedArray"), (np.ones((1, 1)).view(np.matrix), "matrix"),
     (np.array([True]), "bool"), (np.array(["2020"], "M8"), "datetime64"), (object(), "a object")])
@pytest.mark.parametrize("nested", [False, True])
def test_what_cannot_be_differentiated(leaf, match, nested):
    def f(a, b):
        return a.sum()

    def run(x):
        return ad.grad(f, 1)(x, leaf)

    with pytest.raises(ad.DTypeError, match=match):
        ad.grad(lambda x: run(x).sum())(X) if nested else run(X)
    assert isinstance(ad.grad(cubes)(X), np.ndarray)


def test_a_result_that_does_not_depend_on_the_argument():
    for f in (lambda x: 3.0, lambda x: 3, lambda x: np.float32(3), lambda x: np.array(3.0)):
        value, g = ad.value_and_grad(f)(X)
        assert value == 3
        np.testing.assert_array_equal(g, np.zeros(X.shape))


@pytest.mark.parametrize(
    ("result", "error", "match"),
    [(lambda x: x, ad.ShapeError, r"\(3, 4\).*ad.jacobian.*ad.vjp.*\.sum\(\)"),
     (lambda x: x[:1, 0], ad.ShapeError, r"shape \(1,\)"),
     (lambda x: [x.sum()], ad.ShapeError, "returned a list"),
     (lambda x: {"a": x.sum()}, ad.ShapeError, "returned a dict"),
     (lambda x: None, ad.DTypeError, "None, not a number"),
     (lambda x: "text", ad.DTypeError, "'text', not a number"),
     (lambda x: x.argmax(), ad.DTypeError, "not of floating point"),
     (lambda x: 1j, ad.DTypeError, "not a number")])
def test_results_that_are_no_scalar(result, error, match):
    with pytest.raises(error, match=match) as caught:
        ad.grad(result)(X)
    if "Variable" in str(caught.value):
        assert "test_arguments.py:" in str(caught.value)     # the line that made it
    np.testing.assert_allclose(ad.grad(cubes)(X), 3 * X**2)


@pytest.mark.parametrize("thing", [3.0, X, None])
def test_a_transform_takes_a_function(thing):
    for transform in (ad.grad, ad.value_and_grad, ad.jacobian, ad.hessian, ad.hvp, ad.compile):
        with pytest.raises(ad.ArgumentError, match="takes a function"):
            transform(thing)


def test_an_unknown_policy_is_refused_at_once():
    with pytest.raises(ad.PolicyError):
        ad.grad(cubes, policy="stor")
    with pytest.raises(ad.PolicyError):
        ad.jacobian(cubes, policy="stor")
