"""Binomial checkpointing: reverse n equal steps with s slots for states and the fewest advances.

β(s, r) = C(s + r, s) is the longest chain that s slots reverse with at most r advances over any
step; r(n, s) is the least r with β(s, r) ≥ n. Then t(n, s) = r·n − C(s + r, s + 1) advances are
needed and enough (Griewank & Walther 2000, "Algorithm 799: revolve"). The slot of the initial state
is one of the s, and running a step for its tape is no advance, so all runs together are t + n.
"""

from libc.stdint cimport int64_t

import operator
from math import comb

import numpy as np

from autodiff.errors import PolicyError
from autodiff.planning.actions cimport (
    ADVANCE, END, FREE, LOAD, REVERSE, STORE, Action, Actions,
)

cdef enum:
    NOTHING = -1

_MOST_STEPS = 1 << 31       # so that β fits in 64 bits


def sweeps(n, slots):
    """Find r(n, s): the least number of advances over any step that suffices for n steps."""
    if slots == 1:
        return max(0, n - 1)
    slots = min(slots, n)
    r, beta = 0, 1
    while beta < n:
        r += 1
        beta = beta * (slots + r) // r
    return r


def advances(n, slots):
    """Count the advances t(n, s) = r·n − C(s + r, s + 1) that reversing n steps takes.

    Parameters
    ----------
    n, slots : int
        Steps, from 0; slots for states, from 1, that of the initial state included.

    Examples
    --------
    >>> from autodiff.planning.binomial import advances
    >>> [advances(n, s) for n, s in ((10, 3), (30, 5), (100, 5), (1000, 10))]
    [15, 62, 316, 3636]
    """
    n, slots = check_chain(n, slots)
    if n == 0:
        return 0
    slots = min(slots, n)
    r = sweeps(n, slots)
    return r * n - comb(slots + r, slots + 1)


cdef class Binomial(Actions):
    """The binomial actions of n steps in s slots, as `binomial` returns them."""

    # The part of the chain that starts at a stored state: its slots are its own and all above.
    cdef int64_t[::1] state     # per slot in use: the state in it
    cdef int64_t[::1] r         # r of the part that starts there
    cdef int64_t[::1] beta      # β(slots from this one on, r)
    cdef int64_t top            # slots in use
    cdef int64_t left           # steps not reversed yet
    cdef int64_t at_hand

    def __init__(self, n, slots):
        n, slots = check_chain(n, slots)
        self.n, self.slots = n, min(slots, n)
        self.state = np.empty(self.slots, np.int64)
        self.r = np.empty(self.slots, np.int64)
        self.beta = np.empty(self.slots, np.int64)
        self.left, self.top, self.at_hand = n, 0, 0
        if n:
            self.r[0] = r = sweeps(n, self.slots)
            self.beta[0] = comb(self.slots + r, self.slots)

    def restarted(self):
        return Binomial(self.n, max(1, self.slots))

    cdef int64_t split(self) noexcept nogil:
        """Find how far to advance before the next state is stored, with room for it.

        Any m with β(s, r − 2) ≤ m ≤ β(s, r − 1) and β(s − 1, r − 1) ≤ l − m ≤ β(s − 1, r) is
        best; this is the least. The r of a part only falls, so it is kept from call to call.
        """
        cdef int64_t i = self.top - 1, s = self.slots - i, below
        cdef int64_t l = self.left - self.state[i], r = self.r[i], beta = self.beta[i]
        while r > 1 and beta * r // (s + r) >= l:
            beta = beta * r // (s + r)
            r -= 1
        self.r[i], self.beta[i] = r, beta
        # β(s, r − 1) = β(s, r)·r / (s + r), and β(s − 1, r) = β(s, r) − β(s, r − 1): no product
        # here exceeds n·(s + r).
        below = beta * r // (s + r)
        return max(1, below * (r - 1) // (s + r - 1), l - (beta - below))

    cdef Action following(self) noexcept nogil:
        cdef Action action
        cdef int64_t i, s
        action.kind, action.step, action.other = END, self.at_hand, -1
        i = self.top - 1
        if self.left == 0 and self.top == 0:
            return action
        if self.at_hand == NOTHING:
            action.step, action.other = self.state[i], i
            if self.state[i] == self.left:
                action.kind = FREE
                self.top -= 1
            else:
                action.kind = LOAD
                self.at_hand = self.state[i]
        elif self.top and self.at_hand == self.left - 1:
            action.kind = REVERSE
            self.left -= 1
            self.at_hand = NOTHING
        elif self.top and self.at_hand == self.state[i]:
            action.kind = ADVANCE
            s = self.slots - i
            self.at_hand += self.split() if s > 1 else self.left - 1 - self.at_hand
            action.other = self.at_hand
        else:
            action.kind, action.other = STORE, self.top
            self.state[self.top] = self.at_hand
            if self.top:
                s = self.slots - i
                self.r[self.top] = self.r[i]
                self.beta[self.top] = self.beta[i] - self.beta[i] * self.r[i] // (s + self.r[i])
            self.top += 1
        return action


def binomial(n, slots):
    """Reverse a chain of n equal steps with `slots` stored states and the fewest advances.

    t(n, s) = r·n − C(s + r, s + 1) with the least r such that C(s + r, s) ≥ n.

    Parameters
    ----------
    n : int
        Steps, from 0.
    slots : int
        States stored at a time, from 1, the initial one included.

    Returns
    -------
    count : int
        t(n, s): steps run for their state alone. Each step is run once more for its tape.
    schedule : Actions
        The actions in order, made as they are read.

    Raises
    ------
    PolicyError
        When n or slots is no int in its range.

    Examples
    --------
    >>> from autodiff.planning import binomial
    >>> count, schedule = binomial(3, 2)
    >>> count
    2
    >>> print(schedule)
    store state 0 in slot 0
    advance from state 0 to state 1
    store state 1 in slot 1
    advance from state 1 to state 2
    run step 2 and reverse it
    load state 1 from slot 1
    run step 1 and reverse it
    free slot 1 of number 1
    load state 0 from slot 0
    run step 0 and reverse it
    free slot 0 of number 0
    """
    n, slots = check_chain(n, slots)
    return advances(n, slots), Binomial(n, slots)


def check_chain(n, slots):
    """Return (n, slots) as ints with 0 ≤ n < 2^31 and slots ≥ 1; PolicyError otherwise."""
    n, slots = _integer(n, "n counts steps"), check_slots(slots)
    if not 0 <= n < _MOST_STEPS:
        raise PolicyError(f"n counts steps: an int from 0 and below 2^31, not {n}")
    return n, slots


def check_slots(slots):
    """Return `slots` as an int of at least 1; PolicyError otherwise."""
    slots = _integer(slots, "slots= counts stored states")
    if slots < 1:
        raise PolicyError(f"slots= counts stored states: an int of at least 1, not {slots}")
    return slots


def _integer(given, what):
    try:
        return operator.index(None if isinstance(given, bool) else given)
    except TypeError:
        raise PolicyError(f"{what}: an int, not {given!r}") from None
