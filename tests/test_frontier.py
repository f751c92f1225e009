"""The frontier of a function: monotone, every point a plan that runs as it says."""

import re
import sys
import types

import numpy as np
import pytest

import autodiff as ad
from autodiff import frontiers, speed
from autodiff.core.containers import flatten
from autodiff.errors import ArgumentError, AutodiffError, PlanError, PolicyError
from autodiff.planning import simulate, solve
from validator import validate


def deep(layers, width=16, batch=64):
    """(function, arguments): value and gradient of a deep MLP."""
    rng = np.random.default_rng(0)
    Ws = [rng.standard_normal((width, width)).astype(np.float32) for _ in range(layers)]
    X = rng.standard_normal((batch, width)).astype(np.float32)
    y = rng.integers(0, width, batch)

    def cost(Ws, X, y):
        h = X
        for W in Ws:
            h = np.maximum(0, h @ W)
        return ad.nn.cross_entropy(h, y)

    return ad.value_and_grad(cost), (Ws, X, y)


def branches(x, A):
    """A function that is no chain, with captured arrays and a result of its own size."""
    a = np.tanh(x @ A)
    b = np.exp(-a) * np.linspace(0, 1, a.shape[1])
    c = np.sin(a) + np.cos(b) * a
    return ((c @ A.T) * np.sin(x)).sum() + b.sum()


CASES = {
    "deep": deep(28),
    "branches": (ad.grad(branches), (np.ones((9, 7)), np.ones((7, 5)))),
    "flat": (np.tanh, (np.ones(5),)),
}


@pytest.fixture(scope="module", params=CASES)
def case(request):
    f, args = CASES[request.param]
    return f, args, ad.frontier(f, *args)


@pytest.fixture(scope="module")
def found():
    f, args = deep(6)
    return ad.frontier(f, *args, points=6)


def test_more_bytes_cost_less(case):
    _, _, found = case
    for a, b in zip(found, found[1:]):
        assert a.peak_bytes < b.peak_bytes
        assert a.overhead > b.overhead
    assert found[-1].overhead == 0
    assert found[0].peak_bytes >= found.bound_bytes
    for nbytes, overhead, seconds, gap, plan in found:
        assert (nbytes, overhead, gap) == (plan.peak_bytes, plan.overhead, plan.gap)
        assert gap >= 0
        assert seconds > 0


def test_the_deep_mlp_has_many_points():
    f, args = CASES["deep"]
    assert len(ad.frontier(f, *args)) >= 16


def test_every_point_is_simulated_again_and_runs_as_planned(case):
    f, args, found = case
    entry, arrays = ad.compile(f, "store")._entry(args, {})
    expected = entry.run(arrays)
    for point in found:
        plan = point.plan
        again = simulate(plan.problem, list(plan.steps))
        assert again.peak_bytes == plan.live_bytes <= plan.peak_bytes
        peak, cost, _, _ = validate(plan.problem, plan.steps)
        assert (peak, cost) == (again.peak_bytes, plan.cost)
        assert sum(part.nbytes for part in plan.peak_breakdown) == (
            plan.live_bytes + plan.captured_bytes)
        other = entry.program.with_schedule(plan.schedule)
        results = other.run(arrays, entry.constants)
        for a, b in zip(results, flatten(expected)[0], strict=True):
            np.testing.assert_array_equal(a, b)
        assert other.measured_peak_bytes == point.peak_bytes == other.peak_bytes


def test_the_bound_covers_the_bytes_after_packing(case):
    # A plan within a point's bytes may hold all of them: bounds for fewer prove nothing here.
    _, _, found = case
    for k, point in enumerate(found):
        cheaper = [other for other in found[: k + 1] if other.plan.cost < point.plan.lower_bound]
        assert not cheaper
        if point.plan.bound_family == "any order":
            for method in ("store", "checkpoint"):
                other = solve(point.plan.problem, method=method)
                if other.peak_bytes + point.plan.captured_bytes <= point.peak_bytes:
                    assert other.cost >= point.plan.lower_bound


def test_the_knee_bends_most(case):
    _, _, found = case
    knee = found.knee()
    assert knee in found
    if len(found) > 2:
        width = found[-1].peak_bytes - found[0].peak_bytes
        height = found[0].overhead - found[-1].overhead

        def distance(point):
            return (1 - (point.peak_bytes - found[0].peak_bytes) / width
                    - (point.overhead - found[-1].overhead) / height)

        assert distance(knee) == max(map(distance, found)) > 0


