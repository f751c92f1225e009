"""A bound below which no plan within the budget costs: what must be evicted must be paid again.

While w is computed for the first time, every value made before it that a node after it reads is
held, or has been evicted and is computed again later. If the held ones exceed the budget by
need_w bytes, evictions x_v ∈ {0, 1} cover the need: Σ_v min(bytes_v, need_w) x_v ≥ need_w for
each w; least Σ cost_v x_v over these covers, relaxed to 0 ≤ x ≤ 1, is added to the sum of costs.
Any dual vector y ≥ 0 proves Σ_w need_w y_w − Σ_v max(0, Σ_w a_wv y_w − cost_v), so the bound is
computed from the solver's y, not taken on trust.

To recompute v, what it reads must be held, or recomputed too. Of an input that nothing else reads,
and that is no smaller, holding it instead frees nothing: so v stands for itself and all such
*feeders*, and losing v costs what they cost together, at every w by which none of them is waited
for or read. At the others it costs v alone: a second variable, no less than the first.

What stands before and after w is known for "any order" from the edges alone (ancestors, and
inputs of descendants); the "given first-execution order" knows more, and covers fewer plans.
"""

import math
from functools import cached_property

import numpy as np

from autodiff.planning.budget import parse_bytes
from autodiff.planning.problem import require_problem

ANY_ORDER = "any order"
GIVEN_ORDER = "given first-execution order"
_LARGEST = 16_384   # nodes; beyond, n² bits are more memory than a planner should take
_MOST_PAIRS = 2**22 # of a node w and a node v that are looked at in one linear programme
_PART = 256         # rows that are worked on at a time: n² floats at once would be too many
_FEEDERS = 16       # of one node: a chain would have n²/2 of them
_ROUNDS = 6         # of adding the covers that the last solution violates
_ADDED = 40         # covers added in each


def cost_bound(problem, budget, family=ANY_ORDER):
    """Bound the cost of every plan within the budget from below.

    Parameters
    ----------
    problem : Problem
    budget : int, float or str, bytes
    family : "any order" or "given first-execution order"
        Which plans are covered: all, or those that compute nodes for the first time in the
        order of their numbers.

    Returns
    -------
    int or float, at least `problem.total_cost`; an int where costs are integers

    Examples
    --------
    >>> from autodiff.planning import Problem
    >>> from autodiff.planning.costbound import cost_bound
    >>> chain = Problem([1] * 5, [1] * 5, [[], [0], [1], [2, 1], [3, 0]], [4])
    >>> cost_bound(chain, 3), cost_bound(chain, 4)
    (6, 5)
    """
    require_problem(problem)
    return CostBounds(problem).bound(min(parse_bytes(budget), 2**62), family)


