"""Recompute (eq. 6.53): values below the last sweep are computed when needed, then dropped.

A chain of n costs n(n − 1)/2 evaluations for its gradient and holds O(1) values.
"""

import numpy as np

from autodiff.planning import passes


def order(problem):
    """Order the computes: the lower targets first, then a pass before each node of the sweep."""
    part = split(problem)
    lower_targets = np.flatnonzero(problem.target & (part == passes.LOWER))
    return passes.order_in_passes(
        problem.input_start,
        problem.input_index,
        problem.after_start,
        problem.after_index,
        problem.owner,
        part,
        sticky(problem, part),
        lower_targets,
    )


def split(problem):
    """Tell the last sweep from what lies below it: the part of each node (uint8, `passes`)."""
    return passes.split(
        problem.level,
        problem.needed,
        problem.target | problem.keep | problem.once,
        problem.input_start,
        problem.input_index,
        problem.after_start,
        problem.after_index,
        problem.owner,
    )


def sticky(problem, part, kept=0):
    """Mark (uint8) lower nodes that stay once computed: kept, targets, keep, once, their owners."""
    stays = (problem.target | problem.keep | problem.once | kept) & problem.needed
    # A view of the sweep that is not an alias holds its owner while it lives.
    views = (problem.owner >= 0) & ((stays > 0) | (part == passes.SWEEP))
    stays[problem.owner[views]] = 1
    return stays
