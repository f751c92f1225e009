"""Derivative functions as objects: threads, pickles, optimisers."""

import inspect
import pickle
import threading

import numpy as np
import pytest

import autodiff as ad
from transform_cases import X, cubes, network, rosenbrock, same


def in_threads(*jobs):
    found, errors = [None] * len(jobs), []

    def work(k, job):
        try:
            found[k] = job()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=pair) for pair in enumerate(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    return found


def test_two_threads_trace_their_own_functions():
    barrier = threading.Barrier(2)

    def job(k):
        def f(x):
            barrier.wait(10)                  # both are inside their functions now
            y = (x * k).sum()
            barrier.wait(10)
            return y

        return lambda: [ad.grad(f)(X) for _ in range(20)]

    first, second = in_threads(job(2.0), job(3.0))
    assert all(np.array_equal(g, np.full(X.shape, 2.0)) for g in first)
    assert all(np.array_equal(g, np.full(X.shape, 3.0)) for g in second)


def test_a_thread_started_inside_a_trace_has_a_trace_of_its_own():
    inner = []

    def f(x):
        inner.extend(in_threads(lambda: ad.grad(cubes)(X)))
        return (x * x).sum()

    np.testing.assert_array_equal(ad.grad(f)(X), 2 * X)
    assert type(inner[0]) is np.ndarray


def test_derivative_functions_pickle():
    cases = [(ad.grad(ad.grad(np.tanh)), np.array(0.5)), (ad.jacobian(np.tanh), X)]
    cases += [(transform(cubes), X) for transform in (ad.grad, ad.hessian, ad.compile)]
    cases += [(ad.value_and_grad(cubes, policy="recompute"), X), (ad.compile(ad.grad(cubes)), X)]
    for f, x in cases:
        again = pickle.loads(pickle.dumps(f))
        found, expected = again(x), f(x)
        if not isinstance(found, tuple):
            found, expected = (found,), (expected,)
        assert all(same(a, b) for a, b in zip(found, expected, strict=True))
        assert repr(f) == repr(again)
    options = pickle.loads(pickle.dumps(ad.grad(network, (1, 2), has_aux=True, policy="store")))
    assert repr(options) == "<grad of network>"


def test_derivative_functions_look_like_their_functions():
    g = ad.grad(network)
    assert g.__name__ == "network"
    assert g.__wrapped__ is network
    assert list(inspect.signature(g).parameters) == ["params", "X", "y"]


def test_a_transform_decorates_methods():
    class Model:
        scale = 3.0

        def loss(self, x):
            return (x * self.scale).sum()

        slope = ad.grad(loss, argnums=1)

    np.testing.assert_array_equal(Model().slope(X), np.full(X.shape, 3.0))


def test_scipy_minimises():
    optimize = pytest.importorskip("scipy.optimize")
    x0 = np.array([-1.2, 1.0, 0.5])
    found = optimize.minimize(ad.value_and_grad(rosenbrock), x0, jac=True, method="BFGS")
    assert found.success
    np.testing.assert_allclose(found.x, np.ones(3), atol=1e-5)
    newton = optimize.minimize(
        rosenbrock, x0, jac=ad.compile(ad.grad(rosenbrock)), hessp=ad.hvp(rosenbrock),
        method="trust-ncg")
    np.testing.assert_allclose(newton.x, np.ones(3), atol=1e-5)


def test_derivative_functions_say_what_they_compute():
    assert ad.grad(np.sin).__doc__ == "Return the gradient of sin with respect to argument 0."
    assert ad.hvp(cubes).__doc__ == (
        "Return the Hessian of cubes with respect to argument 0 times the last argument.")
    assert ad.jacobian(cubes, (0,)).__doc__ == (
        "Return the Jacobian of cubes with respect to argument (0,).")
    assert ad.compile(np.sin).__doc__.startswith("Compute sin, traced once")
    assert ad.compile(ad.grad(np.sin)).__doc__ == ad.grad(np.sin).__doc__
    for transform in (ad.grad, ad.value_and_grad, ad.jacobian, ad.hessian, ad.hvp, ad.compile,
                      ad.checkpoint):
        assert transform(lambda x: x).__doc__.count("<lambda>") == 1

    def told(x):
        """What it is."""

    assert ad.compile(ad.grad(told)).__doc__ == "What it is."
