"""Adam: algorithm 8.7 against a plain reference, dtypes, containers, bad parameters."""

import numpy as np
import pytest

import autodiff as ad


def algorithm_8_7(theta, gradient, steps, epsilon=0.001, rho1=0.9, rho2=0.999, delta=1e-8):
    """The algorithm as the book writes it, for one array."""
    s, r = np.zeros_like(theta), np.zeros_like(theta)
    for t in range(1, steps + 1):
        g = gradient(theta)
        s = rho1 * s + (1 - rho1) * g
        r = rho2 * r + (1 - rho2) * g**2
        corrected_s = s / (1 - rho1**t)
        corrected_r = r / (1 - rho2**t)
        theta = theta + -epsilon * corrected_s / (np.sqrt(corrected_r) + delta)
    return theta


def cost(W):
    return ((W**4) / 4 + np.sin(W)).sum()


@pytest.mark.parametrize(
    "options", [{}, {"rate": 0.05}, {"rate": 0.01, "rho1": 0.5, "rho2": 0.9, "delta": 1e-3}])
def test_a_hundred_steps_equal_the_book(options):
    W0 = np.random.default_rng(0).normal(size=(3, 4))
    optimiser, gradient = ad.optim.Adam(**options), ad.compile(ad.grad(cost))
    W, state = W0, optimiser.init(W0)
    for _ in range(100):
        W, state = optimiser.update(W, gradient(W), state)
    book = {("epsilon" if name == "rate" else name): value for name, value in options.items()}
    expected = algorithm_8_7(W0, lambda W: W**3 + np.cos(W), 100, **book)
    np.testing.assert_allclose(W, expected, rtol=1e-12, atol=1e-14)
    assert not np.allclose(W, W0)
    assert state[0] == 100


def test_containers_and_dtypes_are_kept_and_nothing_is_modified():
    params = {"W": np.ones((2, 3), np.float32), "b": [np.zeros(3), 2.0 * np.ones(())]}
    grads = {"W": np.full((2, 3), 0.5, np.float32), "b": [np.ones(3), np.ones(())]}
    optimiser = ad.optim.Adam(0.1)
    state = optimiser.init(params)
    moved, after = optimiser.update(params, grads, state)
    assert moved["W"].dtype == np.float32
    assert moved["b"][0].dtype == np.float64
    assert moved["b"][1].shape == ()
    np.testing.assert_allclose(moved["W"], 0.9, rtol=1e-6)
    assert (params["W"] == 1).all()
    assert (params["b"][0] == 0).all()
    assert state[0] == 0
    assert all((s == 0).all() for s in state[1] + state[2])
    assert after[0] == 1


def test_the_first_step_is_the_rate_whatever_the_gradient():
    for scale in (1e-6, 1.0, 1e6):
        optimiser = ad.optim.Adam(0.25, delta=1e-30)
        W, _ = optimiser.update(np.zeros(2), scale * np.array([1.0, -1.0]),
                                optimiser.init(np.zeros(2)))
        np.testing.assert_allclose(W, [-0.25, 0.25], rtol=1e-9)


@pytest.mark.parametrize("bad", [
    {"rate": 0}, {"rate": -1.0}, {"rate": np.nan}, {"rate": np.inf}, {"delta": 0}, {"rho1": 1.0},
    {"rho2": -0.1}, {"rho1": np.nan}])
def test_parameters_out_of_range_are_refused(bad):
    with pytest.raises(ad.ArgumentError, match=f"Adam: {next(iter(bad))}"):
        ad.optim.Adam(**bad)


def test_other_structures_are_refused():
    optimiser = ad.optim.Adam()
    state = optimiser.init([np.zeros(2)])
    with pytest.raises(ad.ArgumentError, match="structure"):
        optimiser.update([np.zeros(2)], {"W": np.zeros(2)}, state)
    with pytest.raises(ad.ArgumentError, match="structure"):
        optimiser.update([np.zeros(2), np.zeros(2)], [np.zeros(2), np.zeros(2)], state)


@pytest.mark.parametrize("optimiser", [ad.optim.Adam(), ad.optim.SGD(0.1, 0.9)])
@pytest.mark.parametrize("other", [(3, 2), (1,), ()])
def test_other_shapes_are_refused(optimiser, other):
    """Broadcast, they would give parameters of another shape, or one gradient for all elements."""
    params, state = {"W": np.ones(2)}, optimiser.init({"W": np.ones(2)})
    with pytest.raises(ad.ArgumentError, match="shape"):
        optimiser.update(params, {"W": np.ones(other)}, state)
    with pytest.raises(ad.ArgumentError, match="shape"):
        optimiser.update(params, params, optimiser.init({"W": np.ones(other)}))


def test_fit_takes_it():
    X = np.linspace(-1, 1, 64)[:, None]
    params, history = ad.nn.fit(
        lambda p, X, y: ad.nn.mse(X * p, y), np.zeros(1), X, 3 * X,
        optimiser=ad.optim.Adam(0.2), epochs=60, rng=0)
    assert abs(params[0] - 3) < 1e-2
    assert history["loss"][-1] < history["loss"][0]
