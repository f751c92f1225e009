"""Blocks: plans of the parts make a plan of the whole, near the best where the graph narrows."""

import random

import pytest

from autodiff.errors import BudgetError, PlanError
from autodiff.planning import Problem, blocks, memory_bound, solve
from autodiff.planning.incumbent import Incumbents
from autodiff.planning.limits import Limits
from planning_problems import seeded_problem
from test_planning_exact import random_graph, training_chain
from validator import validate


def waists(rng, count, size, repeat=True):
    """Make blocks that meet in single values: the last node of one is the first of the next."""
    inputs, nbytes, cost = [[]], [2], [1]
    block = random_graph(rng, size)
    for _ in range(count):
        if not repeat:
            block = random_graph(rng, size)
        begin = len(inputs) - 1
        inputs += [[u + begin for u in block.inputs(v)] for v in range(1, size)]
        nbytes += block.nbytes[1:].tolist()
        cost += block.cost[1:].tolist()
    return Problem(nbytes, cost, inputs, [len(inputs) - 1])


@pytest.mark.parametrize("repeat", [True, False])
@pytest.mark.parametrize("seed", range(10))
def test_blocks_hold_the_budget(seed, repeat):
    rng = random.Random(seed)
    problem = waists(rng, rng.randint(2, 9), rng.randint(8, 21), repeat)
    bound, _ = memory_bound(problem)
    store = solve(problem).peak_bytes
    for budget in {store - 1, (bound + store) // 2, bound}:
        try:
            schedule = solve(problem, budget, method="blocks", time_limit=0.5)
        except BudgetError as error:
            assert str(error).startswith(("not found: ", "impossible: "))  # noqa: PT017
            continue
        peak, cost, _, _ = validate(problem, schedule.steps)
        assert peak <= budget
        assert cost == schedule.cost
        assert solve(problem, budget, time_limit=0.5).cost <= cost


@pytest.mark.parametrize("seed", range(40))
def test_blocks_respect_all_that_a_problem_can_say(seed):
    problem = Problem(**seeded_problem(random.Random(seed), most=80))
    bound, _ = memory_bound(problem)
    store = solve(problem).peak_bytes
    for budget in {store + 1, (bound + store) // 2 + 1}:
        try:
            schedule = solve(problem, budget, method="blocks", time_limit=0)
        except (BudgetError, PlanError):
            continue
        assert validate(problem, schedule.steps)[0] <= budget


def test_two_chains_in_a_row_are_each_planned_exactly():
    # The last node of one unit training chain is the first of the next, which cannot be repeated.
    half = training_chain(8)
    rows = [half.inputs(v) for v in range(17)]
    problem = Problem(
        [1] * 33, [1] * 33, rows + [[u + 16 for u in rows[v]] for v in range(1, 17)], [32]
    )
    again = Problem([1] * 17, [1] * 17, rows, [16], once=[True] + [False] * 16)
    assert blocks.Blocks(Incumbents(problem)).cuts == [17, 33]
    for budget in (4, 5):
        schedule = solve(problem, budget, method="blocks")
        assert schedule.cost == solve(half, budget).cost + solve(again, budget).cost - 1


def test_repeated_blocks_are_planned_once(monkeypatch):
    problem = waists(random.Random(4), 30, 15)
    planned = []
    solved = blocks._attempt
    monkeypatch.setattr(
        blocks, "_attempt",
        lambda incumbents, limits: planned.append(incumbents.problem) or solved(incumbents, limits)
    )
    budget = solve(problem).peak_bytes
    blocks.plan(problem, Limits(budget, 1.0, 0))
    assert len(planned) <= 5
    assert sum(len(p) for p in planned) < len(problem) / 3


def test_what_narrows_nowhere_is_refused():
    n = 40
    inputs = [[], [], [], *[[v - 3, v - 2, v - 1] for v in range(3, n)]]
    problem = Problem([2] * n, [1] * n, inputs, [n - 1])
    wide = Problem([2] * (n + 9), [1] * (n + 9), [*[[]] * 9, *([u + 9 for u in row] for row in
                   inputs[:-1]), [*range(9), n + 7]], [n + 8])
    with pytest.raises(PlanError, match="at most 3 values cross"):
        solve(wide, solve(wide).peak_bytes - 1, method="blocks")
    assert solve(problem, solve(problem).peak_bytes).overhead == 0
