"""Search: the first plan within a budget, then improved; for graphs of any form and size."""

from autodiff.planning.bounds import memory_bound
from autodiff.planning.budget import not_found
from autodiff.planning.incumbent import Incumbents


def plan(problem, limits):
    """Plan a problem within a budget that no bound excludes: a `Schedule`, or BudgetError."""
    incumbents = Incumbents(problem)
    schedule, node = incumbents.best(limits.budget)
    if schedule is None:
        bound, _ = memory_bound(problem)
        schedule = incumbents.tightest(bound)
        if schedule.peak_bytes > limits.budget:
            raise not_found(problem, limits.budget, bound, schedule.peak_bytes, node)
    return schedule
