"""Programs: a plan with addresses, and the loop that runs it.

An `Executable` is immutable and owns no memory: each run leases an arena, so two runs of one
program use two arenas. The loop runs without the GIL over an array of instructions, and records
the highest byte it touches in the arena and in the block of results.
"""

import threading
import weakref

import numpy as np

cimport numpy as cnp
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free
from libc.string cimport memset

from ..errors import ArenaError, ArgumentError, DTypeError, IndexRangeError, ShapeError

from .allocate import place
from .arena cimport Arena, lease
from .elementwise cimport Elementwise
from .operations cimport Operation, operations, type_dtypes
from .variable cimport Variable
from .kernels cimport (
    INTERRUPTED,
    OK,
    RAISED,
    Call,
    Prepare,
    Run,
    find_kernel,
    find_loop,
)
from .regions cimport ARGUMENT, BUFFER, Regions, Value, itemsizes
from .steps cimport COMPUTE, Steps

cnp.import_array()

cdef extern from "Python.h":
    int PyErr_CheckSignals() except -1

cdef extern from "<time.h>" nogil:
    cdef struct timespec:
        long tv_sec
        long tv_nsec
    enum: CLOCK_MONOTONIC, CLOCK_MONOTONIC_COARSE
    int clock_gettime(int, timespec*)

cdef extern from "<stdlib.h>" nogil:
    int posix_memalign(void**, size_t, size_t)

cdef extern from "numpy/arrayobject.h":
    ctypedef struct PyTypeObject:
        pass
    object PyArray_NewFromDescr(PyTypeObject*, cnp.dtype, int, cnp.npy_intp*, cnp.npy_intp*,
                                void*, int, object)
    int PyArray_SetBaseObject(cnp.ndarray, object) except -1
    int NPY_ARRAY_CARRAY

cdef extern from *:
    int AUTODIFF_DEBUG            # 1 in the debug build

cdef enum:
    ARENA = 0                     # bases: the arena, the block of results, then the arguments,
    BLOCK = 1                     # the constants and the small results, one each
    FIRST = 2
    BLOCK_RESULT = 65536          # results from this size on share one block per call

_measured = threading.local()     # Executable -> bytes of the last run that ended in this thread


cdef struct Operand:
    int32_t base                  # ARENA, BLOCK, or an array of its own
    int64_t offset                # of its first byte
    int64_t end                   # offset past the last byte that is touched


cdef struct Instruction:
    Call* call
    int32_t first_operand
    int32_t n_operands            # inputs, result, and workspace where there is one
    int32_t region


cdef int poison(const Call* call, char** p, Run* run) noexcept nogil:
    """Fill a freed buffer, from p[0] to p[1], with bytes that are NaN: debug build only."""
    memset(p[0], 0xFF, p[1] - p[0])
    return OK


cdef Call poison_call
poison_call.kernel = poison


cdef class Memory:
    """Bytes that result arrays keep alive."""

    cdef char* data

    def __dealloc__(self):
        free(self.data)


cdef int callback(const Call* call, char** p, Run* run) noexcept with gil:
    """Ask an operation written in Python for its result, and copy it in."""
    cdef int j
    try:
        op = <object> call.object
        inputs = [readonly_copy(call.layouts[j], call.dtypes[j], p[j])
                  for j in range(call.n_inputs)]
        out = array_view(call.layouts[call.n_inputs], call.out_dtype, p[call.n_inputs])
        op.call_forward(inputs, out)
        return OK
    except BaseException as error:
        Py_INCREF(error)
        run.exception = <void*> error
        return RAISED


cdef object array_view(const int64_t* layout, int dtype, char* data):
    """An array over bytes that somebody else keeps."""
    cdef cnp.npy_intp shape[32]
    cdef cnp.npy_intp strides[32]
    cdef int d
    for d in range(layout[0]):
        shape[d] = layout[1 + d]
        strides[d] = layout[1 + layout[0] + d]
    descr = type_dtypes[dtype]
    Py_INCREF(descr)
    return PyArray_NewFromDescr(<PyTypeObject*> cnp.ndarray, descr, <int> layout[0], shape,
                                strides, data, NPY_ARRAY_CARRAY, None)


