"""Blocks: a sequence is cut where it narrows, each block is planned by itself, once if it repeats.

A cut lies where a single value is still to be read (an articulation point), or two or three where
that is so nowhere. Blocks follow each other in time, so each has the whole budget less what passes
it by; what crosses a cut is held there. A plan of the blocks is therefore a plan of the whole,
though recomputation across a cut is not thought of.
"""

import numpy as np

from autodiff.errors import PlanError
from autodiff.planning import exact, search
from autodiff.planning.bounds import memory_bound
from autodiff.planning.incumbent import Incumbents
from autodiff.planning.problem import Problem
from autodiff.planning.smallest import refusal

_NARROW = 1, 2, 3   # values still to be read where a cut is made: the first that makes cuts
_LEAST = 6          # nodes of a block


class Blocks:
    """Cut the reduced problem of some incumbents into blocks.

    Attributes
    ----------
    cuts : list of int
        Where blocks end: numbers of nodes, ascending, the last one n.
    """

    def __init__(self, incumbents):
        self._incumbents, self.network = incumbents, incumbents.reduced.network
        self._arrays = a = self.network.arrays
        n = self.network.n
        self._rows = {
            what: [
                a[f"{what}_index"][a[f"{what}_start"][v] : a[f"{what}_start"][v + 1]].tolist()
                for v in range(n)
            ]
            for what in ("in", "over", "after")
        }
        self._last = [v for v in range(n)]
        for v in range(n):
            for u in self._rows["in"][v]:
                self._last[u] = v
        change = np.zeros(n + 1, np.int64)
        for v in np.flatnonzero(a["pinned"] == 0).tolist():
            change[v] += 1
            change[self._last[v]] -= 1
        crossing = np.cumsum(change)[:n]
        for narrow in _NARROW:
            self.cuts = _cuts(crossing <= narrow)
            if len(self.cuts) > 1:
                break

    def order(self, limits):
        """Plan block after block: (order of computes, int32, whether the clock stopped it).

        (None, False) where a block does not fit.
        """
        order, known, late = [], {}, False
        begin = 0
        for end in self.cuts:
            nodes, problem, passing = self._block(begin, end)
            budget = limits.budget - passing
            text = problem.to_json()
            if (text, budget) not in known:
                part = (end - begin) / self.network.n
                parts = self._incumbents.parts
                if text not in parts:
                    parts[text] = Incumbents(problem)
                known[text, budget] = _attempt(parts[text], limits.share(part, budget))
            if known[text, budget] is None:
                return None, False
            computes, stopped = known[text, budget]
            order += [nodes[v] for v in computes if nodes[v] >= begin]
            late = late or stopped
            begin = end
        return np.array(order, np.int32), late

    def _block(self, begin, end):
        """Make the problem of the nodes begin … end − 1: (their numbers, it, bytes passing by).

        Values from before that die in the block stand first in it, computed once at no cost.
        """
        a, last = self._arrays, self._last
        outside = [u for u in range(begin) if a["pinned"][u] or last[u] >= begin]
        dying = [u for u in outside if last[u] < end and not a["pinned"][u]]
        passing = sum(int(a["nbytes"][u]) for u in outside) - sum(
            int(a["nbytes"][u]) for u in dying
        )
        nodes = dying + list(range(begin, end))
        number = {v: i for i, v in enumerate(nodes)}
        first = list(range(len(dying)))

        def inner(what, v):
            return [number[u] for u in self._rows[what][v] if u in number] if v >= begin else []

        problem = Problem(
            [int(a["nbytes"][v]) for v in nodes],
            [float(a["cost"][v]) if v >= begin else 0.0 for v in nodes],
            [inner("in", v) for v in nodes],
            [i for i, v in enumerate(nodes) if v >= begin and (a["pinned"][v] or last[v] >= end)]
            or [len(nodes) - 1],
            workspace=[int(a["workspace"][v]) if v >= begin else 0 for v in nodes],
            inplace=[inner("over", v) for v in nodes],
            once=[v < begin or bool(a["fixed"][v]) for v in nodes],
            after=[first + inner("after", v) if v >= begin else [] for v in nodes],
        )
        return nodes, problem, passing


def _cuts(narrow):
    """List the numbers of the nodes that begin a block, not too near each other, and n."""
    cuts, n = [], len(narrow)
    for v in np.flatnonzero(narrow).tolist():
        if v + 1 - (cuts[-1] if cuts else 0) >= _LEAST and n - v > _LEAST:
            cuts.append(v + 1)
    return [*cuts, n]


def _attempt(incumbents, limits):
    """Plan one block: (its computes in order, whether the clock stopped it); None, if not found."""
    problem = incumbents.problem
    if limits.budget < max(1, memory_bound(problem)[0]):
        return None
    small = exact.Exact(problem)
    if small.fits:
        found, *_ = exact.attempt(small, limits.budget, incumbents)
    else:
        found, _ = search.attempt(incumbents, limits)
    if found is None:
        return None
    steps = found.steps
    return steps.nodes[steps.actions == 0].tolist(), found.method.endswith(search.LATE)


def attempt(incumbents, limits):
    """Look for a plan by blocks: a schedule within the budget, or None.

    Raises
    ------
    PlanError
        When the problem narrows nowhere.
    """
    blocks = Blocks(incumbents)
    if len(blocks.cuts) < 2:
        raise PlanError(
            f"method 'blocks' needs a place that at most {_NARROW[-1]} values cross: it has none")
    order, late = blocks.order(limits)
    if order is None:
        return None
    schedule = incumbents.schedule(order, f"blocks{search.LATE if late else ''}")
    return schedule if schedule.peak_bytes <= limits.budget else None


def plan(problem, limits):
    """Plan a problem by its blocks within a budget.

    Raises
    ------
    PlanError
        When the problem narrows nowhere.
    BudgetError
        "not found: …" when a block does not fit beside what passes it by.
    """
    incumbents = Incumbents(problem)
    found = attempt(incumbents, limits)
    if found is None:
        raise refusal(problem, limits.budget, by="by method 'blocks'", incumbents=incumbents)
    return found
