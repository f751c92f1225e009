"""A number for each thread: what the last run of a program measured there."""

from libc.stdint cimport int64_t, uint64_t

cdef extern from "Python.h":
    ctypedef struct PyThreadState:
        pass
    PyThreadState* PyThreadState_Get() noexcept
    uint64_t PyThreadState_GetID(PyThreadState*) noexcept

cdef enum:
    THREADS = 64                  # further threads that a record remembers


cdef class Record:
    """A number for each thread: the last one that was set there.

    Threads are told apart by an id that Python never uses again, so that a new thread does not
    find the number of one that has ended.

    >>> from autodiff.core.record import Record
    >>> Record().number
    """

    @property
    def number(self):
        """The number last set in this thread, None before."""
        cdef uint64_t thread = PyThreadState_GetID(PyThreadState_Get())
        if self.thread == thread:
            return self.latest
        return None if self.others is None else self.others.get(thread)

    @number.setter
    def number(self, int64_t number):
        self.set(number)

    cdef int set(self, int64_t number) except -1:
        cdef uint64_t thread = PyThreadState_GetID(PyThreadState_Get())
        if self.thread == 0:
            self.thread = thread
        if self.thread == thread:
            self.latest = number
            return 0
        if self.others is None:
            self.others = {}
        self.others.pop(thread, None)
        self.others[thread] = number
        if len(self.others) > THREADS:
            del self.others[next(iter(self.others))]
        return 0
