"""Mixed checkpointing: a slot holds a state or, what saves running the step again, a tape.

With tapes as large as states, n equal steps in s slots take T(n, s) runs of steps (Maddison 2024,
"On the implementation of checkpointing with high-level algorithmic differentiation"):

    T(n, s) = n                                                          for n ≤ s + 1
    T(n, s) = min(1 + T(n − 1, s − 1),                                    the tape of the first step
                  min over 2 ≤ i < n of i + T(i, s) + T(n − i, s − 1))    its state, then state i

and T(1, 0) = 1. Runs for a tape count here, unlike in `binomial`. The last step needs no slot.
"""

from libc.stdint cimport INT64_MAX, int32_t, int64_t

import numpy as np

from autodiff.errors import PolicyError
from autodiff.planning.actions cimport (
    ADVANCE, END, FREE, LOAD, REVERSE, STORE, TAPE, Action, Actions,
)
from autodiff.planning.binomial import check_chain

cdef enum:
    NOTHING = -1

_MOST_WORK = 20_000_000_000     # additions: half a minute


cdef void fill(int64_t[:, ::1] runs, int32_t[:, ::1] choice) noexcept nogil:
    """Fill T(l, s) for s slots, row by row, and the i of each (1: the tape)."""
    cdef int64_t s, l, i, least, found, count
    for s in range(runs.shape[0]):
        for l in range(1, runs.shape[1]):
            if l <= s + 1:
                runs[s, l] = l
                choice[s, l] = 1
                continue
            if s == 0:
                runs[s, l] = INT64_MAX >> 2     # cannot be
                continue
            least = 1 + runs[s - 1, l - 1]
            found = 1
            for i in range(2, l):
                count = i + runs[s, i] + runs[s - 1, l - i]
                if count < least:
                    least = count
                    found = i
            runs[s, l] = least
            choice[s, l] = <int32_t>found


cdef class Mixed(Actions):
    """The actions of n steps in s slots for states and tapes, as `mixed` returns them."""

    cdef int32_t[:, ::1] choice
    cdef int64_t[::1] number    # per slot in use: the state or tape in it
    cdef int32_t[::1] is_tape
    cdef int64_t top            # slots in use
    cdef int64_t left           # steps not reversed yet
    cdef int64_t at_hand

    def __init__(self):
        raise PolicyError("the actions of a table are made by mixed(n, slots)")

    def restarted(self):
        return new_mixed(self.n, self.slots, self.choice)

    cdef Action following(self) noexcept nogil:
        cdef Action action
        cdef int64_t i = self.top - 1, l, far
        action.kind, action.step, action.other = END, self.at_hand, -1
        if self.left == 0 and self.top == 0:
            return action
        if self.at_hand == NOTHING:
            action.step, action.other = self.number[i], i
            if self.number[i] == self.left:
                action.kind = FREE
                self.top -= 1
            elif self.is_tape[i]:
                action.kind = REVERSE
                self.left -= 1
            else:
                action.kind = LOAD
                self.at_hand = self.number[i]
            return action
        l = self.left - self.at_hand
        if l == 1:
            action.kind = REVERSE
            self.left -= 1
            self.at_hand = NOTHING
            return action
        # The state at hand may be the one in the last slot; then that slot is its own.
        if i >= 0 and not self.is_tape[i] and self.number[i] == self.at_hand:
            far = self.choice[self.slots - i, l]
            if far == 1:
                action.kind, action.other = FREE, i
                self.top -= 1
            else:
                action.kind = ADVANCE
                self.at_hand += far
                action.other = self.at_hand
            return action
        far = self.choice[self.slots - self.top, l]
        action.kind, action.other = TAPE if far == 1 else STORE, self.top
        self.number[self.top] = self.at_hand
        self.is_tape[self.top] = far == 1
        self.top += 1
        if far == 1:
            self.at_hand += 1
        return action


cdef Mixed new_mixed(int64_t n, int64_t slots, int32_t[:, ::1] choice):
    cdef Mixed actions = Mixed.__new__(Mixed)
    actions.n, actions.slots, actions.choice = n, slots, choice
    actions.number = np.empty(slots, np.int64)
    actions.is_tape = np.empty(slots, np.int32)
    actions.left, actions.top, actions.at_hand = n, 0, 0
    return actions


def mixed(n, slots):
    """Reverse a chain of n equal steps with slots that hold a state or a tape, in the fewest runs.

    Parameters
    ----------
    n : int
        Steps, from 0.
    slots : int
        States and tapes held at a time, from 1; the initial state takes a slot when it is stored.

    Returns
    -------
    count : int
        T(n, s): all runs of steps, those for a tape included; `binomial` needs t(n, s) + n.
    schedule : Actions
        The actions in order, made as they are read. Its table takes O(n·s) bytes and O(n²·s)
        time, unlike `binomial`'s.

    Raises
    ------
    PolicyError
        When n or slots is no int in its range, or n²·s is too much (above 4·10^10).

    Examples
    --------
    >>> from autodiff.planning import mixed
    >>> mixed(100, 10)[0]
    237
    >>> print(mixed(3, 1)[1])
    store state 0 in slot 0
    advance from state 0 to state 2
    run step 2 and reverse it
    load state 0 from slot 0
    free slot 0 of number 0
    run step 0 and keep its tape in slot 0
    run step 1 and reverse it
    reverse step 0 with the tape in slot 0
    free slot 0 of number 0
    """
    n, slots = check_chain(n, slots)
    slots = min(slots, max(n - 1, 0))
    if n * n * slots // 2 > _MOST_WORK:
        raise PolicyError(
            f"mixed({n}, {slots}) takes a table of n²·s = {n * n * slots:.1e} additions; "
            "use binomial, which takes none"
        )
    runs = np.zeros((slots + 1, n + 1), np.int64)
    choice = np.zeros((slots + 1, n + 1), np.int32)
    cdef int64_t[:, ::1] run_table = runs
    cdef int32_t[:, ::1] choice_table = choice
    with nogil:
        fill(run_table, choice_table)
    return int(runs[slots, n]), new_mixed(n, slots, choice_table)
