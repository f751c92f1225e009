"""A program that runs: `run` for callers that have checked their arrays."""

from libc.stdint cimport int64_t

from .code cimport Code
from .inputs cimport Inputs
from .record cimport Record
from .regions cimport Regions
from .results cimport Output


cdef class Executable:
    cdef readonly Regions regions
    cdef readonly int64_t arena_bytes, block_bytes, small_bytes, captured_bytes
    cdef readonly int64_t moved_bytes     # by moves of buffers, during a run
    cdef readonly int64_t effort          # put into the packing
    cdef Record measured          # of `measured_peak_bytes`; programs let theirs share one
    cdef Code code
    cdef bint given               # results are written into arrays of the caller's
    cdef bint quick               # so little work that it keeps the interpreter's lock
    cdef Inputs inputs
    cdef Output* outputs
    cdef Py_ssize_t n_outputs
    cdef object __weakref__

    cdef int note_outputs(self) except -1
    cdef Py_ssize_t n_addresses(self) noexcept
    cdef list run(self, char** bases, int64_t* spent, list out, int64_t times=*)
    cdef int fail(self, int status, void* of_run, int64_t failed) except -1


cdef char** allocate_addresses(Py_ssize_t n) except NULL