cdef object readonly_copy(const int64_t* layout, int dtype, char* data):
    """An input of a callback: it may keep it, and the arena's bytes are gone after the run."""
    array = array_view(layout, dtype, data).copy()
    array.flags.writeable = False
    return array


cdef class Executable:
    """Instructions with addresses, made from regions and the steps of a plan.

    `taken[t]` is the region whose bytes the compute at step t takes over, or -1.
    """

    cdef readonly Regions regions
    cdef readonly int64_t arena_bytes, block_bytes, small_bytes, captured_bytes
    cdef list dtypes              # of the arguments
    cdef list shapes              # of the arguments
    cdef Call* calls              # by region
    cdef int64_t* pool            # layouts and parameters of the calls
    cdef Instruction* code
    cdef Operand* operands
    cdef int64_t n_calls, n_code, n_operands
    cdef int32_t n_bases
    cdef int32_t widest           # most operands of one instruction
    cdef list results             # (base, offset, layout, dtype) of each output
    cdef object __weakref__

    def __dealloc__(self):
        cdef int64_t k            # no Python attribute may be touched here: a collector clears them
        if self.calls != NULL:
            for k in range(self.n_calls):
                free(self.calls[k].walk)
                PyMem_Free(<void*> self.calls[k].layouts)
        PyMem_Free(self.calls)
        PyMem_Free(self.code)
        PyMem_Free(self.operands)

    def __init__(self, Regions regions, Steps steps, const int32_t[::1] taken,
                 const int64_t[::1] workspace):
        cdef int32_t node
        self.regions = regions
        self.captured_bytes = regions.captured_bytes
        self.dtypes = [type_dtypes[regions.graph.nodes[node].dtype] for node in regions.arguments]
        self.shapes = [<tuple> regions.graph.nodes[node].shape for node in regions.arguments]
        self.build_calls()
        self.place_and_emit(steps, taken, workspace)

    @property
    def peak_bytes(self):
        """What a run holds beyond the caller's arrays: arena, results and captured arrays."""
        return self.arena_bytes + self.block_bytes + self.small_bytes + self.captured_bytes

    @property
    def measured_peak_bytes(self):
        """The same, as the last run that ended in this thread recorded it; None before."""
        return getattr(_measured, "peaks", {}).get(self)

    # ---- building -----------------------------------------------------------------------------

    cdef int build_calls(self) except -1:
        """One call for each region: kernel, inner loop, layouts, parameters."""
        cdef Regions regions = self.regions
        cdef int64_t k, n = len(regions.regions)
        self.calls = <Call*> PyMem_Calloc(n + 1, sizeof(Call))
        if self.calls == NULL:
            raise MemoryError("no memory for the calls of a program")
        self.n_calls = n
        for k in range(n):
            self.build_call(&self.calls[k], <int32_t> regions.regions[k])
        return 0

    cdef int build_call(self, Call* call, int32_t value) except -1:
        cdef Regions regions = self.regions
        cdef Value* x = &regions.values[value]
        cdef Value* u
        cdef Operation op = <Operation> operations[x.op]
        cdef Elementwise row
        cdef Prepare prepare
        cdef int32_t j, n = x.n_inputs
        cdef int64_t* block
        cdef tuple params = ()
        cdef object loop, numbers
        if not isinstance(op, Elementwise):
            y = regions.graph.handle(x.node)
            params = op.params(y)
        # one block: pointers to layouts, item sizes, dtypes, parameters
        block = <int64_t*> PyMem_Calloc((n + 1) * 3 + len(params) + 1, sizeof(int64_t))
        if block == NULL:
            raise MemoryError("no memory for a call of a program")
        call.layouts = <const int64_t**> block
        call.itemsizes = block + n + 1
        call.dtypes = <const int64_t*> block + 2 * (n + 1)
        call.params = block + 3 * (n + 1)
        call.n_inputs = n
        call.n_params = <int32_t> len(params)
        for j in range(n + 1):
            u = &regions.values[regions.inputs[x.first_input + j]] if j < n else x
            block[j] = <int64_t> (regions.pool + u.layout)
            block[n + 1 + j] = itemsizes[u.dtype]
            block[2 * (n + 1) + j] = u.dtype
        for j in range(len(params)):
            block[3 * (n + 1) + j] = params[j]
        call.out_dtype = x.dtype
        call.dtype = <int32_t> call.dtypes[0]
        if isinstance(op, Elementwise):
            row = <Elementwise> op
            find_kernel("elementwise", &call.kernel, &prepare)
            numbers = tuple([call.dtypes[j] for j in range(n + 1)])
            find_loop(row.loop, numbers, &call.loop, &call.data)
        elif op.kernel == "python":
            call.kernel = callback
            call.object = <void*> op
            prepare = NULL
        else:
            find_kernel(op.kernel_for(y), &call.kernel, &prepare)
            loop = op.loop_for(y)
            if loop is not None:
                source, numbers = loop
                find_loop(source, numbers, &call.loop, &call.data)
        if prepare != NULL and prepare(call) != OK:
            raise MemoryError("no memory for a call of a program")
        return 0

    cdef int place_and_emit(self, Steps steps, const int32_t[::1] taken,
                            const int64_t[::1] workspace) except -1:
        """Give every buffer of the plan an address and write the instructions."""
        cdef Regions regions = self.regions
        cdef int64_t n_steps = steps.c.size, t, b, n_regions = len(regions.regions)
        cdef int64_t n_computes = 0, n_buffers = 0, wall = 0, extent
        cdef int32_t r
        cdef Value* x
        # Each compute fills a buffer; one that takes an input over continues that buffer.
        buffer_of_step = np.full(n_steps, -1, np.int64)
        holder = np.full(n_regions, -1, np.int64)          # region -> its buffer now
        cdef int64_t[::1] buffer_ = buffer_of_step, holder_ = holder
        for t in range(n_steps):
            n_computes += steps.c.action[t] == COMPUTE
        nbytes = np.zeros(2 * n_computes, np.int64)
        birth = np.zeros(2 * n_computes, np.int64)
        death = np.full(2 * n_computes, n_steps + 1, np.int64)
        pinned = np.full(2 * n_computes, -1, np.int64)
        base = np.zeros(2 * n_computes, np.int32)
        cdef int64_t[::1] nbytes_ = nbytes, birth_ = birth, death_ = death, pinned_ = pinned
        cdef int32_t[::1] base_ = base
        scratch = np.full(n_steps, -1, np.int64)           # step -> buffer of its workspace
        cdef int64_t[::1] scratch_ = scratch
        freed = np.full(n_steps, -1, np.int64)             # step -> buffer it ends
        cdef int64_t[::1] freed_ = freed
        for t in range(n_steps):
            r = steps.c.node[t]
            if steps.c.action[t] == COMPUTE:
                if taken[t] >= 0:
                    b = holder_[taken[t]]
                    holder_[taken[t]] = -1
                else:
                    b = n_buffers
                    n_buffers += 1
                    nbytes_[b] = regions.values[<int32_t> regions.regions[r]].nbytes
                    birth_[b] = t
                holder_[r] = b
                buffer_[t] = b
                if workspace[r]:
                    scratch_[t] = n_buffers
                    nbytes_[n_buffers] = workspace[r]
                    birth_[n_buffers] = t
                    death_[n_buffers] = t + 1
                    n_buffers += 1
            elif holder_[r] >= 0:
                death_[holder_[r]] = t
                freed_[t] = holder_[r]
                holder_[r] = -1
        # Results: large ones at fixed places of the block, small ones in memory of their own.
        cdef int32_t small = FIRST + len(regions.arguments) + len(regions.constants)
        self.results = []
        for value in regions.outputs:
            x = &regions.values[<int32_t> value]
            b = holder_[x.slot]
            if x.nbytes >= BLOCK_RESULT:
                wall = (wall + 63) & ~63
                pinned_[b] = wall
                base_[b] = BLOCK
                self.results.append((BLOCK, wall, x.layout, x.dtype))
                wall += x.nbytes
            else:
                pinned_[b] = 0
                base_[b] = small
                self.results.append((small, 0, x.layout, x.dtype))
                self.small_bytes += x.nbytes
                small += 1
        self.n_bases = small
        chosen = np.flatnonzero(base[:n_buffers] < FIRST)
        offsets = np.zeros(n_buffers, np.int64)
        placed, extent = place(nbytes[chosen], birth[chosen], death[chosen], pinned[chosen], wall)
        offsets[chosen] = placed
        cdef int64_t[::1] offset_ = offsets
        for b in range(n_buffers):
            if base_[b] < FIRST:
                if offset_[b] >= wall and pinned_[b] < 0:
                    offset_[b] -= wall
                elif nbytes_[b]:
                    base_[b] = BLOCK
        self.block_bytes = wall
        self.arena_bytes = extent - wall
        self.emit(steps, buffer_, scratch_, freed_, offset_, nbytes_, base_)
        return 0

    cdef int emit(self, Steps steps, int64_t[::1] buffer_of, int64_t[::1] scratch,
                  int64_t[::1] freed, int64_t[::1] offset, int64_t[::1] nbytes,
                  int32_t[::1] base) except -1:
        """Write the instructions of the plan's steps, in their order."""
        cdef Regions regions = self.regions
        cdef int64_t t, k = 0, b, n_operands = 0
        cdef int32_t r, j
        cdef Value* x
        cdef Value* u
        cdef Operand* at
        for t in range(steps.c.size):
            if steps.c.action[t] == COMPUTE:
                x = &regions.values[<int32_t> regions.regions[steps.c.node[t]]]
                n_operands += x.n_inputs
            n_operands += 2
        self.code = <Instruction*> PyMem_Calloc(steps.c.size + 1, sizeof(Instruction))
        self.operands = <Operand*> PyMem_Calloc(n_operands + 1, sizeof(Operand))
        if self.code == NULL or self.operands == NULL:
            raise MemoryError("no memory for the instructions of a program")
        current = np.full(len(regions.regions), -1, np.int64)
        cdef int64_t[::1] current_ = current
        for t in range(steps.c.size):
            r = steps.c.node[t]
            if steps.c.action[t] != COMPUTE:
                if AUTODIFF_DEBUG and freed[t] >= 0:
                    self.emit_poison(k, r, base[freed[t]], offset[freed[t]], nbytes[freed[t]])
                    k += 1
                continue
            x = &regions.values[<int32_t> regions.regions[r]]
            self.code[k].call = &self.calls[r]
            self.code[k].region = r
            self.code[k].first_operand = <int32_t> self.n_operands
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
            self.code[k].n_operands = <int32_t> (self.n_operands - self.code[k].first_operand)
            self.widest = max(self.widest, self.code[k].n_operands)
            k += 1
        self.n_code = k
        return 0

    cdef int emit_poison(self, int64_t k, int32_t region, int32_t base, int64_t offset,
                         int64_t nbytes) except -1:
        """An instruction that fills a freed buffer with NaN."""
        cdef int32_t j
        self.code[k].call = &poison_call
        self.code[k].region = region
        self.code[k].first_operand = <int32_t> self.n_operands
        self.code[k].n_operands = 2
        for j in range(2):
            self.operands[self.n_operands].base = base
            self.operands[self.n_operands].offset = offset + j * nbytes
            self.operands[self.n_operands].end = offset + nbytes
            self.n_operands += 1
        self.widest = max(self.widest, 2)
        return 0

    # ---- running ------------------------------------------------------------------------------

    def accept(self, tuple given):
        """Check the arguments of a call: (arrays, None), or with strides where they are not dense.

        A 0-d input takes a Python scalar. Nothing else is converted, except that misaligned and
        byte-swapped arrays are copied.
        """
        cdef Py_ssize_t k, n = len(self.shapes)
        cdef list arrays = []
        cdef bint dense = True
        if len(given) != n:
            raise ArgumentError(f"the program takes {n} arrays, {len(given)} were given")
        for k in range(n):
            array = given[k]
            if (not cnp.PyArray_CheckExact(array)
                    or (<cnp.ndarray> array).descr is not self.dtypes[k]
                    or not cnp.PyArray_IS_C_CONTIGUOUS(<cnp.ndarray> array)
                    or array.shape != self.shapes[k]
                    or not cnp.PyArray_ISALIGNED(<cnp.ndarray> array)):
                array = self.coerce(k, array)
                dense = dense and cnp.PyArray_IS_C_CONTIGUOUS(<cnp.ndarray> array)
            arrays.append(array)
        if dense:
            return arrays, None
        return arrays, tuple([None if array.flags.c_contiguous else array.strides
                              for array in arrays])

    def coerce(self, Py_ssize_t k, given):
        """One argument that is not at once what the program takes, or the error about it."""
        cdef object dtype = self.dtypes[k]
        name = self.regions.graph.handle(self.regions.arguments[k]).name
        if type(given) is Variable:
            raise ArgumentError(
                f"input {name!r}: a program runs on arrays, not on Variables")
        if isinstance(given, np.ma.MaskedArray) or type(given) is np.matrix:
            raise DTypeError(
                f"input {name!r}: {type(given).__name__} is not supported, pass a plain array")
        if isinstance(given, (bool, int, float, list, tuple)):
            plain = np.asarray(given)
            if plain.dtype.kind not in "biuf" or not np.can_cast(plain.dtype, dtype, "same_kind"):
                raise DTypeError(f"input {name!r} is {dtype}, {given!r} was given")
            array = plain.astype(dtype)
        else:
            array = np.asarray(given)
        if array.dtype != dtype.newbyteorder("=") and array.dtype.newbyteorder("=") != dtype:
            raise DTypeError(
                f"input {name!r} is {dtype}, an array of {array.dtype} was given; convert it "
                f"with .astype(np.{dtype})")
        if array.shape != self.shapes[k]:
            raise ShapeError(
                f"input {name!r} has shape {self.shapes[k]}, an array of shape {array.shape} was "
                "given")
        if not array.dtype.isnative or not array.flags.aligned:
            array = array.astype(dtype)
        return array

    def __call__(self, list arrays, list constants, int64_t[::1] fastest=None):
        """Run on arrays of the right shapes, dtypes and layouts; return the list of results.

        `constants` are the captured arrays, in the order of `regions.constants`. `fastest`, where
        it is given, holds nanoseconds by region and is lowered to those of this run.
        """
        cdef Py_ssize_t k, n_arguments = len(arrays)
        cdef char** bases
        cdef Arena arena = None
        cdef Memory memory = None
        cdef Run run
        cdef int status = OK
        cdef int64_t failed = -1
        cdef int64_t high[2]
        cdef list results = []
        cdef int64_t* spent = NULL
        if fastest is not None:
            if fastest.shape[0] != len(self.regions.regions):
                raise ArgumentError("fastest has another length than there are regions")
            spent = &fastest[0] if fastest.shape[0] else NULL
        bases = <char**> PyMem_Calloc(self.n_bases + self.widest, sizeof(char*))
        if bases == NULL:
            raise ArenaError("no memory to start a run")
        try:
            for k in range(n_arguments):
                bases[FIRST + k] = cnp.PyArray_BYTES(<cnp.ndarray> arrays[k])
            for k in range(len(constants)):
                bases[FIRST + n_arguments + k] = cnp.PyArray_BYTES(<cnp.ndarray> constants[k])
            if self.block_bytes:
                memory = Memory.__new__(Memory)
                if posix_memalign(<void**> &memory.data, 64, self.block_bytes):
                    memory.data = NULL
                    raise ArenaError(
                        f"cannot get {self.block_bytes} bytes for the results of a program")
                bases[BLOCK] = memory.data
            for base, offset, layout, dtype in self.results:
                results.append(self.result_array(base, offset, layout, dtype, memory, bases))
            arena = lease(self.arena_bytes)
            bases[ARENA] = arena.data
            high[0] = high[1] = 0
            run.exception = NULL
            run.index = run.extent = run.axis = 0
            with nogil:
                status = execute(self.code, self.n_code, self.operands, bases,
                                 bases + self.n_bases, high, &run,
                                 &failed, spent)
            if status != OK:
                self.fail(status, &run, failed)
        finally:
            PyMem_Free(bases)
            if arena is not None:
                arena.release()
        if not hasattr(_measured, "peaks"):
            _measured.peaks = weakref.WeakKeyDictionary()
        _measured.peaks[self] = high[0] + high[1] + self.small_bytes + self.captured_bytes
        return results

    cdef object result_array(self, int32_t base, int64_t offset, int64_t layout, int dtype,
                             Memory memory, char** bases):
        """The array of one result: part of the block, or memory of its own."""
        cdef cnp.npy_intp shape[32]
        cdef const int64_t* at = self.regions.pool + layout
        cdef int d
        if base == BLOCK:
            array = array_view(at, dtype, memory.data + offset)
            Py_INCREF(memory)
            PyArray_SetBaseObject(array, memory)
            return array
        for d in range(at[0]):
            shape[d] = at[1 + d]
        array = cnp.PyArray_EMPTY(<int> at[0], shape, dtype, 0)
        bases[base] = cnp.PyArray_BYTES(array)
        return array

    cdef int fail(self, int status, Run* run, int64_t failed) except -1:
        """Raise the error of a run that ended at instruction `failed`."""
        name, node = self.regions.describe(self.code[failed].region)
        y = self.regions.graph.handle(node)
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