def test_it_prints_a_row_for_each_point(found):
    rows = str(found).splitlines()
    assert rows[0] == f"no plan holds less than {found.bound_bytes:,} bytes"
    for row, point in zip(rows[2:], found, strict=True):
        assert row.split()[0] == f"{point.peak_bytes:,}"
        assert row.split()[1] == f"{point.overhead:.1%}"
        assert re.search(r"\d (s|ms|µs) ", row)
        assert row.endswith("<- knee") == (point is found.knee())
    assert f"{len(found)} plans" in repr(found)


def test_it_is_drawn(found, tmp_path):
    found.plot(tmp_path / "frontier.png")
    assert (tmp_path / "frontier.png").read_bytes().startswith(b"\x89PNG")
    ad.frontier(np.tanh, np.ones(3)).plot(tmp_path / "flat.svg")
    assert "knee" in (tmp_path / "flat.svg").read_text()


class Bar:
    """Stands for tqdm's class and remembers what it was told."""

    def __init__(self, total, delay, **_):
        self.total, self.delay, self.done, self.closed = total, delay, 0, False
        Bar.last = self

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.closed = True

    def update(self, n):
        self.done += n


def test_a_bar_shows_what_takes_long(monkeypatch, capsys):
    f, args = deep(3)
    ad.frontier(f, *args, points=3)
    assert capsys.readouterr().err.strip() == "", "it was quick"
    monkeypatch.setitem(sys.modules, "tqdm", types.SimpleNamespace(tqdm=Bar))
    ad.frontier(f, *args, points=3)
    # Each budget is planned twice: with small results, and apart from them.
    assert (Bar.last.total, Bar.last.delay, Bar.last.closed) == (6, frontiers.PATIENCE, True)
    assert 4 <= Bar.last.done <= 6
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert len(ad.frontier(f, *args, points=3)) >= 1


def test_keywords_are_the_functions_own():
    def f(x, times):
        for _ in range(times):
            x = np.sin(x)
        return x.sum()

    few, many = (ad.frontier(ad.grad(f), np.ones(50), times=t, points=3) for t in (2, 9))
    assert few[-1].peak_bytes < many[-1].peak_bytes


def test_marks_hold_on_the_whole_frontier():
    layer = ad.checkpoint(lambda h, W: np.sin(np.tanh(h @ W)))

    def f(Ws, x):
        for W in Ws:
            x = layer(x, W)
        return (x * x).sum()

    args = [np.eye(6)] * 6, np.ones((20, 6))
    found = ad.frontier(ad.grad(f), *args, points=5)
    least = ad.plan(ad.grad(f), *args).overhead
    assert found[-1].overhead == least > 0
    for a, b in zip(found, found[1:]):
        assert a.overhead > b.overhead


def test_bad_input():
    with pytest.raises(PolicyError, match="points="):
        ad.frontier(np.tanh, np.ones(3), points=1)
    with pytest.raises(ArgumentError, match="nothing that is computed from arrays") as caught:
        ad.frontier(lambda x: 3, np.ones(3))
    assert isinstance(caught.value, AutodiffError)


def test_seconds_are_costs_times_the_speed_of_the_machine(monkeypatch):
    product, other = speed.seconds_per_cost()
    assert 0 < product < 1e-6
    assert 0 < other < 1e-6
    assert speed.seconds_per_cost() == (product, other)
    f, args = deep(3)
    plan = ad.plan(f, *args, policy="recompute")
    monkeypatch.setattr(speed, "seconds_per_cost", lambda: (2.0, 0.0))
    products = sum(int(plan.problem.cost[region]) for action, region, _ in plan.steps
                   if action == "compute" and plan.operation(region) == "matmul")
    assert speed.estimate_seconds(plan) == 2 * products
    monkeypatch.setattr(speed, "seconds_per_cost", lambda: (1.0, 1.0))
    assert speed.estimate_seconds(plan) == plan.cost


