"""The buffers that are to be placed, as allocate.pyx, bestfit.pyx and freelist.pyx see them."""

from libc.stdint cimport int32_t, int64_t


cdef struct Buffer:
    int64_t nbytes          # rounded up to a multiple of its unit: 64, or 8 below 64
    int64_t above           # bytes of the results that are born before it dies
    int32_t birth           # first step at which it is held
    int32_t death           # first step at which it is held no longer


cdef struct Lifetimes:
    Py_ssize_t n
    const Buffer* buffers
    const int64_t* by_birth     # indices of all buffers in order of birth
    const int64_t* by_death     # and of death
    int64_t least               # no extent is below it: the most live bytes


cdef inline int64_t align_up(int64_t offset, int64_t nbytes) noexcept nogil:
    """Return the first offset from this one on where a buffer of nbytes may start."""
    cdef int64_t unit = 64 if nbytes >= 64 else 8
    return (offset + unit - 1) // unit * unit
