"""From a problem and a method's name to a schedule: the table of methods, and nothing else."""

import difflib
import operator

from autodiff.errors import PolicyError
from autodiff.planning import checkpoint, recompute, store
from autodiff.planning.lifetimes import free_after_last_use
from autodiff.planning.schedule import Schedule

# method -> (function (problem, **options) -> order of computes, the options it takes)
_ORDERS = {
    "store": (store.order, ()),
    "recompute": (recompute.order, ()),
    "checkpoint": (checkpoint.order, ("every",)),
}


def solve(problem, *, method="auto", every=None):
    """Plan a problem.

    Parameters
    ----------
    problem : Problem
    method : str
        "store" computes everything once and frees it after its last use (eq. 6.52); "recompute"
        drops what lies below the last sweep and recomputes it when needed (eq. 6.53);
        "checkpoint" keeps every k-th state; "auto" is "store".
    every : int, optional
        The k of "checkpoint", √ of the number of states when not given.

    Returns
    -------
    Schedule

    Raises
    ------
    PolicyError
        When the method is unknown or does not take the option, or the option is impossible.

    Examples
    --------
    >>> from autodiff.planning import Problem, solve
    >>> problem = Problem([8] * 4, [1] * 4, [[], [0], [1], [0, 2]], [3], level=[0, 0, 0, 1])
    >>> [solve(problem, method=m).cost for m in ("store", "recompute", "checkpoint")]
    [4, 4, 4]
    """
    method = "store" if method == "auto" else method
    if method not in _ORDERS:
        raise PolicyError(unknown("method", method, ["auto", *_ORDERS]))
    order, takes = _ORDERS[method]
    options = {}
    if every is not None:
        if "every" not in takes:
            raise PolicyError(f"method {method!r} takes no every=; 'checkpoint' does")
        options["every"] = check_every(every)
    steps = free_after_last_use(
        order(problem, **options),
        problem.input_start,
        problem.input_index,
        problem.owner,
        problem.pinned,
    )
    return Schedule(problem, steps, method)


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
    return f"unknown {what} {name!r}{hint} Known are {', '.join(map(repr, names))}."
