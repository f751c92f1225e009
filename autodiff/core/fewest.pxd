"""Ways to place buffers in time order that move few bytes."""

from libc.stdint cimport int64_t

from autodiff.core.moves cimport Moving


cdef bint fewest_moves(Moving* self, int64_t runs) noexcept nogil
