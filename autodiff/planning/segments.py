"""Chain-like problems: the forward graph cut into segments that the sweep reads last to first.

The *state* at a cut is the set of values that cross it: made before, read after by forward nodes
that the sweep needs. Segment j is what lies between cut j and cut j + 1; its *stage* is the stretch
of the sweep that reads its inner values, or the state it starts from. A cut stays when no stage
has to read the values of two segments at once, and the stages come in the segments' order, last to
first. What the sweep turns round on is the state at the end. Values that are computed once and stay
(targets, kept ones, views) belong to no state.
"""

import numpy as np

from autodiff.errors import PlanError
from autodiff.planning import passes, store
from autodiff.planning.orders import schedule_of
from autodiff.planning.recompute import split

MOST_SEGMENTS = 192     # the chain programme takes time of their number's third power
_PERIODS = 16           # narrow places at most after which a chain may repeat
_REPEATS = 0.8          # of all narrow places, at least: then the chain is cut in equal segments


class Segments:
    """Cut a problem into segments.

    Parameters
    ----------
    problem : Problem
        All nodes needed, mere views left out (`Reduced`).
    light : bool
        Where a stage ends with nodes that read nothing of the forward part: whether the stage ends
        where the sweep holds fewest bytes, rather than after them.
    most : int
        Segments at most; where there are more narrow places, those of fewest bytes are cut: of a
        chain that repeats the same ones in every step, as the programme has one row for parts that
        are alike.
    whole : bool
        Whether a chain that repeats is cut once a step at most.

    Attributes
    ----------
    lower : list of list of int
        The nodes of each segment, in order.
    stages : list of list of int
        The nodes of the sweep that each segment's turn computes, in order.
    stays : bool array (n,)
        Lower nodes computed once and held to their last use, outside all states.
    states : list of set of int
        What crosses the cut before each segment, for the sweep's sake; the first is empty.
    strays : list of set of int
        What crosses beside it on the way forward, for the sake of values that stay.
    reads : list of list of int
        What each node needs held: its inputs, their owners, its owner.

    Raises
    ------
    PlanError
        When everything is one segment, and an empty one at the end.
    """

    def __init__(self, problem, light=True, most=MOST_SEGMENTS, whole=False):
        self.problem = p = problem
        self.is_lower = _lower(p)
        views = p.owner >= 0
        stays = (p.target | p.keep | p.once).astype(bool) | views
        stays[p.owner[views]] = True
        self.stays = stays & self.is_lower
        owner = p.owner.tolist()
        self.reads = [
            sorted({*read, *(owner[u] for u in (v, *read) if owner[u] >= 0)})
            for v, read in enumerate(map(p.inputs, range(len(p))))
        ]
        nodes = np.flatnonzero(self.is_lower).tolist()
        self.sweep = np.flatnonzero(~self.is_lower).tolist()
        self._place = {v: i for i, v in enumerate(nodes)}
        self._measure(nodes)
        cuts = self._cut(nodes, most, whole)
        if len(cuts) < 2 or (cuts[1] == len(nodes) > 1):
            raise PlanError(
                "the problem is not chain-like: its forward part has no places that all passes "
                "through and that the sweep comes back to in reverse order"
            )
        ends = [*cuts[1:], len(nodes)]
        self.lower = [nodes[i:j] for i, j in zip(cuts, ends, strict=True)]
        segment = self._segment_of(cuts)
        self.stages = [[] for _ in cuts]
        for v, stage in zip(self.sweep, self._stages(segment)[0], strict=True):
            self.stages[stage].append(v)
        if light:
            self._lighten()
        self.states, self.strays = [set() for _ in cuts], [set() for _ in cuts]
        for v in nodes:
            if not self.stays[v]:
                begin, last = segment[self._place[v]] + 1, self._last_useful[v]
                till = segment[last] if last >= 0 else begin - 1
                for j in range(begin, till + 1):
                    self.states[j].add(v)
                for j in range(max(begin, till + 1), segment[self._last[v]] + 1):
                    self.strays[j].add(v)

    def _lighten(self):
        """Move nodes that read nothing of a stage to the next one there is, for fewer bytes."""
        p, place = self.problem, {v: i for i, v in enumerate(self.sweep)}
        change = np.zeros(len(place) + 1, np.int64)
        last = {}
        for v in self.sweep:
            for u in (v, *self.reads[v]):
                last[u] = place[v]
        for v in self.sweep:
            change[place[v]] += p.nbytes[v]
            change[len(place) if p.pinned[v] else last[v]] -= p.nbytes[v]
        crossing = np.cumsum(change).tolist()       # bytes of the sweep held after each node
        used = [i for i in reversed(range(len(self.stages))) if self.stages[i]]
        for i, following in zip(used[:-1], used[1:], strict=True):
            stage = self.stages[i]
            begin = len(stage)
            while begin and not any(map(self._is_inner, self.reads[stage[begin - 1]])):
                begin -= 1
            if 0 < begin < len(stage):
                end = min(range(len(stage), begin - 1, -1),
                          key=lambda k: crossing[place[stage[k - 1]]])
                self.stages[following][:0] = stage[end:]
                del stage[end:]

    def _is_inner(self, v):
        """Say whether v is of the forward part and may be computed again."""
        return self.is_lower[v] and not self.stays[v]

    def _measure(self, nodes):
        """Find what the sweep needs, and where each lower value is read last by lower nodes."""
        useful = np.zeros(len(self.problem), bool)
        for v in self.sweep:
            for u in self.reads[v]:
                useful[u] |= self.is_lower[u] and not self.stays[u]
        for v in reversed(nodes):
            if useful[v]:
                for u in self.reads[v]:
                    useful[u] |= not self.stays[u]
        self.useful = useful
        self._last, self._last_useful = {}, {}
        for v in nodes:
            place = self._place[v]
            self._last[v], self._last_useful[v] = place, -1
            for u in self.reads[v]:
                self._last[u] = place
                if useful[v]:
                    self._last_useful[u] = place
        # What the sweep turns round on crosses to the end: a state like all others.
        turn = next((v for v in reversed(nodes) if useful[v]), None)
        if turn is not None:
            self._last_useful[turn] = len(nodes)

    def _cut(self, nodes, most, whole):
        """Choose the places where segments begin, ascending from 0."""
        m = len(nodes)
        change = np.zeros(m + 2, np.int64)
        for v in nodes:
            if self.useful[v] and self._last_useful[v] >= 0:
                change[self._place[v] + 1] += self.problem.nbytes[v]
                change[self._last_useful[v] + 1] -= self.problem.nbytes[v]
        crossing = np.cumsum(change)[: m + 1]    # bytes of the state before each place
        cuts = self._settle(list(range(m + 1)), crossing)
        if len(cuts) > most or whole:
            passed = np.cumsum(np.append(self.problem.cost[nodes], 0) + 1e-12)[cuts]
            chosen = _equal(crossing[cuts], np.diff(passed), most)
            if chosen is None:
                # One cut in each stretch of equal cost: the one that fewest bytes cross.
                stretch = np.ceil(passed * (most / passed[-1])).astype(int)
                best = np.lexsort((cuts, crossing[cuts], stretch))
                chosen = best[np.unique(stretch[best], return_index=True)[1]]
            chosen = sorted({0, *np.asarray(cuts)[chosen].tolist()})
            cuts = self._settle(chosen[:most], crossing)
        return cuts

    def _settle(self, cuts, crossing):
        """Drop cuts until each stage of the sweep reads one segment, and no cut is useless."""
        while True:
            segment = self._segment_of(cuts)
            stages, dropped = self._stages(segment)
            if not dropped:
                # A state of which nothing is read is not worth its bytes if the next is as small.
                used = self._read_states(segment, stages)
                states = [*crossing[cuts].tolist(), 0]
                dropped = {
                    j for j in range(1, len(cuts))
                    if j not in used and states[j + 1] <= states[j]
                }
            if not dropped:
                return cuts
            cuts = [c for j, c in enumerate(cuts) if j not in dropped]

    def _read_states(self, segment, stages):
        """Collect the segments with a stage of their own, or a state read that dies in them."""
        used = set(stages)
        for v in self.sweep:
            for u in self.reads[v]:
                if self._is_inner(u) and self._last_useful[u] >= 0:
                    used.add(segment[self._last_useful[u]])
        return used

    def _segment_of(self, cuts):
        """List the segment of each place among the lower nodes, and of the end."""
        places = np.arange(len(self._place) + 1)
        return (np.searchsorted(cuts, places, side="right") - 1).tolist()

    def _stages(self, segment):
        """Give each node of the sweep the earliest stage it may have; the cuts that forbid it."""
        stages, dropped = [], set()
        current = segment[-1] if segment else 0
        for v in self.sweep:
            least, most = 0, current
            for u in self.reads[v]:
                if self._is_inner(u):
                    made = segment[self._place[u]]
                    last = self._last_useful[u]
                    least = max(least, made)
                    most = min(most, segment[last] if last >= 0 else made)
            if most < least:
                dropped.update(range(most + 1, least + 1))
            current = most
            stages.append(most)
        return stages, dropped


