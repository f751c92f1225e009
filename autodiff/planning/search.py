"""Search: first plans within a budget, then simulated annealing; for graphs of any form and size.

The number of moves follows from the time limit and the size at a fixed rate, so that the same
problem, budget, limit and seed give the same plan on any machine that is not too slow for it.
"""

import copy

from autodiff.planning.anneal import anneal
from autodiff.planning.incumbent import Incumbents
from autodiff.planning.smallest import refusal, smallest

LATE = ", stopped by the clock"   # ends the method of a schedule that had too little time
_RATE = 500_000         # moves per second, times √n; about half of what one core makes
_ENOUGH = 1_500         # moves per node, after which little is gained
_TO_FIT = 6_000         # the same while no plan fits
_TRIES = 6              # from the lowest peaks, while no plan fits
_STARTS = 3             # first plans that are improved
_BOUNDED = 2_000        # nodes up to which a bound tells when to stop: its time grows as n²


def plan(problem, limits, incumbents=None):
    """Plan a problem within a budget that no bound excludes: a `Schedule`, or BudgetError."""
    incumbents = incumbents or Incumbents(problem)
    best, node = attempt(incumbents, limits)
    if best is None:
        best, _ = smallest(problem, incumbents)
        if best.peak_bytes > limits.budget:
            raise refusal(problem, limits.budget, node, incumbents=incumbents)
    return best


def attempt(incumbents, limits):
    """Look for a plan: (the cheapest schedule found or None, where the first walk got stuck)."""
    problem = incumbents.problem
    found, node = incumbents.within(limits.budget)
    wanted = not found or (found[0].cost > problem.total_cost and limits.time_limit)
    if wanted and incumbents.reorder():
        found, node = incumbents.within(limits.budget)
    done = limits.time_limit == 0 or incumbents.is_even_chain
    if found and (done or found[0].cost == problem.total_cost):
        return found[0], None
    best, late = improve(incumbents, limits, found)
    if best.peak_bytes > limits.budget:
        return None, node
    if late and not best.method.endswith(LATE):
        best = copy.copy(best)      # the plan may be another budget's too
        best.method += LATE
    return best, None


def improve(incumbents, limits, found):
    """Anneal from the cheapest first plans, or from the lowest peaks where none fits.

    Returns
    -------
    schedule : Schedule
        The cheapest that fits, else one of the lowest peak.
    late : bool
        Whether the clock stopped the search.
    """
    network = incumbents.reduced.network
    starts = incumbents.starts(found)[:_STARTS]
    if not starts:
        lowest = sorted(incumbents.starts(incumbents.base), key=lambda s: s.peak_bytes)[:_STARTS]
        starts = lowest * (_TRIES // len(lowest))
    moves = moves_of(network.n, limits.time_limit, _ENOUGH if found else _TO_FIT)
    bounded = moves and network.n <= _BOUNDED
    least = float(incumbents.bounds.bound(limits.budget)) if bounded else 0.0
    best, late = found[0] if found else starts[0], False

    def run(schedule, share, seed):
        nonlocal best, late
        order, stopped = anneal(
            network,
            incumbents.reduced.restrict(schedule),
            limits.budget,
            int(moves * share),
            seed,
            least,
            limits.deadline,
        )
        late = late or stopped
        result = incumbents.schedule(order)
        if _key(result, limits.budget) < _key(best, limits.budget):
            best = result

    if moves:
        for i, schedule in enumerate(starts):
            run(schedule, 0.5 / len(starts), limits.seed + i)
            if not found and best.peak_bytes <= limits.budget:
                break
        run((incumbents.starts([best]) or starts)[0], 0.5, limits.seed + len(starts))
    return best, late


def moves_of(n, time_limit, per_node):
    """Turn a time limit in seconds into a number of moves for n nodes."""
    return int(min(per_node * (n + 20), _RATE * time_limit / (n + 20) ** 0.5))


def _key(schedule, budget):
    fits = schedule.peak_bytes <= budget
    return not fits, schedule.cost if fits else schedule.peak_bytes, schedule.peak_bytes
