"""The buffers that are to be placed, as allocate.pyx, bestfit.pyx and freelist.pyx see them."""

from libc.stdint cimport int32_t, int64_t


cdef struct Buffer:
    int64_t nbytes          # exact size, not rounded
    int64_t pinned          # offset fixed beforehand; -1: free to be placed
    int32_t birth           # first step at which it is held
    int32_t death           # first step at which it is held no longer


cdef struct Lifetimes:
    Py_ssize_t n
    const Buffer* buffers
    const int64_t* by_birth     # indices of all buffers in order of birth
    const int64_t* by_death     # and of death
    const int64_t* pins         # indices of the pinned ones that have bytes, by offset
    Py_ssize_t npins
    int64_t wall                # end of the result block and start of the arena


cdef inline int64_t align_up(int64_t offset, int64_t nbytes, int64_t wall) noexcept nogil:
    """Return the first offset from this one on where a buffer of nbytes may start.

    Above the wall multiples count from the wall, where the arena starts.
    """
    cdef int64_t base = wall if offset >= wall else 0
    cdef int64_t unit = 64 if nbytes >= 64 else 8
    return base + (offset - base + unit - 1) // unit * unit
