"""Elementwise operations: promotion, broadcasting and casts while tracing."""

from libc.stdint cimport int32_t

from .graph cimport Graph
from .operations cimport Operation


cdef class Elementwise(Operation):
    cdef readonly int n_inputs
    cdef readonly object ufunc    # the NumPy or SciPy ufunc it computes, or None
    cdef readonly object loop     # its inner loop: the ufunc, or the name of an own loop
    cdef readonly tuple actions   # by argument: the linear action on g, or None
    cdef object resolve           # dtypes (or Python types, for scalars) -> input and output dtypes
    cdef object rewrite           # args -> another Variable, or None: literal special cases
    cdef public int cost_per_element  # 1: hidden behind memory, as an addition is
    cdef dict resolved            # packed input dtypes -> (input numbers ..., output number)

    cdef object apply(self, int n, object a, object b, object c)
    cdef object compute(self, list args)
    cdef tuple promote(self, int n, int* codes, Graph graph)


cdef tuple broadcast(tuple a, tuple b)
cdef int32_t cast(Graph graph, int32_t index, int dtype) except -1
