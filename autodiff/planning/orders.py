"""From an order of computes to a schedule: the frees follow from the last uses."""

from autodiff.planning.lifetimes import free_after_last_use
from autodiff.planning.schedule import Schedule


def schedule_of(problem, order, method, lower_bound=None, bound_family="any order"):
    """Put the frees into an order of computes (int32 array) and simulate it: a `Schedule`."""
    steps = free_after_last_use(
        order,
        problem.input_start,
        problem.input_index,
        problem.owner,
        problem.pinned,
    )
    return Schedule(problem, steps, method, lower_bound, bound_family)
