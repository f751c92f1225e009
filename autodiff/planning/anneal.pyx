"""Simulated annealing over orders of computes: take recomputations out, put others in, move nodes.

A move takes out one recomputation, moves one compute, or adds one recomputation; then, while the
peak is over the budget, it adds recomputations of what is held over the highest slot (with those of
their inputs that are not held there), cheap, large and long lives first. The outcome is kept if it
fits and is cheaper, or dearer by less than chance allows at the temperature; else all is taken
back. Above the budget, outcomes of a lower peak are kept.
"""

from cpython.exc cimport PyErr_CheckSignals
from libc.math cimport exp, log
from libc.stdint cimport int64_t, uint64_t

import time

import numpy as np

from autodiff.planning.peaktree cimport tree_highest
from autodiff.planning.timeline cimport (
    Line, Timeline, first_use, insert, life_at, reads, remove, remove_useless, undo,
)

cdef enum:
    LOOKED_AT = 48      # computes looked at for one whose result to evict
    CHOSEN_FROM = 5     # results compared
    CLOSURE = 40        # recomputations that one eviction may take
    POLL = 256          # moves between two looks at the clock

cdef struct Search:
    Line* line
    int64_t budget
    int64_t patience        # evictions in one move
    uint64_t random
    double temperature
    double slack            # bytes by which the peak may rise while over the budget
    int64_t added           # recomputations of the eviction under way
    int64_t highest         # its slot


