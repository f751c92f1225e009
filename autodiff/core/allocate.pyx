"""Packing of buffers with known lifetimes into as few bytes as can be found.

A buffer is a rectangle: its lifetime, the half-open interval of steps [birth, death), by its
bytes. Two that share a step must not share an address. The least extent is NP-hard to find
(dynamic storage allocation: Garey & Johnson 1979, SR2); the largest sum of live bytes bounds it
from below, and placing buffers one after the other, each in its best gap, comes close to that.
Which order is good depends on the program, so several are tried. Then the best order is mended:
of the buffers that reach the top one is placed earlier, as long as the extent does not grow
(a local search in the space of orders).

Results must outlive the arena, but until one is born its place is free. They hang from the top of
the addresses, in the order in which they are born, the first at the very top. So what they take at
a step is one range that grows downwards, all other buffers lie below it, and one that ends at an
address demands this many bytes and those of the results born before it dies: the extent is the
largest demand. Then the addresses are cut in two where no buffer lies across: the arena below, the
block of results above, upside down, so that the results are its first bytes. The rest of the
block, the slack, is given back after a run. As each run gets a new block, slack costs time: it is
weighed.

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
from autodiff.core.orders import crowding, live_bytes, lowest_wall, orders, walls
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
    SLACK = 32                      # so many bytes of slack weigh as much as one of the extent
    SOME_SLACK = 256                # and any slack as much as 1/256 of the extent

cdef object BUFFER = np.dtype(
    [("nbytes", "i8"), ("above", "i8"), ("birth", "i4"), ("death", "i4")]
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


cdef check(nbytes, birth, death, result):
    """Raise PlanError where one buffer by itself is impossible, or all together too large."""
    if not nbytes.shape == birth.shape == death.shape == result.shape:
        raise PlanError("nbytes, birth, death and result must have one entry for each buffer")
    lives = (birth >= 0) & (death > birth) & (death <= INT32_MAX)
    for right, demand in (
        (nbytes >= 0, "cannot have fewer bytes than none"),
        (lives, "must be born and then die"),
    ):
        if not right.all():
            i = int(right.argmin())
            what = f"{nbytes[i]} bytes, steps {birth[i]} to {death[i]}"
            raise PlanError(f"buffer {i} ({what}) {demand}")
    # Half of what an int64 holds, so that no sum of sizes, with alignment, overflows.
    if nbytes.sum(dtype=float) + 64.0 * nbytes.size >= INT64_MAX // 2:
        raise PlanError("all buffers together have more bytes than can be counted")


cdef inline int64_t* data(array) noexcept:
    return <int64_t*> PyArray_DATA(array)


@cython.internal
cdef class Placement:
    """One call of `place`: the checked buffers, ordered in time, and their best offsets so far."""

    cdef Lifetimes lives
    cdef tuple arrays               # what lives points into
    cdef object exact, nbytes, birth, death, above, live
    cdef object results             # indices of the results in order of birth
    cdef object free                # indices of the buffers to be placed
    cdef int64_t block              # bytes of the results alone
    cdef object offsets             # the best, and where they are cut
    cdef int64_t extent
    cdef int64_t wall
    cdef double weight              # of the extent and the slack
    cdef int64_t effort

    def __init__(self, nbytes, birth, death, result, effort):
        check(nbytes, birth, death, result)
        unit = np.where((nbytes < 64) & ~result, 8, 64)
        rounded = -(-nbytes // unit) * unit
        death = np.where(result, death.max(initial=0), death)
        by_birth = np.argsort(birth, kind="stable")
        by_death = np.argsort(death, kind="stable")
        self.results = by_birth[result[by_birth]]
        taken = np.concatenate(([0], rounded[self.results].cumsum()))
        self.block = taken.max()
        self.above = taken[np.searchsorted(birth[self.results], death)]
        self.exact, self.nbytes, self.birth, self.death = nbytes, rounded, birth, death
        self.live = live_bytes(rounded, birth, death, by_birth, by_death)
        buffers = np.empty(nbytes.size, BUFFER)
        buffers["nbytes"] = np.where(result, 0, rounded)
        buffers["above"], buffers["birth"], buffers["death"] = self.above, birth, death
        self.arrays = buffers, by_birth, by_death
        self.lives = Lifetimes(nbytes.size, <Buffer*> PyArray_DATA(buffers), data(by_birth),
                               data(by_death), self.live.max(initial=0))
        self.free = np.flatnonzero(~result & (nbytes > 0))
        self.weight = INT64_MAX
        self.effort = effort

    cdef consider(self, offsets):
        """Keep these offsets if they are better: as they are, or with arena and block apart."""
        free = self.free
        start, nbytes = offsets[free], self.nbytes[free]
        end = start + nbytes
        cdef int64_t apart = end.max(initial=0), together, wall
        apart = (apart + 63) // 64 * 64
        if apart + self.block < self.weight:
            self.offsets, self.wall = offsets, apart
            self.extent = self.weight = apart + self.block
        if self.block == 0 or self.is_done():
            return
        together = max(<int64_t> (end + self.above[free]).max(initial=0), self.lives.least)
        together = (together + 63) // 64 * 64
        wall = lowest_wall(start, nbytes, together - self.block)
        cdef double weight = together
        if wall < together - self.block:
            weight += (together - self.block - wall) / <double> SLACK
            weight += together / <double> SOME_SLACK
        if weight < self.weight:
            self.offsets, self.wall = offsets, wall
            self.extent, self.weight = together, weight

    cdef bint is_done(self):
        return is_close(<int64_t> self.weight, self.lives.least)

    cdef in_time(self):
        """Place in time order, forwards and, where that is not good enough, backwards."""
        buffers, by_birth, by_death = self.arrays
        self.by_free_lists(&self.lives)
        if self.is_done():
            return
        turned = buffers.copy()
        turned["birth"] = INT32_MAX - buffers["death"]
        turned["death"] = INT32_MAX - buffers["birth"]
        by_birth, by_death = by_death[::-1].copy(), by_birth[::-1].copy()
        cdef Lifetimes lives = self.lives
        lives.buffers = <Buffer*> PyArray_DATA(turned)
        lives.by_birth, lives.by_death = data(by_birth), data(by_death)
        self.by_free_lists(&lives)

    cdef by_free_lists(self, const Lifetimes* lives):
        offsets = np.zeros(self.nbytes.size, np.int64)
        cdef int64_t* placed = data(offsets)
        cdef bint is_placed
        with nogil:
            is_placed = place_in_time(lives, placed)
        if not is_placed:
            raise MemoryError(f"cannot get the memory to place {lives.n} buffers")
        self.consider(offsets)

    cdef search(self):
        """Try several orders, and walls, and mend the best, as far as that is affordable."""
        cdef Py_ssize_t n = self.free.size
        cdef int64_t listed = LOOK_LISTED * (n + 2 * count_conflicts(&self.lives))
        cdef int64_t cost = max(1, min(n * n // 2, listed))
        cdef int64_t runs
        cdef Packing packing
        if cost > LOOKS:
            return
        free = self.free
        crowd = crowding(self.live, self.birth, self.death, self.arrays[1])[free]
        ways = orders(self.nbytes[free], self.birth[free], self.death[free], crowd)
        ways = [(free[np.lexsort(keys)], lowest) for keys, lowest in ways[:LOOKS // cost]]
        try:
            if not packing_new(&packing, &self.lives, cost == listed):
                raise MemoryError(f"cannot get the memory to place {self.lives.n} buffers")
            runs = self.effort * min(RUNS_MENDING, LOOKS_MENDING // cost)
            self.in_orders(&packing, 0, ways, runs, STARTS)
            if self.block == 0 or self.is_done():
                return
            lasting = (self.death - self.birth)[free]
            tried = walls(self.offsets[free], self.nbytes[free], lasting, self.extent, self.block)
            for wall in tried:
                self.in_orders(&packing, wall, ways, runs // len(tried), 1)
                if self.is_done():
                    break
        finally:
            packing_free(&packing)

    cdef in_orders(self, Packing* packing, int64_t wall, list ways, int64_t runs, int starts):
        """Place in each of the orders, with a wall, and mend the `starts` best of them."""
        cdef Py_ssize_t n = self.free.size
        cdef int64_t extent
        cdef int64_t* offsets
        cdef int64_t* order
        cdef bint lowest
        trials = np.zeros(self.nbytes.size, np.int64), self.free.copy()
        cdef int64_t* trial_offsets = data(trials[0])
        cdef int64_t* trial_order = data(trials[1])
        tried = []          # (extent, turn, order, lowest, offsets); no two turns are equal
        for ordered, lowest in ways:
            ordered, placed = ordered.copy(), np.zeros(self.nbytes.size, np.int64)
            order, offsets = data(ordered), data(placed)
            with nogil:
                extent = place_in_order(packing, order, n, wall, lowest, INT64_MAX, offsets)
            tried.append((extent, len(tried), ordered, lowest, placed))
            self.consider(placed)
            if self.is_done():
                return
        tried.sort()
        # Effort in proportion to what is to be gained.
        runs = <int64_t> (runs * min(1.0, MUCH * (<double> tried[0][0] / self.lives.least - 1)))
        for extent, _, ordered, lowest, placed in tried[:starts]:
            placed = placed.copy()
            order, offsets = data(ordered), data(placed)
            with nogil:
                extent = mend(packing, order, n, wall, lowest, extent, runs // starts, offsets,
                              trial_order, trial_offsets)
            self.consider(placed)
            if self.is_done():
                return

    cdef cut(self):
        """Return offsets within arena and block, who lies in the block, and the bytes of both."""
        in_block = (self.offsets >= self.wall) & (self.nbytes > 0)
        in_block[self.results] = True
        offsets = np.where(in_block, self.extent - self.offsets - self.nbytes, self.offsets)
        offsets[self.results] = self.nbytes[self.results].cumsum() - self.nbytes[self.results]
        offsets[self.nbytes == 0] = 0
        ends = offsets + self.exact
        return (offsets, in_block, int(ends[~in_block].max(initial=0)),
                int(ends[in_block].max(initial=0)))


def place(
    const int64_t[::1] nbytes not None,
    const int64_t[::1] birth not None,
    const int64_t[::1] death not None,
    result=None,
    int64_t effort=1,
):
    """Place buffers so that those that share a step share no byte, in as few bytes as can be found.

    A buffer lies in the arena or in the block. Results lie in the block and are held from birth to
    the end; they are its first bytes, in order of birth. Others may lie there while it is free.

    Parameters
    ----------
    nbytes : int64 array, shape (n,)
        Bytes of each buffer, exact.
    birth, death : int64 array, shape (n,)
        Steps; the buffer is held in [birth, death), 0 <= birth < death < 2**31.
    result : bool array, shape (n,), optional
        Which buffers are results; none when not given.
    effort : int
        How much longer than usual the packing is mended, where that is worth while.

    Returns
    -------
    offsets : int64 array, shape (n,)
        Multiples of 64 for results and buffers of 64 bytes and more, else of 8; 0 for no bytes.
    in_block : bool array, shape (n,)
        Whether the offset counts in the block; else it does in the arena.
    arena_bytes, block_bytes : int
        The ends of the highest buffers. Their sum is never below `live_peak`.

    Raises
    ------
    PlanError
        A buffer is impossible; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> from autodiff.core.allocate import place
    >>> lives = np.array([640, 128, 512]), np.array([0, 1, 2]), np.array([2, 4, 4])
    >>> offsets, in_block, arena_bytes, block_bytes = place(*lives)
    >>> offsets.tolist(), arena_bytes, block_bytes
    ([0, 640, 0], 768, 0)

    References
    ----------
    Sekiyama et al. 2018, "Profile-guided memory optimization for deep neural networks"; Pisarchyk
    & Lee 2020, "Efficient memory management for deep neural net inference" (best-fit, by orders).
    """
    cdef Placement placement
    if result is None:
        result = np.zeros(nbytes.shape[0], bool)
    placement = Placement(*map(np.asarray, (nbytes, birth, death, result)), effort)
    placement.in_time()
    if not placement.is_done():
        placement.search()
    return placement.cut()


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
    check(sizes, births, deaths, np.zeros(sizes.shape, bool))
    by_birth = np.argsort(births, kind="stable")
    by_death = np.argsort(deaths, kind="stable")
    return int(live_bytes(sizes, births, deaths, by_birth, by_death).max(initial=0))
