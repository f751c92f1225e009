"""Budgets: how they are written, what is refused and in which words, and plans that hold them."""

import math
import pickle
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autodiff.errors import AutodiffError, BudgetError, PolicyError
from autodiff.planning import (
    Budget,
    Problem,
    as_policy,
    cost_bound,
    memory_bound,
    smallest_budget,
    solve,
)
from autodiff.planning.budget import parse_bytes
from autodiff.planning.costbound import ANY_ORDER, GIVEN_ORDER, in_given_order
from exhaustive import cheapest, least_peak
from planning_problems import random_problems, real_graph, seeded_problem
from validator import plain, validate


@pytest.mark.parametrize(
    ("written", "nbytes"),
    [
        (1, 1),
        (np.int32(7), 7),
        (4096.9, 4096),
        (2**70, 2**70),
        ("1B", 1),
        ("64kB", 64_000),
        ("64MB", 64_000_000),
        (" 64 MiB ", 64 * 2**20),
        ("64mb", 64_000_000),
        ("1.5 GB", 1_500_000_000),
        ("1_000KiB", 1_024_000),
        ("0.5TiB", 2**39),
        ("2e3 kB", 2_000_000),
    ],
)
def test_budgets_are_read(written, nbytes):
    assert parse_bytes(written) == nbytes
    assert Budget(written) == Budget(nbytes)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (0, "at least one byte"),
        (-5, "at least one byte"),
        (0.5, "at least one byte"),
        ("0MB", "at least one byte"),
        (math.nan, "finite"),
        (math.inf, "finite"),
        (-math.inf, "finite"),
        ("64", "no unit; known are B, kB, MB"),
        ("64 XB", "unknown unit 'XB'"),
        ("MB", "written as '64MB'"),
        ("-5MB", "written as '64MB'"),
        ("", "written as"),
        ("1e999 MB", "finite"),
        (None, "number of bytes"),
        (True, "number of bytes"),
        ([64], "number of bytes"),
    ],
)
def test_impossible_ways_of_writing_are_refused(written, message):
    with pytest.raises(PolicyError, match=message):
        Budget(written)


@pytest.mark.parametrize("limit", [-1, math.nan, "soon", None, True])
def test_impossible_time_limits_are_refused(limit):
    with pytest.raises(PolicyError, match="time_limit="):
        Budget(64, time_limit=limit)


@pytest.mark.parametrize("seed", [-1, 1.5, "0", None, True])
def test_impossible_seeds_are_refused(seed):
    with pytest.raises(PolicyError, match="seed="):
        Budget(64, seed=seed)


def test_a_budget_is_a_policy():
    budget = Budget("64MB", seed=3)
    assert as_policy(budget) is budget
    assert repr(budget) == "Budget(64000000, seed=3)"
    assert eval(repr(budget)) == budget
    assert pickle.loads(pickle.dumps(budget)) == budget
    with pytest.raises(PolicyError, match="write Budget"):
        as_policy(Budget)


CHAIN = Problem([1] * 9, [1] * 9, [[], [0], [1], [2], [3], [4, 3], [5, 2], [6, 1], [7, 0]], [8])


def test_a_huge_budget_is_store():
    assert solve(CHAIN, 10**30).steps == solve(CHAIN, method="store").steps


def test_below_the_bound_is_impossible_and_says_which_node():
    lines = [f"net.py:{v}" for v in range(9)]
    problem = Problem(
        CHAIN.nbytes, CHAIN.cost, [CHAIN.inputs(v) for v in range(9)], [8], lines=lines
    )
    with pytest.raises(BudgetError, match=r"^impossible: .*node 5, net.py:5") as caught:
        solve(problem, 2)
    error = caught.value
    assert isinstance(error, MemoryError)
    assert isinstance(error, AutodiffError)
    assert (error.budget, error.bound, error.node, error.line) == (2, 3, 5, "net.py:5")
    assert "not found" not in str(error)
    assert vars(pickle.loads(pickle.dumps(error))) == vars(error)


def test_targets_alone_can_be_impossible():
    with pytest.raises(BudgetError, match=r"^impossible: the targets"):
        solve(Problem([8, 8, 8], [1] * 3, [[], [], []], [0, 1, 2]), 23)


def test_a_budget_for_a_base_policy_is_checked():
    assert solve(CHAIN, 6, method="store").cost == 9
    message = "^not found: no plan by method 'store', which takes 6 bytes, of at most 5 B"
    with pytest.raises(BudgetError, match=message) as caught:
        solve(CHAIN, 5, method="store")
    assert (caught.value.bound, caught.value.known) == (3, 3)
    assert "impossible" not in str(caught.value)


def test_methods_that_search_want_a_budget():
    with pytest.raises(PolicyError, match="needs budget="):
        solve(CHAIN, method="search")


def test_an_empty_problem_fits_everywhere():
    assert solve(Problem([], [], [], []), 1).cost == 0


