"""Chain: what to hold of a chain of unequal steps within a budget, by the chain programme."""

import numpy as np

from autodiff.planning import rotor
from autodiff.planning.footprints import Ways
from autodiff.planning.orders import schedule_of
from autodiff.planning.reduced import Reduced
from autodiff.planning.segments import MOST_SEGMENTS, Segments
from autodiff.planning.smallest import refusal

_MOST_EQUAL = 1000      # segments at most where steps are equal
_WORK = 3_000_000       # of the programme at most, where there are more segments than else


class Chain:
    """Plan a chain-like problem for any budget.

    Parameters
    ----------
    problem : Problem

    Attributes
    ----------
    least_bytes : int
        The smallest budget that a plan of this kind meets.
    is_even : bool
        Whether steps are single nodes and repeat: what to hold is all there is to choose then, and
        nothing is left to search for.

    Raises
    ------
    PlanError
        When the problem is not chain-like.

    Examples
    --------
    >>> from autodiff.planning.chain import Chain
    >>> from autodiff.planning import Problem
    >>> inputs = [[], [0], [1], [2], [3, 2], [4, 1], [5, 0]]
    >>> chain = Chain(Problem([1] * 7, [1] * 7, inputs, [6], level=[0, 0, 0, 0, 1, 1, 1]))
    >>> chain.least_bytes, [chain.schedule(budget).cost for budget in (3, 4, 5)]
    (3, [10, 8, 7])
    """

    def __init__(self, problem):
        self.problem, self._reduced = problem, Reduced(problem)
        self._cuttings = []
        self._cut(_MOST_EQUAL)
        if self._is_long() and all(cutting.repeats for cutting in self._cuttings):
            self._cut(_MOST_EQUAL, whole=True)
        if self._is_long():
            self._cut(MOST_SEGMENTS)
        self.is_even = all(cutting.is_even for cutting in self._cuttings)
        self.least_bytes = min(cutting.rotor.least_bytes for cutting in self._cuttings)

    def _is_long(self):
        """Say whether the programme would take too long."""
        return max(cutting.rotor.work for cutting in self._cuttings) > _WORK

    def _cut(self, most, whole=False):
        """Cut at so many narrow places at most, in one or two ways; see `Segments`."""
        cuttings = [Segments(self._reduced.problem, light, most, whole) for light in (True, False)]
        same = cuttings[0].stages == cuttings[1].stages
        self._cuttings = [_Cutting(segments) for segments in cuttings[: 1 if same else 2]]

    def schedule(self, budget):
        """Plan within a budget (int, bytes, at least `least_bytes`): a `Schedule`."""
        schedules = [
            schedule_of(self.problem, self._reduced.expand(order), "chain")
            for cutting in self._cuttings if cutting.rotor.least_bytes <= budget
            for order in cutting.orders(budget)
        ]
        return min(schedules, key=lambda schedule: (schedule.cost, schedule.peak_bytes))


class _Cutting:
    """One way to cut the problem into segments and stages, with its programme."""

    def __init__(self, segments):
        self.ways = Ways(segments)
        self.rotor = rotor.Rotor(self.ways.measure())
        # The first segment and the last two have no neighbours to be like.
        steps, kinds = segments.lower[1:-2], self.rotor.kinds[1:-2]
        self.repeats = len(set(self.rotor.kinds)) <= len(self.rotor.kinds) // 4
        self.is_even = all(len(nodes) == 1 for nodes in steps) and any(
            len(kinds) >= 4 * period and kinds[period:] == kinds[:-period] for period in (1, 2))

    def orders(self, budget):
        """Make the best orders of computes within a budget (int32), by either rounding."""
        for nearest in (False, True):
            exact = self.rotor.fill(budget, nearest)
            yield in_order(self.ways, self.rotor.moves()[1])
            if exact:
                break


def in_order(ways, moves):
    """Turn moves of the chain programme into an order of computes (int32)."""
    s = ways.segments
    nodes_of = {
        rotor.PASS: ways.passing,
        rotor.TAPE: ways.taping,
        rotor.BOTH: ways.both,
        rotor.REST: ways.rest,
        rotor.STAGE: s.stages,
    }
    order = []
    for kind, i, first in moves:
        order += s.lower[i] if first else nodes_of[kind][i]
    firsts = {v: at for at, v in reversed(list(enumerate(order)))}
    # What is computed again and not read then, as part of a state, is left out.
    wanted, kept = set(), []
    for at in range(len(order) - 1, -1, -1):
        v = order[at]
        if v in wanted or firsts[v] == at:
            wanted.discard(v)
            wanted.update(s.reads[v])
            kept.append(v)
    return np.array(kept[::-1], np.int32)


def plan(problem, limits):
    """Plan a problem within a budget by the chain programme.

    Raises
    ------
    PlanError
        When the problem is not chain-like.
    BudgetError
        "not found: …" when no plan of this kind fits.
    """
    chain = Chain(problem)
    if chain.least_bytes > limits.budget:
        raise refusal(problem, limits.budget,
                      by=f"by method 'chain', which takes {chain.least_bytes:,} bytes,")
    return chain.schedule(limits.budget)
