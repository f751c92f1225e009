"""First plans: other orders, several greedy walks, and the lowest peak that any of them holds.

Another order of first computations is free memory, so it is looked for before anything is computed
again; annealing finds one in fewer bytes than list schedules do on graphs that are no chains.
"""

from functools import cached_property

import numpy as np

from autodiff.errors import PlanError
from autodiff.planning import checkpoint, recompute, store
from autodiff.planning.anneal import anneal
from autodiff.planning.bounds import memory_bound
from autodiff.planning.chain import Chain
from autodiff.planning.costbound import CostBounds
from autodiff.planning.greedy import evict
from autodiff.planning.orders import schedule_of
from autodiff.planning.reduced import Reduced
from autodiff.planning.reorder import least_bytes_first

_DISTANCE_POWERS = (0.5, 1.0, 0.25, 2.0)
_TRIALS = 8             # budgets tried between the bound and the smallest known
_WALKED = 20_000        # nodes walked over for first plans, at least one walk
_MOVES = 20_000         # of annealing towards the bound
_REORDERING = (20, 400) # moves per node towards a better order: at first, and where those helped
_HELPED = 0.99          # of the lowest peak before
_MOST_MOVES = 2_000_000 # towards a better order
_COMPUTES = 4           # per node, beyond which a greedy walk is given up
_TRIED = 4              # first plans within one budget that are remembered, the cheapest
_RECOMPUTED = 1000      # nodes up to which recompute is tried: its steps grow as n²


