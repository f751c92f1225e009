"""The chain programme: which states and tapes of a segmented chain to hold within a byte budget.

Opt(a, b, m) is the least cost of reversing segments a … b from state a with m bytes, those of all
that is held for the sake of other segments deducted (Beaumont et al. 2019, "Optimal checkpointing
for heterogeneous chains"). Either the state at some j is stored beside that at a,

    Opt(a, b, m) = cost(a → j) + Opt(j, b, m − state a) + Opt(a, j − 1, m),

or segment a's tape is, on the way: cost(tape and state a + 1) + Opt(a + 1, b, m − tape − state a).
Stage a always runs with m bytes. What stage j has read and stage j − 1 reads as well may be kept
between them: then `e` is 1 and the bytes are part of what is held besides. `f` is 1 where state a
has values in common with one that is held besides, so that they do not die with it.

Where stage b computes nothing, Opt(a, b, m) = Opt(a, b − 1, m) on all visits but the first.

Parts whose segments are alike, one after the other, have one row together: a chain of equal steps
has a row for each length, as in binomial checkpointing, and time of the second power of its steps.

m takes the values budget − k·unit. What is deducted is rounded to units, where it is no multiple of
one, and costs are estimates then. The moves are chosen by them with exact bytes, and no move is
made that leaves too few bytes for a later one, so that no plan overshoots.
"""

from libc.math cimport INFINITY
from libc.stdint cimport int32_t, int64_t, uint8_t

import numpy as np

PASS, TAPE, BOTH, REST, STAGE = range(5)     # kinds of moves

_COLUMNS = 1024         # values of m at most
_WORK = 250_000_000     # segments of all parts, times values of m: some 200 ms


def kinds_of(footprints):
    """Number segments (list of int) so that those of one number are alike to the programme."""
    f, known, kinds = footprints, {}, []
    tables = [
        f.pass_cost, f.tape_cost, f.both_cost, f.begin_peak, f.pass_peak, f.both_peak, f.tape_peak,
        f.stage_peak, f.tape_apart, f.tape_shares, f.outside, f.kept, f.has_kept, f.idle,
        np.append(0, np.diagonal(f.shares, 1)),     # with the state before
    ]
    last = len(f.outside) - 1
    for i in range(last + 1):
        key = [table[..., i].tobytes() for table in tables]
        for table in (f.apart, f.shares):           # with states to come: all alike from some on
            changes = np.flatnonzero(np.diff(table[i, i + 1:]))
            key.append(table[i, i + 1 : i + 3 + changes.max(initial=-1)].tobytes())
        key.append(i == last)                       # only its visit is a first one
        kinds.append(known.setdefault(tuple(key), len(known)))
    return kinds


def distinct_parts(kinds):
    """Number the parts by the kinds of their segments.

    Returns
    -------
    number : int32 array (L, L), [a, b]
    parts : int32 array (numbers, 2)
        The first a, b of each number, by ascending length.
    """
    count = len(kinds)
    number = np.zeros((count, count), np.int32)
    parts, before, known = [], [0] * (count + 1), {}
    for length in range(count):
        ends = before       # numbers of the parts that are shorter by one, by their a
        before = []
        for a in range(count - length):
            key = length, ends[a], kinds[a + length]
            k = known.setdefault(key, len(parts))
            if k == len(parts):
                parts.append((a, a + length))
            before.append(k)
        number[np.arange(count - length), np.arange(length, count)] = before
    return number, np.array(parts, np.int32)