def _equal(crossing, costs, most):
    """Choose places (int array) at equal distances where a chain repeats; None where it does not.

    `crossing` are the bytes of the state at each place, `costs` those of the way to the next.
    """
    n = len(costs)
    for period in range(1, min(_PERIODS, n // 4) + 1):
        alike = (crossing[period:n] == crossing[:n - period]) & np.isclose(
            costs[period:], costs[:n - period], rtol=1e-9)
        ends = np.flatnonzero(np.diff(np.concatenate([[False], alike, [False]])))
        begin, end = max(ends.reshape(-1, 2).tolist(), key=lambda run: run[1] - run[0],
                         default=(0, 0))
        if end - begin >= _REPEATS * n:
            apart = period * -(-n // (period * (most - 2)))     # whole steps
            lowest = begin + int(crossing[begin:begin + period].argmin())
            return np.arange(lowest % apart, n, apart)
    return None


def _lower(problem):
    """Mark the nodes below the last sweep; without levels, those before the peak of store."""
    part = split(problem)
    if (part == passes.LOWER).any() and (part == passes.SWEEP).any():
        return part == passes.LOWER
    if len(problem) == 0:
        return np.zeros(0, bool)
    schedule = schedule_of(problem, store.order(problem), "store")
    turn = int(schedule.steps.nodes[schedule.simulation.peak_step])
    return np.arange(len(problem)) < turn
