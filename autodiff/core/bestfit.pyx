"""Placement of buffers in a given order: each into the best gap between those already placed.

A gap is a range of addresses between two placed buffers, next to each other, among those that
share a step with the new one. The best gap is the smallest that holds it, or the lowest if so
asked, among those where the extent need not grow; else it goes as low as it can. The wall between
arena and block, where one is wanted, is one more placed buffer, of no bytes, that shares every
step: nothing lies across it.

Who shares a step with the new buffer is found by one look at everything placed, O(n) a buffer, or
read from lists made beforehand, O(k log k) for k conflicts: better for long plans of short lives.
"""

from libc.stdint cimport INT32_MAX, INT64_MAX, int32_t, int64_t
from libc.stdlib cimport free, malloc, qsort
from libc.string cimport memmove, memset

from autodiff.core.allocate cimport Buffer, Lifetimes, align_up


cdef int64_t find_gap(const Placed* placed, Py_ssize_t n, const Buffer* buffer, int64_t enough,
                      bint lowest) noexcept nogil:
    """Return the offset of the best gap for a buffer between n placed ones sorted by offset.

    A gap is good if the buffer, with the results above it, demands no more than `enough` there.
    """
    cdef int64_t end = 0            # of the conflicting ones so far
    cdef int64_t best = -1, first = -1, least = INT64_MAX, offset, gap
    cdef Py_ssize_t k
    for k in range(n):
        if placed[k].birth >= buffer.death or placed[k].death <= buffer.birth:
            continue
        gap = placed[k].offset - end
        if buffer.nbytes <= gap < least:
            offset = align_up(end, buffer.nbytes)
            if offset + buffer.nbytes <= placed[k].offset:
                if first < 0:
                    first = offset
                if offset + buffer.nbytes + buffer.above > enough:
                    break
                best = offset
                least = gap
                if lowest:
                    break
        end = max(end, placed[k].end)
    if best >= 0:
        return best
    return first if first >= 0 else align_up(end, buffer.nbytes)


cdef void insert(Placed* placed, Py_ssize_t n, const Placed* new) noexcept nogil:
    """Insert into n placed buffers sorted by offset, behind those of equal offset."""
    cdef Py_ssize_t low = 0, high = n, middle
    while low < high:
        middle = (low + high) // 2
        if placed[middle].offset <= new.offset:
            low = middle + 1
        else:
            high = middle
    memmove(&placed[low + 1], &placed[low], (n - low) * sizeof(Placed))
    placed[low] = new[0]


cdef Placed as_placed(const Buffer* buffer, int64_t offset) noexcept nogil:
    cdef Placed placed
    placed.offset, placed.end = offset, offset + buffer.nbytes
    placed.birth, placed.death = buffer.birth, buffer.death
    return placed


cdef Placed as_wall(int64_t address) noexcept nogil:
    """Return a wall as a placed buffer of no bytes that is there at all steps."""
    cdef Placed wall
    wall.offset = wall.end = address
    wall.birth, wall.death = -1, INT32_MAX
    return wall


cdef int compare(const void* a, const void* b) noexcept nogil:
    cdef const Placed* x = <const Placed*> a
    cdef const Placed* y = <const Placed*> b
    if x.offset != y.offset:
        return -1 if x.offset < y.offset else 1
    # At one offset the wall, which has no bytes, comes before what starts there.
    return (x.end > y.end) - (x.end < y.end)


cdef Py_ssize_t gather(Packing* self, int64_t index, const int64_t* offsets) noexcept nogil:
    """Fill placed, behind the wall, with the conflicts of a buffer, sorted; return how many."""
    cdef Py_ssize_t n = 1
    cdef int64_t k
    cdef int32_t other
    self.placed[0] = self.wall
    for k in range(self.conflicts_from[index], self.conflicts_from[index + 1]):
        other = self.conflicts[k]
        if self.is_placed[other]:
            self.placed[n] = as_placed(&self.lives.buffers[other], offsets[other])
            n += 1
    qsort(self.placed, n, sizeof(Placed), compare)
    return n


