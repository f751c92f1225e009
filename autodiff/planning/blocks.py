"""Blocks: a sequence is cut where it narrows, each block is planned by itself, once if it repeats.

A cut lies where a single value is still to be read (an articulation point). Blocks follow each
other in time, so each has the whole budget less what passes it by; what crosses a cut is held
there. A plan of the blocks is therefore a plan of the whole, though recomputation across a cut is
not thought of.
"""

import numpy as np

from autodiff.errors import BudgetError, PlanError
from autodiff.planning import exact, search
from autodiff.planning.bounds import memory_bound
from autodiff.planning.budget import not_found
from autodiff.planning.incumbent import Incumbents
from autodiff.planning.limits import Limits
from autodiff.planning.problem import Problem

_NARROW = 1     # values still to be read where a cut is made; with more, too much is lost
_LEAST = 6      # nodes of a block


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
        self.cuts = []
        for v in range(n - 1):
            long_enough = v + 1 - (self.cuts[-1] if self.cuts else 0) >= _LEAST
            if crossing[v] <= _NARROW and long_enough and n - v > _LEAST:
                self.cuts.append(v + 1)
        self.cuts.append(n)

    def order(self, limits):
        """Plan block after block: an order of computes (int32), or the BudgetError of a block."""
        order, known = [], {}
        begin = 0
        for end in self.cuts:
            nodes, problem, passing = self._block(begin, end)
            budget = limits.budget - passing
            key = problem.to_json(), budget
            if key not in known:
                share = limits.time_limit * (end - begin) / self.network.n
                known[key] = _computes(problem, Limits(budget, share, limits.seed))
            order += [nodes[v] for v in known[key] if nodes[v] >= begin]
            begin = end
        return np.array(order, np.int32)

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


def _computes(problem, limits):
    """Plan one block: its computes in order."""
    if limits.budget < max(1, memory_bound(problem)[0]):
        raise BudgetError("not found: a block of its own does not fit")
    planner = exact.plan if exact.Exact(problem).fits else search.plan
    steps = planner(problem, limits).steps
    return steps.nodes[steps.actions == 0].tolist()


def plan(problem, limits, incumbents=None):
    """Plan a problem by its blocks within a budget.

    Raises
    ------
    PlanError
        When the problem narrows nowhere.
    BudgetError
        "not found: …" when a block does not fit beside what passes it by.
    """
    incumbents = incumbents or Incumbents(problem)
    blocks = Blocks(incumbents)
    if len(blocks.cuts) < 2:
        raise PlanError("method 'blocks' needs a problem that narrows to one value somewhere")
    bound, _ = memory_bound(problem)
    try:
        schedule = incumbents.schedule(blocks.order(limits), "blocks")
    except BudgetError as error:
        raise not_found(problem, limits.budget, bound, None) from error
    if schedule.peak_bytes > limits.budget:
        raise not_found(problem, limits.budget, bound, schedule.peak_bytes)
    return schedule
