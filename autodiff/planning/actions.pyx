"""Actions that reverse a chain of equal steps: a stream one can read aloud, made as it is read.

State 0 is given, step i leads from state i to state i + 1, and the steps are reversed from the last
to the first. Reversing a step takes its tape: what running the step leaves behind. States and
tapes are kept in numbered slots; one more state is at hand. A stream remembers what stands in the
slots and nothing else: a million steps take O(slots) bytes.
"""

from libc.stdint cimport int64_t

import numpy as np

from autodiff.errors import PlanError

KINDS = ("advance", "store", "load", "tape", "reverse", "free")
_SENTENCES = (
    "advance from state {step} to state {other}",
    "store state {step} in slot {other}",
    "load state {step} from slot {other}",
    "run step {step} and keep its tape in slot {other}",
    "reverse step {step} with the tape in slot {other}",
    "free slot {other} of number {step}",
)
_SHOWN = 40     # actions printed


cdef class Actions:
    """Stream of actions: iterating yields (action, step, other), each time from the beginning.

    Actions are ``("advance", i, j)``, ``("store", i, slot)``, ``("load", i, slot)``,
    ``("tape", i, slot)``, ``("reverse", i, slot or None)`` and ``("free", i, slot)``; a reverse
    without slot runs its step once more, from the state at hand. `print` reads them aloud.

    Attributes
    ----------
    n : int
        Steps of the chain.
    slots : int
        Slots used at most.
    """

    cdef Action following(self) noexcept nogil:
        """Make the next action; its kind is END when nothing is left."""
        cdef Action action
        action.kind, action.step, action.other = END, 0, 0
        return action

    def restarted(self):
        """Make a stream of the same actions, from the beginning."""
        raise NotImplementedError

    def __iter__(self):
        cdef Actions stream = <Actions?> self.restarted()
        cdef Action action = stream.following()
        while action.kind != END:
            other = None if action.other < 0 else action.other
            yield KINDS[action.kind], action.step, other
            action = stream.following()

    def __str__(self):
        lines = []
        for number, (kind, step, other) in enumerate(self):
            if number == _SHOWN:
                lines.append("…")
                break
            sentence = _SENTENCES[KINDS.index(kind)]
            if other is None:
                sentence = "run step {step} and reverse it"
            lines.append(sentence.format(step=step, other=other))
        return "\n".join(lines)

    def __repr__(self):
        return f"<{type(self).__name__}: {self.n} steps in {self.slots} slots>"


cdef enum:
    NOTHING = -1

cdef struct Tally:
    int64_t advances    # steps run for their state alone
    int64_t runs        # steps run for their tape
    int64_t used        # slots in use
    int64_t most        # slots in use at most
    int64_t left        # steps not reversed yet


cdef const char* act(Action a, Tally* t, int64_t* at_hand, int64_t[::1] state, int64_t[::1] tape,
                     int64_t slots) noexcept nogil:
    """Do one action; what is wrong with it, or NULL."""
    cdef int64_t slot = a.other
    if a.kind == ADVANCE:
        if at_hand[0] != a.step or not a.step < a.other < t.left:
            return "does not go on from the state at hand, or goes too far"
        t.advances += a.other - a.step
        at_hand[0] = a.other
        return NULL
    if not (0 <= slot < slots or (a.kind == REVERSE and slot == -1)):
        return "there is no such slot"
    if a.kind == STORE or a.kind == TAPE:
        if at_hand[0] != a.step:
            return "that state is not at hand"
        if state[slot] != NOTHING or tape[slot] != NOTHING:
            return "the slot is in use"
        t.used += 1
        t.most = max(t.most, t.used)
        if a.kind == STORE:
            state[slot] = a.step
        else:
            tape[slot] = a.step
            t.runs += 1
            at_hand[0] = a.step + 1
    elif a.kind == LOAD:
        if state[slot] != a.step:
            return "that state is not in the slot"
        at_hand[0] = a.step
    elif a.kind == FREE:
        if (tape[slot] if state[slot] == NOTHING else state[slot]) != a.step:
            return "the slot holds something else"
        state[slot] = tape[slot] = NOTHING
        t.used -= 1
    else:
        if a.step != t.left - 1:
            return "it is not the turn of this step"
        if slot >= 0 and tape[slot] != a.step:
            return "its tape is not in the slot"
        if slot < 0 and at_hand[0] != a.step:
            return "its state is not at hand"
        t.runs += slot < 0
        t.left -= 1
        at_hand[0] = NOTHING
    return NULL


def replay(Actions actions not None):
    """Carry actions out on the numbers of states and tapes, checking each.

    Returns
    -------
    dict
        "advances": steps run for their state alone; "runs": steps run for their tape; "slots":
        slots in use at most.

    Raises
    ------
    PlanError
        When an action cannot be done, or a step is not reversed in the end; it names the action.

    Examples
    --------
    >>> from autodiff.planning import binomial, replay
    >>> count, actions = binomial(10, 3)
    >>> count, replay(actions)
    (15, {'advances': 15, 'runs': 10, 'slots': 3})
    """
    cdef Actions stream = <Actions?> actions.restarted()
    cdef int64_t[::1] state = np.full(stream.slots, NOTHING)
    cdef int64_t[::1] tape = np.full(stream.slots, NOTHING)
    cdef int64_t at_hand = 0, number = 0
    cdef Tally t
    cdef Action action
    cdef const char* wrong = NULL
    t.advances = t.runs = t.used = t.most = 0
    t.left = stream.n
    with nogil:
        action = stream.following()
        while action.kind != END:
            wrong = act(action, &t, &at_hand, state, tape, stream.slots)
            if wrong != NULL:
                break
            number += 1
            action = stream.following()
    if wrong != NULL:
        raise PlanError(
            f"action {number}, {KINDS[action.kind]} {action.step}, {action.other}: "
            f"{wrong.decode()}"
        )
    if t.left:
        raise PlanError(f"the actions end with {t.left} steps not reversed")
    return {"advances": t.advances, "runs": t.runs, "slots": t.most}
