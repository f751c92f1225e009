"""Placement of buffers in time order, where those that stand in the way are moved."""

from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t

from autodiff.core.allocate cimport Lifetimes

cdef enum:
    GAPS = 5            # so many ways to choose a gap
    SPLITS = 3          # where in a window the gap is opened: above all, below all, between them


cdef struct Move:
    int64_t step                # before which the bytes are moved
    int64_t buffer
    int64_t offset              # from then on


cdef struct Moving:
    const Lifetimes* lives
    const int64_t* nbytes       # of each buffer, a multiple of 64, and of the wall, the n-th
    const int8_t* is_result
    int64_t extent
    int64_t wall                # an address, or 0 for none
    int32_t* rank               # of each buffer in order of birth
    uint8_t* ways               # by rank: how its place is chosen
    int32_t* held               # buffers that have a place, by offset; results are not among them
    int32_t n_held
    int64_t top                 # where the results begin
    int64_t* first              # offset of each buffer at its birth
    int64_t* now                # and at this step
    int32_t* concerned          # ranks of those that moved, or that others moved for
    int32_t n_concerned
    int64_t moved_bytes
    int64_t n_moves
    Move* moves                 # room for them, or NULL: they are only counted


cdef bint moving_new(Moving* self, const Lifetimes* lives, const int64_t* nbytes,
                     const int8_t* is_result, int64_t extent, int64_t wall,
                     int64_t* first) noexcept nogil

cdef void moving_free(Moving* self) noexcept nogil

cdef bint place_moving(Moving* self, int64_t most) noexcept nogil
