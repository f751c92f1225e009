"""From a problem and a method's name to a schedule: the table of methods, and nothing else."""

import difflib
import operator
from importlib import import_module

from autodiff.errors import PolicyError, brief
from autodiff.planning import checkpoint, recompute, save, store
from autodiff.planning.binomial import check_slots
from autodiff.planning.bounds import memory_bound
from autodiff.planning.budget import impossible, parse_bytes
from autodiff.planning.costbound import certified
from autodiff.planning.limits import Limits, check_seed, check_time_limit
from autodiff.planning.orders import schedule_of
from autodiff.planning.problem import require_problem
from autodiff.planning.repeats import respecting_marks
from autodiff.planning.smallest import refusal


def _checkpoint(problem, every=None, slots=None):
    if slots is None:
        return checkpoint.order(problem, every)
    return import_module("autodiff.planning.slotted").order(problem, slots)


# method -> function (problem, **options) -> order of computes
_ORDERS = {
    "store": store.order,
    "recompute": recompute.order,
    "save": save.order,
    "checkpoint": _checkpoint,
}
# Methods that take a budget: each is the module of its name, imported when it is first asked for
# (together they take a third of the library's import time), with a function plan(problem, limits)
# -> Schedule within limits.budget, or BudgetError "not found".
_PLANNERS = ("auto", "blocks", "cpsat", "chain", "exact", "search")


def solve(
    problem, budget=None, *, method="auto", every=None, slots=None, time_limit=10.0, seed=0
):
    """Plan a problem, within a budget of bytes where one is given.

    Parameters
    ----------
    problem : Problem
    budget : int, float or str, bytes, optional
        Bound on `peak_bytes`, as "64MB", "64MiB" or a number.
    method : str
        "store" computes everything once and frees it after its last use (eq. 6.52); "recompute"
        drops what lies below the last sweep and recomputes it when needed (eq. 6.53);
        "checkpoint" keeps every k-th state; "save" keeps what is marked `once` and computes the
        rest again, once for each level that reads it. With a budget: "exact" proves its plan
        cheapest, up to 25 nodes; "chain" stores states or tapes where a sweep comes back through
        a chain of segments, "blocks" plans part by part where the graph narrows to one value
        (PlanError elsewhere); "search" takes any graph; "cpsat" improves on it up to about 120
        nodes (extra [solver]); "auto" is what suits the problem, and "store" without a budget.
    every : int, optional
        The k of "checkpoint", √ of the number of states when not given.
    slots : int, optional
        Instead, how many states "checkpoint" holds at a time, the initial one included, placed
        where least is computed again (PlanError where the problem is not chain-like).
    time_limit, seed : float, int
        Of a search, as `Budget` says.

    Returns
    -------
    Schedule
        With its certificate: `lower_bound`, `bound_family`, `gap`.

    Raises
    ------
    BudgetError
        "impossible: …" when the budget is below a proven bound, "not found: …" when no plan was
        found, though one may exist.
    PolicyError
        When the method is unknown or does not take the option, or an argument is impossible.

    Examples
    --------
    >>> from autodiff.planning import Problem, solve
    >>> problem = Problem([8] * 4, [1] * 4, [[], [0], [1], [0, 2]], [3], level=[0, 0, 0, 1])
    >>> [solve(problem, method=m).cost for m in ("store", "recompute", "checkpoint")]
    [4, 4, 4]
    >>> chain = Problem([1] * 5, [1] * 5, [[], [0], [1], [2, 1], [3, 0]], [4])
    >>> [solve(chain, budget).cost for budget in (4, 3)]
    [5, 6]
    """
    time_limit, seed = check_time_limit(time_limit), check_seed(seed)
    require_problem(problem)
    if method not in (*_ORDERS, *_PLANNERS):
        raise PolicyError(unknown("method", method, [*_ORDERS, *_PLANNERS]))
    options = {}
    for name, given, check in (("every", every, check_every), ("slots", slots, check_slots)):
        if given is not None:
            if method != "checkpoint":
                raise PolicyError(f"method {method!r} takes no {name}=; 'checkpoint' does")
            options[name] = check(given)
    if len(options) > 1:
        raise PolicyError("every= and slots= are two ways to say how many states are kept")
    if problem.drop.any() and method != "save":
        options |= {"method": method, "time_limit": time_limit, "seed": seed}
        return respecting_marks(problem, lambda marked: solve(marked, budget, **options))
    if budget is None:
        if method == "auto":
            method = "store"
        if method not in _ORDERS:
            raise PolicyError(f"method {method!r} needs budget=")
        return _ordered(problem, method, options)
    limits = Limits(parse_bytes(budget), time_limit, seed)
    bound, node = memory_bound(problem)
    if limits.budget < bound:
        raise impossible(problem, limits.budget, bound, node)
    if method in _ORDERS:
        schedule = _ordered(problem, method, options)
        if schedule.peak_bytes > limits.budget:
            raise refusal(problem, limits.budget, by=(
                f"by method {method!r}, which takes {schedule.peak_bytes:,} bytes,"))
        return certified(schedule, limits.budget)
    schedule = _ordered(problem, "store", options)
    if schedule.peak_bytes > limits.budget:
        schedule = import_module(f"autodiff.planning.{method}").plan(problem, limits)
    return certified(schedule, limits.budget)


def _ordered(problem, method, options):
    return schedule_of(problem, _ORDERS[method](problem, **options), method)


def check_every(every):
    """Return `every` as an int of at least 1; PolicyError otherwise."""
    try:
        every = None if isinstance(every, bool) else operator.index(every)
    except TypeError:
        every = None
    if every is None or every < 1:
        raise PolicyError("every= counts states from one kept to the next: an int of at least 1")
    return every


def unknown(what, name, names):
    """Word the message for an unknown name, with the nearest known one."""
    near = difflib.get_close_matches(str(name).lower(), names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    return f"unknown {what} {brief(name)}{hint} Known are {', '.join(map(repr, names))}."
