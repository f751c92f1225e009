"""Packing of buffers with known lifetimes into as few bytes as can be found.

A buffer is a rectangle: its lifetime, the half-open interval of steps [birth, death), by its
bytes. Two that share a step must not share an address. The least extent is NP-hard to find
(dynamic storage allocation: Garey & Johnson 1979, SR2); the largest sum of live bytes bounds it
from below, and placing buffers one after the other, each in its best gap, comes close to that.
Which order is good depends on the program, so several are tried. Then the best order is mended:
of the buffers that reach the top one is placed earlier, as long as the extent does not grow
(a local search in the space of orders).

The free lists of freelist.pyx come first: for very long plans nothing else is affordable. What is
affordable is counted in looks at placed buffers, never measured by a clock, and the search draws
from its own generator: the same lifetimes always get the same offsets.
"""

cimport cython
from libc.stdint cimport INT32_MAX, INT64_MAX, int64_t, uint64_t
from libc.string cimport memcpy

from numpy cimport PyArray_DATA, import_array

import numpy as np

from autodiff.core.bestfit cimport (
    Packing,
    count_conflicts,
    packing_free,
    packing_new,
    place_in_order,
)
from autodiff.core.freelist cimport place_in_time
from autodiff.errors import PlanError

import_array()

cdef enum:
    LOOKS = 500_000_000             # at placed buffers, by all orders together
    LOOKS_MENDING = 100_000_000     # and by all runs of mending where there is much to gain
    LOOK_LISTED = 64                # a look through a list of conflicts costs so many
    RUNS_MENDING = 3000
    STARTS = 3                      # best orders that are mended
    MUCH = 50                       # 1/50 above the bound is much
    CLOSE = 2048                    # an extent within 1/2048 of the bound is good enough

cdef object BUFFER = np.dtype(
    [("nbytes", "i8"), ("pinned", "i8"), ("birth", "i4"), ("death", "i4")]
)


cdef inline bint is_close(int64_t extent, int64_t bound) noexcept nogil:
    return extent - bound <= bound // CLOSE


cdef inline Py_ssize_t draw(uint64_t* state, Py_ssize_t n) noexcept nogil:
    """Return a number from 0 to n - 1 (xorshift64*; Vigna 2016)."""
    state[0] ^= state[0] >> 12
    state[0] ^= state[0] << 25
    state[0] ^= state[0] >> 27
    return <Py_ssize_t> (((state[0] * <uint64_t> 2685821657736338717) >> 33) % <uint64_t> n)


cdef void move(int64_t* order, Py_ssize_t source, Py_ssize_t target) noexcept nogil:
    """Move one entry of an order, shifting those between."""
    cdef int64_t entry = order[source]
    cdef Py_ssize_t step = 1 if target > source else -1
    while source != target:
        order[source] = order[source + step]
        source += step
    order[source] = entry


cdef int64_t mend(Packing* packing, int64_t* order, Py_ssize_t n, bint lowest, int64_t extent,
                  int64_t bound, Py_ssize_t runs, int64_t* offsets, int64_t* trial_order,
                  int64_t* trial) noexcept nogil:
    """Place buffers that reach the top earlier while that does not raise the extent; return it.

    order and offsets belong to the extent, before and afterwards; trial starts as offsets.
    """
    cdef uint64_t state = 0x9E3779B97F4A7C15
    cdef Py_ssize_t run, k, first, other, top = 0
    cdef int64_t found
    for run in range(runs):
        if is_close(extent, bound):
            break
        first = draw(&state, n)
        for k in range(n):
            top = (first + k) % n
            if offsets[order[top]] + packing.lives.buffers[order[top]].nbytes == extent:
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
        found = place_in_order(packing, trial_order, n, lowest, extent + 1, trial)
        if found <= extent:
            extent = found
            memcpy(order, trial_order, n * sizeof(int64_t))
            memcpy(offsets, trial, packing.lives.n * sizeof(int64_t))
    return extent


cdef live_bytes(nbytes, birth, death, by_birth, by_death):
    """Return the bytes that are live once each buffer is born, in order of birth."""
    born = nbytes[by_birth].cumsum()
    dead = np.concatenate(([0], nbytes[by_death].cumsum()))
    return born - dead[np.searchsorted(death[by_death], birth[by_birth], side="right")]


cdef crowding(live, birth, death, by_birth):
    """Return for each buffer the most bytes that are live at one of its steps.

    A table of maxima over 1, 2, 4 … births answers for any range of births with two of them.
    """
    first = np.arange(birth.size)
    last = np.searchsorted(birth[by_birth], death[by_birth])
    width = np.frexp(last - first)[1] - 1
    most = np.empty_like(live)
    for k in range(width.max(initial=0) + 1):
        at = np.flatnonzero(width == k)
        most[by_birth[at]] = np.maximum(live[first[at]], live[last[at] - 2**k])
        live = np.maximum(live[: -(2**k)], live[2**k :]) if live.size > 2**k else live
    return most


