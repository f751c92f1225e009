"""Placement of buffers in a given order, each in the best gap."""

from libc.stdint cimport int32_t, int64_t

from autodiff.core.allocate cimport Lifetimes


cdef struct Placed:             # a buffer that has its place, or the wall
    int64_t offset
    int64_t end
    int32_t birth
    int32_t death


cdef struct Packing:
    const Lifetimes* lives
    Placed wall                 # between arena and block
    Placed* placed              # room for n + 1
    int64_t* conflicts_from     # n + 1 starts in conflicts
    int32_t* conflicts          # of each buffer; NULL: found by a look at everything placed
    bint* is_placed             # room for n, where there are lists of conflicts


cdef int64_t count_conflicts(const Lifetimes* lives) noexcept nogil

cdef bint packing_new(Packing* self, const Lifetimes* lives, bint lists) noexcept nogil

cdef void packing_free(Packing* self) noexcept nogil

cdef int64_t place_in_order(Packing* self, const int64_t* order, Py_ssize_t n, int64_t wall,
                            bint lowest, int64_t enough, int64_t* offsets) noexcept nogil
