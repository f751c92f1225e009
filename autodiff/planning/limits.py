"""What a planner may use: bytes, time, and a seed, checked once."""

import math
import operator
import time
from dataclasses import dataclass, replace

from autodiff.errors import PolicyError, brief


@dataclass(frozen=True)
class Limits:
    """Say what a plan may hold and how long it may be looked for.

    Parameters
    ----------
    budget, time_limit, seed : int, float, int
        As in `Budget`.
    deadline : float, optional
        Of `time.monotonic`; `time_limit` from now when not given. Parts of a search have shares
        of the moves, and one deadline.
    """

    budget: int
    time_limit: float = 10.0
    seed: int = 0
    deadline: float | None = None

    def __post_init__(self):
        if self.deadline is None:
            object.__setattr__(self, "deadline", time.monotonic() + self.time_limit)

    def share(self, part, budget=None):
        """Give a part of the moves, perhaps for another budget; the deadline stays."""
        return replace(self, time_limit=self.time_limit * part,
                       budget=self.budget if budget is None else budget)


def check_time_limit(time_limit):
    """Return `time_limit` as a float of at least 0, infinity included; PolicyError otherwise."""
    try:
        seconds = math.nan if isinstance(time_limit, bool) else float(time_limit)
    except (TypeError, ValueError, OverflowError):
        seconds = math.nan
    if not seconds >= 0:
        raise PolicyError(f"time_limit= is a number of seconds from 0, not {brief(time_limit)}")
    return seconds


def check_seed(seed):
    """Return `seed` as an int of 0 to 2^63 − 1; PolicyError otherwise."""
    try:
        value = -1 if isinstance(seed, bool) else operator.index(seed)
    except TypeError:
        value = -1
    if not 0 <= value < 2**63:
        raise PolicyError(f"seed= is an int from 0, not {brief(seed)}")
    return value
