"""What the generators of actions share: one action as a struct, and the stream they derive from."""

from libc.stdint cimport int64_t

cdef enum:
    ADVANCE     # run steps `step` … `other` − 1 from state `step`, keeping state `other` alone
    STORE       # put the state or tape at hand, number `step`, into slot `other`
    LOAD        # make state `step` in slot `other` the one at hand; the slot keeps it
    TAPE        # run step `step` from the state at hand, its tape into slot `other`
    REVERSE     # reverse step `step`: with the tape in slot `other`, or (−1) running it first
    FREE        # slot `other`, which held number `step`, is empty
    END         # nothing is left

cdef struct Action:
    int kind
    int64_t step
    int64_t other


cdef class Actions:
    cdef readonly int64_t n         # steps of the chain
    cdef readonly int64_t slots     # slots the actions use at most

    cdef Action following(self) noexcept nogil
