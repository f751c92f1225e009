"""Checkpoint with slots: a number of states held at a time, placed where least is computed again.

On a chain of equal steps this is binomial checkpointing. Where steps differ, the chain programme
counts slots in place of bytes. A state takes a slot for each of its values; a tape takes as many as
its bytes fill, a slot being as large as states of one value mostly are (their median), and where
that is no more than the state would take, the step is not run again. One slot stands for the
caller's arrays.
"""

import numpy as np

from autodiff.planning import rotor, store
from autodiff.planning.binomial import Binomial
from autodiff.planning.chain import in_order
from autodiff.planning.footprints import Footprints, Ways
from autodiff.planning.reduced import Reduced
from autodiff.planning.segments import MOST_SEGMENTS, Segments


def order(problem, slots):
    """Order the computes; `slots` counts the initial state's.

    Chains of more than `MOST_SEGMENTS` segments are taken for ones of equal steps.

    Raises
    ------
    PlanError
        When the problem is not chain-like; with one level only, it is planned as by store.
    """
    if len(set(problem.level[problem.needed > 0].tolist())) < 2:
        return store.order(problem)
    reduced = Reduced(problem)
    segments = Segments(reduced.problem, most=len(problem) + 1)
    ways = Ways(segments)
    if len(segments.lower) > MOST_SEGMENTS:
        moves = _binomial_moves(len(segments.lower), slots)
    else:
        programme = rotor.Rotor(_in_slots(ways))
        programme.fill(slots)
        moves = programme.moves()[1]
    return reduced.expand(in_order(ways, moves))


def _binomial_moves(count, slots):
    """Make the moves of the chain programme from binomial actions; they visit in the same order."""
    visited = 0
    for kind, i, other in Binomial(count, slots):
        if kind == "advance":
            for j in range(i, other):
                yield rotor.PASS, j, j >= visited
            visited = max(visited, other)
        elif kind == "reverse":
            yield rotor.TAPE, i, i >= visited
            yield rotor.STAGE, i, False
            visited = max(visited, i + 1)


def _in_slots(ways):
    """Make footprints that count slots: states on the way and at hand take none."""
    f, states = ways.measure(), ways.segments.states
    slot = max(1, int(np.median([ways.size(s) for s in states if len(s) == 1] or [1])))
    apart = np.array([[len(state - other) for other in states] for state in states], np.int64)
    apart[0], tapes = 1, -(-f.tape_apart // slot)
    tapes[:, 0] = np.maximum(tapes[:, 0], 1)    # the caller's arrays
    nothing = {
        name: np.zeros_like(getattr(f, name))
        for name in "pass_peak both_peak tape_peak stage_peak outside kept".split()
    }
    return Footprints(
        pass_cost=f.pass_cost,
        tape_cost=f.tape_cost,
        both_cost=f.both_cost,
        begin_peak=np.ones_like(f.begin_peak),
        tape_apart=tapes,
        apart=apart,
        shares=np.zeros_like(f.shares),
        tape_shares=np.zeros_like(f.tape_shares),
        has_kept=np.zeros_like(f.has_kept),
        idle=f.idle,
        **nothing,
    )
