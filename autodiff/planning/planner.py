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
                self._part /= 2
                plan = auto.plan(self._plain, limits, self._incumbents)
                self._incumbents.base.append(plan)
            return self._given(plan)
        except BudgetError as error:
            raise self._repeats.refusal(error) if self._repeats else error from None

    def lowest(self):
        """Find the schedule of the lowest known peak."""
        return self._given(smallest(self._plain, self._incumbents)[0])

    def certified(self, schedule, budget, proven=True):
        """Give a schedule of this planner the best bound for all within a budget.

        Unless `proven`, what its own search has proven was for fewer bytes, and does not count.
        """
        plan = self._plans[schedule]
        if not proven:
            plan = plan.with_bound(self._plain.total_cost, ANY_ORDER)
        return self._given(certified(plan, budget))

    def _given(self, plan):
        schedule = self._repeats.schedule(plan) if self._repeats else plan
        self._plans[schedule] = plan
        return schedule
