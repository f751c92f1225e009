"""What searches use of a timeline: computes at slots, lives, bytes at every slot, and undo."""

from libc.stdint cimport int32_t, int64_t, uint8_t

from autodiff.planning.network cimport Net, Network
from autodiff.planning.peaktree cimport PeakTree

cdef struct Change:
    int32_t node
    int32_t slot
    uint8_t added

cdef struct Line:
    Net net
    PeakTree tree
    int64_t slots
    int32_t* node       # per slot: the node computed there, -1 for none
    uint8_t* taken      # per slot: its result takes over the bytes of an input
    int64_t most        # computes of one node there is room for
    int32_t* count      # per node: its computes
    int32_t* start      # (n, most) their slots, ascending
    int32_t* end        # (n, most) the slot of the last use of each life, else of its start
    int32_t* several    # nodes computed more than once
    int32_t* where      # per node: its place among them
    int64_t several_count
    double cost         # of all computes
    Change* changes     # since the last commit
    int64_t changed
    int64_t room        # changes there is room for


cdef int64_t life_at(const Line* line, int64_t v, int64_t slot) noexcept nogil
cdef bint reads(const Line* line, int64_t v, int64_t u) noexcept nogil
cdef int64_t first_use(const Line* line, int64_t v, int64_t life, int64_t after) noexcept nogil
cdef bint insert(Line* line, int64_t v, int64_t slot) noexcept nogil
cdef void remove(Line* line, int64_t v, int64_t life) noexcept nogil
cdef void remove_useless(Line* line, int64_t v, int64_t slot) noexcept nogil
cdef void undo(Line* line) noexcept nogil


cdef class Timeline:
    cdef Line line
    cdef readonly Network network
    cdef object arrays

    cdef lay_out(self, const int32_t[::1] order)
