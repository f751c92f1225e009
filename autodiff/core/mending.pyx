"""Better orders of placement: a local search in the space of orders.

Of the buffers that reach the top one is placed earlier, or two change turns, as long as the extent
does not grow.
"""

from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

from autodiff.core.allocate cimport Buffer, draw, is_close
from autodiff.core.bestfit cimport Packing, place_in_order


cdef void move(int64_t* order, Py_ssize_t source, Py_ssize_t target) noexcept nogil:
    """Move one entry of an order, shifting those between."""
    cdef int64_t entry = order[source]
    cdef Py_ssize_t step = 1 if target > source else -1
    while source != target:
        order[source] = order[source + step]
        source += step
    order[source] = entry


cdef int64_t mend(Packing* packing, int64_t* order, Py_ssize_t n, int64_t wall, bint lowest,
                  int64_t extent, Py_ssize_t runs, int64_t* offsets, int64_t* trial_order,
                  int64_t* trial) noexcept nogil:
    """Place buffers that reach the top earlier while that does not raise the extent; return it.

    order and offsets belong to the extent, before and afterwards; trial is room for offsets.
    """
    cdef const Buffer* buffers = packing.lives.buffers
    cdef uint64_t state = 0x9E3779B97F4A7C15
    cdef Py_ssize_t run, k, first, other, top = 0
    cdef int64_t found, end
    for run in range(runs):
        if is_close(extent, packing.lives.least):
            break
        first = draw(&state, n)
        for k in range(n):
            top = (first + k) % n
            end = offsets[order[top]] + buffers[order[top]].nbytes
            if end + buffers[order[top]].above == extent:
                break
        memcpy(trial_order, order, n * sizeof(int64_t))
        if run % 4 == 0:
            move(trial_order, top, draw(&state, top + 1))
        elif run % 4 == 2:          # any buffer, anywhere: what blocks the top need not reach it
            move(trial_order, draw(&state, n), draw(&state, n))
        else:
            other = draw(&state, top + 1)
            if run % 4 == 3:
                top, other = draw(&state, n), draw(&state, n)
            trial_order[other], trial_order[top] = order[top], order[other]
        found = place_in_order(packing, trial_order, n, wall, lowest, extent + 1, trial)
        if found <= extent:
            extent = found
            memcpy(order, trial_order, n * sizeof(int64_t))
            memcpy(offsets, trial, packing.lives.n * sizeof(int64_t))
    return extent
