"""Repeats: what a mark drops is computed again for a later sweep, by a node of its own.

In the problem with repeats, every planner respects the marks without knowing them: a dropped node
is read by its own call or level alone, and each higher level reads a repeat of it, made of repeats
where its inputs are dropped too. A repeat has the level it is made for, stands just before the
first node that needs it, and comes after the lower levels have ended there. An order of computes is
turned back by putting the original for each repeat; it holds no more bytes then.
"""

import numpy as np

from autodiff.errors import BudgetError
from autodiff.planning import flat, repeated
from autodiff.planning.bounds import memory_bound
from autodiff.planning.budget import impossible, not_found
from autodiff.planning.orders import schedule_of
from autodiff.planning.problem import Problem
from autodiff.planning.smallest import smallest


class Repeats:
    """Give the dropped nodes of a problem their repeats.

    Parameters
    ----------
    problem : Problem
    drop : uint8 array (n,), optional
        In place of `problem.drop` and its calls: without them, every higher level reads a repeat.

    Attributes
    ----------
    problem : Problem, with the repeats
    original : int32 array, the node of the given problem for each node of `problem`
    """

    def __init__(self, problem, drop=None):
        p = self._given = problem
        call = p.call if drop is None else np.zeros(len(p), np.int64)
        drop = (p.drop if drop is None else drop) & ~(p.once | p.keep | p.target) & (p.owner < 0)
        drop[p.owner[p.owner >= 0]] = 0
        self.original, again, slot, rows = repeated.repeat(p, drop, call)
        at, m = self.original, len(self.original)
        owner = np.full(m, -1, np.int64)
        owner[np.diff(rows["owner"][0]) > 0] = rows["owner"][1]
        targets = slot[p.targets].astype(np.int64)
        after_start, after_index = _extended(
            *rows["after"], self._turns(rows, owner, targets, again))
        self.problem = Problem.from_arrays(
            p.nbytes[at],
            p.cost[at],
            *rows["input"],
            targets,
            workspace=p.workspace[at],
            inplace_start=rows["inplace"][0],
            inplace_index=rows["inplace"][1],
            owner=owner,
            level=np.where(again, again, p.level[at]),
            once=p.once[at],
            keep=p.keep[at],
            after_start=after_start,
            after_index=after_index,
            names=lambda v: p.label(at[v]),
            lines=lambda v: p.line(at[v]),
        )

    def _turns(self, rows, owner, targets, again):
        """Find what each repeat comes after: the last node of lower level before it, or -1."""
        target = np.zeros(len(again), np.uint8)
        target[targets] = 1
        needed = flat.find_needed(target, *rows["input"], *rows["after"], owner)
        return repeated.turns(self._given.level[self.original], again, needed)

    def order(self, order):
        """Turn an order of computes of `problem` back into one of the given problem (int32)."""
        return self.original[order]

    def schedule(self, schedule):
        """Turn a schedule of `problem` back into one of the given problem, with its bound."""
        order = self.order(schedule.steps.nodes[schedule.steps.actions == 0])
        family = f"{schedule.bound_family}, marks respected"
        return schedule_of(self._given, order, schedule.method, schedule.lower_bound, family)

    def lowest(self, error):
        """The plan of the lowest known peak where `problem` is refused a budget.

        It may hold fewer bytes than `problem` knows of, and what is impossible there need not be
        so for plans of the given problem; raises a BudgetError about that where it does not fit.
        """
        bound, at = memory_bound(self._given)
        if error.budget < bound:
            raise impossible(self._given, error.budget, bound, at) from None
        found = self.schedule(smallest(self.problem)[0])
        if found.peak_bytes > error.budget:
            node = None if error.node is None else int(self.original[error.node])
            raise not_found(
                self._given, error.budget, bound, found.peak_bytes, node) from None
        return found


def _extended(start, index, more):
    """Add one entry to each compressed row for which `more` has one, -1 meaning none."""
    rows = np.flatnonzero(more >= 0)
    added = np.zeros(len(start), np.int64)
    added[rows + 1] = 1
    return start + np.cumsum(added), np.insert(index, start[rows + 1], more[rows])


def respecting_marks(problem, plan):
    """Plan a problem with marks: `plan` (problem -> Schedule) sees one with repeats instead."""
    repeats = Repeats(problem)
    try:
        return repeats.schedule(plan(repeats.problem))
    except BudgetError as error:
        return repeats.lowest(error)
