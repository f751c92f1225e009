"""The buffers that are to be placed, as allocate.pyx, bestfit.pyx and freelist.pyx see them."""

from libc.stdint cimport int32_t, int64_t, uint64_t

cdef enum:
    CLOSE = 2048                    # an extent within 1/2048 of the bound is good enough


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


cdef inline bint is_close(int64_t extent, int64_t bound) noexcept nogil:
    return extent - bound <= bound // CLOSE


cdef inline Py_ssize_t draw(uint64_t* state, Py_ssize_t n) noexcept nogil:
    """Return a number from 0 to n - 1 (xorshift64*; Vigna 2016)."""
    state[0] ^= state[0] >> 12
    state[0] ^= state[0] << 25
    state[0] ^= state[0] >> 27
    return <Py_ssize_t> (((state[0] * <uint64_t> 2685821657736338717) >> 33) % <uint64_t> n)
