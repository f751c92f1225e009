"""The frontier: what every budget costs, from the smallest known to the one that costs nothing.

A plan that fits one budget fits every larger one, so plans carry over and the frontier is monotone
by construction. It is filled coarsely first, then refined where it bends.
"""

from dataclasses import dataclass, field

import numpy as np

from autodiff.errors import BudgetError, PolicyError, brief
from autodiff.planning.costbound import ANY_ORDER, certified
from autodiff.planning.limits import Limits, check_seed, check_time_limit
from autodiff.planning.problem import require_problem
from autodiff.planning.repeats import Repeats
from autodiff.planning.schedule import Schedule, format_bytes
from autodiff.planning.smallest import smallest

_COARSE = 8     # points before the refinement


@dataclass(frozen=True)
class Point:
    """One budget (int, bytes), the best `schedule` known for it, and what that schedule says."""

    budget: int
    schedule: Schedule = field(repr=False)

    @property
    def overhead(self):
        return self.schedule.overhead

    @property
    def lower_bound(self):
        return self.schedule.lower_bound

    @property
    def gap(self):
        return self.schedule.gap


class Frontier(tuple):
    """Points by ascending budget; the overhead falls, or stays, from each to the next."""

    __slots__ = ()

    def knee(self):
        """Pick a point: see `knee_of`."""
        return self[knee_of([point.budget for point in self],
                            [point.overhead for point in self])]

    def __repr__(self):
        return f"<Frontier: {len(self)} points>"

    def __str__(self):
        knee = self.knee()
        lines = [f"{'budget':>12}  {'overhead':>8}  {'gap':>7}  bound covers"]
        for point in self:
            lines.append(
                f"{format_bytes(point.budget):>12}  {point.overhead:>8.1%}  {point.gap:>7.1%}  "
                f"{point.schedule.bound_family}{'  <- knee' if point is knee else ''}"
            )
        return "\n".join(lines)


def knee_of(sizes, overheads):
    """Number the point farthest below the line from first to last, both axes from 0 to 1.

    Below it a byte saved costs more than on the whole.

    Parameters
    ----------
    sizes : sequence of int, bytes, ascending
    overheads : sequence of float, falling or equal

    Returns
    -------
    int
        0 where all overheads are equal.
    """
    width = max(1, sizes[-1] - sizes[0])
    height = overheads[0] - overheads[-1]
    if not height > 0:
        return 0

    def below_line(k):
        return 1 - (sizes[k] - sizes[0]) / width - (overheads[k] - overheads[-1]) / height

    return max(range(len(sizes)), key=below_line)


def frontier(problem, points=24, *, time_limit=4.0, seed=0, progress=None):
    """Plan a problem at many budgets.

    Parameters
    ----------
    problem : Problem
    points : int
        How many budgets, from 2.
    time_limit, seed : float, int
        Of all searches together, as `Budget` says.
    progress : callable (), optional
        Called after each search.

    Returns
    -------
    Frontier
        Of at most `points` points; fewer where the smallest known budget and the budget that
        costs nothing lie close.

    Raises
    ------
    PolicyError
        When an argument is impossible.

    Examples
    --------
    >>> from autodiff.planning import Problem, frontier
    >>> inputs = [[], [0], [1], [2], [3], [4, 2], [5, 1], [6, 0]]
    >>> found = frontier(Problem([8] * 8, [1] * 8, inputs, [7]))
    >>> {point.schedule.peak_bytes: point.schedule.cost for point in found}
    {24: 11, 32: 9, 40: 8}
    """
    return frontier_and_lowest(problem, points, time_limit, seed, progress)[0]


def frontier_and_lowest(problem, points, time_limit=4.0, seed=0, progress=None):
    """Find the frontier, and the schedule of the lowest known peak, which may not be on it."""
    if isinstance(points, bool) or not isinstance(points, (int, np.integer)) or points < 2:
        raise PolicyError(f"points= is an int of at least 2, not {brief(points)}")
    require_problem(problem)
    if problem.drop.any():
        repeats = Repeats(problem)
        found, lowest = frontier_and_lowest(repeats.problem, points, time_limit, seed, progress)
        found = Frontier(Point(p.budget, repeats.schedule(p.schedule)) for p in found)
        return found, repeats.schedule(lowest)
    whole = Limits(1, check_time_limit(time_limit), check_seed(seed))
    from autodiff.planning import auto  # the planners are imported when they are used
    from autodiff.planning.incumbent import Incumbents, computes_once

    incumbents = Incumbents(problem)
    incumbents.reorder()
    highest = min(filter(computes_once, incumbents.base), key=lambda s: s.peak_bytes)
    lowest, _ = smallest(problem, incumbents)
    plans = {}

    def add(budget):
        # Each search has its share of the moves, and the clock of the whole: as `solve` promises,
        # plans depend on the clock only where all the time is over.
        limits = whole.share(1 / points, max(1, budget))
        try:
            plan = auto.plan(problem, limits, incumbents)
        except BudgetError:     # the searches that found `lowest` were luckier
            plan = lowest
        plans[budget] = plan
        incumbents.base.append(plan)
        if progress is not None:
            progress()

    incumbents.base.append(lowest)
    low, high = lowest.peak_bytes, highest.peak_bytes
    plans[high] = highest
    coarse = min(_COARSE, points)
    for i in range(coarse - 1):
        add(low + (high - low) * i // (coarse - 1))
    while len(plans) < points:
        middle = _where_it_bends(plans)
        if middle is None:
            break
        add(middle)
    return _monotone(plans, incumbents.bounds), lowest


def _where_it_bends(plans):
    """Find the middle of the two neighbours between which the most is unknown, or None."""
    budgets = sorted(plans)
    spans = [
        ((b - a) * (plans[a].overhead - plans[b].overhead), a, b)
        for a, b in zip(budgets, budgets[1:], strict=False)
        if b - a > 1
    ]
    if not spans:
        return None
    area, a, b = max(spans, key=lambda span: (span[0], span[2] - span[1]))
    return (a + b) // 2 if area > 0 else None


def _monotone(plans, bounds):
    """Give every budget the cheapest plan that fits it, with the bound for that budget."""
    points, least = [], 0
    for budget in sorted(plans, reverse=True):
        own = plans[budget]
        fitting = [plan for plan in plans.values() if plan.peak_bytes <= budget]
        best = min(fitting, key=lambda plan: (plan.cost, plan is not own))
        # A bound proven for a smaller budget says nothing here; that of a larger one holds.
        if best is not own:
            best = best.with_bound(best.problem.total_cost, ANY_ORDER)
        best = certified(best, budget, bounds)
        if best.lower_bound < least:
            best = best.with_bound(least, ANY_ORDER)
        if best.bound_family == ANY_ORDER:
            least = best.lower_bound
        points.append(Point(budget, best))
    points.reverse()
    return Frontier(points)
