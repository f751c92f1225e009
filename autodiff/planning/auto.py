"""Auto: the method that suits the problem."""

from autodiff.errors import PlanError
from autodiff.planning import blocks, exact, search
from autodiff.planning.incumbent import Incumbents

_BLOCKS = 0.3   # of the moves go to blocks, where there are any


def plan(problem, limits, incumbents=None):
    """Plan a problem within a budget: exactly where it is small, else by search.

    The search begins with the best of other orders, greedy walks, the chain programme where the
    problem is chain-like, and blocks where it narrows.
    """
    if exact.Exact(problem).fits:
        return exact.plan(problem, limits, incumbents)
    incumbents = incumbents or Incumbents(problem)
    try:
        found = blocks.attempt(incumbents, limits.share(_BLOCKS))
        if found is not None:
            incumbents.base.append(found)
    except PlanError:
        pass    # there are no blocks
    return search.plan(problem, limits.share(1 - _BLOCKS), incumbents)
