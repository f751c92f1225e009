"""Placement of buffers in time order, O(n log n)."""

from libc.stdint cimport int64_t

from autodiff.core.allocate cimport Lifetimes


cdef bint place_in_time(const Lifetimes* lives, int64_t* offsets) noexcept nogil
