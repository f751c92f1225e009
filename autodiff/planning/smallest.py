"""The smallest budget: what a plan is known for, and below what none exists."""

from autodiff.planning.bounds import memory_bound
from autodiff.planning.repeats import Repeats


def smallest_budget(problem):
    """Find the smallest budget a plan is known for, and the bound below which none exists.

    Finding the true minimum is PSPACE-complete in general (a pebble game); up to 25 nodes both
    numbers are that minimum.

    Returns
    -------
    known, bound : int, bytes
        `solve` succeeds at `known`; every budget below `bound` is impossible.

    Examples
    --------
    >>> from autodiff.planning import Problem, smallest_budget
    >>> smallest_budget(Problem([8, 8, 4], [1, 1, 1], [[], [0], [1]], [2]))
    (16, 16)
    """
    from autodiff.planning.exact import Exact  # imported when they are used
    from autodiff.planning.incumbent import Incumbents

    if problem.drop.any():
        problem = Repeats(problem).problem
    exact, incumbents = Exact(problem), Incumbents(problem)
    if exact.fits:
        lowest, bound = exact.smallest(incumbents)
    else:
        bound, _ = memory_bound(problem)
        lowest = incumbents.tightest(bound)
    return lowest.peak_bytes, bound
