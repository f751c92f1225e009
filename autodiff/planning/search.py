"""Search: first plans within a budget, then simulated annealing; for graphs of any form and size.

The number of moves follows from the time limit and the size at a fixed rate, so that the same
problem, budget, limit and seed give the same plan on any machine that is not too slow for it.
"""

import time

from autodiff.planning.anneal import anneal
from autodiff.planning.bounds import memory_bound
from autodiff.planning.budget import not_found
from autodiff.planning.costbound import cost_bound
from autodiff.planning.incumbent import Incumbents

_RATE = 2_000_000       # moves per second and node; about a third of what one core makes
_ENOUGH = 4_000         # moves per node, after which little is gained
_STARTS = 3             # first plans that are improved


def plan(problem, limits, incumbents=None):
    """Plan a problem within a budget that no bound excludes: a `Schedule`, or BudgetError."""
    begin = time.monotonic()
    incumbents = incumbents or Incumbents(problem)
    found, node = incumbents.within(limits.budget)
    if found and (found[0].cost == problem.total_cost or limits.time_limit == 0):
        return found[0]
    best, late = improve(incumbents, limits, found, begin + limits.time_limit)
    if best.peak_bytes > limits.budget:
        bound, _ = memory_bound(problem)
        lowest = incumbents.tightest(bound)
        if lowest.peak_bytes > limits.budget:
            known = min(lowest.peak_bytes, best.peak_bytes)
            raise not_found(problem, limits.budget, bound, known, node)
        best = lowest
    if late:
        best.method += ", stopped by the clock"
    return best


def improve(incumbents, limits, found, deadline):
    """Anneal from the cheapest first plans, or from the lowest peaks where none fits.

    Returns
    -------
    schedule : Schedule
        The cheapest that fits, else one of the lowest peak.
    late : bool
        Whether the clock stopped the search.
    """
    problem, network = incumbents.problem, incumbents.reduced.network
    starts = found[:_STARTS] or sorted(incumbents.base, key=lambda s: s.peak_bytes)[:2]
    moves = moves_of(network.n, limits.time_limit)
    least = float(cost_bound(problem, limits.budget)) if moves else 0.0
    best, late = starts[0], False

    def run(schedule, share, seed):
        nonlocal best, late
        order, stopped = anneal(
            network,
            incumbents.reduced.restrict(schedule),
            limits.budget,
            int(moves * share),
            seed,
            least,
            deadline,
        )
        late = late or stopped
        result = incumbents.schedule(order)
        if _key(result, limits.budget) < _key(best, limits.budget):
            best = result

    if moves:
        for i, schedule in enumerate(starts):
            run(schedule, 0.5 / len(starts), limits.seed + i)
        run(best, 0.5, limits.seed + len(starts))
    return best, late


def moves_of(n, time_limit):
    """Turn a time limit in seconds into a number of moves for n nodes."""
    return int(min(_ENOUGH * (n + 20), _RATE * time_limit / (n + 20) ** 0.75))


def _key(schedule, budget):
    fits = schedule.peak_bytes <= budget
    return not fits, schedule.cost if fits else schedule.peak_bytes, schedule.peak_bytes
