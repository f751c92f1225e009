"""The handle of a node; there is at most one for each."""

from .graph cimport Graph


cdef class Variable:
    cdef readonly Graph graph
    cdef readonly int index
    cdef object __weakref__


cdef Variable new_variable()
