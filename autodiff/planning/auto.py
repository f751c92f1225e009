"""Auto: the method that suits the problem."""

from autodiff.planning import exact, search


def plan(problem, limits, incumbents=None):
    """Plan a problem within a budget: exactly where it is small, by search where it is not."""
    if exact.Exact(problem).fits:
        return exact.plan(problem, limits, incumbents)
    return search.plan(problem, limits, incumbents)
