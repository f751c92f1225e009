"""Programs: code that runs in a leased arena.

An `Executable` is immutable and owns no memory: each run leases an arena, so two runs of one
program use two arenas. The loop runs without the GIL over an array of instructions, and records
the highest byte it touches in the arena and in the block of results.
"""

import numpy as np

cimport numpy as cnp
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport INT64_MAX, int32_t, int64_t

from ..errors import ArenaError, ArgumentError, IndexRangeError

from .calls cimport callback
from .code cimport ARENA, BLOCK, FIRST, Code, Instruction, Operand
from .inputs cimport Inputs
from .kernels cimport INTERRUPTED, OK, RAISED, Run
from .pool cimport Block, block_data, give_back, keep_first, lease_block
from .record cimport Record
from .regions cimport Regions
from .results cimport Memory, check_results, new_memory, new_result
from .steps cimport Steps

cnp.import_array()

cdef extern from "Python.h":
    int PyErr_CheckSignals() except -1

cdef extern from "clock.h" nogil:
    int64_t nanoseconds()

cdef enum:
    ROOM = 96                     # addresses kept on the stack; longer tables are allocated
    QUICK = 32768                 # bytes touched up to which a run keeps the interpreter's lock
    GLANCE = 1 << 20              # bytes touched, about 0.1 ms, after which the clock is read
    GLANCE_EACH = 256             # what an instruction counts beside the bytes it touches
    POLL = 10_000_000             # nanoseconds after which Python sees signals

cdef char nothing[64]             # where an arena of no bytes begins


cdef class Executable:
    """A program that can run: regions and the steps of a plan, turned into code.

    `taken[t]` is the region whose bytes the compute at step t takes over, or -1. With `given`,
    results go into arrays of the caller's, which count for nothing.
    """

    def __dealloc__(self):
        PyMem_Free(self.outputs)

    def __init__(self, Regions regions, Steps steps, const int32_t[::1] taken,
                 const int64_t[::1] workspace, bint given=False, Record record=None,
                 int64_t effort=1):
        self.regions = regions
        self.measured = Record() if record is None else record
        self.captured_bytes = regions.captured_bytes
        self.inputs = Inputs(regions)
        self.given, self.effort = given, effort
        self.code = Code(regions, steps, taken, workspace, given, effort)
        self.arena_bytes = self.code.arena_bytes
        self.block_bytes = self.code.block_bytes
        self.small_bytes = self.code.small_bytes
        self.moved_bytes = self.code.moved_bytes
        self.quick = is_quick(self.code)
        self.note_outputs()

    cdef int note_outputs(self) except -1:
        """Where each result lies, where a loop without Python looks it up."""
        cdef Py_ssize_t k
        self.n_outputs = len(self.code.results)
        self.outputs = <Output*> PyMem_Malloc((self.n_outputs + 1) * sizeof(Output))
        if self.outputs == NULL:
            raise MemoryError("no memory for the results of a program")
        for k in range(self.n_outputs):
            base, offset, layout, dtype = self.code.results[k]
            self.outputs[k].base = base
            self.outputs[k].offset = offset
            self.outputs[k].layout = self.regions.pool + <int64_t> layout
            self.outputs[k].dtype = dtype
        return 0

    @property
    def peak_bytes(self):
        """What a run holds beyond the caller's arrays: arena, results and captured arrays."""
        return self.arena_bytes + self.block_bytes + self.small_bytes + self.captured_bytes

    @property
    def record(self):
        """Of `measured_peak_bytes`."""
        return self.measured

    @record.setter
    def record(self, Record record not None):
        self.measured = record

    @property
    def measured_peak_bytes(self):
        """The same, as the last run that ended in this thread recorded it; None before."""
        return self.measured.number

    @property
    def instruction_steps(self):
        """The step of the plan with which each instruction begins (int64 array, ascending).

        A script carries out all computations from its step to that of the next instruction.
        """
        cdef int64_t k
        found = np.empty(self.code.size, np.int64)
        for k in range(self.code.size):
            found[k] = self.code.instructions[k].step
        return found

    def accept(self, tuple given):
        """Check the arguments of a call: (arrays, None), or with strides where they are not dense.

        A 0-d input takes a Python scalar. Nothing else is converted, except that misaligned and
        byte-swapped arrays are copied.
        """
        return self.inputs.accept(given)

    def __call__(self, list arrays, list constants, int64_t[::1] spent=None, list out=None,
                 int64_t times=1, name_of="array {}".format):
        """Run on arrays as `accept` gives them; return the list of results.

        `constants` are the captured arrays, in the order of `regions.constants`. `spent`, where
        it is given, is filled with the nanoseconds of each instruction, see `instruction_steps`.
        `out` holds the arrays of the results, where the code was made for them; `name_of` the
        number of a result makes what an error calls its array.
        `times`: how often to run, into the same results, for who measures what lies outside.
        """
        cdef Py_ssize_t k, n = len(arrays)
        cdef char* room[ROOM]
        cdef char** bases = room
        cdef int64_t* clocked = NULL
        if spent is not None:
            if spent.shape[0] != self.code.size:
                raise ArgumentError("spent has another length than there are instructions")
            clocked = &spent[0] if spent.shape[0] else NULL
        self.inputs.check(arrays, constants)
        if out is not None:
            if not self.given:
                raise ArgumentError("out= takes a program that was made for it")
            check_results(out, self.n_outputs, self.outputs, arrays, name_of)
        if self.n_addresses() > ROOM:
            bases = allocate_addresses(self.n_addresses())
        try:
            for k in range(n):
                bases[FIRST + k] = cnp.PyArray_BYTES(<cnp.ndarray> arrays[k])
            for k in range(len(constants)):
                bases[FIRST + n + k] = cnp.PyArray_BYTES(<cnp.ndarray> constants[k])
            return self.run(bases, clocked, out, times)
        finally:
            if bases != room:
                PyMem_Free(bases)

    cdef Py_ssize_t n_addresses(self) noexcept:
        """How many addresses a run needs: of its bases, and of one instruction's operands."""
        return self.code.n_bases + self.code.widest

    cdef list run(self, char** bases, int64_t* spent, list out, int64_t times=1):
        """Run with the addresses of arguments and constants in place; somebody holds the arrays."""
        cdef Code code = self.code
        cdef Memory memory = None
        cdef Block* block = NULL
        cdef Run run
        cdef Py_ssize_t k
        cdef int status
        cdef int64_t failed = -1
        cdef int64_t high[2]
        cdef list results = []
        if self.block_bytes:
            memory = new_memory(self.block_bytes)
            bases[BLOCK] = block_data(memory.block)
        for k in range(self.n_outputs):
            if out is None:
                results.append(new_result(&self.outputs[k], memory, bases))
            else:
                bases[self.outputs[k].base] = cnp.PyArray_BYTES(<cnp.ndarray> out[k])
        bases[ARENA] = nothing
        if self.arena_bytes:
            block = lease_block(self.arena_bytes)
            bases[ARENA] = block_data(block)
        high[0] = high[1] = 0
        run.exception = NULL
        run.bases = bases
        run.n_bases = code.n_bases
        run.index = run.extent = run.axis = 0
        status = OK
        while status == OK and times > 0:
            times -= 1
            if self.quick:
                status = execute(code.instructions, code.size, code.operands, bases,
                                 bases + code.n_bases, high, &run, &failed, spent)
            else:
                with nogil:
                    status = execute(code.instructions, code.size, code.operands, bases,
                                     bases + code.n_bases, high, &run, &failed, spent)
        if block != NULL:
            give_back(block, self.arena_bytes)
        if status != OK:
            self.fail(status, &run, failed)
        if memory is not None:
            keep_first(memory.block, code.kept_bytes)
        self.measured.set(high[0] + high[1] + self.small_bytes + self.captured_bytes)
        return results if out is None else out

    cdef int fail(self, int status, void* of_run, int64_t failed) except -1:
        """Raise the error of a run that ended at instruction `failed`."""
        cdef Run* run = <Run*> of_run
        name, node = self.regions.describe(self.code.instructions[failed].region)
        y = self.regions.graph.handle(node)
        if name == y.op.name:
            name = getattr(y.op, "blamed", name)
        where = f"{name}" + (f" ({y.line})" if y.line else "")
        if run.exception != NULL:
            error = <object> run.exception
            Py_DECREF(error)
            if status == RAISED:
                error.add_note(f"in the operation {where}, result {y.dtype}{list(y.shape)}")
            raise error
        if run.axis < 0:
            raise IndexRangeError(
                f"{where}: label {run.index} is out of range for {run.extent} classes")
        raise IndexRangeError(
            f"{where}: index {run.index} is out of bounds for axis {run.axis} with size "
            f"{run.extent}")


