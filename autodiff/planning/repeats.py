"""Repeats: what a mark drops is computed again for a later sweep, by a node of its own.

In the problem with repeats, every planner respects the marks without knowing them: a dropped node
is read by its own call or level alone, and each higher level reads a repeat of it, made of repeats
where its inputs are dropped too. A repeat has the level it is made for, stands just before the
first node that needs it, and comes after the lower levels have ended there. An order of computes is
turned back by putting the original for each repeat; it holds no more bytes then.
"""

import numpy as np

from autodiff.errors import BudgetError
from autodiff.planning.budget import impossible, not_found
from autodiff.planning.orders import schedule_of
from autodiff.planning.problem import Problem


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
        self._call = (p.call if drop is None else np.zeros(len(p), int)).tolist()
        drop = (p.drop if drop is None else drop) & ~(p.once | p.keep | p.target) & (p.owner < 0)
        drop[p.owner[p.owner >= 0]] = 0
        self._drop, self._level = drop.tolist(), p.level.tolist()
        self._number = {}       # (node, 0 or the level it is repeated for) -> number in `problem`
        self._rows = {"inputs": [], "inplace": [], "owner": [], "after": []}
        for v in np.flatnonzero(p.needed).tolist():
            self._place(v)
        self.original = at = np.array([u for u, _ in self._number], np.int32)
        self._turn()
        again = [level for _, level in self._number]
        self.problem = Problem(
            p.nbytes[at],
            p.cost[at],
            self._rows["inputs"],
            [self._number[t, 0] for t in p.targets.tolist()],
            workspace=p.workspace[at],
            inplace=self._rows["inplace"],
            owner=[row[0] if row else None for row in self._rows["owner"]],
            level=np.where(again, again, p.level[at]),
            once=p.once[at],
            keep=p.keep[at],
            after=self._rows["after"],
            names=lambda v: p.label(at[v]),
            lines=lambda v: p.line(at[v]),
        )

    def _place(self, v):
        """Number v, after what it reads."""
        p, stack = self._given, [(v, 0)]
        while stack:
            u, again = stack[-1]
            if (u, again) in self._number:
                stack.pop()
                continue
            owner = p.owner[u : u + 1][p.owner[u : u + 1] >= 0].tolist()
            row = {what: [self._read(w, u, again) for w in nodes] for what, nodes in
                   (("inputs", p.inputs(u)), ("inplace", p.inplace(u)), ("owner", owner))}
            row["after"] = [(w, 0) for w in p.after(u)]
            missing = [need for what in ("inputs", "owner") for need in row[what]
                       if need not in self._number]
            if missing:
                stack += missing
                continue
            stack.pop()
            self._number[u, again] = len(self._number)
            for what, needs in row.items():
                self._rows[what].append([self._number[need] for need in needs])

    def _turn(self):
        """Let each repeat come after the last node of lower level that stands before it."""
        needed = np.zeros(len(self.original), bool)
        needed[[self._number[t, 0] for t in self._given.targets.tolist()]] = True
        for v in range(len(needed) - 1, -1, -1):
            if needed[v]:
                for row in self._rows.values():
                    needed[row[v]] = True
        last = {}               # level -> its last needed node so far that is no repeat
        for v, (u, again) in enumerate(self._number):
            if not again and needed[v]:
                last[self._level[u]] = v
            elif again and needed[v]:
                self._rows["after"][v] += [
                    max((w for level, w in last.items() if level < again), default=-1)]
        for row in self._rows["after"]:
            row[:] = [w for w in row if w >= 0]

    def _read(self, u, reader, again):
        """Find what a node, or its repeat for a level, reads for u: u itself or a repeat."""
        level = again or self._level[reader]
        if not self._drop[u] or level <= self._level[u]:
            return u, 0
        inside = 0 < self._call[u] == self._call[reader]
        return (u, 0) if inside and not again else (u, level)

    def order(self, order):
        """Turn an order of computes of `problem` back into one of the given problem (int32)."""
        return self.original[order]

    def schedule(self, schedule):
        """Turn a schedule of `problem` back into one of the given problem, with its bound."""
        order = self.order(schedule.steps.nodes[schedule.steps.actions == 0])
        family = f"{schedule.bound_family}, marks respected"
        return schedule_of(self._given, order, schedule.method, schedule.lower_bound, family)

    def refusal(self, error):
        """Turn a BudgetError about `problem` back into one about the given problem."""
        node = None if error.node is None else int(self.original[error.node])
        if error.args[0].startswith("impossible"):
            return impossible(self._given, error.budget, error.bound, node)
        return not_found(self._given, error.budget, error.bound, error.known, node)


def respecting_marks(problem, plan):
    """Plan a problem with marks: `plan` (problem -> Schedule) sees one with repeats instead."""
    repeats = Repeats(problem)
    try:
        return repeats.schedule(plan(repeats.problem))
    except BudgetError as error:
        raise repeats.refusal(error) from None
