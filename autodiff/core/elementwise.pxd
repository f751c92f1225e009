"""Elementwise operations: promotion, broadcasting and casts while tracing."""

from libc.stdint cimport int8_t, int32_t

from .graph cimport Graph
from .operations cimport Operation


cdef struct Promotion:
    int32_t packed                # what stands for the dtypes of the operands
    int8_t numbers[4]             # of the inputs and the output


cdef class Elementwise(Operation):
    cdef readonly int n_inputs
    cdef readonly object ufunc    # the NumPy or SciPy ufunc it computes, or None
    cdef readonly object loop     # its inner loop: the ufunc, or the name of an own loop
    cdef readonly tuple actions   # by argument: the linear action on g, or None
    cdef object resolve           # dtypes (or Python types, for scalars) -> input and output dtypes
    cdef object rewrite           # args -> another Variable, or None: literal special cases
    cdef public int cost_per_element  # 1: hidden behind memory, as an addition is
    cdef Promotion* promotions    # those asked for so far
    cdef int n_promotions

    cdef object apply(self, int n, object a, object b, object c)
    cdef object compute(self, list args)
    cdef int promote(self, int n, const int* codes, Graph graph, int8_t* resolved) except -1


cdef tuple broadcast(tuple a, tuple b)
cdef int32_t cast(Graph graph, int32_t index, int dtype) except -1
