"""Programs: code that runs in a leased arena.

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

from ..errors import ArenaError, ArgumentError, DTypeError, IndexRangeError, ShapeError

from .arena cimport Arena, lease
from .code cimport BLOCK, FIRST, ARENA, Code, Instruction, Operand, array_view, poison
from .operations cimport type_dtypes
from .variable cimport Variable
from .kernels cimport INTERRUPTED, OK, RAISED, Run
from .regions cimport Regions
from .steps cimport Steps

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
    int PyArray_SetBaseObject(cnp.ndarray, object) except -1

_measured = threading.local()     # Executable -> bytes of the last run that ended in this thread


cdef class Memory:
    """Bytes that result arrays keep alive."""

    cdef char* data

    def __dealloc__(self):
        free(self.data)


cdef class Executable:
    """A program that can run: regions and the steps of a plan, turned into code.

    `taken[t]` is the region whose bytes the compute at step t takes over, or -1.
    """

    cdef readonly Regions regions
    cdef readonly int64_t arena_bytes, block_bytes, small_bytes, captured_bytes
    cdef Code code
    cdef list dtypes              # of the arguments
    cdef list shapes              # of the arguments
    cdef object __weakref__

    def __init__(self, Regions regions, Steps steps, const int32_t[::1] taken,
                 const int64_t[::1] workspace):
        cdef int32_t node
        self.regions = regions
        self.captured_bytes = regions.captured_bytes
        self.dtypes = [type_dtypes[regions.graph.nodes[node].dtype] for node in regions.arguments]
        self.shapes = [<tuple> regions.graph.nodes[node].shape for node in regions.arguments]
        self.code = Code(regions, steps, taken, workspace)
        self.arena_bytes = self.code.arena_bytes
        self.block_bytes = self.code.block_bytes
        self.small_bytes = self.code.small_bytes

    @property
    def peak_bytes(self):
        """What a run holds beyond the caller's arrays: arena, results and captured arrays."""
        return self.arena_bytes + self.block_bytes + self.small_bytes + self.captured_bytes

    @property
    def measured_peak_bytes(self):
        """The same, as the last run that ended in this thread recorded it; None before."""
        return getattr(_measured, "peaks", {}).get(self)

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
        cdef Code code = self.code
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
        bases = <char**> PyMem_Calloc(code.n_bases + code.widest, sizeof(char*))
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
            for base, offset, layout, dtype in code.results:
                results.append(self.result_array(base, offset, layout, dtype, memory, bases))
            arena = lease(self.arena_bytes)
            bases[ARENA] = arena.data
            high[0] = high[1] = 0
            run.exception = NULL
            run.index = run.extent = run.axis = 0
            with nogil:
                status = execute(code.instructions, code.size, code.operands, bases,
                                 bases + code.n_bases, high, &run,
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
        name, node = self.regions.describe(self.code.instructions[failed].region)
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
