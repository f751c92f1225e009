"""Code: the instructions of a program, with the address of every byte they touch.

Regions give the calls (see `calls`), the steps of a plan their order
and the lifetimes of the buffers, the allocator the offsets. Nothing here is decided by a policy,
and nothing runs.
"""

import numpy as np

from cpython.mem cimport PyMem_Free
from libc.stdint cimport int8_t, int32_t, int64_t, uint32_t
from libc.string cimport memmove, memset

from .allocate import place
from .buffers import buffers
from .calls cimport Calls
from .kernels cimport OK, Call, Run
from .regions cimport Regions
from .room cimport resize, zeros
from .script cimport (
    SCRIPT_BASES,
    SCRIPT_REACH,
    discard,
    finish,
    has_room,
    is_scripted,
    write,
)
from .steps cimport COMPUTE, Steps
from .values cimport ARGUMENT, BUFFER, Value

cdef extern from "script.h" nogil:
    uint32_t script_operand(int32_t base, int64_t offset)

cdef extern from *:
    int AUTODIFF_DEBUG            # 1 in the debug build


cdef int poison(const Call* call, char** p, Run* run) noexcept nogil:
    """Fill a freed buffer, from p[0] to p[1], with bytes that are NaN: debug build only."""
    memset(p[0], 0xFF, p[1] - p[0])
    return OK


cdef int move_bytes(const Call* call, char** p, Run* run) noexcept nogil:
    """Move a buffer that is in the way to its new place, from p[0] to p[1]; it was at p[2]."""
    memmove(p[0], p[2], p[1] - p[0])
    return OK


cdef Call poison_call, move_call
poison_call.kernel = poison
move_call.kernel = move_bytes


SMALL_RESULT = BLOCK_RESULT         # bytes below which a result has memory of its own throughout