class Incumbents:
    """Hold the base plans of a problem, and make greedy ones within budgets.

    Attributes
    ----------
    problem : Problem
    reduced : Reduced
    base : list of Schedule
        Store first, then other orders that compute everything once, then checkpoint and recompute
        where there is a level to recompute; `reorder` adds to it.
    chain : Chain or None
        The chain programme, where the problem is chain-like.
    tried : list of Schedule
        First plans within the budgets that were asked for.
    sequences : list of int64 arrays
        Orders of the reduced problem that compute everything once.
    parts : dict of str -> Incumbents
        Those of blocks of the problem, by a block as JSON: they serve for every budget.
    bounds : CostBounds
    refused : int, bytes
        The largest budget within which a complete search has proven that there is no plan.
    """

    def __init__(self, problem):
        self.problem = problem
        self._tightest, self._is_reordered = {}, False
        self.tried, self.parts, self.bounds = [], {}, CostBounds(problem)
        self.refused = 0
        self.reduced = reduced = Reduced(problem)
        self.base = [schedule_of(problem, store.order(problem), "store")]
        self.sequences = [np.arange(len(reduced.nodes))]
        for last in (False, True):
            order = least_bytes_first(reduced.network, last)
            self.sequences.append(order)
            self.base.append(self.schedule(order, "reordered"))
        if problem.level.any():
            self.base.append(schedule_of(problem, checkpoint.order(problem), "checkpoint"))
            if len(problem) <= _RECOMPUTED:
                self.base.append(schedule_of(problem, recompute.order(problem), "recompute"))
        self._own = list(self.base)     # what depends on the problem alone

    @cached_property
    def chain(self):
        try:
            return Chain(self.problem)
        except PlanError:
            return None

    @cached_property
    def is_even_chain(self):
        """Say whether the chain programme leaves nothing to search for."""
        return self.chain is not None and self.chain.is_even

    def reorder(self):
        """Look once for an order that computes everything once and holds fewer bytes.

        Says whether one was found now.
        """
        if self._is_reordered or self.is_even_chain:
            return False
        self._is_reordered = True
        network, bound = self.reduced.network, memory_bound(self.problem)[0]
        lowest = min(filter(computes_once, self._own), key=lambda s: s.peak_bytes)
        for per_node in _REORDERING:
            if lowest.peak_bytes <= bound:
                break
            moves = min(_MOST_MOVES, per_node * (network.n + 50))
            order, _ = anneal(network, self.reduced.restrict(lowest), bound, moves, again=False)
            found, before = self.schedule(order, "reordered"), lowest.peak_bytes
            if found.peak_bytes < before:
                lowest = found
            if lowest.peak_bytes > _HELPED * before:
                break
        found = lowest not in self._own
        if found:
            self.base.append(lowest)
            self._own.append(lowest)
            self.sequences.insert(1, self.reduced.restrict(lowest).astype(np.int64))
        return found

    def within(self, budget):
        """Make first plans within the budget, cheapest first.

        Returns
        -------
        schedules : list of Schedule
        node : int or None
            Where the first greedy walk got stuck, in numbers of the problem.
        """
        found = [s for s in self.base if s.peak_bytes <= budget]
        if self.chain and self.chain.least_bytes <= budget:
            found.append(self.chain.schedule(budget))
        stuck, network = None, self.reduced.network
        most = _COMPUTES * network.n + 1000
        if not any(s.cost == self.problem.total_cost for s in found) and not self.is_even_chain:
            walks = [(seq, power) for power in _DISTANCE_POWERS for seq in self.sequences]
            for sequence, power in walks[: max(1, _WALKED // (network.n + 1))]:
                order, node = evict(network, sequence, budget, power, most)
                if order is not None:
                    found.append(self.schedule(order))
                elif stuck is None:
                    stuck = int(self.reduced.nodes[node])
        found = sorted((s for s in found if s.peak_bytes <= budget), key=lambda s: s.cost)
        self.tried += found[:_TRIED]
        return found, stuck

    def best(self, budget):
        """Find the cheapest first plan within the budget, or (None, where it got stuck)."""
        found, stuck = self.within(budget)
        return (found[0], None) if found else (None, stuck)

    def schedule(self, order, method="search"):
        """Make the schedule of an order of the reduced problem's nodes."""
        return schedule_of(self.problem, self.reduced.expand(order), method)

    def schedule_of(self, order, method):
        """Make the schedule of an order of the problem's own nodes."""
        return schedule_of(self.problem, order, method)

    def starts(self, schedules):
        """List those that a search can begin with: it computes views and owners of views once."""
        fixed = self.reduced.nodes[self.reduced.network.arrays["fixed"] > 0]
        return [s for s in schedules if s.evaluations[fixed].max(initial=0) <= 1]

    def tightest(self, bound):
        """Find the first plan of the lowest peak: by bisection above the bound, then annealing.

        The same for the same problem, whatever budget is asked for.
        """
        if bound in self._tightest:
            return self._tightest[bound]
        self.reorder()
        network = self.reduced.network
        most = _COMPUTES * network.n + 1000
        lowest = min(self._own, key=_by_peak)
        below = bound - 1       # no plan was found at it
        if self.chain and self.chain.least_bytes < lowest.peak_bytes:
            lowest = self.chain.schedule(self.chain.least_bytes)
        for _ in range(0 if self.is_even_chain else _TRIALS):
            if lowest.peak_bytes - below <= 1:
                break
            budget = (below + lowest.peak_bytes) // 2
            walks = (evict(network, sequence, budget, _DISTANCE_POWERS[0], most)[0]
                     for sequence in self.sequences[:2])
            found = [self.schedule(order) for order in walks if order is not None]
            if not found:
                below = budget
            lowest = min(lowest, *found, key=_by_peak) if found else lowest
        if bound < lowest.peak_bytes and not self.is_even_chain:
            begin = min(self.starts([lowest, *self._own]), key=_by_peak)
            order, _ = anneal(network, self.reduced.restrict(begin), bound, _MOVES)
            lowest = min(lowest, self.schedule(order), key=_by_peak)
        self._tightest[bound] = lowest
        return lowest


def computes_once(schedule):
    """Say whether nothing is computed again, at whatever cost."""
    return schedule.evaluations.max(initial=0) <= 1


def _by_peak(schedule):
    return schedule.peak_bytes, schedule.cost
