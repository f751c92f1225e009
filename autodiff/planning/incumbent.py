"""First plans: several greedy walks, and the tightest budget at which one of them arrives."""

from functools import cached_property

import numpy as np

from autodiff.errors import PlanError
from autodiff.planning import checkpoint, recompute, store
from autodiff.planning.anneal import anneal
from autodiff.planning.chain import Chain
from autodiff.planning.greedy import evict
from autodiff.planning.orders import schedule_of
from autodiff.planning.reduced import Reduced
from autodiff.planning.reorder import least_bytes_first

_DISTANCE_POWERS = (0.5, 1.0, 0.25, 2.0)
_TRIALS = 8             # budgets tried between the bound and the smallest known
_WALKED = 20_000        # nodes walked over for first plans, at least one walk
_MOVES = 20_000         # of annealing towards the bound
_COMPUTES = 4           # per node, beyond which a greedy walk is given up
_RECOMPUTED = 1000      # nodes up to which recompute is tried: its steps grow as n²


class Incumbents:
    """Hold the base plans of a problem, and make greedy ones within budgets.

    Attributes
    ----------
    problem : Problem
    reduced : Reduced
    base : list of Schedule
        Store first, then other orders that compute everything once, then checkpoint and recompute
        where there is a level to recompute.
    chain : Chain or None
        The chain programme, where the problem is chain-like.
    sequences : list of int64 arrays
        Orders of the reduced problem that compute everything once.
    """

    def __init__(self, problem):
        self.problem = problem
        self._tightest = {}
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

    @cached_property
    def chain(self):
        try:
            return Chain(self.problem)
        except PlanError:
            return None

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
        if not any(s.cost == self.problem.total_cost for s in found):
            walks = [(seq, power) for seq in self.sequences for power in _DISTANCE_POWERS]
            for sequence, power in walks[: max(1, _WALKED // (network.n + 1))]:
                order, node = evict(network, sequence, budget, power, most)
                if order is not None:
                    found.append(self.schedule(order))
                elif stuck is None:
                    stuck = int(self.reduced.nodes[node])
        found = [s for s in found if s.peak_bytes <= budget]
        return sorted(found, key=lambda s: s.cost), stuck

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

    def tightest(self, bound):
        """Find the first plan of the lowest peak: by bisection above the bound, then annealing.

        The same for the same problem, whatever budget is asked for.
        """
        if bound in self._tightest:
            return self._tightest[bound]
        network = self.reduced.network
        most = _COMPUTES * network.n + 1000
        lowest = min(self.base, key=lambda s: (s.peak_bytes, s.cost))
        below = bound - 1       # no plan was found at it
        if self.chain and self.chain.least_bytes < lowest.peak_bytes:
            lowest = self.chain.schedule(self.chain.least_bytes)
        for _ in range(_TRIALS):
            if lowest.peak_bytes - below <= 1:
                break
            budget = (below + lowest.peak_bytes) // 2
            order, _ = evict(network, self.sequences[0], budget, _DISTANCE_POWERS[0], most)
            if order is None:
                below = budget
            else:
                lowest = min(lowest, self.schedule(order), key=lambda s: (s.peak_bytes, s.cost))
        if bound < lowest.peak_bytes:
            order, _ = anneal(network, self.reduced.restrict(lowest), bound, _MOVES)
            lowest = min(lowest, self.schedule(order), key=lambda s: (s.peak_bytes, s.cost))
        self._tightest[bound] = lowest
        return lowest