cdef inline double draw(Search* s) noexcept nogil:
    """Draw from [0, 1): SplitMix64 (Steele, Lea & Flood 2014)."""
    cdef uint64_t z
    s.random += <uint64_t>0x9E3779B97F4A7C15
    z = s.random
    z = (z ^ (z >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    z = (z ^ (z >> 27)) * <uint64_t>0x94D049BB133111EB
    z ^= z >> 31
    return <double>(z >> 11) * (1.0 / 9007199254740992.0)


cdef inline int64_t below(Search* s, int64_t n) noexcept nogil:
    return <int64_t>(draw(s) * <double>n)


cdef int64_t empty_before(const Line* line, int64_t slot, int64_t least) noexcept nogil:
    """Find the last empty slot in [least, slot), or -1."""
    slot -= 1
    while slot >= least and line.node[slot] >= 0:
        slot -= 1
    return slot if slot >= least and slot >= 0 else -1


cdef bint recompute(Search* s, int64_t v, int64_t use) noexcept nogil:
    """Compute v again shortly before `use`, and inputs that are not held over the highest slot."""
    cdef Line* line = s.line
    cdef int64_t slot = empty_before(line, use, s.highest + 1), i, u, k, end
    cdef bint again
    if slot < 0 or s.added == CLOSURE:
        return False
    s.added += 1
    if not insert(line, v, slot):
        return False
    for i in range(line.net.in_start[v], line.net.in_start[v + 1]):
        u = line.net.in_index[i]
        if line.net.fixed[u]:
            continue
        k = life_at(line, u, slot)
        if line.start[u * line.most + k] > s.highest:
            continue
        # What was held over the highest slot anyway need not be computed again.
        end = last_read_before(line, u, k, slot)
        if end >= slot:
            continue
        again = end <= s.highest if draw(s) < 0.85 else draw(s) < 0.5
        if again and not recompute(s, u, slot):
            return False
    return True


cdef int64_t last_read_before(const Line* line, int64_t u, int64_t life,
                              int64_t slot) noexcept nogil:
    """Find where a life would end without its read at `slot`: later than that, or before."""
    cdef int64_t i, c, k, at, last = line.start[u * line.most + life]
    if line.end[u * line.most + life] > slot:
        return line.end[u * line.most + life]
    for i in range(line.net.out_start[u], line.net.out_start[u + 1]):
        c = line.net.out_index[i]
        k = life_at(line, c, slot)
        if k >= 0:
            at = line.start[c * line.most + k]
            if at > last:
                last = at
    return last


cdef bint evict(Search* s, int64_t highest) noexcept nogil:
    """Shorten a life over the slot, by computing its value again before it is read next."""
    cdef Line* line = s.line
    cdef int64_t slot, looked = 0, found = 0, v, k, use, best = -1, best_use = 0
    cdef int64_t v_here = line.node[highest]
    cdef double score, least = 0
    s.highest = highest
    # Values computed long ago are as likely to be met as those computed just now.
    slot = highest if draw(s) < 0.5 else below(s, highest + 1)
    while looked < LOOKED_AT and found < CHOSEN_FROM:
        slot -= 1
        if slot < 0:
            break
        v = line.node[slot]
        if v < 0:
            continue
        looked += 1
        if line.net.fixed[v] or line.net.nbytes[v] == 0:
            continue
        k = life_at(line, v, slot + 1)
        if line.end[v * line.most + k] <= highest:
            continue
        if v_here >= 0 and reads(line, v_here, v):
            continue
        use = first_use(line, v, k, highest)
        if use >= line.slots:
            continue
        found += 1
        score = (line.net.cost[v] + 1e-9) / (
            <double>line.net.nbytes[v] * <double>(use - slot)
        ) * exp(2 * draw(s))
        if best < 0 or score < least:
            best, best_use, least = v, use, score
    if best < 0:
        return False
    s.added = 0
    return recompute(s, best, best_use)


cdef bint relocate(Search* s) noexcept nogil:
    """Move a compute to another empty slot, after its inputs and before its reads."""
    cdef Line* line = s.line
    cdef int64_t slot = below(s, line.slots), tries = 64, v, life, least, most, i, k, to, far
    while tries and line.node[slot] < 0:
        slot = slot - 1 if slot else line.slots - 1
        tries -= 1
    v = line.node[slot]
    if v < 0:
        return False
    life = life_at(line, v, slot + 1)
    least = line.start[v * line.most + life - 1] if life else -1
    most = first_use(line, v, life, slot)
    if life + 1 < line.count[v] and line.start[v * line.most + life + 1] < most:
        most = line.start[v * line.most + life + 1]
    for i in range(line.net.in_start[v], line.net.in_start[v + 1]):
        k = line.start[line.net.in_index[i] * line.most]
        if k > least:
            least = k
    if life == 0:
        for i in range(line.net.after_start[v], line.net.after_start[v + 1]):
            k = line.start[line.net.after_index[i] * line.most]
            if k > least:
                least = k
        if line.net.after_start[line.net.n]:
            most = slot     # others may have to come after it
    far = most - least - 1
    if far < 2:
        return False
    if draw(s) < 0.3:
        to = least + 1 + below(s, far)
    else:
        to = slot + <int64_t>((draw(s) - 0.5) * 48)
    if to <= least or to >= most or line.node[to] >= 0 or line.count[v] + 1 >= line.most:
        return False
    if not insert(line, v, to):
        return False
    remove(line, v, life + 1 if to < slot else life)
    for i in range(line.net.in_start[v], line.net.in_start[v + 1]):
        remove_useless(line, line.net.in_index[i], slot)
    return True


cdef void take_out(Search* s) noexcept nogil:
    """Take out a recomputation, and those that were only made for it."""
    cdef Line* line = s.line
    cdef int64_t v = line.several[below(s, line.several_count)], i, slot, life
    life = 1 + below(s, line.count[v] - 1)
    slot = line.start[v * line.most + life]
    remove(line, v, life)
    for i in range(line.net.in_start[v], line.net.in_start[v + 1]):
        remove_useless(line, line.net.in_index[i], slot)


cdef bint move(Search* s) noexcept nogil:
    """Make one move; False when it came to nothing."""
    cdef Line* line = s.line
    cdef double kind = draw(s)
    cdef int64_t evictions = 0, goal = s.budget, highest, before = line.tree.top[1]
    if before > s.budget:
        # Downwards, or sideways and somewhat up: to where there is another way down.
        goal = before - 1 if kind >= 0.5 else before - <int64_t>(log(1 - draw(s)) * s.slack)
        kind = 0.5 if kind < 0.1 else 0.6 if kind < 0.75 else 0.9
    if s.patience == 0:
        kind = 0.6      # to another order; nothing is computed again
    if kind < 0.55:
        if line.several_count == 0:
            return False
        take_out(s)
        if kind < 0.15 and line.several_count:
            take_out(s)
    elif kind < 0.85:
        if not relocate(s):
            return False
    elif kind < 0.88:
        if not evict(s, below(s, line.slots)):
            return False
    while line.tree.top[1] > goal:
        if evictions == s.patience:
            return False
        highest = tree_highest(&line.tree)
        evictions += 1
        if not evict(s, highest):
            return False
    return True


cdef void run(Search* s, int64_t moves) noexcept nogil:
    """Make so many moves, each kept or taken back."""
    cdef Line* line = s.line
    cdef int64_t peak
    cdef double cost
    for _ in range(moves):
        cost = line.cost
        peak = line.tree.top[1]
        line.changed = 0
        if not move(s):
            undo(line)
            continue
        if peak > s.budget or line.cost <= cost:
            continue
        if draw(s) >= exp((cost - line.cost) / s.temperature):
            undo(line)
    line.changed = 0


def anneal(network, order, int64_t budget, int64_t moves, uint64_t seed=0, double lower_bound=0,
           double deadline=np.inf, bint again=True):
    """Improve an order of computes.

    Parameters
    ----------
    network : Network
    order : int32 array
    budget : int, bytes
    moves : int
    seed : int
    lower_bound : float
        A cost at which to stop: none is less.
    deadline : float
        Of `time.monotonic`, at which to stop.
    again : bool
        Whether anything may be computed again; else nodes are only moved, for a lower peak.

    Returns
    -------
    order : int32 array
        The cheapest found that fits, or the one of the lowest peak where none does.
    late : bool
        Whether the deadline stopped the search.
    """
    cdef Search s
    cdef Timeline timeline = Timeline(network, order)
    cdef int64_t done = 0, total = moves
    cdef int64_t best_peak = timeline.line.tree.top[1]
    cdef double best_cost = timeline.line.cost, typical, hot, cold
    best = np.array(order)
    costs = network.arrays["cost"]
    typical = float(costs[costs > 0].mean()) if (costs > 0).any() else 1.0
    hot, cold = 0.5 * typical, 0.005 * typical
    s.random = seed * <uint64_t>0x9E3779B97F4A7C15 + 1
    s.budget, s.patience = budget, 12
    s.added = s.highest = 0
    since = 0
    while done < total and (best_peak > budget or best_cost > lower_bound):
        s.line = &timeline.line
        s.temperature = hot * (cold / hot) ** (<double>done / total)
        s.slack = 0.05 * <double>budget * s.temperature / hot
        s.patience = 0 if not again else 12 if best_peak <= budget else 60
        with nogil:
            run(&s, POLL)
        done += POLL
        PyErr_CheckSignals()
        since += POLL
        if better(timeline.line.tree.top[1], timeline.line.cost, best_peak, best_cost, budget):
            best_peak, best_cost = timeline.line.tree.top[1], timeline.line.cost
            best = timeline.order
        if time.monotonic() > deadline:
            return best, True
        if since >= 8 * timeline.line.slots:        # slots crowd where computes were put in
            since = 0
            timeline = Timeline(network, timeline.order)
    return best, False


def better(int64_t peak, double cost, int64_t than_peak, double than_cost, int64_t budget):
    """Say whether one outcome is better than another: it fits, then the cost, then the peak."""
    if peak <= budget and than_peak <= budget:
        return cost < than_cost * (1 - 1e-12)
    return peak < than_peak
