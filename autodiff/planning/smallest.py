"""The smallest budget: what a plan is known for, and below what none exists."""

from autodiff.planning.bounds import memory_bound
from autodiff.planning.budget import not_found
from autodiff.planning.problem import require_problem


def smallest_budget(problem):
    """Find the smallest budget a plan is known for, and the bound below which none exists.

    Finding the true minimum is PSPACE-complete in general (a pebble game); up to 25 nodes both
    numbers are that minimum, and for a larger problem `known` depends on the problem alone.

    Returns
    -------
    known, bound : int, bytes
        `solve` succeeds at `known`; every budget below `bound` is impossible. A BudgetError
        "not found" names the same `known`.

    Examples
    --------
    >>> from autodiff.planning import Problem, smallest_budget
    >>> smallest_budget(Problem([8, 8, 4], [1, 1, 1], [[], [0], [1]], [2]))
    (16, 16)
    """
    require_problem(problem)
    lowest, bound = tightest(problem)
    return lowest.peak_bytes, bound


def tightest(problem):
    """Find the schedule of the lowest known peak, and the bound; the problem may have marks."""
    if not problem.drop.any():
        return smallest(problem)
    from autodiff.planning.repeats import Repeats  # which names the smallest budget in refusals

    repeats = Repeats(problem)      # bounds for its problem are bounds for plans that respect marks
    lowest, bound = repeats.schedule(smallest(repeats.problem)[0]), memory_bound(problem)[0]
    return lowest, min(bound, lowest.peak_bytes)


def smallest(problem, incumbents=None):
    """Find the schedule of the lowest known peak, and the bound: (schedule, bytes).

    The problem is one without marks.
    """
    from autodiff.planning.exact import Exact  # imported when they are used
    from autodiff.planning.incumbent import Incumbents

    exact, incumbents = Exact(problem), incumbents or Incumbents(problem)
    if exact.fits:
        return exact.smallest(incumbents)
    bound, _ = memory_bound(problem)
    return incumbents.tightest(bound), bound


def refusal(problem, budget, node=None, by="", incumbents=None):
    """Refuse a budget that no plan was found for, naming what `smallest_budget` finds.

    See `not_found`; the problem is one without marks.
    """
    lowest, bound = smallest(problem, incumbents)
    return not_found(problem, budget, bound, lowest.peak_bytes, node, by)