cdef tuple orders(nbytes, birth, death, crowd):
    """Return pairs (keys, lowest) of ways to place buffers one by one, the most promising first.

    The order sorts by the keys, the last one first. Crowding (where many bytes are live
    there is the least choice) is the "breadth" of Pisarchyk & Lee.
    """
    length = death - birth
    area = nbytes.astype(float) * length
    return (
        ((birth, -nbytes, -length, -crowd), False),
        ((birth, -length, -nbytes), True),
        ((-nbytes, birth, -crowd), False),
        ((birth, -nbytes, -length), False),
        ((birth, -length, -nbytes, -crowd), True),
        ((-nbytes, birth), False),
        ((birth, -length, -nbytes), False),
        ((birth, -nbytes, -area), False),
        ((birth, -nbytes, -length), True),
        ((-nbytes, -death), False),
    )


cdef check(nbytes, birth, death, pinned, wall):
    """Raise PlanError where one buffer by itself is impossible, or all together too large."""
    if not nbytes.shape == birth.shape == death.shape == pinned.shape:
        raise PlanError("nbytes, birth, death and pinned must have one entry for each buffer")
    if wall < 0:
        raise PlanError(f"the wall cannot lie at {wall} bytes")
    lives = (birth >= 0) & (death > birth) & (death <= INT32_MAX)
    is_below = (pinned < 0) | ((pinned <= wall) & (nbytes <= wall - pinned))
    for right, demand in (
        (nbytes >= 0, "cannot have fewer bytes than none"),
        (lives, "must be born and then die"),
        (is_below, f"is pinned, but not below the wall at {wall}"),
    ):
        if not right.all():
            i = int(right.argmin())
            what = f"{nbytes[i]} bytes, steps {birth[i]} to {death[i]}"
            raise PlanError(f"buffer {i} ({what}) {demand}")
    # Half of what an int64 holds, so that no sum of sizes, with alignment, overflows.
    if nbytes.sum(dtype=float) + 64.0 * nbytes.size + wall >= INT64_MAX // 2:
        raise PlanError("all buffers together have more bytes than can be counted")


cdef void check_pins(const Lifetimes* lives) except *:
    """Raise PlanError where two pinned buffers share a byte and a step."""
    cdef const Buffer* a
    cdef const Buffer* b
    cdef Py_ssize_t j, k
    for j in range(lives.npins):
        a = &lives.buffers[lives.pins[j]]
        for k in range(j + 1, lives.npins):
            b = &lives.buffers[lives.pins[k]]
            if b.pinned >= a.pinned + a.nbytes:
                break
            if a.birth < b.death and b.birth < a.death:
                raise PlanError(
                    f"buffers {lives.pins[j]} and {lives.pins[k]} are pinned to the same bytes"
                )


cdef inline int64_t* data(array) noexcept:
    return <int64_t*> PyArray_DATA(array)


