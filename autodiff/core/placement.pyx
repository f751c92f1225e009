"""The best placement of buffers that was found: by free lists, in many orders, with moves.

The free lists of freelist.pyx come first: for very long plans nothing else is affordable. Then
orders are tried, the best are mended (mending.pyx), and where all that leaves far more bytes than
are live, buffers are moved while they live (moves.pyx). What is affordable is counted in looks at
placed buffers, never measured by a clock, and searches draw from their own generator: the same
lifetimes always get the same offsets.

The addresses are cut in two where no buffer lies across: the arena below, the block of results
above, upside down, so that the results are its first bytes. The rest of the block, the slack, is
given back after a run. As each run gets a new block, slack costs time: it is weighed.
"""

from libc.stdint cimport INT32_MAX, INT64_MAX, int8_t, int64_t

from numpy cimport PyArray_DATA, import_array

import numpy as np

from autodiff.core.allocate cimport Buffer, Lifetimes, is_close
from autodiff.core.bestfit cimport (
    Packing,
    count_conflicts,
    packing_free,
    packing_new,
    place_in_order,
)
from autodiff.core.fewest cimport fewest_moves
from autodiff.core.freelist cimport place_in_time
from autodiff.core.mending cimport mend
from autodiff.core.moves cimport Move, Moving, moving_free, moving_new, place_moving
from autodiff.core.orders import crowding, live_bytes, lowest_wall, orders, walls

import_array()

cdef enum:
    LOOKS = 500_000_000             # at placed buffers, by all orders together
    LOOKS_MENDING = 100_000_000     # and by all runs of mending where there is much to gain
    LOOKS_MOVING = 20_000_000       # and by all runs that look for fewer moves
    LOOK_LISTED = 64                # a look through a list of conflicts costs so many
    RUNS_MENDING = 3000
    RUNS_MOVING = 2500
    STARTS = 3                      # best orders that are mended
    MUCH = 50                       # 1/50 above the bound is much
    SLACK = 32                      # so many bytes of slack weigh as much as one of the extent
    SOME_SLACK = 256                # and any slack as much as 1/256 of the extent
    TOLERABLE = 100                 # within 1/100 above the bound nothing is moved;
    SPARE = 128                     # with moves, 1/128 above it is left for gaps
    FRESH = 2                       # so many bytes of slack take as long as one that is moved
    WORTH = 4096                    # bytes that moves must save, a page, with no more effort
    PRICE = 4                       # so many times their share may be the share that is moved

cdef object BUFFER = np.dtype(
    [("nbytes", "i8"), ("above", "i8"), ("birth", "i4"), ("death", "i4")]
)


cdef inline int64_t* data(array) noexcept:
    return <int64_t*> PyArray_DATA(array)


cdef class Placement:
    """One call of `place`: the checked buffers, ordered in time, and their best offsets so far."""

    def __init__(self, nbytes, birth, death, result, effort):
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
        n = nbytes.size
        buffers = np.empty(n + 1, BUFFER)
        buffers["nbytes"][:n] = np.where(result, 0, rounded)
        buffers["above"][:n], buffers["birth"][:n], buffers["death"][:n] = (
            self.above, birth, death)
        buffers[n] = 0, 0, -1, INT32_MAX        # a wall
        self.arrays = buffers, by_birth, by_death
        self.lives = Lifetimes(nbytes.size, <Buffer*> PyArray_DATA(buffers), data(by_birth),
                               data(by_death), self.live.max(initial=0))
        self.free = np.flatnonzero(~result & (nbytes > 0))
        self.moves = np.zeros((0, 3), np.int64)
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
            runs = min(RUNS_MENDING, LOOKS_MENDING // cost)
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

    cdef with_moves(self):
        """Let buffers move while they live, where that saves bytes worth the while.

        With a wall, the highest that can be, the block is smaller; without one less is moved.
        """
        cdef int64_t extent = self.lives.least + self.lives.least // SPARE
        cdef int64_t runs, wall
        extent = (extent + 63) // 64 * 64
        if (self.extent - extent < (WORTH if self.effort <= 1 else 64)
                or self.extent - self.lives.least <= self.lives.least // TOLERABLE):
            return
        runs = LOOKS_MOVING // (self.lives.n + count_conflicts(&self.lives))
        runs = self.effort * min(RUNS_MOVING, runs)
        saved = 1 - extent / <double> self.extent
        most = PRICE * self.effort * saved * self.nbytes.sum(dtype=float)
        best = None
        tried = [0]
        if self.block:
            lasting = (self.death - self.birth)[self.free]
            tried = walls(self.offsets[self.free], self.nbytes[self.free], lasting, extent,
                          self.block)
            tried = sorted({*tried, min(self.wall, extent - self.block), 0}, reverse=True)
        for wall in tried if runs else ():
            found = self.moved(extent, wall, runs) if wall == 0 or best is None else None
            if found is None:
                continue
            first, moves, wall = found
            moved = self.nbytes[moves[:, 1]].sum(dtype=float)
            weight = moved + (extent - self.block - wall) / <double> FRESH
            if moved <= most and (best is None or weight < best):
                best = weight
                self.offsets, self.moves, self.wall = first, moves, wall
        if best is not None:
            self.extent = extent

    cdef moved(self, int64_t extent, int64_t wall, int64_t runs):
        """Return offsets at birth, moves and where the wall may stand; None if there are none."""
        cdef Moving moving
        cdef bint is_placed
        nbytes = (np.append(self.nbytes, 0) + 63) // 64 * 64
        first, is_result = np.zeros_like(self.nbytes), np.zeros(nbytes.size, np.int8)
        is_result[self.results] = True
        cdef int64_t* offsets = data(first)
        cdef int64_t* sizes = data(nbytes)
        cdef int8_t* results = <int8_t*> PyArray_DATA(is_result)
        try:
            with nogil:
                is_placed = (moving_new(&moving, &self.lives, sizes, results, extent, wall, offsets)
                             and fewest_moves(&moving, runs)
                             and place_moving(&moving, INT64_MAX))
            if not is_placed:
                return None
            moves = np.zeros((moving.n_moves, 3), np.int64)
            moving.moves = <Move*> PyArray_DATA(moves)
            place_moving(&moving, INT64_MAX)
        finally:
            moving_free(&moving)
        starts = np.concatenate((first[self.free], moves[:, 2]))
        nbytes = np.concatenate((nbytes[self.free], nbytes[moves[:, 1]]))
        return first, moves, lowest_wall(starts, nbytes, extent - self.block)

    cdef cut(self):
        """Return offsets within arena and block, who lies in the block, bytes of both, moves."""
        steps, moved, to = self.moves.T
        offsets, in_block = self.parted(slice(None), self.offsets)
        in_block[self.results] = True
        offsets[self.results] = self.nbytes[self.results].cumsum() - self.nbytes[self.results]
        offsets[self.nbytes == 0] = 0
        to, to_block = self.parted(moved, to)
        ends = np.concatenate((offsets + self.exact, to + self.exact[moved]))
        at = np.concatenate((in_block, to_block))
        return (offsets, in_block, int(ends[~at].max(initial=0)), int(ends[at].max(initial=0)),
                np.stack((steps, moved, to_block, to), axis=1))

    cdef parted(self, which, offsets):
        """Return offsets of some buffers within arena or block, and which it is."""
        nbytes = self.nbytes[which]
        in_block = (offsets >= self.wall) & (nbytes > 0)
        return np.where(in_block, self.extent - offsets - nbytes, offsets), in_block
