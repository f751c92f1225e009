"""Measured costs: what they change of a plan, and what they never change."""

import time
from functools import cache

import numpy as np
import pytest

import autodiff as ad
from autodiff.errors import ArgumentError, ShapeError
from autodiff.measured import rounded
from autodiff.speed import estimate_seconds

X = np.random.default_rng(0).normal(size=(60, 70))


def lazy(x):
    time.sleep(0.003)
    return np.sin(x)


@cache
def slow():
    """The operation, made by the tests that run it: others count the rows there are."""
    return ad.operation(
        lazy, bprop=(lambda g, y, x: g * np.cos(x),), shape=lambda x: (x.shape, x.dtype),
        name="measured_slow")


def f(x):
    for _ in range(4):
        x = np.exp(np.tanh(slow()(np.tanh(np.tanh(x) * x))) * x)
        x = x / (1 + x * x)
    return (x * x).sum()


def test_a_slow_operation_is_not_computed_again():
    g = ad.grad(f)
    budget = ad.Budget(int(ad.plan(g, X).peak_bytes * 0.7), time_limit=1)
    static = ad.plan(g, X, policy=budget)
    measured = ad.plan(g, X, policy=budget, costs="measured")
    assert (static.costs, measured.costs) == ("static", "measured")
    assert sum(measured.evaluations.values()) > len(measured.problem)
    assert measured.evaluations["measured_slow"] == 4
    cost = measured.problem.cost
    names = [measured.operation(region) for region in range(len(cost))]
    assert min(c for c, name in zip(cost, names, strict=True) if name == "measured_slow") > 2.8e6
    assert measured.cost >= measured.problem.total_cost > 4 * 2.8e6
    assert measured.lower_bound <= measured.cost
    assert estimate_seconds(measured) == 1e-9 * measured.cost


@pytest.mark.parametrize("policy", ["store", "recompute", "budget"])
def test_bits_and_bytes_are_as_ever(policy):
    g = ad.value_and_grad(f)
    if policy == "budget":
        policy = ad.Budget(int(ad.plan(g, X).peak_bytes * 0.75), time_limit=0.5)
    step = ad.compile(g, policy, costs="measured")
    found, expected = step(X), g(X)
    assert [a.tobytes() for a in found] == [a.tobytes() for a in expected]
    assert step.measured_peak_bytes == step.plan(X).peak_bytes
    assert (step.cache.misses, len(step.cache)) == (1, 1)
    wide = np.empty((70, 60)).T
    wide[:] = X
    found = step(wide)
    assert [a.tobytes() for a in found] == [a.tobytes() for a in expected]
    if isinstance(policy, ad.Budget):      # another plan, which may hold less, within the budget
        assert step.measured_peak_bytes <= policy.nbytes
    else:
        assert step.measured_peak_bytes >= step.plan(X).peak_bytes


def test_profiling_keeps_the_budget():
    arena = []
    spy = ad.operation(
        lambda x: arena.append(ad.core.arena.arena_bytes()[0]) or x * 2, name="measured_spy",
        bprop=(lambda g, y, x: g * 2,), shape=lambda x: (x.shape, x.dtype))

    def cost(x):
        for _ in range(12):
            x = np.tanh(np.sin(x))
        return spy(x).sum()

    g = ad.value_and_grad(cost)
    store = ad.plan(g, X).peak_bytes
    ad.release_memory()
    ad.plan(g, X, policy=ad.Budget(store // 2, time_limit=0.5), costs="measured")
    assert len(arena) == 3
    assert 0 < max(arena) < store // 2 + 4096


def test_other_costs_are_refused():
    for call in (lambda: ad.compile(f, costs="guessed"), lambda: ad.plan(f, X, costs=3)):
        with pytest.raises(ad.ArgumentError, match="'static' or 'measured'"):
            call()


def test_an_error_while_profiling_is_the_users():
    def fails(x):
        raise KeyError("inside")

    op = ad.operation(fails, shape=lambda x: (x.shape, x.dtype), name="measured_fails")
    step = ad.compile(lambda x: op(x) + 1, costs="measured")
    for _ in range(2):
        with pytest.raises(KeyError, match="inside"):
            step(X)
    assert len(step.cache) == 0


def test_rounding():
    costs = np.concatenate([np.arange(1, 5000), np.random.default_rng(0).integers(1, 2**50, 1000)])
    found = rounded(costs)
    assert (np.abs(found / costs - 1) <= 1 / 64).all()
    assert (found[:63] == costs[:63]).all()
    assert len(set(found[64:4999].tolist())) <= 32 * 7
    assert (np.diff(found[:4999]) >= 0).all()


def test_a_program_made_by_hand_takes_arrays_to_measure_costs_on():
    x = ad.variable("x", X.shape)
    y = slow()(np.tanh(np.tanh(x) * x))
    g, = ad.gradients((y * y).sum(), [x])
    static = ad.Program([x], [g])
    program = ad.Program([x], [g], costs=[X])
    assert (static.plan.costs, program.plan.costs) == ("static", "measured")
    assert program.plan.problem.cost.max() > 2.8e6
    assert program(X)[0].tobytes() == static(X)[0].tobytes()
    strided = ad.Program([x], [g], costs=[np.asfortranarray(X)])
    assert strided.plan.costs == strided.plan_for(np.asfortranarray(X)).costs == "measured"
    with pytest.raises(ArgumentError, match="costs are 'static', or arrays"):
        ad.Program([x], [g], costs="measured")
    with pytest.raises(ShapeError):
        ad.Program([x], [g], costs=[X.T])


def test_a_frontier_of_measured_costs():
    found = ad.frontier(ad.grad(f), X, points=4, costs="measured")
    assert {point.plan.costs for point in found} == {"measured"}
    assert all(point.seconds == 1e-9 * point.plan.cost for point in found)
    assert all(point.plan.problem.total_cost > 4 * 2.8e6 for point in found)
    with pytest.raises(ArgumentError, match="costs are"):
        ad.frontier(ad.grad(f), X, costs="guessed")