def check_budgets(raw, budgets, **options):
    """Solve at each budget; every plan must be judged good by the independent validator."""
    problem = Problem(**raw)
    bound, _ = memory_bound(problem)
    known, least = smallest_budget(problem)
    assert bound <= least <= known
    costs = []
    for budget in {max(1, known), *budgets(bound, known)}:
        try:
            schedule = solve(problem, budget, **options)
        except BudgetError as error:
            text = str(error)
            assert text.startswith("impossible: ") == (budget < least)
            assert text.startswith("not found: ") == (budget >= least)
            assert budget < known
            continue
        peak, cost, _, _ = validate(problem, schedule.steps)
        assert peak == schedule.peak_bytes <= budget
        assert cost == schedule.cost
        assert problem.total_cost <= schedule.lower_bound <= max(cost, schedule.lower_bound)
        assert schedule.bound_family in (ANY_ORDER, GIVEN_ORDER)
        assert schedule.gap >= 0
        costs.append(cost)
    return costs


@settings(max_examples=200, deadline=None)
@given(random_problems(most=9).map(plain))
def test_every_budget_has_one_of_three_outcomes(raw):
    check_budgets(raw, lambda bound, known: range(max(1, bound - 2), known + 2, 1 + known // 7))


@pytest.mark.parametrize("seed", range(60))
def test_plans_of_larger_problems_hold_their_budgets(seed):
    raw = seeded_problem(random.Random(seed))
    check_budgets(raw, lambda bound, known: {bound + 1, (bound + known) // 2 + 1},
                  time_limit=0)


@settings(max_examples=150, deadline=None)
@given(random_problems(most=7), st.integers(0, 100))
def test_bounds_are_below_the_optimum(problem, percent):
    p = plain(problem)
    least = least_peak(p)
    bound, _ = memory_bound(problem)
    known, _ = smallest_budget(problem)
    assert bound <= least <= known
    store = solve(problem).peak_bytes
    budget = max(1, least + (store - least) * percent // 100)
    assert problem.total_cost <= cost_bound(problem, budget) <= cheapest(p, budget)


def deep_chain(rng, L):
    """Draw a training chain of L layers, each a large and a cheap node; the sweep reads the cheap.

    What is read again is fed by what is not: the case in which feeders strengthen the bound.
    """
    inputs, nbytes, cost = [], [], []
    for i in range(L):
        inputs += [[2 * i - 1] if i else [], [2 * i]]
        size = rng.randint(1, 4)
        nbytes += [size + rng.choice([0, 0, 1]), size]
        cost += [rng.randint(5, 20), 1]
    for i in reversed(range(L)):
        inputs.append([len(inputs) - 1, 2 * i + 1])
        nbytes.append(rng.randint(1, 3))
        cost.append(rng.randint(5, 20))
    inplace = [[v - 1] if 0 < v < 2 * L and v % 2 and rng.random() < 0.5 else []
               for v in range(3 * L)]
    return Problem(nbytes, cost, inputs, [3 * L - 1], inplace=inplace)


@pytest.mark.parametrize("seed", range(60))
def test_bounds_of_deep_chains_are_below_the_optimum_and_near(seed):
    rng = random.Random(seed)
    problem = deep_chain(rng, rng.randint(2, 8))
    least, _ = smallest_budget(problem)
    for budget in range(least, solve(problem).peak_bytes):
        best = solve(problem, budget, method="exact")
        assert problem.total_cost <= cost_bound(problem, budget) <= best.cost
        if in_given_order(best):
            assert cost_bound(problem, budget, GIVEN_ORDER) <= best.cost


def test_feeders_make_the_bound_of_a_deep_chain_tight():
    L = 40
    inputs = [[v - 1] if v else [] for v in range(2 * L)]
    inputs += [[2 * L - 1 + i, 2 * (L - i) - 1] for i in range(L)]
    problem = Problem([8] * 3 * L, [100, 1] * L + [200] * L, inputs, [3 * L - 1])
    store = solve(problem).peak_bytes
    for budget in (store * 3 // 4, store // 2):
        schedule = solve(problem, budget, time_limit=1.0)
        assert schedule.overhead > 0.05
        assert schedule.gap < 0.02


@pytest.mark.parametrize("name", ["vgg16", "resnet50", "unet"])
def test_real_training_steps_hold_budgets_without_a_search(name):
    problem = real_graph(name)
    store = solve(problem).peak_bytes
    for percent in (90, 80):
        schedule = solve(problem, store * percent // 100, time_limit=0)
        assert schedule.peak_bytes <= store * percent // 100
        assert schedule.overhead <= 0.02
        assert schedule.lower_bound >= problem.total_cost


def test_thousands_of_nodes_have_a_bound_too():
    half = 3000
    inputs = [[i - 1] if i else [] for i in range(half)]
    inputs += [[i - 1, 2 * half - 1 - i] for i in range(half, 2 * half)]
    problem = Problem([1] * 2 * half, [1] * 2 * half, inputs, [2 * half - 1],
                      level=[int(v >= half) for v in range(2 * half)])
    plan = solve(problem, method="checkpoint")
    for family in (ANY_ORDER, GIVEN_ORDER):
        bound = cost_bound(problem, plan.peak_bytes, family)
        assert 1.4 * problem.total_cost < bound <= plan.cost
        # a smaller budget has no smaller bound
        assert cost_bound(problem, plan.peak_bytes - 10, family) >= bound
