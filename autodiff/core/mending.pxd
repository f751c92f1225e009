"""Better orders of placement, by local search."""

from libc.stdint cimport int64_t

from autodiff.core.bestfit cimport Packing


cdef int64_t mend(Packing* packing, int64_t* order, Py_ssize_t n, int64_t wall, bint lowest,
                  int64_t extent, Py_ssize_t runs, int64_t* offsets, int64_t* trial_order,
                  int64_t* trial) noexcept nogil
