"""Scripts: operations on single numbers, many to one instruction of a program.

The plan counts such regions as any other; only their execution is joined, after the plan.
"""

from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Malloc
from libc.stdint cimport INT64_MAX, INT64_MIN, int32_t, int64_t, uint32_t
from libc.string cimport memcpy

from .elementwise cimport Elementwise
from .operations cimport operations
from .kernels cimport BlockLoop, Call, Prepare, find_block, find_kernel
from .gather cimport Inner
from .regions cimport Regions
from .room cimport resize
from .values cimport Value, itemsizes

cdef extern from "script.h" nogil:
    int SCRIPT_REGISTERS, SCRIPT_FLOAT, SCRIPT_COPY, SCRIPT_COPY_FLOAT, SCRIPT_THIRD, SCRIPT_CALL
    ctypedef struct Script:
        int64_t size
        BlockLoop loops[64]
        ScriptStep* steps
    uint32_t script_operand(int32_t base, int64_t offset)

cdef enum:
    LONGEST = 16384               # steps of one script: signals are seen between instructions

cdef tuple CODES = ("add", "subtract", "multiply", "divide", "square")  # as in script.h
cdef int64_t* codes = NULL        # by operation and dtype, see `code_of`; INT64_MAX: not yet asked
cdef int32_t n_codes = 0


cdef bint is_scripted(Regions regions, int32_t value) except -1:
    """Whether a region is a pass over one element of loops of our own, of items of 4 or 8 bytes."""
    cdef Value* x = &regions.values[value]
    cdef Value* u
    cdef Inner* inner
    cdef int32_t k
    if x.n_inners < 0 or x.nbytes != itemsizes[x.dtype] or not 11 <= x.dtype <= 12:
        return False
    if regions.sums(value):
        return False
    for k in range(x.n_inputs):
        u = &regions.values[regions.inputs[x.first_input + k]]
        if u.dtype != x.dtype or u.offset >= SCRIPT_REACH or u.offset % 4:
            return False
    for k in range(x.n_inners):
        inner = &regions.inners[x.first_inner + k]
        if inner.dtype != x.dtype or code_of(inner.op, inner.n_inputs, x.dtype) == INT64_MIN:
            return False
    return True


cdef int64_t code_of(int32_t op, int n, int dtype) except? -1:
    """The code of an operation on float32 or float64: from 0 on that of its step, below 0 the
    address of its loop; INT64_MIN where it has no loop of ours."""
    global n_codes
    cdef int32_t k, at = 2 * op + (dtype == 12)
    if at >= n_codes:
        resize(<void**> &codes, 2 * (op + 1) * sizeof(int64_t))
        for k in range(n_codes, 2 * (op + 1)):
            codes[k] = INT64_MAX
        n_codes = 2 * (op + 1)
    if codes[at] == INT64_MAX:
        codes[at] = find_code((<Elementwise> operations[op]).name, n, dtype)
    return codes[at]


cdef int64_t find_code(str name, int n, int dtype) except? -1:
    cdef BlockLoop loop
    if name in CODES:
        return CODES.index(name) + (SCRIPT_FLOAT if dtype == 11 else 0)
    loop = find_block(name, (dtype,) * (n + 1))
    return INT64_MIN if loop == NULL else -<int64_t> <void*> loop


cdef bint has_room(const Draft* draft) noexcept:
    """Whether one more region can join the script."""
    return draft.size < LONGEST and draft.n_loops + 25 <= SCRIPT_LOOPS


cdef int write(Draft* draft, Regions regions, int32_t value, const uint32_t* operands) except -1:
    """Append a region; `operands` are those of its inputs, then its result."""
    cdef Value* x = &regions.values[value]
    cdef Inner* inner
    cdef ScriptStep* step
    cdef uint32_t read[3]
    cdef int32_t k, j
    cdef int64_t code
    if draft.size + 2 * x.n_inners + 1 > draft.room:
        draft.room = 2 * draft.room + 2 * x.n_inners + 64
        resize(<void**> &draft.steps, draft.room * sizeof(ScriptStep))
    if x.n_inners == 0:
        step = &draft.steps[draft.size]
        step.op = SCRIPT_COPY if itemsizes[x.dtype] == 8 else SCRIPT_COPY_FLOAT
        step.out, step.a, step.b = operands[1], operands[0], operands[0]
        draft.size += 1
        return 0
    for k in range(x.n_inners):
        inner = &regions.inners[x.first_inner + k]
        for j in range(inner.n_inputs):
            read[j] = (operands[inner.inputs[j]] if inner.inputs[j] >= 0
                       else script_operand(SCRIPT_REGISTERS, 8 * ~inner.inputs[j]))
        code = code_of(inner.op, inner.n_inputs, x.dtype)
        if inner.n_inputs == 3:
            step = &draft.steps[draft.size]
            step.op, step.a = SCRIPT_THIRD, read[2]
            draft.size += 1
        step = &draft.steps[draft.size]
        step.op = <uint32_t> code if code >= 0 else SCRIPT_CALL + place_of(draft, code)
        step.a = read[0]
        step.b = read[1] if inner.n_inputs > 1 else read[0]
        step.out = (operands[x.n_inputs] if k == x.n_inners - 1
                    else script_operand(SCRIPT_REGISTERS, 8 * k))
        draft.size += 1
    return 0


cdef uint32_t place_of(Draft* draft, int64_t code) noexcept:
    """The place of a loop in the table of the script."""
    cdef BlockLoop loop = <BlockLoop> <void*> -code
    cdef int32_t k
    for k in range(draft.n_loops):
        if draft.loops[k] == loop:
            return k
    draft.loops[draft.n_loops] = loop
    draft.n_loops += 1
    return draft.n_loops - 1


cdef Call* finish(Draft* draft) except NULL:
    """The call that runs the script; the draft is empty again."""
    cdef Prepare prepare
    cdef Call* call = <Call*> PyMem_Calloc(1, sizeof(Call))
    cdef Script* script = <Script*> PyMem_Malloc(
        sizeof(Script) + draft.size * sizeof(ScriptStep))
    if call == NULL or script == NULL:
        PyMem_Free(call)
        PyMem_Free(script)
        raise MemoryError("no memory for a script of a program")
    find_kernel("script", &call.kernel, &prepare)
    script.size = draft.size
    memcpy(script.loops, draft.loops, sizeof(draft.loops))
    memcpy(<char*> script + sizeof(Script), draft.steps, draft.size * sizeof(ScriptStep))
    call.walk = <int64_t*> script
    draft.size = draft.n_loops = 0
    return call


cdef void discard(Call* call) noexcept:
    PyMem_Free(call.walk)
    PyMem_Free(call)