def test_a_program_runs_any_schedule_of_its_problem():
    x = ad.variable("x", 40)
    h = x
    for _ in range(6):
        h = np.sin(h)
    program = ad.Program([x], ad.gradients(h.sum(), [x]), fuse=False)
    array = np.linspace(0, 1, 40)
    other = program.with_schedule(solve(program.plan.problem, method="recompute"))
    assert other.plan.evaluations["sin"] > program.plan.evaluations["sin"]
    assert other.peak_bytes < program.peak_bytes
    np.testing.assert_array_equal(other(array)[0], program(array)[0])
    assert other.measured_peak_bytes == other.peak_bytes
    assert program.measured_peak_bytes == program.peak_bytes
    np.testing.assert_array_equal(other(array[::-1])[0], program(array[::-1])[0])
    longer = ad.Program([x], [np.sin(h) * h, h.sum(), *ad.gradients((h * h).sum(), [x])])
    with pytest.raises(PlanError):
        program.with_schedule(longer.plan.schedule)


def chain(n):
    """Value and gradient of n sines of one number: each value is as small as its result."""
    def f(x):
        for _ in range(n):
            x = np.sin(x)
        return x.sum()

    return ad.value_and_grad(f), (np.array(0.3),)


GRANTED = {"chain 10": chain(10), "chain 32": chain(32), "branches": CASES["branches"],
           "deep": deep(6), "wide": deep(6, width=128, batch=256)}


@pytest.mark.parametrize("name", GRANTED)
def test_what_a_plan_holds_is_granted_as_a_budget(name):
    f, args = GRANTED[name]
    plans = [ad.plan(f, *args, policy=policy) for policy in ("store", "checkpoint", "recompute")]
    plans.append(ad.frontier(f, *args, points=6)[0].plan)
    for plan in plans:
        budget = ad.Budget(plan.peak_bytes, time_limit=0.2)
        again = ad.plan(f, *args, policy=budget)
        assert again.peak_bytes <= plan.peak_bytes
        assert again.lower_bound <= again.cost


def test_a_refusal_names_the_budget_that_was_asked_for():
    f, args = chain(10)
    least = ad.plan(f, *args, policy="recompute").peak_bytes
    with pytest.raises(ad.BudgetError) as caught:
        ad.plan(f, *args, policy=least - 1)
    error = caught.value
    assert error.budget == least - 1
    assert f"({least - 1:,} bytes)" in str(error) or f"is {least - 1} B" in str(error)
    assert error.known is None or error.known >= least


@pytest.mark.parametrize("name", GRANTED)
def test_a_frontier_is_no_worse_than_policies_and_budgets_of_its_points_are_granted(name):
    f, args = GRANTED[name]
    given = [ad.plan(f, *args, policy=policy) for policy in ("store", "checkpoint", "recompute")]
    found = ad.frontier(f, *args, points=6)
    for plan in given:
        assert any(point.peak_bytes <= plan.peak_bytes and point.overhead <= plan.overhead
                   for point in found)
    for point in found:
        for nbytes in (point.peak_bytes, point.peak_bytes + 1):
            again = ad.plan(f, *args, policy=ad.Budget(nbytes, time_limit=0.1))
            assert again.peak_bytes <= nbytes
            validate(again.problem, again.steps)


def test_budgets_of_points_are_granted_where_captured_arrays_could_be_folded():
    """A budget folds nothing, so a frontier counts what a budget has to hold."""
    first, second = np.full((2, 50, 50), 3.0)
    f, x = ad.grad(lambda x: (x * first * second).sum()), np.ones((50, 50))
    found = ad.frontier(f, x)
    assert found.bound_bytes >= 3 * x.nbytes
    for point in found:
        assert ad.plan(f, x, policy=point.peak_bytes).peak_bytes <= point.peak_bytes


def test_small_results_of_which_there_are_many_are_planned_beside_the_rest():
    """Each has memory of its own throughout: a frontier that counts it from its first write only
    loses to a budget, which knows better."""
    f, args = deep(12, width=64, batch=16)
    found = ad.frontier(f, *args, points=8)
    assert len(found) >= 6
    for point in found[1:]:               # of the least bytes a budget's search is longer
        assert ad.plan(f, *args, policy=ad.Budget(point.peak_bytes)).overhead >= (
            0.97 * point.overhead)


def test_a_plan_that_packs_is_taken_before_one_of_fewer_bytes():
    """Live bytes as they are, a plan of more cost is not needed; no frontier has been made."""
    f, args = CASES["branches"]
    ad.clear_cache()
    free = ad.frontier(f, *args)[-1]
    ad.clear_cache()
    assert ad.plan(f, *args, policy=free.peak_bytes).overhead == free.overhead == 0
