"""Scripts: operations on single numbers, many to one instruction of a program."""

from libc.stdint cimport int32_t, int64_t, uint32_t

from .kernels cimport BlockLoop, Call
from .regions cimport Regions

cdef extern from "script.h" nogil:
    int SCRIPT_BASES, SCRIPT_LOOPS
    int64_t SCRIPT_REACH
    ctypedef struct ScriptStep:
        uint32_t op
        uint32_t out
        uint32_t a
        uint32_t b


cdef struct Draft:                # a script that is being written
    ScriptStep* steps
    int64_t size, room
    int32_t n_loops
    BlockLoop loops[64]


cdef bint is_scripted(Regions regions, int32_t value) except -1
cdef bint has_room(const Draft* draft) noexcept
cdef int write(Draft* draft, Regions regions, int32_t value, const uint32_t* operands) except -1
cdef Call* finish(Draft* draft) except NULL
cdef void discard(Call* call) noexcept
