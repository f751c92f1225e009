"""Instructions: a call and where each of its operands lies."""

from libc.stdint cimport int32_t, int64_t

from .calls cimport Calls
from .kernels cimport Call
from .regions cimport Regions
from .script cimport Draft
from .steps cimport Steps

cdef enum:
    ARENA = 0                     # bases: the arena, the block of results, then the arguments,
    BLOCK = 1                     # the constants and the small results, one each
    FIRST = 2
    BLOCK_RESULT = 65536          # results from this size on share one block per call


cdef struct Operand:
    int32_t base                  # ARENA, BLOCK, or an array of its own
    int64_t offset                # of its first byte
    int64_t end                   # offset past the last byte that is touched


cdef struct Instruction:
    Call* call
    int32_t first_operand
    int32_t n_operands            # inputs, result, and workspace where there is one
    int32_t region
    int64_t step                  # of the plan; of a script, its first one


cdef class Code:
    cdef Regions regions
    cdef Calls calls
    cdef Instruction* instructions
    cdef int64_t size             # of them
    cdef Operand* operands
    cdef int64_t n_operands
    cdef int32_t n_bases
    cdef int32_t widest           # most operands of one instruction
    cdef list results             # (base, offset, layout, dtype) of each output
    cdef int64_t arena_bytes, block_bytes, small_bytes
    cdef int64_t kept_bytes       # of the block, its results: what is behind them dies with the run
    cdef int64_t moved_bytes      # within the arena and the block, while a run computes
    cdef object scripted          # by region: whether it is written into a script
    cdef Draft draft              # the script that is being written
    cdef int32_t script_region    # its first region
    cdef int64_t script_step      # its first step
    cdef int64_t script_ends[2]   # the highest byte it touches in the arena and in the block
    cdef Call** scripts           # of those that are finished
    cdef int32_t n_scripts

    cdef int place_and_emit(self, Steps steps, const int32_t[::1] taken,
                            const int64_t[::1] workspace, bint given,
                            int64_t effort) except -1
    cdef int emit(self, Steps steps, int64_t[::1] buffer_of, int64_t[::1] scratch,
                  int64_t[::1] freed, int64_t[::1] offset, int64_t[::1] nbytes,
                  int32_t[::1] base, const int64_t[:, ::1] moves) except -1
    cdef int add_instruction(self, Call* call, int32_t region, int64_t step,
                             int64_t first) noexcept
    cdef int add_to_script(self, int32_t region, int64_t step, int64_t first) except -1
    cdef int end_script(self) except -1
    cdef int emit_move(self, int32_t region, int64_t step, int32_t base, int64_t offset,
                       const int64_t[::1] move, int64_t nbytes) except -1
    cdef int emit_poison(self, int32_t region, int64_t step, int32_t base, int64_t offset,
                         int64_t nbytes) except -1