cdef class Rotor:
    """Hold the programme of one chain.

    Parameters
    ----------
    footprints : Footprints

    Attributes
    ----------
    least_bytes : int
        The smallest budget within which the chain can be reversed so.
    kinds : list of int
        By segment: those of one number are alike.
    work : int
        Segments of all parts that have a row of their own.
    """

    cdef int64_t L
    cdef const double[:, ::1] pass_cost, tape_cost, both_cost
    cdef const int64_t[:, :, ::1] pass_peak, both_peak, tape_peak, stage_peak
    cdef const int64_t[:, ::1] begin_peak, apart, tape_apart
    cdef const uint8_t[:, ::1] shares, tape_shares
    cdef const int64_t[::1] outside, kept
    cdef const uint8_t[::1] has_kept, idle
    cdef int32_t[:, ::1] number     # [a, b] of a part: those with equal rows share one
    cdef int32_t[:, ::1] parts      # [number]: the a and b of one such part, shorter ones first
    cdef int64_t[::1] least         # [row]: bytes without which Opt is infinite
    cdef float[:, ::1] opt          # [row, k]
    cdef readonly int64_t work
    cdef readonly list kinds
    cdef int64_t budget, unit, columns
    cdef int64_t rounding           # added before dividing by the unit
    cdef object steps               # all bytes that are deducted, for the unit

    def __init__(self, footprints):
        f = footprints
        self.L = len(f.outside)
        self.pass_cost, self.tape_cost, self.both_cost = f.pass_cost, f.tape_cost, f.both_cost
        self.pass_peak, self.begin_peak = f.pass_peak, f.begin_peak
        self.both_peak, self.tape_peak, self.stage_peak = f.both_peak, f.tape_peak, f.stage_peak
        self.apart, self.shares = f.apart, f.shares
        self.tape_apart, self.tape_shares = f.tape_apart, f.tape_shares
        self.outside, self.kept, self.has_kept, self.idle = f.outside, f.kept, f.has_kept, f.idle
        tapes = f.tape_apart[:, : self.L - 1]
        self.steps = np.unique([*f.apart[np.triu_indices(self.L, 1)], *tapes.ravel()])
        self.kinds = kinds_of(f)
        self.number, self.parts = distinct_parts(self.kinds)
        self.work = int(np.diff(self.parts).sum())
        self.least = None

    @property
    def least_bytes(self):
        if self.least is None:
            self.least = np.full(4 * len(self.parts), 1 << 62, np.int64)
            with nogil:
                self.fill_least()
        return self.least[self.row(0, self.L - 1, 0, 0)]

    cdef inline int64_t row(self, int64_t a, int64_t b, int64_t f, int64_t e) noexcept nogil:
        """Number the row of a part in the tables."""
        return 4 * <int64_t>self.number[a, b] + 2 * f + e

    cdef bint has(self, int64_t a, int64_t b, int64_t f, int64_t e) noexcept nogil:
        """Say whether the part is wanted with these f and e."""
        if e and not (self.has_kept[b] and b < self.L - 1):
            return False
        return not f or (a > 0 and self.shares[a - 1, a])

    cdef void fill_least(self) noexcept nogil:
        """Fill the least bytes of every part: no rounding here."""
        cdef int64_t k, a, b, f, e
        for k in range(self.parts.shape[0]):
            a, b = self.parts[k, 0], self.parts[k, 1]
            for f in range(2):
                for e in range(2):
                    if self.has(a, b, f, e):
                        self.least[self.row(a, b, f, e)] = self.least_of(a, b, f, e)

    cdef int64_t least_of(self, int64_t a, int64_t b, int64_t f, int64_t e) noexcept nogil:
        cdef int64_t j, least, way
        cdef bint first = b == self.L - 1
        cdef int64_t held = self.outside[b] + (self.kept[b] if e else 0)
        cdef int64_t peak = self.begin_peak[first, a]
        if a == b:
            return max(self.stage_peak[f, 0, a], held + self.tape_peak[f, e, a])
        least = max(held + self.both_peak[f, first, a], self.beside_tape(a, b, f, e))
        if self.skips(b, e):
            least = min(least, self.least[self.row(a, b - 1, f, 0)])
        for j in range(a + 1, b + 1):
            way = self.apart[a, j] + self.least[self.row(j, b, self.shares[a, j], e)]
            way = max(way, min(self.left_bytes(a, j, f, 0), self.left_bytes(a, j, f, 1)))
            way = max(way, held + peak)
            least = min(least, way)
            peak = max(peak, self.apart[a, j] + self.pass_peak[self.shares[a, j], first, j])
        return max(least, self.stage_peak[f, 0, a])

    cdef bint skips(self, int64_t b, int64_t e) noexcept nogil:
        """Say whether b need not be visited again, as its stage computes nothing."""
        return self.idle[b] and e == 0 and b < self.L - 1

    cdef int64_t beside_tape(self, int64_t a, int64_t b, int64_t f, int64_t e) noexcept nogil:
        """Bound from below the bytes for reversing a + 1 … b beside the tape of a."""
        cdef int64_t shared = self.tape_shares[f, a]
        cdef int64_t need = self.least[self.row(a + 1, b, shared, e)]
        if self.has_kept[a]:
            need = max(need, self.stage_peak[shared, 1, a + 1])
        return need + self.tape_apart[f, a]

    cdef int64_t left_bytes(self, int64_t a, int64_t j, int64_t f, int64_t e) noexcept nogil:
        """Bound from below the bytes for reversing a … j − 1 after stage j."""
        cdef int64_t need = self.least[self.row(a, j - 1, f, e)]
        if e and self.has_kept[j - 1]:
            need = max(need, self.apart[a, j] + self.stage_peak[self.shares[a, j], 1, j])
        return need

    def fill(self, budget, nearest=False):
        """Fill Opt for all m up to the budget (int, bytes, at least `least_bytes`).

        What is deducted is rounded up, or to the nearest unit.

        Returns
        -------
        bool
            Whether nothing had to be rounded: then both roundings give the same.
        """
        self.budget = max(min(int(budget), self.most_bytes()), self.least_bytes)
        least = int(np.asarray(self.least).min())
        span = max(0, self.budget - least)
        most = max(96, min(_COLUMNS, _WORK // max(1, self.work)))
        unit = int(np.gcd.reduce(self.steps)) or 1
        exact = span // unit < most
        self.unit = unit if exact else -(-span // (most - 1))
        self.rounding = self.unit // 2 if nearest else self.unit - 1
        self.columns = span // self.unit + 1
        self.opt = np.full((len(self.least), self.columns), INFINITY, np.float32)
        with nogil:
            self.fill_opt()
        return exact

    cdef int64_t most_bytes(self):
        """Bound what holding all tapes takes: more bytes are of no use."""
        cdef int64_t i, last = self.L - 1, held = 0, most = 0
        for i in range(self.L):
            most = max(most, held + self.outside[last] + self.both_peak[1, 1, i])
            most = max(most, held + self.stage_peak[1, 1, i])
            most = max(most, held + self.outside[last] + self.tape_peak[1, 0, i])
            held += self.tape_apart[1, i]
        return most

    cdef int64_t column(self, int64_t m) noexcept nogil:
        """Find the last column whose m is at least this one, or -1: as many as those are."""
        cdef int64_t spare = self.budget - m
        return -1 if spare < 0 else min(spare // self.unit, self.columns - 1)

    cdef void fill_opt(self) noexcept nogil:
        cdef int64_t k, f, e
        for k in range(self.parts.shape[0]):
            for f in range(2):
                for e in range(2):
                    if self.has(self.parts[k, 0], self.parts[k, 1], f, e):
                        self.fill_part(self.parts[k, 0], self.parts[k, 1], f, e)

    cdef void fill_part(self, int64_t a, int64_t b, int64_t f, int64_t e) noexcept nogil:
        cdef int64_t j, k, end, down, shared
        cdef bint first = b == self.L - 1
        cdef int64_t held = self.outside[b] + (self.kept[b] if e else 0)
        cdef int64_t peak = self.begin_peak[first, a]
        cdef double cost = 0
        cdef float* out = &self.opt[self.row(a, b, f, e), 0]
        cdef const float* right
        cdef int64_t stage = self.column(self.stage_peak[f, 0, a])
        if a == b:
            end = min(stage, self.column(held + self.tape_peak[f, e, a]))
            for k in range(end + 1):
                out[k] = self.tape_cost[e, a]
            return
        if self.skips(b, e):
            relax(out, &self.opt[self.row(a, b - 1, f, 0), 0], NULL, stage, 0, 0)
        shared = self.tape_shares[f, a]
        down = (self.tape_apart[f, a] + self.rounding) // self.unit
        end = min(stage, self.column(held + self.both_peak[f, first, a]))
        if self.has_kept[a]:
            end = min(end, self.column(self.stage_peak[shared, 1, a + 1]) - down)
        right = &self.opt[self.row(a + 1, b, shared, e), 0]
        relax(out, right, NULL, min(end, self.columns - 1 - down), down, self.both_cost[first, a])
        for j in range(a + 1, b + 1):
            shared = self.shares[a, j]
            cost += self.pass_cost[first, j - 1]
            down = (self.apart[a, j] + self.rounding) // self.unit
            end = min(min(stage, self.column(held + peak)), self.columns - 1 - down)
            right = &self.opt[self.row(j, b, shared, e), 0]
            relax(out, right, &self.opt[self.row(a, j - 1, f, 0), 0], end, down, cost)
            if self.has_kept[j - 1]:
                end = min(end, self.column(self.stage_peak[shared, 1, j]) - down)
                relax(out, right, &self.opt[self.row(a, j - 1, f, 1), 0], end, down, cost)
            peak = max(peak, self.apart[a, j] + self.pass_peak[shared, first, j])

    cdef double value(self, int64_t row, int64_t m) noexcept nogil:
        """Look up Opt for a part with exactly m bytes: the nearest column below."""
        cdef int64_t k = (self.budget - m + self.unit - 1) // self.unit
        return INFINITY if k >= self.columns else self.opt[row, k]

    def moves(self):
        """List the moves of the best plan within the budget that `fill` was given.

        Returns
        -------
        cost : float
            Of all but the first visits and the stages; finite.
        moves : list of (int, int, bool)
            PASS (compute state i + 1), TAPE, BOTH, REST (the tape but for what is kept) or STAGE;
            the segment i; whether it is the first visit.
        """
        cdef int64_t a, b, f, e, m, i, j, left
        cdef bint first
        cdef double total = 0
        moves = []
        waiting = [(0, self.L - 1, 0, 0, self.budget)]
        while waiting:
            task = waiting.pop()
            if len(task) == 1:
                moves.append((STAGE, task[0], False))
                continue
            a, b, f, e, m = task
            first = b == self.L - 1
            if a == b:
                moves += [(REST if e else TAPE, a, first), (STAGE, a, False)]
                total += self.tape_cost[e, a]
                continue
            j, left = self.best(a, b, f, e, m)
            if j < 0:
                waiting.append((a, b - 1, f, 0, m))
            elif j == 0:
                moves.append((BOTH, a, first))
                total += self.both_cost[first, a]
                waiting += [(a,), (a + 1, b, self.tape_shares[f, a], e, m - self.tape_apart[f, a])]
            else:
                for i in range(a, j):
                    moves.append((PASS, i, first))
                    total += self.pass_cost[first, i]
                waiting.append((a, j - 1, f, left, m))
                waiting.append((j, b, self.shares[a, j], e, m - self.apart[a, j]))
        return total, moves

    cdef best(self, int64_t a, int64_t b, int64_t f, int64_t e, int64_t m):
        """Choose among the ways: (j, e of the left part), j 0 for the tape, -1 for leaving out b.

        Where rounding leaves no way of known cost, the one of least bytes is taken.
        """
        cdef int64_t j, left, need, right
        cdef bint first = b == self.L - 1
        cdef int64_t held = self.outside[b] + (self.kept[b] if e else 0)
        cdef int64_t peak = self.begin_peak[first, a]
        cdef double passed = 0, cost
        ways = []
        right = self.row(a, b - 1, f, 0)
        if self.skips(b, e) and max(self.least[right], self.stage_peak[f, 0, a]) <= m:
            ways.append((self.value(right, m), self.least[right], -1, 0))
        need = max(held + self.both_peak[f, first, a], self.beside_tape(a, b, f, e))
        if need <= m:
            right = self.row(a + 1, b, self.tape_shares[f, a], e)
            cost = self.both_cost[first, a] + self.value(right, m - self.tape_apart[f, a])
            ways.append((cost, need, 0, 0))
        for j in range(a + 1, b + 1):
            passed += self.pass_cost[first, j - 1]
            right = self.row(j, b, self.shares[a, j], e)
            for left in range(2):
                need = max(held + peak, self.apart[a, j] + self.least[right])
                need = max(need, self.left_bytes(a, j, f, left))
                if need <= m:
                    cost = passed + self.value(right, m - self.apart[a, j])
                    cost += self.value(self.row(a, j - 1, f, left), m)
                    ways.append((cost, need, j, left))
            peak = max(peak, self.apart[a, j] + self.pass_peak[self.shares[a, j], first, j])
        _, _, j, left = min(ways)
        return j, left


cdef void relax(float* out, const float* right, const float* left, int64_t end, int64_t down,
                float cost) noexcept nogil:
    """Take the way of this cost where it is cheaper: columns 0 … end."""
    cdef int64_t k
    cdef float total
    if left == NULL:
        for k in range(end + 1):
            total = cost + right[k + down]
            out[k] = total if total < out[k] else out[k]
    else:
        for k in range(end + 1):
            total = cost + right[k + down] + left[k]
            out[k] = total if total < out[k] else out[k]
