"""Calls: what each region asks of which kernel, but for the addresses."""

from libc.stdint cimport int8_t, int32_t, int64_t

from .kernels cimport Call, Run
from .regions cimport Regions

cdef extern from "joins.h" nogil:
    ctypedef struct Piece:
        const Call* call
        int64_t first             # operand of the concatenation that is the pass's first one
        int64_t offset            # of the first byte of its result
    ctypedef struct Join:
        int64_t n                 # passes
        int64_t widest            # most operands of one
        Piece* pieces


cdef class Calls:
    cdef Call* by_region          # and behind them those of pieces
    cdef int64_t n                # of both
    cdef int64_t n_built          # where the call of the next piece is

    cdef int build(self, Call* call, Regions regions, int32_t value) except -1
    cdef Join* join(self, Regions regions, int32_t value) except NULL


cdef object array_view(const int64_t* layout, int dtype, char* data)
cdef int callback(const Call* call, char** p, Run* run) noexcept with gil
