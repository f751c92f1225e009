"""Budgets: bytes as a user writes them, and the two ways in which a budget is refused."""

import math
import operator
import re

from autodiff.errors import BudgetError, PolicyError, brief
from autodiff.planning.bounds import memory_bound
from autodiff.planning.schedule import format_bytes

# Decimal units are powers of 1000, binary ones of 1024 (IEC 80000-13).
UNITS = {
    "B": 1,
    **{f"{prefix}B": 1000**power for power, prefix in enumerate(("k", "M", "G", "T"), 1)},
    **{f"{prefix}iB": 1024**power for power, prefix in enumerate(("K", "M", "G", "T"), 1)},
}
_BY_LOWER = {unit.lower(): scale for unit, scale in UNITS.items()}
_WRITTEN = re.compile(r"\s*([0-9][0-9_]*(?:\.[0-9]*)?(?:e[+-]?[0-9]+)?)\s*([a-z]*)\s*", re.I)


def parse_bytes(budget):
    """Read a byte budget: an int, a float of whole or more bytes, or a string with a unit.

    Parameters
    ----------
    budget : int, float or str
        Bytes; strings as "64MB" (10^6), "64 MiB" (2^20), "1.5 GB". Fractions are rounded down.

    Returns
    -------
    int, at least 1

    Raises
    ------
    PolicyError
        When it is zero, negative, not finite, no number, or a string without a known unit.

    Examples
    --------
    >>> from autodiff.planning.budget import parse_bytes
    >>> parse_bytes("64MB"), parse_bytes("64MiB"), parse_bytes("1.5 GB"), parse_bytes(4096)
    (64000000, 67108864, 1500000000, 4096)
    """
    nbytes = _parse_text(budget) if isinstance(budget, str) else _parse_number(budget)
    if nbytes < 1:
        raise PolicyError(f"a budget is at least one byte, not {brief(budget)}")
    return nbytes


def _parse_text(text):
    found = _WRITTEN.fullmatch(text)
    known = ", ".join(UNITS)
    if not found:
        raise PolicyError(f"a budget is written as '64MB' or '1.5 GiB', not {brief(text)}")
    digits, unit = found.groups()
    if not unit:
        raise PolicyError(
            f"the budget {brief(text)} has no unit; known are {known} (or give an int)")
    if unit.lower() not in _BY_LOWER:
        raise PolicyError(
            f"the budget {brief(text)} has an unknown unit {brief(unit)}; known are {known}")
    digits = digits.replace("_", "")
    scale = _BY_LOWER[unit.lower()]
    if digits.isdigit() and len(digits) < 20:      # else more than any, perhaps too long for int
        return int(digits) * scale
    return _floor(float(digits) * scale, text)


def _parse_number(budget):
    size = None if isinstance(budget, bool) else budget
    try:
        if math.isfinite(size):
            return operator.index(size)
    except OverflowError:
        size = math.inf                            # more than any float
    except TypeError:
        pass
    try:
        size = float(size)
    except (TypeError, ValueError):
        raise PolicyError(
            f"a budget is a number of bytes or a string such as '64MB', not {brief(budget)}"
        ) from None
    return _floor(size, budget)


def _floor(size, given):
    if not math.isfinite(size):
        raise PolicyError(f"a budget is finite, not {brief(given)}")
    return math.floor(size)


def impossible(problem, budget, bound, node, captured=0):
    """Word the refusal of a budget below a proven bound: a BudgetError "impossible: …".

    Captured arrays (bytes) are held beside all that the problem knows of; `budget` contains them,
    `bound` does not.
    """
    if bound > memory_bound(problem)[0]:
        why = "every order of computes and frees, all of them looked at, takes"
    elif node is None:
        why = "the targets and what is kept, held together at the end, take"
    else:
        why = f"computing {_place(problem, node)} takes"
    bound += captured
    beside = f", {captured:,} of them captured arrays" if captured else ""
    return BudgetError(
        f"impossible: {why} {format_bytes(bound)} ({bound:,} bytes{beside}), and the budget is "
        f"{format_bytes(budget)} ({budget:,} bytes); no plan holds fewer",
        budget=budget,
        bound=bound,
        node=node,
        line=None if node is None else problem.line(node),
    )


def not_found(problem, budget, bound, known, node=None, by=""):
    """Word the refusal of a budget that no plan was found for: a BudgetError "not found: …".

    `by` says which method was asked, and what it takes, where that is more than the least known.
    """
    text = (
        f"not found: no plan{by and ' '}{by} of at most {format_bytes(budget)} ({budget:,} bytes); "
        f"nothing fits below {format_bytes(bound)} ({bound:,} bytes)"
    )
    if known is not None:
        text += f", and the smallest budget with a known plan is {known:,} bytes"
    if node is not None:
        text += f"; the search got stuck at {_place(problem, node)}"
    return BudgetError(
        text,
        budget=budget,
        bound=bound,
        known=known,
        node=node,
        line=None if node is None else problem.line(node),
    )


def with_held(refusal, nbytes, what):
    """The refusal of what a budget leaves, as one of the budget: `nbytes` of `what` stay held."""
    def more(value):
        return None if value is None else value + nbytes

    budget = refusal.budget + nbytes
    return BudgetError(
        f"{refusal}; {nbytes:,} bytes more are held by {what}, and the budget for all is "
        f"{format_bytes(budget)} ({budget:,} bytes)",
        budget=budget,
        bound=more(refusal.bound),
        known=more(refusal.known),
        node=refusal.node,
        line=refusal.line,
    )


def of_a_part(refusal):
    """The refusal of what a value looked at depends on: for the rest no budget is known yet."""
    return BudgetError(
        f"{refusal}; so much takes a value that is looked at, what follows is not planned yet",
        budget=refusal.budget,
        bound=refusal.bound,
        node=refusal.node,
        line=refusal.line,
    )


def _place(problem, node):
    line = problem.line(node)
    return problem.name(node) if line is None else f"{problem.name(node)}, {line}"
