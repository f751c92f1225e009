"""Checkpoint: keep every k-th state, recompute the segments between when the sweep reads them.

A *state* is a value at which the graph below the last sweep narrows to one live value. k is √ of
their number when not given (Chen et al. 2016, "Training deep nets with sublinear memory cost"):
every lower node is computed at most twice.
"""

import numpy as np

from autodiff.planning import passes
from autodiff.planning.recompute import split, sticky


def order(problem, every=None):
    """Order the computes: up to the last kept value, then segment by segment as the sweep reads.

    When the sweep begins in the last segment, that is not dropped before.
    """
    part = split(problem)
    lower = np.flatnonzero(part == passes.LOWER)
    if len(lower) == 0 or not (part == passes.SWEEP).any():
        return np.flatnonzero(problem.needed).astype(np.int32)
    group, kept = segments(problem, part, lower, every)
    stays = sticky(problem, part, kept)
    first = np.flatnonzero((part == passes.LOWER) & ((problem.target | kept) > 0))
    begin = _first_read(problem, part, stays)
    if begin >= 0 and group[begin] == group.max():
        first = np.append(first, begin)
    return passes.order_in_passes(
        problem.input_start,
        problem.input_index,
        problem.after_start,
        problem.after_index,
        problem.owner,
        part,
        stays,
        first,
        group,
    )


def segments(problem, part, lower, every=None):
    """Cut the lower nodes into segments.

    Returns
    -------
    group : int64 array (n,)
        The segment of each lower node and alias.
    kept : uint8 array (n,)
        Values that a later segment reads, and what other nodes must come after.
    """
    n = len(problem)
    position = np.full(n, -1)
    position[lower] = np.arange(len(lower))
    consumer = np.repeat(np.arange(n), np.diff(problem.input_start))
    read = problem.input_index
    views = np.flatnonzero(problem.owner >= 0)
    consumer = np.concatenate([consumer, views])
    read = np.concatenate([read, problem.owner[views]])

    cuts = _cuts(problem, part, lower, position, consumer, read, every)
    group = np.zeros(n, np.int64)
    group[lower] = np.searchsorted(cuts, position[lower])
    for v in np.flatnonzero(part == passes.ALIAS):    # few, and one may read another
        group[v] = max(group[u] for u in [problem.owner[v], *problem.inputs(v)])

    below = (part[consumer] == passes.LOWER) | (part[consumer] == passes.ALIAS)
    kept = np.zeros(n, np.uint8)
    kept[read[below & (group[read] < group[consumer])]] = 1
    # What others must come after has its turn on the way forward, and no second one.
    kept[problem.after_index] = 1
    return group, kept


def _cuts(problem, part, lower, position, consumer, read, every):
    """Find the positions among the lower nodes after which a segment ends, ascending."""
    m = len(lower)
    owner = np.where(problem.owner[read] >= 0, problem.owner[read], read)
    below = part[consumer] == passes.LOWER
    last = np.full(len(problem), -1)
    np.maximum.at(last, owner[below], position[consumer[below]])
    values = lower[(last[lower] > position[lower]) & (problem.nbytes[lower] > 0)]

    def live(weight):
        """Add up weight over the values that live after each position."""
        change = np.zeros(m + 1, np.int64)
        np.add.at(change, position[values], weight)
        np.add.at(change, last[values], -weight)
        return np.cumsum(change)[:m]

    passed = np.concatenate([[0.0], np.cumsum(problem.cost[lower], dtype=float)])
    if passed[-1] == 0:
        passed = np.arange(m + 1.0)
    narrow = np.flatnonzero(live(np.ones(len(values), np.int64)) == 1)
    state = live(values)[narrow]
    narrow = narrow[np.diff(state, prepend=-1) != 0]    # where each state is first alone
    ends = np.concatenate([[-1], narrow, [m - 1]])
    inside = passed[ends[1:]] - passed[ends[:-1] + 1]
    if 2 * inside.max() <= passed[-1]:
        k = every or max(1, round(len(narrow) ** 0.5))
        return narrow[k - 1 :: k]
    k = every or max(1, round(m**0.5))
    return _equal_cuts(passed, live(problem.nbytes[values]), -(-m // k))


def _equal_cuts(passed, crossing, count):
    """Cut into `count` segments of equal cost, each cut where the fewest bytes cross it.

    A cut may stray from its place by a quarter of a segment.
    """
    if count < 2:
        return np.empty(0, int)
    place = passed[1:-1] * (count / passed[-1])
    nearest = np.clip(np.rint(place), 1, count - 1).astype(int)
    stray = np.abs(place - nearest)
    near = stray <= 0.25
    best = np.lexsort((stray, np.where(near, crossing[:-1], 0), ~near, nearest))
    _, first = np.unique(nearest[best], return_index=True)
    return np.sort(best[first])


def _first_read(problem, part, stays):
    """Find the first value the sweep reads of those that do not stay, or -1."""
    consumer = np.repeat(part == passes.SWEEP, np.diff(problem.input_start))
    lower = (part == passes.LOWER) | (part == passes.ALIAS)
    reads = problem.input_index
    found = np.flatnonzero(consumer & lower[reads] & (stays[reads] == 0))
    return int(reads[found[0]]) if len(found) else -1
