"""What each way through a segment holds and costs: the numbers the chain programme decides by.

Each is measured by walking the nodes in question, with values dying after their last use and
results taking over dying inputs, as the simulator has it.
"""

from dataclasses import dataclass

import numpy as np


@dataclass
class Footprints:
    """Numbers per segment i, bytes unless said otherwise.

    `state` is what crosses the cut before i, `tape` the inner values that stage i reads, `kept`
    their common part with state i + 1. `first` tells the first visit, when all nodes of a segment
    are computed (their cost then is the same in every plan, and counts 0), from later ones; f = 1
    means that what state i has in common with state i − 1 stays, for that one is held as well.
    """

    pass_cost: np.ndarray       # (first, L) cost of computing state i + 1 from state i
    tape_cost: np.ndarray       # (e, L) of computing the tape; e = 1: but for `kept`, which is held
    both_cost: np.ndarray       # (first, L) of computing the tape and state i + 1
    begin_peak: np.ndarray      # (first, L) on the way from state i, which stays, to state i + 1
    pass_peak: np.ndarray       # (f, first, L) the same, but state i dies
    both_peak: np.ndarray       # (f, first, L) on the way to tape and state i + 1
    tape_peak: np.ndarray       # (f, e, L) on the way to the tape
    stage_peak: np.ndarray      # (f, e, L) in stage i, with all else; e = 1: kept of i − 1 stays
    tape_apart: np.ndarray      # (f, L) tape and what stays of state i, less state i + 1
    apart: np.ndarray           # (L, L) [i, j]: of state i what is not in state j > i
    shares: np.ndarray          # (L, L) bool [i, j]: states i and j > i have values in common
    tape_shares: np.ndarray     # (f, L) bool: what stays of state i is in part in state i + 1
    outside: np.ndarray         # (L,) held when stage i begins, beside state, tape and kept
    kept: np.ndarray            # (L,) bytes of kept
    has_kept: np.ndarray        # (L,) bool
    idle: np.ndarray            # (L,) bool: stage i computes nothing