@cython.internal
cdef class Placement:
    """One call of `place`: the checked buffers, ordered in time, and their best offsets so far."""

    cdef Lifetimes lives
    cdef tuple arrays               # what lives points into
    cdef object nbytes, birth, death, live
    cdef object free                # indices of the buffers to be placed
    cdef object offsets
    cdef int64_t extent
    cdef int64_t bound              # most live bytes, with alignment: hardly to be beaten

    def __init__(self, nbytes, birth, death, pinned, int64_t wall):
        check(nbytes, birth, death, pinned, wall)
        self.nbytes, self.birth, self.death = nbytes, birth, death
        buffers = np.empty(nbytes.size, BUFFER)
        for name, values in zip(BUFFER.names, (nbytes, pinned, birth, death)):
            buffers[name] = values
        by_birth = np.argsort(birth, kind="stable")
        by_death = np.argsort(death, kind="stable")
        pins = np.flatnonzero((pinned >= 0) & (nbytes > 0))
        pins = pins[np.argsort(pinned[pins], kind="stable")]
        self.arrays = buffers, by_birth, by_death, pins
        self.lives = Lifetimes(nbytes.size, <Buffer*> PyArray_DATA(buffers), data(by_birth),
                               data(by_death), data(pins), pins.size, wall)
        check_pins(&self.lives)
        self.free = np.flatnonzero((pinned < 0) & (nbytes > 0))
        self.offsets = np.maximum(pinned, 0)
        unit = np.where(nbytes < 64, 8, 64)
        self.live = live_bytes(-(-nbytes // unit) * unit, birth, death, by_birth, by_death)
        self.bound = max(self.live.max(initial=0), wall)

    cdef in_time(self):
        cdef int64_t* offsets = data(self.offsets)
        with nogil:
            self.extent = place_in_time(&self.lives, offsets)
        if self.extent < 0:
            raise MemoryError(f"cannot get the memory to place {self.lives.n} buffers")

    cdef in_orders(self):
        """Try several orders, then mend the best of them, as far as that is affordable."""
        cdef Py_ssize_t n = self.free.size
        cdef int64_t listed = LOOK_LISTED * (n + 2 * count_conflicts(&self.lives))
        cdef int64_t cost = max(1, min(n * (n + 2 * self.lives.npins) // 2, listed))
        cdef int64_t runs, extent
        cdef int64_t* offsets
        cdef int64_t* order
        cdef int64_t* trial_offsets
        cdef int64_t* trial_order
        cdef Packing packing
        cdef bint lowest
        if cost > LOOKS:
            return
        tried = []          # (extent, turn, order, lowest, offsets); no two turns are equal
        trials = self.offsets.copy(), self.free.copy()
        trial_offsets, trial_order = data(trials[0]), data(trials[1])
        crowd = crowding(self.live, self.birth, self.death, self.arrays[1])
        free = self.free
        ways = orders(self.nbytes[free], self.birth[free], self.death[free], crowd[free])
        try:
            if not packing_new(&packing, &self.lives, cost == listed):
                raise MemoryError(f"cannot get the memory to place {self.lives.n} buffers")
            for keys, lowest in ways[:LOOKS // cost]:
                ordered, placed = self.free[np.lexsort(keys)], self.offsets.copy()
                order, offsets = data(ordered), data(placed)
                with nogil:
                    extent = place_in_order(&packing, order, n, lowest, INT64_MAX, offsets)
                tried.append((extent, len(tried), ordered, lowest, placed))
                if is_close(extent, self.bound):
                    break
            tried.sort()
            # Effort in proportion to what is to be gained.
            gain = min(1.0, MUCH * (<double> tried[0][0] / self.bound - 1))
            runs = <int64_t> (gain * min(RUNS_MENDING, LOOKS_MENDING // cost)) // STARTS
            for extent, _, ordered, lowest, placed in tried[:STARTS]:
                order, offsets = data(ordered), data(placed)
                with nogil:
                    extent = mend(&packing, order, n, lowest, extent, self.bound, runs, offsets,
                                  trial_order, trial_offsets)
                if extent < self.extent:
                    self.extent, self.offsets = extent, placed
                if is_close(extent, self.bound):
                    break
        finally:
            packing_free(&packing)


def place(
    const int64_t[::1] nbytes not None,
    const int64_t[::1] birth not None,
    const int64_t[::1] death not None,
    const int64_t[::1] pinned=None,
    int64_t wall=0,
):
    """Place buffers so that those that share a step share no byte, in as few bytes as can be found.

    The addresses [0, wall) are the result block, those from the wall on the arena. Pinned buffers
    (results) lie in the result block; others may lie there while it is free. None lies across the
    wall. Offsets are multiples of 64 for buffers of 64 bytes and more, else of 8 (in the arena
    counted from the wall).

    Parameters
    ----------
    nbytes : int64 array, shape (n,)
        Bytes of each buffer, exact.
    birth, death : int64 array, shape (n,)
        Steps; the buffer is held in [birth, death), 0 <= birth < death < 2**31.
    pinned : int64 array, shape (n,), optional
        Offset of each result, -1 for buffers that are to be placed.
    wall : int, optional
        Bytes of the result block.

    Returns
    -------
    offsets : int64 array, shape (n,)
        Pinned buffers keep theirs; others of no bytes have offset 0.
    extent : int
        End of the highest buffer, at least the wall; never below `live_peak`.

    Raises
    ------
    PlanError
        A buffer or a pin is impossible; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> from autodiff.core.allocate import place
    >>> offsets, extent = place(np.array([640, 128, 512]), np.array([0, 1, 2]), np.array([2, 4, 4]))
    >>> offsets.tolist(), extent
    ([0, 640, 0], 768)

    References
    ----------
    Sekiyama et al. 2018, "Profile-guided memory optimization for deep neural networks"; Pisarchyk
    & Lee 2020, "Efficient memory management for deep neural net inference" (best-fit, by orders).
    """
    cdef Placement placement
    if pinned is None:
        pinned = np.full(nbytes.shape[0], -1)
    placement = Placement(*map(np.asarray, (nbytes, birth, death, pinned)), wall)
    placement.in_time()
    if not is_close(placement.extent, placement.bound):
        placement.in_orders()
    return placement.offsets, placement.extent


def live_peak(
    const int64_t[::1] nbytes not None,
    const int64_t[::1] birth not None,
    const int64_t[::1] death not None,
):
    """Return the largest sum of bytes held at one step: no placement has a smaller extent.

    Parameters
    ----------
    nbytes, birth, death : int64 array, shape (n,)
        As in `place`.

    Returns
    -------
    int

    Raises
    ------
    PlanError
        As `place`.

    Examples
    --------
    >>> import numpy as np
    >>> from autodiff.core.allocate import live_peak
    >>> live_peak(np.array([640, 128, 512]), np.array([0, 1, 2]), np.array([2, 4, 4]))
    768
    """
    sizes, births, deaths = map(np.asarray, (nbytes, birth, death))
    check(sizes, births, deaths, np.full(sizes.shape, -1), 0)
    by_birth = np.argsort(births, kind="stable")
    by_death = np.argsort(deaths, kind="stable")
    return int(live_bytes(sizes, births, deaths, by_birth, by_death).max(initial=0))