cdef int poll(Run* run) noexcept with gil:
    """Let Python see signals; Ctrl-C ends the run between two instructions."""
    try:
        PyErr_CheckSignals()
        return OK
    except BaseException as error:
        Py_INCREF(error)
        run.exception = <void*> error
        return INTERRUPTED


cdef char** allocate_addresses(Py_ssize_t n) except NULL:
    cdef char** bases = <char**> PyMem_Malloc(n * sizeof(char*))
    if bases == NULL:
        raise ArenaError(f"cannot get {n * sizeof(char*)} bytes to start a run")
    return bases


cdef bint is_quick(Code code):
    """Whether a run is so short that others can wait: letting go of the lock costs a switch."""
    cdef int64_t k, touched = 0
    for k in range(code.n_operands):
        touched += code.operands[k].end - code.operands[k].offset
    for k in range(code.size):
        touched += GLANCE_EACH
        if code.instructions[k].call.kernel == callback:
            return False
    return touched <= QUICK


cdef int execute(const Instruction* code, int64_t n, const Operand* operands, char** bases,
                 char** p, int64_t* high, Run* run, int64_t* failed,
                 int64_t* spent) noexcept nogil:
    """Run the instructions; on a status other than OK stop and say where. `p` is room for the
    addresses of one instruction; `spent`, or NULL, is told the nanoseconds of each."""
    cdef int64_t k, begun = 0, now, touched = 0, polled = INT64_MAX
    cdef int32_t j
    cdef int status
    cdef const Operand* at
    for k in range(n):
        at = operands + code[k].first_operand
        touched += GLANCE_EACH
        for j in range(code[k].n_operands):
            p[j] = bases[at[j].base] + at[j].offset
            touched += at[j].end - at[j].offset
            if at[j].base <= BLOCK and at[j].end > high[at[j].base]:
                high[at[j].base] = at[j].end
        if spent != NULL:
            begun = nanoseconds()
        status = code[k].call.kernel(code[k].call, p, run)
        if spent != NULL:
            spent[k] = nanoseconds() - begun
        if touched > GLANCE and status == OK:      # reading the clock each time takes 20 ns
            touched = 0
            now = nanoseconds()
            if polled == INT64_MAX:
                polled = now
            elif now - polled > POLL:
                polled = now
                status = poll(run)
        if status != OK:
            failed[0] = k
            return status
    return OK
