"""Ways to place buffers in time order that move few bytes.

Bytes that are moved take time, a read and a write. A placement with moves takes microseconds, so
the places of some buffers are varied, one run after the other, and kept where hardly more bytes
are moved (threshold accepting; Dueck & Scheuer 1990): mostly of those that had to move, or that
others moved for, or that were born a little before them.
"""

from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from autodiff.core.allocate cimport draw
from autodiff.core.moves cimport GAPS, SPLITS, Moving, place_moving

cdef enum:
    NEAR = 20           # a place further back in the order of birth that is varied
    FACTOR = 50         # 1/50 of all bytes: by how much moves may grow at first


cdef bint fewest_moves(Moving* self, int64_t runs) noexcept nogil:
    """Find ways that move few bytes, in so many runs; False where the extent is too small."""
    cdef Py_ssize_t n = self.lives.n
    cdef uint64_t state = 0x9E3779B97F4A7C15
    cdef int64_t run, k, rank, best, current, born = 0, most
    cdef int way, chosen = 0
    cdef uint8_t* ways = <uint8_t*> malloc(2 * n + 1)
    cdef int32_t* marked = <int32_t*> malloc((n + 1) * sizeof(int32_t))
    cdef int64_t n_marked
    cdef double left
    if ways == NULL or marked == NULL:
        free(ways)
        free(marked)
        return False
    best = INT64_MAX
    for way in range(GAPS * SPLITS):
        memset(self.ways, way, n)
        if place_moving(self, best) and self.moved_bytes < best:
            best, chosen = self.moved_bytes, way
    memset(ways, chosen, 2 * n)
    if best < INT64_MAX:
        for k in range(n):
            born += self.nbytes[k]
        memset(self.ways, chosen, n)
        place_moving(self, INT64_MAX)
        memcpy(marked, self.concerned, self.n_concerned * sizeof(int32_t))
        n_marked = self.n_concerned
        current = best
        for run in range(runs):
            if best == 0 or n_marked == 0:
                break
            memcpy(self.ways, ways, n)
            for _ in range(1 + draw(&state, 3)):
                if draw(&state, 2):
                    rank = marked[draw(&state, n_marked)]
                else:
                    rank = draw(&state, n)
                if draw(&state, 2):
                    rank = max(0, rank - draw(&state, NEAR))
                self.ways[rank] = <uint8_t> draw(&state, GAPS * SPLITS)
            # What may be accepted shrinks with the square of the runs that are left.
            left = (runs - run) / <double> runs
            most = <int64_t> (born / FACTOR * left * left)
            most = current + draw(&state, most + 1) * draw(&state, 3) // 2
            if place_moving(self, most) and self.moved_bytes <= most:
                current = self.moved_bytes
                memcpy(ways, self.ways, n)
                memcpy(marked, self.concerned, self.n_concerned * sizeof(int32_t))
                n_marked = self.n_concerned
                if current < best:
                    best = current
                    memcpy(ways + n, ways, n)
        memcpy(self.ways, ways + n, n)
    free(ways)
    free(marked)
    return best < INT64_MAX
