"""Budgets of programs: what a schedule counts and what a program holds are not the same bytes."""

import numpy as np
import pytest

import autodiff as ad

RNG = np.random.default_rng(0)


def deep(Ws, X):
    for W in Ws:
        X = np.tanh(X @ W)
    return (X * X).mean()


def layers(n, side=64, batch=100):
    """Weights whose gradients, 32 kB each, have memory of their own while a program runs."""
    return [RNG.normal(size=(side, side)) * 0.1 for _ in range(n)], RNG.normal(size=(batch, side))


@pytest.mark.parametrize(("n", "slots"), [(12, 2), (12, 3), (16, 4)])
def test_a_budget_costs_no_more_than_slots_of_the_same_bytes(n, slots):
    Ws, X = layers(n)
    slotted = ad.plan(ad.grad(deep), Ws, X, policy=ad.Checkpoint(slots=slots))
    step = ad.compile(ad.grad(deep), ad.Budget(slotted.peak_bytes, time_limit=2))
    plan = step.plan(Ws, X)
    assert plan.peak_bytes <= slotted.peak_bytes
    assert plan.overhead <= slotted.overhead
    found, stored = step(Ws, X), ad.grad(deep)(Ws, X)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(found, stored, strict=True))
    assert step.measured_peak_bytes == plan.peak_bytes


@pytest.mark.parametrize("limit", [0, 0.05, 2])
def test_what_a_refusal_names_is_granted_under_every_limit(limit):
    Ws, X = layers(6)
    with pytest.raises(ad.BudgetError, match="not found") as refused:
        ad.plan(ad.grad(deep), Ws, X, policy=ad.Budget(300_000, time_limit=0.05))
    known = refused.value.known
    plan = ad.plan(ad.grad(deep), Ws, X, policy=ad.Budget(known, time_limit=limit))
    assert plan.peak_bytes <= known