cdef int64_t place_in_order(Packing* self, const int64_t* order, Py_ssize_t n, int64_t wall,
                            bint lowest, int64_t enough, int64_t* offsets) noexcept nogil:
    """Place n buffers in this order; return the extent, or `enough` when it gets that high.

    Nothing lies across the address `wall`; across 0 nothing can.
    """
    cdef bint lists = self.conflicts != NULL
    cdef int64_t extent = self.lives.least
    cdef Placed new
    cdef const Buffer* buffer
    cdef Py_ssize_t k, nplaced = 1
    self.placed[0] = self.wall = as_wall(wall)
    if lists:
        memset(self.is_placed, 0, self.lives.n * sizeof(bint))
    for k in range(n):
        buffer = &self.lives.buffers[order[k]]
        if lists:
            nplaced = gather(self, order[k], offsets)
        new = as_placed(buffer, find_gap(self.placed, nplaced, buffer, extent, lowest))
        extent = max(extent, new.end + buffer.above)
        if extent >= enough:
            return enough
        offsets[order[k]] = new.offset
        if lists:
            self.is_placed[order[k]] = True
        else:
            insert(self.placed, nplaced, &new)
            nplaced += 1
    return extent


cdef int64_t count_conflicts(const Lifetimes* lives) noexcept nogil:
    """Return how many pairs of buffers share a step."""
    cdef const Buffer* buffers = lives.buffers
    cdef int64_t pairs = 0
    cdef Py_ssize_t k, dead = 0
    for k in range(lives.n):
        while buffers[lives.by_death[dead]].death <= buffers[lives.by_birth[k]].birth:
            dead += 1
        pairs += k - dead
    return pairs


cdef void list_conflicts(Packing* self, int32_t* alive, int32_t* place) noexcept nogil:
    """Fill the lists of conflicts: the pairs of each birth with what is alive then.

    alive and place (of a buffer in alive) are room to work in. The first round counts, the second
    fills each list from its end.
    """
    cdef const Lifetimes* lives = self.lives
    cdef const Buffer* buffers = lives.buffers
    cdef int64_t* start = self.conflicts_from
    cdef Py_ssize_t k, j, born, gone, nalive, dead
    cdef int filling
    memset(start, 0, (lives.n + 1) * sizeof(int64_t))
    for filling in range(2):
        nalive = dead = 0
        for k in range(lives.n):
            born = lives.by_birth[k]
            while buffers[lives.by_death[dead]].death <= buffers[born].birth:
                gone = lives.by_death[dead]
                nalive -= 1
                alive[place[gone]] = alive[nalive]
                place[alive[nalive]] = place[gone]
                dead += 1
            for j in range(nalive):
                if filling:
                    start[born] -= 1
                    self.conflicts[start[born]] = alive[j]
                    start[alive[j]] -= 1
                    self.conflicts[start[alive[j]]] = <int32_t> born
                else:
                    start[born] += 1
                    start[alive[j]] += 1
            place[born] = <int32_t> nalive
            alive[nalive] = <int32_t> born
            nalive += 1
        if not filling:
            for k in range(1, lives.n + 1):
                start[k] += start[k - 1]


cdef bint packing_new(Packing* self, const Lifetimes* lives, bint lists) noexcept nogil:
    """Make room for the runs of place_in_order; False if there is none. Free it in either case."""
    cdef int32_t* work
    memset(self, 0, sizeof(Packing))
    self.lives = lives
    self.placed = <Placed*> malloc((lives.n + 1) * sizeof(Placed))
    if self.placed == NULL or not lists:
        return self.placed != NULL
    self.conflicts_from = <int64_t*> malloc((lives.n + 1) * sizeof(int64_t))
    self.conflicts = <int32_t*> malloc((2 * count_conflicts(lives) + 1) * sizeof(int32_t))
    self.is_placed = <bint*> malloc(lives.n * sizeof(bint))
    work = <int32_t*> malloc(2 * lives.n * sizeof(int32_t))
    if (self.conflicts_from == NULL or self.conflicts == NULL or self.is_placed == NULL
            or work == NULL):
        free(work)
        return False
    list_conflicts(self, work, work + lives.n)
    free(work)
    return True


cdef void packing_free(Packing* self) noexcept nogil:
    free(self.placed)
    free(self.conflicts_from)
    free(self.conflicts)
    free(self.is_placed)