cdef class Code:
    """The instructions that carry out the steps of a plan on regions.

    `taken[t]` is the region whose bytes the compute at step t takes over, or -1. With `given`,
    every result has a base of its own, an array of the caller's whose bytes are not the program's.
    `effort` goes to the packing, see `place`.
    """

    def __dealloc__(self):
        cdef int64_t k            # no Python attribute may be touched here: a collector clears them
        for k in range(self.n_scripts):
            discard(self.scripts[k])
        PyMem_Free(self.scripts)
        PyMem_Free(self.draft.steps)
        PyMem_Free(self.instructions)
        PyMem_Free(self.operands)

    def __init__(self, Regions regions, Steps steps, const int32_t[::1] taken,
                 const int64_t[::1] workspace, bint given=False, int64_t effort=1):
        self.regions = regions
        self.place_and_emit(steps, taken, workspace, given, effort)

    cdef int place_and_emit(self, Steps steps, const int32_t[::1] taken,
                            const int64_t[::1] workspace, bint given,
                            int64_t effort) except -1:
        """Give every buffer of the plan an address and write the instructions.

        Large results share the block, others have memory of their own: all those that are given.
        """
        cdef Regions regions = self.regions
        cdef int32_t small = FIRST + len(regions.arguments) + len(regions.constants)
        cdef Value* x
        cdef int64_t b, r
        nbytes = np.empty(regions.n_regions, np.int64)
        cdef int64_t[::1] nbytes_ = nbytes
        for r in range(regions.n_regions):
            nbytes_[r] = regions.values[regions.computed[r]].nbytes
        sizes, birth, death, filled, scratch, freed, last = buffers(
            steps, taken, nbytes, workspace)
        base = np.zeros(sizes.size, np.int32)
        result = np.zeros(sizes.size, bool)
        outputs = []                # (buffer, layout, dtype)
        for value in regions.outputs:
            x = &regions.values[<int32_t> value]
            b = last[x.slot]
            outputs.append((b, x.layout, x.dtype))
            if x.nbytes >= BLOCK_RESULT and not given:
                result[b] = True
            else:
                base[b] = small
                self.small_bytes += 0 if given else x.nbytes
                small += 1
        self.n_bases = small
        offset = np.zeros(sizes.size, np.int64)
        chosen = np.flatnonzero(base < FIRST)
        offset[chosen], base[chosen], self.arena_bytes, self.block_bytes, moves = place(
            sizes[chosen], birth[chosen], death[chosen], result[chosen], effort=effort)
        moves[:, 1] = chosen[moves[:, 1]]
        self.moved_bytes = sizes[moves[:, 1]].sum()
        self.results = [(int(base[b]), int(offset[b]), layout, dtype)
                        for b, layout, dtype in outputs]
        self.kept_bytes = (offset + sizes)[result].max(initial=0)
        self.scripted = scriptable = np.zeros(regions.n_regions, np.int8)
        cdef int8_t[::1] scripted = scriptable
        if small <= SCRIPT_BASES and self.arena_bytes + self.block_bytes < SCRIPT_REACH:
            for r in range(regions.n_regions):
                scripted[r] = is_scripted(regions, regions.computed[r])
        self.calls = Calls(regions, scriptable)
        self.emit(steps, filled, scratch, freed, offset, sizes, base, moves)
        return 0

    cdef int emit(self, Steps steps, int64_t[::1] buffer_of, int64_t[::1] scratch,
                  int64_t[::1] freed, int64_t[::1] offset, int64_t[::1] nbytes,
                  int32_t[::1] base, const int64_t[:, ::1] moves) except -1:
        """Write the instructions of the plan's steps, in their order.

        `offset` and `base` are those of each buffer at its birth, and change with the moves.
        """
        cdef Regions regions = self.regions
        cdef int64_t t, b, first, moved = 0, n_operands = 3 * moves.shape[0]
        cdef int32_t r, j
        cdef Value* x
        cdef Value* u
        cdef Operand* at
        for t in range(steps.c.size):
            if steps.c.action[t] == COMPUTE:
                x = &regions.values[regions.computed[steps.c.node[t]]]
                n_operands += x.n_inputs
            n_operands += 2
        self.instructions = <Instruction*> zeros(
            steps.c.size + moves.shape[0] + 1, sizeof(Instruction))
        self.operands = <Operand*> zeros(n_operands + 1, sizeof(Operand))
        current = np.full(regions.n_regions, -1, np.int64)
        cdef int64_t[::1] current_ = current
        cdef int8_t[::1] scripted = self.scripted
        for t in range(steps.c.size):
            r = steps.c.node[t]
            if steps.c.action[t] != COMPUTE:
                if AUTODIFF_DEBUG and freed[t] >= 0:
                    self.end_script()
                    self.emit_poison(r, t, base[freed[t]], offset[freed[t]],
                                     nbytes[freed[t]])
                continue
            while moved < moves.shape[0] and moves[moved, 0] == t:
                self.end_script()
                b = moves[moved, 1]
                self.emit_move(r, t, base[b], offset[b], moves[moved], nbytes[b])
                base[b] = <int32_t> moves[moved, 2]
                offset[b] = moves[moved, 3]
                moved += 1
            x = &regions.values[regions.computed[r]]
            if not scripted[r] or not has_room(&self.draft):
                self.end_script()
            first = self.n_operands
            for j in range(x.n_inputs):
                u = &regions.values[regions.inputs[x.first_input + j]]
                at = &self.operands[self.n_operands]
                self.n_operands += 1
                at.offset = u.offset
                if u.base == BUFFER:
                    b = current_[regions.values[u.root].slot]
                    at.base = base[b]
                    at.offset += offset[b]
                elif u.base == ARGUMENT:
                    at.base = FIRST + u.slot
                else:
                    at.base = FIRST + <int32_t> len(regions.arguments) + u.slot
                at.end = at.offset + u.reach
            current_[r] = buffer_of[t]
            for b in (buffer_of[t], scratch[t]):
                if b >= 0:
                    at = &self.operands[self.n_operands]
                    self.n_operands += 1
                    at.base = base[b]
                    at.offset = offset[b]
                    at.end = offset[b] + nbytes[b]
            if scripted[r]:
                self.add_to_script(r, t, first)
                self.n_operands = first
            else:
                self.add_instruction(&self.calls.by_region[r], r, t, first)
        self.end_script()
        return 0

    cdef int add_instruction(self, Call* call, int32_t region, int64_t step,
                             int64_t first) noexcept:
        """An instruction whose operands are those written last, from `first` on."""
        cdef Instruction* new = &self.instructions[self.size]
        new.call = call
        new.region = region
        new.step = step
        new.first_operand = <int32_t> first
        new.n_operands = <int32_t> (self.n_operands - first)
        self.widest = max(self.widest, new.n_operands)
        self.size += 1
        return 0

    cdef int add_to_script(self, int32_t region, int64_t step, int64_t first) except -1:
        """Append a region to the open script; its operands are written from `first` on."""
        cdef uint32_t operands[100]
        cdef int64_t k
        cdef Operand* at
        if self.draft.size == 0:
            self.script_region, self.script_step = region, step
            self.script_ends[0] = self.script_ends[1] = 0
        for k in range(first, self.n_operands):
            at = &self.operands[k]
            operands[k - first] = script_operand(at.base, at.offset)
            if at.base <= BLOCK:
                self.script_ends[at.base] = max(self.script_ends[at.base], at.end)
        return write(&self.draft, self.regions, self.regions.computed[region], operands)

    cdef int end_script(self) except -1:
        """Close the open script: one instruction, which touches all that its regions do."""
        cdef int64_t first = self.n_operands
        cdef int32_t k
        cdef Operand* at
        if self.draft.size == 0:
            return 0
        resize(<void**> &self.scripts, (self.n_scripts + 1) * sizeof(Call*))
        self.scripts[self.n_scripts] = finish(&self.draft)
        self.n_scripts += 1
        for k in range(2):
            at = &self.operands[self.n_operands]
            self.n_operands += 1
            at.base, at.offset, at.end = k, 0, self.script_ends[k]
        return self.add_instruction(
            self.scripts[self.n_scripts - 1], self.script_region, self.script_step, first)

    cdef int emit_move(self, int32_t region, int64_t step, int32_t base, int64_t offset,
                       const int64_t[::1] move, int64_t nbytes) except -1:
        """An instruction that moves a buffer from base and offset to where a row of moves says."""
        cdef int64_t first = self.n_operands
        cdef int32_t j
        for j in range(3):
            self.operands[first + j].base = base if j == 2 else <int32_t> move[2]
            self.operands[first + j].offset = offset if j == 2 else move[3] + j * nbytes
            self.operands[first + j].end = (offset if j == 2 else move[3]) + nbytes
        self.n_operands += 3
        return self.add_instruction(&move_call, region, step, first)

    cdef int emit_poison(self, int32_t region, int64_t step, int32_t base, int64_t offset,
                         int64_t nbytes) except -1:
        """An instruction that fills a freed buffer with NaN."""
        cdef int64_t first = self.n_operands
        cdef int32_t j
        for j in range(2):
            self.operands[self.n_operands].base = base
            self.operands[self.n_operands].offset = offset + j * nbytes
            self.operands[self.n_operands].end = offset + nbytes
            self.n_operands += 1
        return self.add_instruction(&poison_call, region, step, first)
