"""Pullbacks under budgets: what is kept between two passes counts in both, and is chosen to fit."""

import numpy as np
import pytest

import autodiff as ad

RNG = np.random.default_rng(5)
X = RNG.normal(size=(64, 16))
W = [RNG.normal(size=(16, 16)) / 4 for _ in range(8)]
U = RNG.normal(size=X.shape)


def deep(x, weights):
    for w in weights:
        x = np.tanh(x @ w)
    return x


def leaves(grads):
    dx, dw = grads
    return [dx, *dw]


def checked(f, args, u, budget):
    """Run both passes within a budget; each measures what it planned, and no more is held."""
    value, pullback = ad.vjp(f, *args, policy=budget)
    nbytes = ad.planning.Budget(budget).nbytes
    assert pullback.measured_peak_bytes == pullback.forward_peak_bytes <= nbytes
    kept = sum(a.nbytes for a in vars(pullback)["_residuals"])
    assert pullback.residual_bytes == kept
    sizes = sum(a.nbytes for a in ([value] if isinstance(value, np.ndarray) else value))
    assert kept + sizes <= pullback.held_bytes < kept + sizes + 64 * (len(args) + 20)
    grads = pullback(u)
    assert pullback.measured_peak_bytes == pullback.peak_bytes <= nbytes
    assert pullback.peak_bytes == pullback.held_bytes + pullback.plan.peak_bytes
    return value, pullback, grads


@pytest.fixture(scope="module")
def stored():
    value, pullback = ad.vjp(deep, X, W)
    return value, pullback, pullback(U)


@pytest.mark.parametrize("percent", [100, 90, 75, 66])
def test_both_passes_hold_the_budget(stored, percent):
    value, pullback, grads = stored
    store = max(pullback.forward_peak_bytes, pullback.peak_bytes)
    found, other, slopes = checked(deep, (X, W), U, store * percent // 100)
    np.testing.assert_array_equal(found, value)
    for ours, theirs in zip(leaves(slopes), leaves(grads), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    if percent == 100:
        assert other.residual_bytes == pullback.residual_bytes
        assert "tanh" not in other.plan.evaluations
    else:
        assert other.residual_bytes < pullback.residual_bytes


def test_less_is_kept_and_more_computed_again():
    def chain(x):
        for _ in range(30):
            x = np.sin(x)
        return x

    x = np.linspace(0.1, 1, 1000)
    _, pullback = ad.vjp(chain, x)
    assert pullback.residual_bytes == 30 * x.nbytes
    _, few, grads = checked(chain, (x,), np.ones(1000), 12 * x.nbytes)
    assert few.residual_bytes <= 9 * x.nbytes
    assert few.plan.evaluations["sin"] >= 18
    np.testing.assert_array_equal(grads[0], pullback(np.ones(1000))[0])


@pytest.mark.parametrize(("part", "word"), [(0.9, "impossible"), (2.1, "not found")])
def test_a_refusal_comes_before_anything_runs(part, word):
    seen = []
    spy = ad.operation(
        lambda x: seen.append(1) or x * 2, bprop=(lambda g, y, x: g * np.cos(x),),
        shape=lambda x: (x.shape, x.dtype), effect="callback", name="pullback_spy")
    x = np.ones(1000)
    with pytest.raises(ad.BudgetError, match=f"^{word}:") as caught:
        ad.vjp(spy, x, policy=int(part * x.nbytes))
    assert not seen
    assert caught.value.budget is not None
    value, pullback = ad.vjp(spy, x, policy=5 * x.nbytes)
    np.testing.assert_array_equal(value, 2 * x)
    np.testing.assert_array_equal(pullback(x)[0], np.cos(x))
    assert seen == [1]


def test_a_refusal_names_a_budget_that_is_met():
    x = np.linspace(0.1, 1, 1000)

    def f(x):
        return np.sin(np.sin(np.sin(x)))

    with pytest.raises(ad.BudgetError, match="known plan") as caught:
        ad.vjp(f, x, policy=5 * x.nbytes // 2)
    assert x.nbytes <= caught.value.bound <= caught.value.budget < caught.value.known
    assert f"nothing fits below {caught.value.bound / 1000:.1f} kB" in str(caught.value)
    assert caught.value.line.startswith("test_pullbacks.py:")
    known = caught.value.known
    assert known > 5 * x.nbytes // 2
    checked(f, (x,), x, known)


def test_arrays_that_the_backward_pass_alone_reads_are_held_by_the_forward_pass():
    C = RNG.normal(size=1000)
    op = ad.operation(
        lambda x: x * 2, bprop=(lambda g, y, x: g * C,), shape=lambda x: (x.shape, x.dtype),
        name="pullback_captures")
    x = np.ones(1000)
    value, pullback = ad.vjp(op, x, policy="1MB")
    assert pullback.forward_peak_bytes == value.nbytes + C.nbytes
    assert pullback.measured_peak_bytes == pullback.forward_peak_bytes
    np.testing.assert_array_equal(pullback(x)[0], C)
    assert pullback.measured_peak_bytes == pullback.peak_bytes == 2 * x.nbytes + C.nbytes


def test_programs_are_found_again_and_captured_arrays_are_their_own():
    x = np.ones(100)

    def scaled(c):
        return ad.vjp(lambda x: np.sin(x * c) * c, x, policy="1MB")[1]

    a, b = RNG.normal(size=(2, 100))
    first, second = scaled(a), scaled(b)
    assert first.plan is second.plan
    np.testing.assert_allclose(first(x)[0], np.cos(a) * a * a)
    np.testing.assert_allclose(second(x)[0], np.cos(b) * b * b)
    np.testing.assert_allclose(first(x)[0], np.cos(a) * a * a)


def test_values_that_were_looked_at():
    def f(x):
        y = np.tanh(x)
        if y.sum() > 0:
            y = y * y
        for _ in range(10):
            y = np.sin(y)
        return y

    x = np.linspace(0.1, 1, 1000)
    value, pullback = ad.vjp(f, x)
    for budget in (100 * x.nbytes, 10 * x.nbytes):
        found, other = ad.vjp(f, x, policy=budget)
        np.testing.assert_array_equal(found, value)
        np.testing.assert_array_equal(other(x)[0], pullback(x)[0])
        assert other.measured_peak_bytes == other.peak_bytes <= budget


def test_inside_a_program_the_budget_is_that_of_the_whole():
    def hvp_like(x):
        def slope(x):
            value, pullback = ad.vjp(lambda x: deep(x, W), x)
            return (pullback(value)[0] ** 2).sum()

        return ad.grad(slope)(x)

    store = ad.compile(hvp_like)
    expected = store(X)
    budget = store.plan(X).peak_bytes * 3 // 4
    step = ad.compile(hvp_like, policy=budget)
    np.testing.assert_array_equal(step(X), expected)
    assert step.measured_peak_bytes == step.plan(X).peak_bytes <= budget


def test_other_policies_say_what_they_hold(stored):
    value, pullback, _ = stored
    assert pullback.measured_peak_bytes == pullback.peak_bytes
    assert pullback.held_bytes == value.nbytes + pullback.residual_bytes
    assert repr(pullback).startswith("<Pullback: holds")
