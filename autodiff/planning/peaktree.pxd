"""Bytes at every slot of a timeline: add to a range, look up the highest, in O(log slots).

A complete binary tree over 2^k slots, leaves at [size, 2 size). ``top[p]`` is the highest value
below p, the pending additions of p included and those of its ancestors not; nothing is pushed down.
"""

from libc.stdint cimport int64_t

cdef struct PeakTree:
    int64_t size        # slots, a power of two
    int64_t* top        # (2 size,)
    int64_t* pending    # (size,) added to all below


cdef inline void tree_mend(PeakTree* t, int64_t p) noexcept nogil:
    """Bring the ancestors of leaf p up to date."""
    cdef int64_t left, right
    p >>= 1
    while p:
        left, right = t.top[2 * p], t.top[2 * p + 1]
        t.top[p] = (left if left > right else right) + t.pending[p]
        p >>= 1


cdef inline void tree_add(PeakTree* t, int64_t begin, int64_t end, int64_t nbytes) noexcept nogil:
    """Add bytes to the slots [begin, end)."""
    cdef int64_t a = begin + t.size, b = end + t.size
    if begin >= end or nbytes == 0:
        return
    while a < b:
        if a & 1:
            t.top[a] += nbytes
            if a < t.size:
                t.pending[a] += nbytes
            a += 1
        if b & 1:
            b -= 1
            t.top[b] += nbytes
            if b < t.size:
                t.pending[b] += nbytes
        a >>= 1
        b >>= 1
    tree_mend(t, begin + t.size)
    tree_mend(t, end - 1 + t.size)


cdef inline int64_t tree_highest(const PeakTree* t) noexcept nogil:
    """Find the first slot with the highest value."""
    cdef int64_t p = 1
    while p < t.size:
        p *= 2
        if t.top[p + 1] > t.top[p]:
            p += 1
    return p - t.size
