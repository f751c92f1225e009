"""The frontier: monotone, honest at every point, from the smallest known budget to no overhead."""

import random

import numpy as np
import pytest
from hypothesis import given, settings

from autodiff.errors import PolicyError
from autodiff.planning import Problem, frontier, smallest_budget, solve
from autodiff.planning.costbound import ANY_ORDER
from exhaustive import cheapest
from planning_problems import random_problems, real_graph
from test_planning_exact import random_graph, training_chain
from validator import plain, validate


def check(problem, found):
    assert found[0].budget == smallest_budget(problem)[0]
    assert found[-1].schedule.cost == problem.total_cost
    for point, after in zip(found, found[1:], strict=False):
        assert point.budget < after.budget
        assert point.overhead >= after.overhead
        if after.schedule.bound_family == ANY_ORDER:
            assert point.lower_bound >= after.lower_bound
    for point in found:
        peak, cost, _, _ = validate(problem, point.schedule.steps)
        assert peak <= point.budget
        assert cost == point.schedule.cost
        assert point.gap >= 0
        assert problem.total_cost <= point.lower_bound


@settings(max_examples=60, deadline=None)
@given(random_problems(most=8))
def test_small_frontiers_are_the_exhaustive_optimum(problem):
    found = frontier(problem, points=6)
    check(problem, found)
    for point in found:
        assert point.schedule.cost == point.lower_bound == cheapest(plain(problem), point.budget)


@pytest.mark.parametrize("seed", range(4))
def test_frontiers_of_searched_problems(seed):
    problem = random_graph(random.Random(seed), 60)
    check(problem, frontier(problem, points=9, time_limit=1.0))


@pytest.mark.parametrize("name", ["resnet50", "unet", "vgg16"])
def test_frontiers_of_real_training_steps(name):
    problem = real_graph(name)
    found = frontier(problem, time_limit=2.0)
    check(problem, found)
    assert len(found) == 24
    assert found[0].budget < found.knee().budget < found[-1].budget


def test_the_same_arguments_give_the_same_frontier():
    problem = random_graph(random.Random(9), 50)
    once, again = (frontier(problem, points=6, time_limit=0.5, seed=1) for _ in range(2))
    assert [p.schedule.steps for p in once] == [p.schedule.steps for p in again]


def test_a_flat_frontier_is_one_point():
    found = frontier(Problem([8, 8], [1, 1], [[], [0]], [1]))
    assert [(point.budget, point.overhead) for point in found] == [(16, 0.0)]
    assert found.knee() is found[0]


def test_it_prints_a_row_for_each_point():
    found = frontier(training_chain(6), points=8)
    text = str(found)
    assert len(text.splitlines()) == len(found) + 1
    assert text.count("<- knee") == 1
    assert "any order" in text
    assert repr(found) == f"<Frontier: {len(found)} points>"


@pytest.mark.parametrize("points", [1, 0, -3, 2.5, "8", True])
def test_impossible_numbers_of_points_are_refused(points):
    with pytest.raises(PolicyError, match="points="):
        frontier(training_chain(3), points=points)


def test_no_point_is_dearer_than_solving_at_its_budget_at_once():
    problem = training_chain(8)
    for point in frontier(problem, points=np.int64(5)):
        assert point.schedule.cost == solve(problem, point.budget).cost
