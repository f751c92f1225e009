"""Exact: equal to an exhaustive search in plain Python, on costs and on the smallest budget."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autodiff.errors import BudgetError, PolicyError
from autodiff.planning import Problem, memory_bound, smallest_budget, solve
from autodiff.planning.exact import Exact
from autodiff.planning.incumbent import Incumbents
from autodiff.planning.states import shortest
from exhaustive import cheapest, least_peak
from planning_problems import random_problems
from validator import plain, validate


def training_chain(L):
    """Make L nodes forward, one turn, L backward, all of one byte and cost; the last is wanted."""
    n = 2 * L + 1
    inputs = [[i - 1] if i else [] for i in range(n)]
    for i in range(L):
        inputs[2 * L - i].append(i)
    return Problem([1] * n, [1] * n, inputs, [n - 1])


def random_graph(rng, n):
    """Draw a graph of n nodes with unequal bytes and costs; some in place, some workspace."""
    inputs = [
        sorted({rng.randrange(max(0, v - 6), v) for _ in range(rng.randint(1, 3))}) if v else []
        for v in range(n)
    ]
    if n % 2:       # the second half reads the first in reverse, as a sweep does
        for v in range(n // 2 + 1, n):
            inputs[v] = sorted({v - 1, n - 1 - v, *inputs[v][1:]})
    nbytes = [rng.randint(1, 12) for _ in range(n)]
    return Problem(
        nbytes,
        [rng.randint(1, 20) for _ in range(n)],
        inputs,
        [n - 1, *rng.sample(range(n), rng.randint(0, 2))],
        workspace=[rng.choice([0, 0, 4]) for _ in range(n)],
        inplace=[[u for u in row if rng.random() < 0.3] for row in inputs],
    )


@pytest.mark.parametrize(
    ("L", "costs"), [(4, {3: 15, 4: 11, 5: 10}), (8, {3: 45, 4: 26, 5: 22})]
)
def test_unit_training_chains(L, costs):
    problem = training_chain(L)
    for budget, cost in costs.items():
        schedule = solve(problem, budget)
        assert (schedule.cost, schedule.gap, schedule.lower_bound) == (cost, 0, cost)


@settings(max_examples=300, deadline=None)
@given(random_problems(most=8), st.integers(0, 100))
def test_exact_is_the_exhaustive_optimum(problem, percent):
    p = plain(problem)
    least = least_peak(p)
    assert smallest_budget(problem) == (least, least)
    store = solve(problem).peak_bytes
    budget = max(1, least + (store - least) * percent // 100)
    schedule = solve(problem, budget, method="exact")
    assert validate(problem, schedule.steps)[:2] == (schedule.peak_bytes, schedule.cost)
    assert schedule.peak_bytes <= budget
    assert schedule.cost == schedule.lower_bound == cheapest(p, budget)
    assert schedule.gap == 0
    if least > 1:
        with pytest.raises(BudgetError, match="^impossible: ") as caught:
            solve(problem, least - 1)
        assert least - 1 < caught.value.bound <= least


@pytest.mark.parametrize("seed", range(200))
def test_auto_is_the_exhaustive_optimum_on_graphs(seed):
    rng = random.Random(1000 + seed)
    problem = random_graph(rng, rng.randint(8, 14))
    p = plain(problem)
    least = least_peak(p)
    assert smallest_budget(problem) == (least, least)
    store = solve(problem).peak_bytes
    budget = least + int((store - least) * rng.choice([0, 0.2, 0.5, 0.8]))
    schedule = solve(problem, budget)
    assert schedule.cost == cheapest(p, budget)
    assert schedule.lower_bound <= schedule.cost
    assert schedule.gap == 0


def test_a_binary_tree_needs_more_than_any_of_its_nodes():
    # Depth 3, unit sizes: each node alone fits in 3, the whole needs 5.
    inputs = [[], [], [0, 1], [], [], [3, 4], [2, 5], [], [], [7, 8], [], [], [10, 11], [9, 12]]
    inputs.append([6, 13])
    problem = Problem([1] * 15, [1] * 15, inputs, [14])
    assert memory_bound(problem)[0] == 3
    assert smallest_budget(problem) == (5, 5)
    with pytest.raises(BudgetError, match=r"^impossible: every order .* takes 5 B"):
        solve(problem, 4)


def test_views_of_no_cost_do_not_count_as_nodes():
    n = 60
    inputs = [[v - 1] if v else [] for v in range(n)]
    owner = [v - 1 if v % 3 == 1 else v - 2 if v % 3 == 2 else None for v in range(n)]
    problem = Problem(
        [4] * n, [0 if v % 3 else 1 for v in range(n)], inputs, [n - 1], owner=owner
    )
    assert solve(problem, 8, method="exact").peak_bytes == 8
    with pytest.raises(BudgetError, match="^impossible"):
        solve(problem, 7)


@pytest.mark.parametrize("L", range(1, 9))
def test_all_unit_training_chains_are_proven(L):
    problem = training_chain(L)
    known, bound = smallest_budget(problem)
    assert known == bound
    costs = [solve(problem, budget) for budget in range(known, L + 4)]
    assert all(schedule.gap == 0 for schedule in costs)
    assert costs[-1].cost == problem.total_cost


def test_many_ways_to_make_room_end_a_search_unfinished():
    """At most six of eleven leaves are held: 1,486 states, and 30 ways from the full ones."""
    problem = Problem([1] * 12, [1] * 12, [*[[]] * 11, list(range(11))], [11])
    reads = [problem.inputs(v) for v in range(12)]
    assert shortest(problem, reads, [[]] * 12, 6, None, most=4096) == (None, False)
    assert shortest(problem, reads, [[]] * 12, 6, None, most=10_000) == (None, True)


def test_a_search_is_made_once_for_budgets_that_mean_the_same(monkeypatch):
    seen = []
    monkeypatch.setattr(Exact, "shortest", lambda self, budget, below: seen.append(budget)
                        or (None, False))
    problem = Problem([64] * 5, [3] * 5, [[], [0], [1], [2, 1], [3, 0]], [4])
    incumbents = Incumbents(problem)
    for budget in range(128, 192):
        assert Exact(problem).order(budget, incumbents) == (None, False)
    assert seen == [128]


def test_large_problems_are_refused():
    inputs = [[], *[[0]] * 25, list(range(26))]
    inputs[-1] = [25]
    inputs += [[26, v] for v in range(1, 25)]
    n = len(inputs)
    problem = Problem([1] * n, [1] * n, inputs, list(range(27, n)))
    with pytest.raises(PolicyError, match="at most 25 nodes"):
        solve(problem, solve(problem).peak_bytes - 1, method="exact")
