"""Plans that a frontier has found: no budget that is asked for afterwards does worse.

They are kept by what a problem consists of, labels apart, for the last few problems.
"""

import hashlib
import threading
from collections import OrderedDict
from typing import NamedTuple

from autodiff.planning.schedule import Schedule

_PROBLEMS = 16      # kept at most
_ARRAYS = ("nbytes", "cost", "input_start", "input_index", "targets", "workspace", "inplace_start",
           "inplace_index", "owner", "level", "once", "keep", "after_start", "after_index", "drop",
           "call")


class Known(NamedTuple):
    """One plan: its bytes after allocation, its cost, and what to make a `Schedule` of."""

    peak_bytes: int
    cost: int | float
    steps: object
    method: str


_known: "OrderedDict[bytes, list[Known]]" = OrderedDict()
_lock = threading.Lock()


def remember(problem, plans):
    """Keep pairs (bytes after allocation, schedule) of a problem in the place of those before."""
    found = [Known(nbytes, plan.cost, plan.steps, plan.method) for nbytes, plan in plans]
    with _lock:
        key = _key(problem)
        _known[key] = found
        _known.move_to_end(key)
        while len(_known) > _PROBLEMS:
            _known.popitem(last=False)


def cheapest(problem, nbytes, below):
    """Make the schedule of the cheapest plan within so many bytes, if it costs less than `below`.

    None where there is no such plan.
    """
    if not _known:
        return None
    with _lock:
        plans = _known.get(_key(problem), [])
    fitting = [plan for plan in plans if plan.peak_bytes <= nbytes and plan.cost < below]
    if not fitting:
        return None
    best = min(fitting, key=lambda plan: (plan.cost, plan.peak_bytes))
    return Schedule(problem, best.steps, best.method)


def forget():
    """Drop all of them."""
    with _lock:
        _known.clear()


def _key(problem):
    text = hashlib.blake2b(digest_size=16)
    for name in _ARRAYS:
        array = getattr(problem, name)
        text.update(f"{name} {array.dtype.char} {len(array)} ".encode())
        text.update(array.tobytes())
    return text.digest()
