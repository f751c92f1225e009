"""Simplification: values that equal an earlier one bit for bit."""

from libc.stdint cimport int8_t, int32_t

from .graph cimport Graph


cdef int simplify(Graph graph, list outputs, int8_t* needed, int32_t* same, int32_t* sources,
                  int32_t last) except -1
cdef int which_number(Graph graph, int32_t v) except -1
