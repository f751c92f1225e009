"""A program that runs: `run` for callers that have checked their arrays."""

from libc.stdint cimport int32_t, int64_t, uint64_t

from .code cimport Code
from .regions cimport Regions


cdef extern from "results.h":
    ctypedef struct Results:
        char* data


cdef class Record:
    cdef uint64_t thread          # 0: no thread has set it yet
    cdef int64_t latest           # of that thread
    cdef dict others              # of further threads

    cdef int set(self, int64_t number) except -1


cdef struct Input:                # an argument as the program takes it at once
    void* dtype                   # borrowed
    int64_t* shape
    int32_t ndim


cdef struct Output:
    int32_t base                  # BLOCK, or one of its own
    int32_t dtype
    int64_t offset
    const int64_t* layout


cdef class Executable:
    cdef readonly Regions regions
    cdef readonly int64_t arena_bytes, block_bytes, small_bytes, captured_bytes
    cdef public Record record     # of `measured_peak_bytes`; programs let theirs share one
    cdef Code code
    cdef bint quick               # so little work that it keeps the interpreter's lock
    cdef list dtypes              # of the arguments
    cdef list shapes              # of the arguments
    cdef Input* inputs
    cdef int64_t* extents         # the shapes of the inputs, one after another
    cdef Output* outputs
    cdef Py_ssize_t n_inputs, n_outputs
    cdef object __weakref__

    cdef int note_inputs(self) except -1
    cdef int note_outputs(self) except -1
    cdef Py_ssize_t n_addresses(self) noexcept
    cdef int check_out(self, list out, list arrays) except -1
    cdef list run(self, char** bases, int64_t* spent, list out, int64_t times=*)
    cdef object result_array(self, const Output* at, Memory memory, char** bases)
    cdef int fail(self, int status, void* of_run, int64_t failed) except -1


cdef class Memory:
    cdef Results results


cdef bint fits(object given, const Input* wanted) noexcept
cdef char** allocate_addresses(Py_ssize_t n) except NULL
