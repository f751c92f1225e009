"""First plans: several greedy walks, and the tightest budget at which one of them arrives."""

import numpy as np

from autodiff.planning import checkpoint, recompute, store
from autodiff.planning.greedy import evict
from autodiff.planning.orders import schedule_of
from autodiff.planning.reduced import Reduced

_DISTANCE_POWERS = (0.5, 1.0, 0.25, 2.0)
_TRIALS = 12    # budgets tried between the bound and the smallest known


class Incumbents:
    """Hold the base plans of a problem, and make greedy ones within budgets.

    Attributes
    ----------
    problem : Problem
    reduced : Reduced
    base : list of Schedule
        Store first, then checkpoint and recompute where there is a level to recompute.
    """

    def __init__(self, problem):
        self.problem = problem
        self.reduced = Reduced(problem)
        self.base = [schedule_of(problem, store.order(problem), "store")]
        if problem.level.any():
            self.base.append(schedule_of(problem, checkpoint.order(problem), "checkpoint"))
            if len(problem) <= 1000:    # its steps grow as n²
                self.base.append(schedule_of(problem, recompute.order(problem), "recompute"))
        self.sequences = [np.arange(len(self.reduced.nodes))]

    def best(self, budget):
        """Find the cheapest first plan within the budget.

        Returns
        -------
        schedule : Schedule or None
        node : int or None
            Where the last greedy walk got stuck, in numbers of the problem.
        """
        found = [s for s in self.base if s.peak_bytes <= budget]
        if any(s.cost == self.problem.total_cost for s in found):
            return min(found, key=lambda s: s.cost), None
        stuck = None
        for sequence in self.sequences:
            for power in _DISTANCE_POWERS:
                order, node = evict(self.reduced.network, sequence, budget, power)
                if order is None:
                    stuck = int(self.reduced.nodes[node])
                else:
                    found.append(self.schedule(order))
        found = [s for s in found if s.peak_bytes <= budget]
        return (min(found, key=lambda s: s.cost), None) if found else (None, stuck)

    def schedule(self, order, method="search"):
        """Make the schedule of an order of the reduced problem's nodes."""
        return schedule_of(self.problem, self.reduced.expand(order), method)

    def schedule_of(self, order, method):
        """Make the schedule of an order of the problem's own nodes."""
        return schedule_of(self.problem, order, method)

    def tightest(self, bound):
        """Find the first plan of the lowest peak: by bisection between it and the bound.

        The same for the same problem, whatever budget is asked for.
        """
        lowest = min(self.base, key=lambda s: (s.peak_bytes, s.cost))
        below = bound - 1       # no plan was found at it
        for _ in range(_TRIALS):
            if lowest.peak_bytes - below <= 1:
                break
            budget = (below + lowest.peak_bytes) // 2
            schedule, _ = self.best(budget)
            if schedule is None:
                below = budget
            else:
                lowest = schedule
        return lowest