cdef int execute(const Instruction* code, int64_t n, const Operand* operands, char** bases,
                 char** p, int64_t* high, Run* run, int64_t* failed,
                 int64_t* spent) noexcept nogil:
    """Run the instructions; on a status other than OK stop and say where. `p` is room for the
    addresses of one instruction; `spent`, or NULL, is told the fewest nanoseconds by region."""
    cdef int64_t k
    cdef int32_t j
    cdef int status
    cdef const Operand* at
    cdef timespec now, last, begun, ended
    cdef int64_t elapsed
    clock_gettime(CLOCK_MONOTONIC_COARSE, &last)
    for k in range(n):
        at = operands + code[k].first_operand
        for j in range(code[k].n_operands):
            p[j] = bases[at[j].base] + at[j].offset
            if at[j].base <= BLOCK and at[j].end > high[at[j].base]:
                high[at[j].base] = at[j].end
        if spent != NULL:
            clock_gettime(CLOCK_MONOTONIC, &begun)
        status = code[k].call.kernel(code[k].call, p, run)
        if spent != NULL and code[k].call.kernel != poison:
            clock_gettime(CLOCK_MONOTONIC, &ended)
            elapsed = (ended.tv_sec - begun.tv_sec) * 1000000000 + ended.tv_nsec - begun.tv_nsec
            if elapsed < spent[code[k].region]:
                spent[code[k].region] = elapsed
        if status == OK:
            clock_gettime(CLOCK_MONOTONIC_COARSE, &now)
            if now.tv_nsec - last.tv_nsec > 10000000 or now.tv_sec != last.tv_sec:
                last = now
                status = poll(run)
        if status != OK:
            failed[0] = k
            return status
    return OK