class CostBounds:
    """Bound the costs of plans of one problem; what holds for every budget is found once."""

    def __init__(self, problem):
        self.problem = problem
        self._nodes = np.flatnonzero(problem.needed & (problem.owner < 0))
        self._families = {}

    def bound(self, budget, family=ANY_ORDER):
        """Bound the cost of every plan within a budget from below; see `cost_bound`."""
        problem, nodes = self.problem, self._nodes
        total = problem.total_cost
        if not 0 < len(nodes) <= _LARGEST:
            return total
        if family not in self._families:
            self._families[family] = _Around(problem, nodes, family)
        around = self._families[family]
        need = around.held_bytes - budget
        rows = _chosen(need, _MOST_PAIRS // len(nodes))
        if not len(rows):
            return total
        extra = _cover(*self._covers(*around.rows(rows)), need[rows])
        if problem.cost.dtype.kind == "f":
            return total + extra * (1 - 1e-9)
        return total + max(0, math.ceil(extra * (1 - 1e-9) - 1e-6))

    @cached_property
    def _feeders(self):
        return _find_feeders(self.problem, self._nodes)

    def _covers(self, before, waiting, held):
        """What evictions help at which nodes: (bool array, bytes, costs, columns of heads).

        One column per node for itself alone, one for each node with feeders for all of them.
        """
        problem, nodes, feeders = self.problem, self._nodes, self._feeders
        nbytes, cost = problem.nbytes[nodes].astype(float), problem.cost[nodes].astype(float)
        # What cannot be evicted makes no cover.
        free = ~((problem.pinned | problem.once)[nodes] > 0) & (nbytes > 0)
        heads = np.array([i for i in feeders if free[i]], np.int64)
        known = np.ascontiguousarray((before & ~(waiting | held)).T)    # a row for each node
        together = waiting[:, heads]
        for k, i in enumerate(heads.tolist()):
            together[:, k] &= known[feeders[i]].all(axis=0)
        alone = waiting & free
        alone[:, heads] &= ~together
        columns = np.flatnonzero(free)
        more = np.array([cost[feeders[i]].sum() for i in heads.tolist()])
        return (
            np.hstack([alone[:, columns], together]),
            np.concatenate([nbytes[columns], nbytes[heads]]),
            np.concatenate([cost[columns], more]),
            np.searchsorted(columns, heads),
        )


def certified(schedule, budget, bounds=None):
    """Give a schedule within a budget the best bound that covers it; return it.

    A bound for the given order of first executions covers a plan of that order only. `bounds` are
    the CostBounds of its problem, where there are some.
    """
    bounds = bounds or CostBounds(schedule.problem)
    bound, family = schedule.lower_bound, schedule.bound_family
    if schedule.cost > bound:
        found = bounds.bound(budget)
        if found > bound:
            bound, family = found, ANY_ORDER
        if schedule.cost > bound and in_given_order(schedule):
            found = bounds.bound(budget, GIVEN_ORDER)
            if found > bound:
                bound, family = found, GIVEN_ORDER
    return schedule.with_bound(bound, family)


def in_given_order(schedule):
    """Say whether first computations come in the order of the nodes' numbers."""
    nodes = schedule.steps.nodes[schedule.steps.actions == 0]
    _, first = np.unique(nodes, return_index=True)
    return bool((np.diff(first) > 0).all())


def _parts(size):
    """Split the numbers from 0 to size into slices of a few rows."""
    return [slice(begin, begin + _PART) for begin in range(0, size, _PART)]


def _chosen(need, most):
    """Choose the nodes with a need: all, or the greatest needs and others evenly in between."""
    rows = np.flatnonzero(need > 0)
    if len(rows) <= most:
        return rows
    greatest = rows[np.argsort(need[rows])[-(most // 2) :]]
    return np.union1d(greatest, rows[np.linspace(0, len(rows) - 1, most // 2).astype(int)])


class _Around:
    """Know, for each of `nodes`, which of them come before it, are read after it, and are held.

    Views stand for their owners throughout.

    Attributes
    ----------
    held_bytes : float array (m,)
        Bytes that must be held at each of them where nothing is computed again.
    """

    def __init__(self, problem, nodes, family):
        n, m = len(problem), len(nodes)
        self._problem, self._nodes, self._pinned = problem, nodes, problem.pinned[nodes] > 0
        position = np.full(n, -1)
        position[nodes] = np.arange(m)
        owner = np.where(problem.owner >= 0, problem.owner, np.arange(n))
        needed = np.flatnonzero(problem.needed).tolist()
        bits = (m + 7) // 8
        reads = [[int(position[owner[u]]) for u in problem.inputs(v)] for v in range(n)]
        self._held = own = np.zeros((n, bits), np.uint8)    # what v holds while it is computed
        for v in needed:
            for u in (*reads[v], int(position[owner[v]])):
                own[v, u >> 3] |= 128 >> (u & 7)
        self._last = None
        if family == GIVEN_ORDER:
            self._last = last = np.full(m, -1)
            for v in needed:
                for u in reads[v]:
                    # The place of a view is that of no row: it comes after the rows below it.
                    last[u] = max(last[u], int(np.searchsorted(nodes, v)))
            return
        self._before = before = np.zeros((n, bits), np.uint8)
        for v in needed:
            for u in (*problem.inputs(v), *problem.after(v), int(owner[v])):
                if u != v:
                    before[v] |= before[u]
                    u = int(position[owner[u]])
                    before[v, u >> 3] |= 128 >> (u & 7)
        self._after = after = np.zeros((n, bits), np.uint8)     # what is read by what needs v
        for v in reversed(needed):
            for u in {*problem.inputs(v), int(owner[v])} - {v}:
                after[u] |= after[v] | own[v]

    @cached_property
    def held_bytes(self):
        p, nodes = self._problem, self._nodes
        nbytes = p.nbytes[nodes].astype(float)
        held = np.concatenate([
            (waiting | held) @ nbytes
            for _, waiting, held in map(self.rows, _parts(len(nodes)))
        ])
        return held + p.workspace[nodes] - np.where(_may_overwrite(p, nodes), nbytes, 0)

    def rows(self, which):
        """Mark what comes before some nodes, what of it waits to be read after, and is held.

        Parameters
        ----------
        which : slice, or array of indices into `nodes`

        Returns
        -------
        before, waiting, held : bool arrays (rows, nodes)
        """
        m = len(self._nodes)

        def unpack(packed):
            return np.unpackbits(packed[self._nodes[which]], axis=1, count=m).astype(bool)

        held = unpack(self._held)
        if self._last is None:
            before, after = unpack(self._before), unpack(self._after)
        else:
            place = np.arange(m)
            before = place < place[which][:, None]
            after = self._last > place[which][:, None]
        return before, before & (after | self._pinned) & ~held, held


def _may_overwrite(problem, nodes):
    """Mark the nodes that may take over an input of their size."""
    return np.array([
        any(problem.nbytes[u] == problem.nbytes[v] for u in problem.inplace(v))
        for v in nodes.tolist()
    ])


def _find_feeders(problem, nodes):
    """Collect, for each of `nodes` that has some, the feeders that losing it loses too.

    They are inputs that only it reads, no smaller and free to go, and theirs likewise; none where
    views are involved. A dict from index to indices among `nodes`.
    """
    n = len(problem)
    owner = np.where(problem.owner >= 0, problem.owner, np.arange(n))
    needed = problem.needed > 0
    consumers = np.zeros(n, np.int64)
    for v in np.flatnonzero(needed).tolist():
        for u in {int(owner[u]) for u in problem.inputs(v)} - {v}:
            consumers[u] += 1
    stays = (problem.pinned | problem.once) > 0
    seen = np.zeros(n, bool)        # views, and what they are made from
    seen[problem.owner[problem.owner >= 0]] = True
    seen |= problem.owner >= 0
    private = needed & (consumers == 1) & ~stays & ~seen
    position = np.full(n, -1)
    position[nodes] = np.arange(len(nodes))
    found = {}
    for v in nodes.tolist():
        inner, stack = [], [v] if not seen[v] else []
        while stack and len(inner) < _FEEDERS:
            x = stack.pop()
            for u in set(problem.inputs(x)):
                if private[u] and problem.nbytes[u] >= problem.nbytes[v] > 0:
                    inner.append(int(position[u]))
                    stack.append(u)
        if inner:
            found[int(position[v])] = inner
    return found


def _cover(waiting, nbytes, cost, heads, need):
    """Bound the cheapest covers of all needs: a float, proven up to rounding.

    The last columns, one for each of `heads`, add their cost to that of their head's own column,
    which is no less: x[head] ≥ x[last column].
    """
    from scipy import sparse  # 0.2 s, and only plans with budgets pay it
    from scipy.optimize import linprog

    have = np.concatenate([waiting[part] @ nbytes for part in _parts(len(need))])
    rows = np.flatnonzero(have >= need)         # all, where any plan exists
    waiting, need = waiting[rows], need[rows]
    if not len(need):
        return 0.0
    total, many = len(cost), len(heads)
    follow = sparse.csr_array(
        (np.repeat([1.0, -1.0], many), (np.tile(np.arange(many), 2),
                                        np.append(heads, np.arange(total - many, total)))),
        shape=(many, total))
    scale = need.max()
    chosen = np.argsort(need)[::-1][:_ADDED]
    best = 0.0
    for _ in range(_ROUNDS):
        a = np.where(waiting[chosen], np.minimum(nbytes, need[chosen][:, None]), 0) / scale
        a = sparse.vstack([sparse.csr_array(a), follow])
        b = np.concatenate([need[chosen] / scale, np.zeros(many)])
        solved = linprog(cost, -a, -b, bounds=(0, 1), method="highs")
        if solved.x is None:
            break
        y = np.maximum(0, -solved.ineqlin.marginals)
        best = max(best, float(b @ y - np.maximum(0, a.T @ y - cost).sum()))
        covered = np.empty(len(need))
        for part in _parts(len(need)):
            capped = np.minimum(nbytes, need[part, None])
            covered[part] = (waiting[part] * capped) @ solved.x / need[part]
        violated = np.flatnonzero(covered < 1 - 1e-6)
        if not len(violated):
            break
        chosen = np.union1d(chosen, violated[np.argsort(covered[violated])][:_ADDED])
    return best