class Ways:
    """The nodes computed on each way through a segment, and their footprints.

    Attributes
    ----------
    passing, taping, both : list of list of int
        Per segment, the nodes computed for state i + 1, for the tape, for both.
    rest : list of list of int
        Those for the tape where kept is held already.
    """

    def __init__(self, segments):
        self.segments = s = segments
        self.nbytes = np.where(s.stays, 0, s.problem.nbytes).tolist()
        self._inplace = [s.problem.inplace(v) for v in range(len(s.problem))]
        owned = np.zeros(len(s.problem), bool)
        owned[s.problem.owner[s.problem.owner >= 0]] = True
        self._solid = (~owned & (s.problem.owner < 0) & ~s.stays & (s.problem.pinned == 0)).tolist()
        self._forward()

    def _forward(self):
        s = self.segments
        count = len(s.lower)
        self.passing, self.taping, self.both, self.rest = [], [], [], []
        self.tapes, self.keeps, self.kept, self.common = [], [], [], []
        for i in range(count):
            inner = {v for v in s.lower[i] if not s.stays[v]}
            read = {u for v in s.stages[i] for u in s.reads[v]}
            tape = inner & read
            after = s.states[i + 1] if i + 1 < count else set()
            before = s.states[i - 1] if i else set()
            self.tapes.append(tape)
            self.kept.append(tape & after)
            # Of state i, stage i needs what it reads; what stage i − 1 reads may be held for it.
            keep = s.states[i] & (read | (self.kept[i - 1] if i else before))
            self.common.append(s.states[i] & before)
            self.keeps.append((keep, keep | self.common[i]))
            self.passing.append(self._closure(i, after & inner, ()))
            self.taping.append(self._closure(i, tape, ()))
            self.both.append(self._closure(i, tape | (after & inner), ()))
            self.rest.append(self._closure(i, tape - after, tape & after))

    def _closure(self, i, wanted, held):
        """List what computing `wanted` takes within segment i, in order."""
        reads, stays, taken = self.segments.reads, self.segments.stays, set(wanted)
        inner = self.segments.lower[i]
        for v in reversed(inner):
            if v in taken:
                taken.update(u for u in reads[v] if not stays[u] and u not in held)
        return [v for v in inner if v in taken]

    def measure(self):
        """Measure all ways: `Footprints`."""
        s = self.segments
        count = len(s.lower)
        cost = s.problem.cost.tolist()

        def total(ways):
            return [sum(cost[v] for v in nodes) for nodes in ways]

        def table(*shape, dtype=np.int64):
            return np.zeros((*shape, count), dtype)

        zero = np.zeros(count)
        f = Footprints(
            pass_cost=np.array([total(self.passing), zero], float),
            tape_cost=np.array([total(self.taping), total(self.rest)], float),
            both_cost=np.array([total(self.both), zero], float),
            begin_peak=table(2),
            pass_peak=table(2, 2),
            both_peak=table(2, 2),
            tape_peak=table(2, 2),
            stage_peak=table(2, 2),
            tape_apart=table(2),
            apart=table(count),
            shares=table(count, dtype=np.uint8),
            tape_shares=table(2, dtype=np.uint8),
            outside=table(),
            kept=np.array([self.size(kept) for kept in self.kept], np.int64),
            has_kept=np.array([bool(kept) for kept in self.kept], np.uint8),
            idle=np.array([not stage for stage in s.stages], np.uint8),
        )
        f.tape_cost[0, -1] = 0      # the last segment's first visit, as every plan has it
        for i in range(count):
            self._measure_visits(i, f)
            state = s.states[i]
            for j in range(i + 1, count):
                rest = state - s.states[j]
                f.apart[i, j] = self.size(rest)
                if len(rest) == len(state):     # nothing is in both, nor in any later state
                    f.apart[i, j:] = f.apart[i, j]
                    break
                f.shares[i, j] = 1
        self._measure_stages(f)
        return f

    def _measure_visits(self, i, f):
        s = self.segments
        state, tape, common = s.states[i], self.tapes[i], self.common[i]
        last = i + 1 == len(s.lower)
        after, strays = (set(), set()) if last else (s.states[i + 1], s.strays[i + 1])
        for first in (0, 1):
            begin, end = (state | s.strays[i], after | strays) if first else (state, after)
            way = s.lower[i] if first else self.passing[i]
            f.begin_peak[first, i] = self._peak(way, begin, state | end)
            for shared, keep in enumerate(self.keeps[i]):
                stay = common if shared else set()
                f.pass_peak[shared, first, i] = self._peak(way, begin, stay | end)
                both = s.lower[i] if first else self.both[i]
                f.both_peak[shared, first, i] = self._peak(both, begin, keep | tape | end)
        for shared, keep in enumerate(self.keeps[i]):
            begin, way = (state | s.strays[i], s.lower[i]) if last else (state, self.taping[i])
            f.tape_peak[shared, 0, i] = self._peak(way, begin, keep | tape)
            f.tape_peak[shared, 1, i] = self._peak(self.rest[i], state, keep | tape)
            f.tape_apart[shared, i] = self.size((keep | tape) - after)
            f.tape_shares[shared, i] = bool(keep & after)

    def _measure_stages(self, f):
        s = self.segments
        last_use = {}
        for v in s.sweep:
            for u in s.reads[v]:
                last_use[u] = v
        held = set()        # values of the sweep that are read later
        pinned = int(s.problem.nbytes[s.stays & (s.problem.owner < 0)].sum())
        ends = s.problem.pinned > 0
        for i in reversed(range(len(s.lower))):
            stage, computed = s.stages[i], set(s.stages[i])
            f.outside[i] = pinned + self.size(held)
            later = {
                v for v in held | computed
                if ends[v] or (v in last_use and last_use[v] not in computed)
            }
            for shared, keep in enumerate(self.keeps[i]):
                begin, end = held | keep | self.tapes[i], set(later)
                if shared:
                    end |= self.common[i]
                f.stage_peak[shared, 0, i] = pinned + self._peak(stage, begin, end)
                if i:
                    end |= self.kept[i - 1]
                f.stage_peak[shared, 1, i] = pinned + self._peak(stage, begin, end)
            pinned += self.size(v for v in computed if ends[v])
            held = {v for v in later if not ends[v]}

    def size(self, values):
        """Add up the bytes of values that do not stay."""
        return sum(self.nbytes[v] for v in values)

    def _peak(self, nodes, begin, end):
        """Walk `nodes` from `begin` held to `end` held: the most bytes."""
        reads, nbytes, solid = self.segments.reads, self.nbytes, self._solid
        workspace = self.segments.problem.workspace
        last = {}
        for v in nodes:
            last[v] = v
            for u in reads[v]:
                last[u] = v
        held = {u for u in begin if u in last or u in end}
        live = peak = sum(nbytes[u] for u in held)
        for v in nodes:
            held.add(v)
            dying = [u for u in dict.fromkeys((*reads[v], v))
                     if last[u] == v and u not in end and u in held]
            gone = next((u for u in self._inplace[v]
                         if u in dying and nbytes[u] == nbytes[v] and solid[u]), None)
            live += nbytes[v] - (0 if gone is None or not self._plain(v) else nbytes[gone])
            peak = max(peak, live + int(workspace[v]))
            live -= sum(nbytes[u] for u in dying)
            if gone is not None and self._plain(v):
                live += nbytes[gone]
            held.difference_update(dying)
        return peak

    def _plain(self, v):
        """Say whether v has bytes of its own, counted here."""
        return self.segments.problem.owner[v] < 0 and not self.segments.stays[v]
