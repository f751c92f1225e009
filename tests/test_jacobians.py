"""jacobian, hessian and hvp: their shapes, containers and arguments."""

import numpy as np
import pytest

import autodiff as ad
from autodiff.transforms import value_and_pullback
from transform_cases import RNG, X, cubes, rosenbrock


def test_jacobian_of_matrices():
    A = RNG.normal(size=(2, 3))
    J = ad.jacobian(lambda x: A @ x)(X)
    assert J.shape == (2, 4, 3, 4)
    np.testing.assert_allclose(J, np.einsum("ij,kl->ikjl", A, np.eye(4)))


def test_jacobian_of_several_arguments_and_containers():
    def f(p, s):
        return p["w"] * s

    w = np.array([1.0, 2.0])
    dp, ds = ad.jacobian(f, (0, 1))({"w": w}, 3.0)
    np.testing.assert_array_equal(dp["w"], 3 * np.eye(2))
    np.testing.assert_array_equal(ds, w)
    assert ad.jacobian(f, 1)({"w": w}, 3.0).shape == (2,)


def test_jacobian_of_a_scalar_and_of_nothing():
    assert ad.jacobian(lambda x: x * x)(3.0) == 6
    np.testing.assert_array_equal(ad.jacobian(lambda x: 2.0)(X), np.zeros(X.shape))
    for dtype in (np.float32, np.float64):
        empty = ad.jacobian(lambda x: x * x)(np.zeros(0, dtype))
        assert (empty.shape, empty.dtype) == ((0, 0), dtype)


def test_jacobian_names_the_users_argument():
    with pytest.raises(ad.DTypeError, match="argument 2 is a str"):
        ad.jacobian(lambda a, b, c: a, 2)(X, X, "text")
    with pytest.raises(ad.ShapeError, match="direction v of argument 1 has shape"):
        ad.hvp(lambda a, b: (a * b).sum(), 1)(X, X, X[0])


def test_jacobian_wants_one_array():
    for result in (lambda x: (x, x), lambda x: {"a": x}, lambda x: [x]):
        with pytest.raises(ad.ArgumentError, match="not one array"):
            ad.jacobian(result)(X)


def test_hessian_and_its_products():
    x, v = RNG.normal(size=6), RNG.normal(size=6)
    expected = pytest.importorskip("scipy.optimize").rosen_hess(x)
    np.testing.assert_allclose(ad.hessian(rosenbrock)(x), expected, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(ad.hvp(rosenbrock)(x, v), expected @ v, rtol=1e-10)
    nested = ad.jacobian(ad.jacobian(rosenbrock))(x)
    np.testing.assert_allclose(nested, expected, rtol=1e-10, atol=1e-10)


def test_hessian_of_a_matrix_and_of_the_second_argument():
    H = ad.hessian(lambda a, b: (a * b**3).sum(), 1)(2.0, X)
    assert H.shape == X.shape * 2
    np.testing.assert_allclose(H.reshape(12, 12), np.diag(12 * X.ravel()))
    with pytest.raises(ad.ArgumentError, match="one argument"):
        ad.hessian(cubes, (0, 1))


def test_hvp_of_several_arguments():
    def f(a, b):
        return (a * a * b).sum()

    a, b = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    da, db = ad.hvp(f, (0, 1))(a, b, (np.ones(2), np.zeros(2)))
    np.testing.assert_array_equal(da, 2 * b)
    np.testing.assert_array_equal(db, 2 * a)
    with pytest.raises(ad.ArgumentError, match="tuple of 2"):
        ad.hvp(f, (0, 1))(a, b, a)
    with pytest.raises(ad.ArgumentError, match="direction"):
        ad.hvp(f)()


def test_variables_that_are_not_differentiated_may_stand_beside_arrays():
    def f(x, y):
        return x * x * y

    x, y = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    with ad.Graph():
        v = ad.variable("v", 2)
        found = [ad.jacobian(f)(x, v), ad.jacobian(f)(x, y=v),
                 ad.hessian(lambda x, y: f(x, y).sum())(x, v),
                 ad.hvp(lambda x, y: f(x, y).sum())(x, v, np.ones(2))]
        jacobian, by_name, hessian, product = ad.Program([v], found)(y)
    np.testing.assert_array_equal(jacobian, np.diag(2 * x * y))
    np.testing.assert_array_equal(by_name, jacobian)
    np.testing.assert_array_equal(hessian, np.diag(2 * y))
    np.testing.assert_array_equal(product, 2 * y)


@pytest.mark.parametrize("argnums", [(0, 0), (1, -1)])
def test_an_argument_is_named_once(argnums):
    x = np.ones(2)
    with pytest.raises(ad.ArgumentError, match="names an argument twice"):
        ad.jacobian(np.multiply, argnums)(x, x)
    with pytest.raises(ad.ArgumentError, match="names an argument twice"):
        ad.hvp(lambda a, b: (a * b).sum(), argnums)(x, x, (x, x))


def test_jacobians_and_hessians_copy_no_argument():
    x, X = np.linspace(0, 1, 100), np.linspace(-1, 1, 300_000).reshape(3000, 100)

    def f(x, X, scale):
        return (np.tanh(X @ x) * scale).sum()

    for transform in (ad.jacobian, ad.hessian):
        g = transform(f)
        expected = ad.compile(g)(x, X, scale=np.full(3000, 0.1))
        with ad.use_policy(X.nbytes // 4):
            found = g(x, X, scale=np.full(3000, 0.1))
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_pullbacks_that_lend_pack_no_argument_in_each_call():
    room = np.zeros(8 * 100 + 1, np.uint8)
    misaligned = room[1:].view(np.float64)
    misaligned[:] = np.linspace(0, 1, 100)
    for held in (np.linspace(0, 1, 100), misaligned, np.linspace(0, 1, 200)[::2]):
        _, pull = value_and_pullback(np.multiply, (held, held), {}, None, (0,), lends=True)
        is_lent = held.flags.aligned and held.flags.c_contiguous
        assert pull.residual_bytes == (0 if is_lent else held.nbytes)
        np.testing.assert_array_equal(pull(np.ones(100))[0], held)


def test_hvp_holds_neither_the_gradient_nor_copies_of_arguments():
    x, X = np.linspace(0, 1, 1000), np.ones((50, 1000))
    with ad.use_policy(1.5 * x.nbytes):
        np.testing.assert_allclose(ad.hvp(cubes)(x, x), 6 * x * x)
    hvp = ad.hvp(lambda X, x, scale: (np.tanh(X @ x) * scale).sum(), 1)
    expected = hvp(X, x, x, scale=np.ones(50))
    with ad.use_policy(X.nbytes // 4):
        np.testing.assert_array_equal(hvp(X, x, x, scale=np.ones(50)), expected)
