"""The best placement of buffers that was found."""

from libc.stdint cimport int64_t

from autodiff.core.allocate cimport Lifetimes
from autodiff.core.bestfit cimport Packing


cdef class Placement:
    cdef Lifetimes lives
    cdef tuple arrays               # what lives points into
    cdef object exact, nbytes, birth, death, above, live
    cdef object results             # indices of the results in order of birth
    cdef object free                # indices of the buffers to be placed
    cdef int64_t block              # bytes of the results alone
    cdef object offsets             # the best, and where they are cut
    cdef object moves               # of these: rows of step, buffer, offset
    cdef int64_t extent
    cdef int64_t wall
    cdef double weight              # of the extent and the slack
    cdef int64_t effort

    cdef consider(self, offsets)
    cdef bint is_done(self)
    cdef in_time(self)
    cdef by_free_lists(self, const Lifetimes* lives)
    cdef search(self)
    cdef in_orders(self, Packing* packing, int64_t wall, list ways, int64_t runs, int starts)
    cdef with_moves(self)
    cdef moved(self, int64_t extent, int64_t wall, int64_t runs)
    cdef cut(self)
    cdef parted(self, which, offsets)
