"""Exact: the cheapest plan within a budget, and the smallest budget of all, up to 25 nodes."""

import math
from functools import lru_cache

import numpy as np

from autodiff.errors import PolicyError
from autodiff.planning.bounds import memory_bound
from autodiff.planning.budget import impossible, not_found
from autodiff.planning.incumbent import Incumbents
from autodiff.planning.reduced import Reduced
from autodiff.planning.states import MOST_NODES, shortest


class Exact:
    """Search a small problem completely; views of cost 0 do not count among its nodes.

    Attributes
    ----------
    fits : bool
        Whether the problem is small enough.
    """

    def __init__(self, problem):
        self.problem = problem
        self.fits = False
        # A view has one owner, so at most half of the needed nodes are left out as views here.
        if problem.needed.sum() <= 8 * MOST_NODES:
            self._reduced = reduced = Reduced(problem, free_views_only=True)
            small = reduced.problem
            self.fits = len(small) <= MOST_NODES
        if self.fits:
            self._text = small.to_json()
            self._unit = int(np.gcd.reduce(np.append(small.nbytes, small.workspace))) or 1
            a = reduced.network.arrays
            self._reads = [
                a["in_index"][a["in_start"][v] : a["in_start"][v + 1]].tolist()
                for v in range(len(small))
            ]
            self._over = [
                [
                    u for u in small.inplace(v)
                    if small.owner[v] < 0 and small.owner[u] < 0 and not small.pinned[u]
                    and small.nbytes[u] == small.nbytes[v] > 0
                ]
                for v in range(len(small))
            ]

    def __eq__(self, other):
        return isinstance(other, Exact) and self._text == other._text

    def __hash__(self):
        return hash(self._text)

    def shortest(self, budget, below):
        """Search once more."""
        return shortest(self._reduced.problem, self._reads, self._over, budget, below)

    def order(self, budget, incumbents, below=None):
        """Find an order of computes within the budget: (order or None, proven); see `shortest`.

        The same search is not made twice, nor one below a budget that was proven to be too small.
        """
        if budget <= incumbents.refused:
            return None, True
        budget -= budget % self._unit
        order, proven = _search(self, budget, below)
        if order is None and proven and below in (None, math.inf):
            incumbents.refused = budget
        return (None if order is None else self._reduced.expand(order)), proven

    def smallest(self, incumbents):
        """Find the smallest budget: (schedule that holds it, proven bound), equal but for size."""
        bound, _ = memory_bound(self.problem)
        lowest = incumbents.tightest(bound)
        budget = bound      # reached more often than not
        while bound < lowest.peak_bytes:
            order, proven = self.order(budget, incumbents)
            if order is not None:
                lowest = incumbents.schedule_of(order, "exact")
            elif proven:
                bound = budget + 1
            else:
                break
            budget = (bound + lowest.peak_bytes) // 2
        return lowest, bound


@lru_cache(512)     # a pullback tries many budgets for few problems
def _search(exact, budget, below):
    return exact.shortest(budget, below)


def attempt(exact, budget, incumbents):
    """Look for the cheapest plan: (schedule or None, whether that is proven, where it stuck)."""
    first, node = incumbents.best(budget)
    below = math.inf if first is None else first.cost
    order, proven = exact.order(budget, incumbents, below)
    if order is not None:
        best = incumbents.schedule_of(order, "exact")
        return best.with_bound(best.cost, "any order"), True, None
    if first is not None:
        first.method = "exact" if proven else "exact, unfinished"
        first = first.with_bound(first.cost, "any order") if proven else first
    return first, proven, node


def plan(problem, limits, incumbents=None):
    """Plan a problem within a budget: a `Schedule` with a proof, or BudgetError."""
    exact = Exact(problem)
    if not exact.fits:
        raise PolicyError(
            f"method 'exact' takes at most {MOST_NODES} nodes (views of cost 0 not counted), and "
            f"this problem has {problem.needed.sum()}; 'search' takes any number"
        )
    incumbents = incumbents or Incumbents(problem)
    best, proven, node = attempt(exact, limits.budget, incumbents)
    if best is not None:
        return best
    lowest, bound = exact.smallest(incumbents)
    if lowest.peak_bytes <= limits.budget:
        return lowest
    if proven:
        raise impossible(problem, limits.budget, bound, node)
    raise not_found(problem, limits.budget, bound, lowest.peak_bytes, node)
