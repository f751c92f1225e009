"""Assembly: the pass of a region, as the kernel `region` reads it."""

from libc.stdint cimport int32_t, int64_t

from .regions cimport Regions

cdef int64_t* assemble(Regions regions, int32_t value) except NULL
