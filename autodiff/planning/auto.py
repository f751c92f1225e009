"""Auto: the method that suits the problem."""

from autodiff.errors import BudgetError, PlanError
from autodiff.planning import blocks, exact, search
from autodiff.planning.incumbent import Incumbents
from autodiff.planning.limits import Limits

_BLOCKS = 0.3   # of the time limit goes to blocks, where there are any


def plan(problem, limits, incumbents=None):
    """Plan a problem within a budget: exactly where it is small, else by search.

    The search begins with the best of greedy walks, the chain programme where the problem is
    chain-like, and blocks where it narrows.
    """
    if exact.Exact(problem).fits:
        return exact.plan(problem, limits, incumbents)
    incumbents = incumbents or Incumbents(problem)
    hasty = Limits(limits.budget, limits.time_limit * _BLOCKS, limits.seed)
    try:
        incumbents.base.append(blocks.plan(problem, hasty, incumbents))
    except (BudgetError, PlanError):
        pass    # there are no blocks, or they do not fit one by one
    rest = Limits(limits.budget, limits.time_limit * (1 - _BLOCKS), limits.seed)
    return search.plan(problem, rest, incumbents)
