"""Products against NumPy for every way two operands can lie, and the products gradients ask for."""

import itertools

import numpy as np
import pytest

import autodiff as ad
from autodiff.ops import products
from samples.products import MATMUL


def lie(x):
    """The matrix as views that lie differently: what BLAS reads, and what must be packed."""
    rows, columns = x.shape
    yield x
    yield np.asfortranarray(x)
    wide = np.zeros((2 * rows, 3 * columns), x.dtype)
    wide[::2, ::3] = x
    yield wide[::2, ::3]
    wide = np.zeros((rows, columns + 2), x.dtype)
    wide[:, 1:-1] = x
    yield wide[:, 1:-1]
    wide = np.zeros((columns, rows + 3), x.dtype)
    wide[:, :rows] = x.T
    yield wide[:, :rows].T
    yield np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, bool])
def test_matmul_of_any_layout(dtype):
    rng = np.random.default_rng(0)
    for m, k, n in itertools.product((1, 2, 3), repeat=3):
        a = rng.integers(-3, 4, (m, k)).astype(dtype)
        b = rng.integers(-3, 4, (k, n)).astype(dtype)
        with ad.Graph():
            x, y = ad.variable("x", (m, k), dtype), ad.variable("y", (k, n), dtype)
            program = ad.Program([x, y], [products.matmul(x, y)])
        for left, right in itertools.product(lie(a), lie(b)):
            np.testing.assert_array_equal(program(left, right)[0], a @ b, strict=True)
        a = np.broadcast_to(a[:1, :1], a.shape)
        np.testing.assert_array_equal(program(a, b)[0], a @ b, strict=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int8, bool])
def test_lists_are_operands(dtype):
    x, rows = np.array([1, 0, 2]).astype(dtype), [[1, 2], [3, 4], [5, 6]]
    for f in (lambda x: x @ [1.5, 2, 3], lambda x: [1, 2, 3] @ x, lambda x: x @ (True, False, True),
              lambda x: x @ rows, lambda x: np.matmul(x, rows), lambda x: np.dot([1.5, 2, 3], x)):
        np.testing.assert_array_equal(ad.compile(f)(x), np.asarray(f(x)), strict=True)
    if dtype == np.float64:
        np.testing.assert_array_equal(ad.grad(lambda x: x @ [1.5, 2, 3])(x), [1.5, 2, 3])


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_batch_of_any_layout_times_one_matrix(order):
    """A batch that lies row below row is one product; the others are one for each matrix."""
    rng = np.random.default_rng(1)
    for shape in itertools.product((1, 2, 3), repeat=3):
        a = rng.integers(-3, 4, shape).astype(float).transpose(order)
        for b in (rng.integers(-3, 4, (a.shape[-1], 2)).astype(float), np.ones(a.shape[-1])):
            with ad.Graph():
                x, y = ad.variable("x", a.shape), ad.variable("y", b.shape)
                program = ad.Program([x, y], [products.matmul(x, y)])
            np.testing.assert_array_equal(program(a, b)[0], a @ b, strict=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_products_read_nothing_of_the_memory_they_write(dtype):
    """BLAS gets memory full of NaN; beta = 0 must not multiply it."""
    with ad.Graph():
        x = ad.variable("x", (400,), dtype)
        dirty = ad.Program([x], [(x * np.nan).sum()])
    for p, q in MATMUL:
        rng = np.random.default_rng(2)
        a, b = (rng.integers(-3, 4, shape).astype(dtype) for shape in (p, q))
        with ad.Graph():
            x, y = ad.variable("x", p, dtype), ad.variable("y", q, dtype)
            program = ad.Program([x, y], [abs(products.matmul(x, y))])
        assert np.isnan(dirty(np.ones(400, dtype))[0])
        np.testing.assert_array_equal(program(a, b)[0], np.abs(np.matmul(a, b)))


def evaluations(p, q, towards):
    """How many products value and gradients take."""
    with ad.Graph():
        xs = [ad.variable("a", p), ad.variable("b", q)]
        y = products.matmul(*xs)
        grads = ad.gradients([y], [xs[k] for k in towards], [np.ones(y.shape)])
        return ad.Program(xs, [y, *grads]).plan


@pytest.mark.parametrize(("p", "q"), [((7, 3), (3, 5)), ((7, 3), (3,)), ((3,), (3, 5)),
                                      ((4, 7, 3), (3, 5)), ((4, 7, 3), (3,))])
def test_each_gradient_is_at_most_one_product(p, q):
    assert evaluations(p, q, (0,)).evaluations["matmul"] <= 2
    assert evaluations(p, q, (1,)).evaluations["matmul"] <= 2
    assert set(evaluations(p, q, (0, 1)).evaluations) <= {"matmul", "multiply"}


def test_the_gradient_of_shared_weights_holds_no_product_for_each_sample():
    batch, m, k, n = 50, 8, 30, 40
    plan = evaluations((batch, m, k), (k, n), (1,))
    assert plan.peak_bytes <= 8 * (2 * batch * m * n + k * n) + 1024


def test_dot_and_outer_take_scalars_and_lists_as_numpy_does():
    x32 = np.arange(3, dtype=np.float32)
    for f, g in ((products.dot, np.dot), (products.outer, np.outer)):
        for other in (2.0, 2, [1.0, 2.0, 3.0], np.float32(2), np.arange(3)):
            with ad.Graph():
                x = ad.variable("x", (3,), np.float32)
                found = ad.Program([x], [f(x, other), f(other, x)])(x32)
            np.testing.assert_array_equal(found[0], g(x32, other), strict=True)
            np.testing.assert_array_equal(found[1], g(other, x32), strict=True)


def test_extents_that_blas_cannot_count_are_refused():
    x, y = ad.variable("x", (2**31,)), ad.variable("y", (3, 2**31), np.float32)
    for a, b in ((x, x), (np.ones((2, 3), np.float32), y), (y.T, np.ones(3, np.float32))):
        with pytest.raises(ad.ShapeError, match="BLAS counts rows and columns"):
            a @ b
    assert (x[1:] @ x[1:]).shape == ()
