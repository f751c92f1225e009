"""What a planner may use: bytes, time, and a seed, checked once."""

import math
import operator
from dataclasses import dataclass

from autodiff.errors import PolicyError


@dataclass(frozen=True)
class Limits:
    """Say what a plan may hold and how long it may be looked for.

    Parameters
    ----------
    budget : int, bytes
    time_limit : float, seconds
        Turned into a number of moves at a fixed rate, so that plans do not depend on the clock;
        the clock only stops a search that is late. 0 asks for the first plan found.
    seed : int
        Of all that is random in a search.
    """

    budget: int
    time_limit: float = 10.0
    seed: int = 0


def check_time_limit(time_limit):
    """Return `time_limit` as a float of at least 0, infinity included; PolicyError otherwise."""
    try:
        seconds = math.nan if isinstance(time_limit, bool) else float(time_limit)
    except (TypeError, ValueError):
        seconds = math.nan
    if not seconds >= 0:
        raise PolicyError(f"time_limit= is a number of seconds from 0, not {time_limit!r}")
    return seconds


def check_seed(seed):
    """Return `seed` as an int of 0 to 2^63 − 1; PolicyError otherwise."""
    try:
        value = -1 if isinstance(seed, bool) else operator.index(seed)
    except TypeError:
        value = -1
    if not 0 <= value < 2**63:
        raise PolicyError(f"seed= is an int from 0, not {seed!r}")
    return value
