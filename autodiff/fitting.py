"""Fitting: a schedule whose bytes after allocation are within a program's budget.

A schedule counts live bytes, and a program adds packing, so several are allocated before one fits.
"""

from dataclasses import replace

import numpy as np

from autodiff.core.code import SMALL_RESULT
from autodiff.errors import BudgetError
from autodiff.planning import (
    Budget,
    Checkpoint,
    Recompute,
    Schedule,
    Store,
    memory_bound,
)
from autodiff.planning.budget import impossible, not_found
from autodiff.planning.planner import Planner

TIGHTENINGS = 12  # schedules tried for one budget, each with fewer live bytes
NEAR = 512        # live bytes nearer than 1/512 to refused ones are not tried
QUICK = 0.2       # seconds for each schedule of `marginal_overhead`
LARGEST = 2000    # regions up to which recompute is tried, and `marginal_overhead` found


def early_results(problem):
    """The problem where small results, which have memory of their own from the start, are no bytes.

    It plans what else is held better than `problem`, and allows no result to take over an input;
    None where no result is small.
    """
    nbytes = problem.nbytes.copy()
    nbytes[problem.targets[nbytes[problem.targets] < SMALL_RESULT]] = 0
    if (nbytes == problem.nbytes).all():
        return None
    return problem.with_nbytes(nbytes)


def fit(problem, policy, captured, allocate, early=None):
    """A schedule whose peak after allocation is within the budget, and its Executable.

    Where results have memory of their own, `early` (see `early_results`) is what is planned, and
    `problem` itself once before it: where that packs, nothing is cheaper. Where a first plan of the
    search costs less than the one that it ends with, and packs into the budget, it is taken.
    Raises BudgetError where none is found.
    """
    planner = Planner(problem, policy.time_limit, policy.seed)
    room = policy.nbytes - captured
    found = stuck = None
    try:
        if early is not None:
            found, _ = packed(planner, room, policy.nbytes, allocate, 1)
            found = found or planned_early(problem, policy, room, allocate, early)
        if found is None:
            found, stuck = packed(planner, room, policy.nbytes, allocate)
    except BudgetError as error:
        raise impossible(problem, policy.nbytes, error.bound, error.node, captured) from None
    if found is None:
        try:
            found = spare(planner, policy, captured, allocate, stuck)
        except BudgetError:
            if policy.time_limit == 0:
                raise
            # Searches go other ways; what no search finds is not lost by asking for one.
            return fit(problem, replace(policy, time_limit=0), captured, allocate, early)
    schedule, executable, is_proven = found
    for other in [] if is_proven else planner.cheaper(schedule.cost, room):
        packing = allocate(other)
        if packing.peak_bytes <= policy.nbytes:
            schedule, executable = other, packing
            break
    return planner.certified(schedule, room, is_proven), executable


def packed(planner, room, budget, allocate, most=TIGHTENINGS):
    """Plan up to `most` times until a schedule packs into the budget.

    A schedule counts live bytes, of which there is `room`; where packing adds to them, the schedule
    is made again with as many bytes fewer. Where so few are refused, a number between is tried:
    another schedule may pack better. Raises BudgetError where the room is proven too small.

    Returns
    -------
    found : (Schedule, its Executable, whether it was made for all of the room) or None
    stuck : int or None
        The node where a search found no plan.
    """
    problem = planner.problem
    unit = int(np.gcd.reduce([*problem.nbytes, *problem.workspace])) or 1
    target = tried = room
    refused = 0
    stuck = None
    for _ in range(most):
        if target <= refused or tried - refused <= max(unit, tried // NEAR):
            break
        try:
            schedule = planner.schedule(target)
        except BudgetError as error:
            if target == room and error.known is None:
                raise
            stuck = error.node
            refused = target
            target = (refused + tried) // 2 // unit * unit
            continue
        executable = allocate(schedule)
        excess = executable.peak_bytes - budget
        if excess <= 0:
            return (schedule, executable, target == room), None
        tried = min(target, schedule.peak_bytes)
        target = max(tried - excess, (refused + tried) // 2 if refused else 0) // unit * unit
    return None, stuck


def planned_early(problem, policy, room, allocate, early):
    """The same of `problem` by way of `early`, or None."""
    def of_problem(plan):
        return Schedule(problem, plan.steps, plan.method)

    room = max(0, room - int((problem.nbytes - early.nbytes).sum()))
    planner = Planner(early, policy.time_limit, policy.seed)
    try:
        found, _ = packed(planner, room, policy.nbytes, lambda plan: allocate(of_problem(plan)))
    except BudgetError:
        return None
    return found and (of_problem(found[0]), found[1], False)


def spare(planner, policy, captured, allocate, stuck):
    """The same with a schedule that no budget has a part in; BudgetError where none packs.

    What the error names as known depends on the problem alone: every budget and limit ends here.
    """
    tried = [(schedule, allocate(schedule), False) for schedule in spare_schedules(planner)]
    fitting = [one for one in tried if one[1].peak_bytes <= policy.nbytes]
    if fitting:
        return min(fitting, key=lambda one: one[0].cost)
    least = min(executable.peak_bytes for _, executable, _ in tried)
    bound, node = memory_bound(planner.problem)
    if policy.nbytes - captured < bound:
        raise impossible(planner.problem, policy.nbytes, bound, node, captured)
    raise not_found(planner.problem, policy.nbytes, bound + captured, least, stuck)


def spare_schedules(planner):
    """Yield schedules of few bytes that may pack better than those made for a budget."""
    yield Store().schedule(planner.problem)
    lowest = planner.lowest()
    yield lowest
    yield Checkpoint().schedule(planner.problem)
    if len(planner.problem) <= LARGEST:     # its steps grow as the square
        yield Recompute().schedule(planner.problem)


def marginal_overhead(problem, policy, captured, allocate):
    """The overhead of a quick plan within a budget of 10^6 bytes more, None where unknown."""
    if not isinstance(policy, Budget) or len(problem) > LARGEST:
        return None
    larger = replace(policy, nbytes=policy.nbytes + 10**6,
                     time_limit=min(policy.time_limit, QUICK))
    try:
        return fit(problem, larger, captured, allocate)[0].overhead
    except BudgetError:
        return None
