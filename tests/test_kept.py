"""Traces that look at values hold the budget: what is kept counts beside the program that runs."""

import numpy as np
import pytest

import autodiff as ad
from autodiff import kept, tracing
from autodiff.errors import BudgetError

X = np.random.default_rng(0).normal(size=(100, 128))        # 102,400 bytes


@pytest.fixture
def held(monkeypatch):
    """Bytes held at each run of a program in a trace: (kept, the program's, as measured)."""
    seen = []

    class Watched(kept.Kept):
        def _attempt(self, outputs, policy):
            found = super()._attempt(outputs, policy)
            seen.append((self.nbytes, found[1].measured_peak_bytes))
            return found

    monkeypatch.setattr(tracing, "Kept", Watched)
    return seen


def f(x, look=True, n=8):
    """Look at a scalar after each step, while all values before it are referred to."""
    values = [x]
    for _ in range(n):
        values.append(np.tanh(values[-1]) * 1.5)
        if look and float(values[-1].mean().value) > 1e9:
            values.append(values[0])
    return sum((v * v).sum() for v in values)


def same(a, b):
    return np.asarray(a).tobytes() == np.asarray(b).tobytes()


def test_without_a_budget_all_that_is_referred_to_is_kept(held):
    expected = ad.grad(lambda x: f(x, False))(X)
    assert same(ad.grad(f)(X), expected)
    assert len(held) == 9
    assert held[-1][0] > 7 * X.nbytes


@pytest.mark.parametrize("values", [40, 16, 12, 9, 7])
def test_a_budget_holds_on_the_way(held, values):
    budget = values * X.nbytes
    expected = ad.grad(lambda x: f(x, False))(X)
    found = ad.grad(f, policy=ad.Budget(budget, time_limit=1))(X)
    assert same(found, expected)
    assert len(held) == 9
    for before, program in held:
        assert before + program <= budget
    if values <= 9:
        assert held[-1][0] < 7 * X.nbytes       # some had to go


def test_a_loop_until_a_value_is_small(held):
    def iterate(x):
        while float(abs(x).max().value) > 0.5:
            x = np.sin(x) * 0.9
        return (x * x).sum()

    expected = ad.value_and_grad(iterate)(X)
    n = len(held)
    assert n > 3
    budget = 8 * X.nbytes
    found = ad.value_and_grad(iterate, policy=budget)(X)
    assert all(map(same, found, expected))
    assert len(held) == 2 * n
    assert max(map(sum, held[n:])) <= budget < max(map(sum, held[:n])) + 4 * X.nbytes


def test_a_refusal_is_the_same_the_second_time():
    g = ad.grad(f, policy=ad.Budget(X.nbytes, time_limit=0.5))
    for _ in range(2):
        with pytest.raises(BudgetError, match="impossible: ") as caught:
            g(X)
        assert caught.value.budget
    assert same(ad.grad(f)(X), ad.grad(lambda x: f(x, False))(X))


@pytest.mark.parametrize("policy", [None, ad.Budget(12 * X.nbytes), ad.Budget(7 * X.nbytes)])
def test_callbacks_run_once_though_values_go(policy, held):
    seen = []
    spy = ad.operation(lambda x: seen.append(1) or x * 2, bprop=(lambda g, y, x: g * 2,),
                       shape=lambda x: (x.shape, x.dtype), effect="callback", name="kept_spy")

    def cost(x):
        y = np.tanh(spy(np.tanh(x)))
        for _ in range(4):
            y = np.sin(np.exp(np.sin(y)))
            assert y.sum().value < 1e9
        return (y * y).sum()

    g = ad.grad(cost, policy=policy)(X)
    assert len(seen) == 1
    assert same(g, ad.grad(cost)(X))
    if policy:
        for before, program in held[:6]:
            assert before + program <= policy.nbytes


def test_callbacks_that_leave_no_room_are_told():
    spy = ad.operation(lambda x: x * 2, bprop=(lambda g, y, x: g * 2,),
                       shape=lambda x: (x.shape, x.dtype), effect="callback", name="kept_large")

    def cost(x):
        y = spy(x) * spy(x + 1)
        assert y.sum().value < 1e9
        y = np.tanh(y.T @ y)
        return (y * y).sum()

    budget = int(3.2 * X.nbytes)
    for transform in (lambda policy: ad.grad(cost, policy=policy)(X),
                      lambda policy: ad.vjp(cost, X, policy=policy)):
        with pytest.raises(BudgetError, match="cannot be computed again") as caught:
            transform(ad.Budget(budget, time_limit=0.5))
        refusal = caught.value
        assert refusal.budget == budget < refusal.bound
        assert refusal.bound > 3 * X.nbytes         # what is held is counted
        assert f"{budget:,} bytes" in str(refusal)
        assert refusal.line.startswith("test_kept.py:")


def test_a_pullback_runs_at_the_budget_known_beside_what_is_held():
    spy = ad.operation(lambda x: x * 2, bprop=(lambda g, y, x: g * 2,),
                       shape=lambda x: (x.shape, x.dtype), effect="callback", name="kept_pulled")

    def cost(x):
        y = spy(x)
        assert y.sum().value < 1e9
        for _ in range(5):
            y = np.tanh(y.T @ y) @ y.T
            y = y.T
        return (y * y).sum()

    with pytest.raises(BudgetError, match="not found: ") as caught:
        ad.vjp(cost, X, policy=ad.Budget(5 * X.nbytes, time_limit=0.2))
    known = caught.value.known
    value, pullback = ad.vjp(cost, X, policy=ad.Budget(known, time_limit=0.2))
    assert pullback.measured_peak_bytes + 2 * X.nbytes <= known
    assert same(pullback(1.0)[0], ad.grad(cost)(X))


def test_a_refused_look_does_not_know_what_the_rest_takes():
    def cost(x):
        small = np.tanh(x[0])
        assert small.sum().value < 1e9
        y = x.T @ x
        return (np.tanh(y) * y).sum()

    with pytest.raises(BudgetError, match="what follows is not planned yet") as caught:
        ad.grad(cost, policy=ad.Budget(7, time_limit=0))(X)
    assert caught.value.known is None
    assert caught.value.bound > 7


def test_values_looked_at_outlive_what_is_let_go(held):
    looked = []

    def cost(x):
        for _ in range(6):
            x = np.tanh(x)
            looked.append((x, x.value, x.value.copy()))
        return x.sum()

    ad.grad(cost, policy=ad.Budget(5 * X.nbytes, time_limit=1))(X)
    for _, value, copy in looked:
        assert same(value, copy)
    assert all(before + program <= 5 * X.nbytes for before, program in held)
