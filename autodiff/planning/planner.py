"""A planner of one problem for several budgets: what is found out about it is found out once.

All searches together have one time limit; plans found for one budget are first plans for the next.
"""

from autodiff.errors import BudgetError
from autodiff.planning import auto
from autodiff.planning.bounds import memory_bound
from autodiff.planning.budget import impossible
from autodiff.planning.costbound import ANY_ORDER, certified
from autodiff.planning.incumbent import Incumbents
from autodiff.planning.limits import Limits
from autodiff.planning.repeats import Repeats
from autodiff.planning.smallest import smallest

_OTHERS = 8     # plans at most that are looked at because they may pack better


class Planner:
    """Plan a problem for one budget after the other.

    Parameters
    ----------
    problem : Problem
        With marks or without.
    time_limit, seed : float, int
        As `Budget` says; the first search has all moves, each later one half as many as the last.
    """

    def __init__(self, problem, time_limit, seed):
        self.problem = problem
        self._repeats = Repeats(problem) if problem.drop.any() else None
        self._plain = self._repeats.problem if self._repeats else problem
        self._incumbents = Incumbents(self._plain)
        self._limits, self._part = Limits(1, time_limit, seed), 1.0
        self._plans = {}        # schedule of the problem -> that of the problem without marks

    def schedule(self, budget):
        """Plan within a budget (int, bytes): a `Schedule` without a bound, or BudgetError."""
        try:
            bound, node = memory_bound(self._plain)
            if budget < bound:
                raise impossible(self._plain, budget, bound, node)
            plan = self._incumbents.base[0]
            if plan.peak_bytes > budget:
                limits = self._limits.share(self._part, budget)
                self._part /= 2     # so that all searches together have at most twice the moves
                plan = auto.plan(self._plain, limits, self._incumbents)
                self._incumbents.base.append(plan)
            return self._given(plan)
        except BudgetError as error:
            if self._repeats is None:
                raise
            return self._repeats.lowest(error)

    def cheaper(self, cost, budget):
        """List other plans of live bytes within a budget that cost less, the cheapest first."""
        self._incumbents.reorder()
        seen = []
        for plan in sorted([*self._incumbents.base, *self._incumbents.tried],
                           key=lambda plan: (plan.cost, plan.peak_bytes)):
            if plan.cost >= cost or len(seen) == _OTHERS:
                break
            if plan.peak_bytes <= budget and plan not in self._plans.values() and not any(
                    plan.cost == other.cost and plan.peak_bytes == other.peak_bytes
                    for other in seen):
                seen.append(plan)
        return [self._given(plan) for plan in seen]

    def lowest(self):
        """Find the schedule of the lowest known peak."""
        return self._given(smallest(self._plain, self._incumbents)[0])

    def certified(self, schedule, budget, proven=True):
        """Give a schedule the best bound for all plans within a budget.

        Unless `proven`, what its own search has proven was for fewer bytes, and does not count.
        """
        plan = self._plans.get(schedule)
        if plan is None:                            # of another planner
            return certified(schedule.with_bound(self.problem.total_cost, ANY_ORDER), budget)
        if not proven:
            plan = plan.with_bound(self._plain.total_cost, ANY_ORDER)
        return self._given(certified(plan, budget, self._incumbents.bounds))

    def _given(self, plan):
        schedule = self._repeats.schedule(plan) if self._repeats else plan
        self._plans[schedule] = plan
        return schedule
