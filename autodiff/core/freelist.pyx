"""Placement of buffers in time order: at each birth the best free segment, at each death a merge.

This is what malloc does, with the advantage of knowing sizes and deaths beforehand. Free segments
wait in bins by size (eight to an octave; Masmano et al. 2004, "TLSF"), so a step costs O(1) and
10^6 buffers a fraction of a second.

Buffers below 64 bytes lie at multiples of 8 and the others at multiples of 64. They are placed one
kind after the other, the large above the small: mixed, every scalar would cost 64 bytes.
"""

from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from autodiff.core.allocate cimport Buffer, Lifetimes, align_up

cdef extern from *:
    int __builtin_ctzll(unsigned long long) nogil
    int __builtin_clzll(unsigned long long) nogil

cdef enum:
    OCTAVE = 8              # bins for sizes from 2^k to 2^(k+1)
    BINS = 512
    WORDS = BINS // 64
    TRIES = 24              # segments looked at in one bin

cdef struct Segment:
    int64_t offset
    int64_t nbytes
    int32_t below           # neighbours by address, -1 at an end
    int32_t above
    int32_t prev            # neighbours in the bin; next also links the unused segments
    int32_t next
    bint is_free

cdef struct FreeList:
    Segment* segments
    int32_t unused
    int32_t last            # highest segment
    int64_t top             # its end
    int32_t[BINS] bins
    uint64_t[WORDS] filled


cdef inline int bin_of(int64_t nbytes) noexcept nogil:
    """Return the bin of a size: its octave and, below it, the next three bits."""
    cdef int octave = 63 - __builtin_clzll(<uint64_t> nbytes | 8)
    return octave * OCTAVE + <int> ((nbytes >> (octave - 3)) & (OCTAVE - 1))


cdef int32_t segment_new(FreeList* self, int64_t offset, int64_t nbytes) noexcept nogil:
    cdef int32_t index = self.unused
    cdef Segment* segment = &self.segments[index]
    self.unused = segment.next
    segment.offset = offset
    segment.nbytes = nbytes
    segment.below = segment.above = -1
    segment.is_free = False
    return index


cdef void bin_insert(FreeList* self, int32_t index) noexcept nogil:
    cdef Segment* segment = &self.segments[index]
    cdef int number = bin_of(segment.nbytes)
    cdef int32_t first = self.bins[number]
    segment.is_free = True
    segment.prev = -1
    segment.next = first
    if first >= 0:
        self.segments[first].prev = index
    self.bins[number] = index
    self.filled[number >> 6] |= <uint64_t> 1 << (number & 63)


cdef void bin_remove(FreeList* self, int32_t index) noexcept nogil:
    cdef Segment* segment = &self.segments[index]
    cdef int number = bin_of(segment.nbytes)
    segment.is_free = False
    if segment.next >= 0:
        self.segments[segment.next].prev = segment.prev
    if segment.prev >= 0:
        self.segments[segment.prev].next = segment.next
        return
    self.bins[number] = segment.next
    if segment.next < 0:
        self.filled[number >> 6] &= ~(<uint64_t> 1 << (number & 63))


cdef int32_t find(const FreeList* self, int64_t nbytes) noexcept nogil:
    """Return the smallest free segment found that holds nbytes, or -1."""
    cdef int number = bin_of(nbytes)
    cdef int word = number >> 6
    cdef uint64_t bits = self.filled[word] >> (number & 63) << (number & 63)
    cdef const Segment* segment
    cdef int32_t index, best
    cdef int tries
    while True:
        while bits == 0:
            word += 1
            if word == WORDS:
                return -1
            bits = self.filled[word]
        index = self.bins[word * 64 + __builtin_ctzll(bits)]
        bits &= bits - 1
        best = -1
        tries = 0
        while index >= 0 and tries < TRIES:
            segment = &self.segments[index]
            if segment.nbytes >= nbytes and (
                best < 0 or segment.nbytes < self.segments[best].nbytes
            ):
                best = index
                if segment.nbytes == nbytes:
                    break
            index = segment.next
            tries += 1
        if best >= 0:
            return best


cdef int32_t take(FreeList* self, int64_t nbytes) noexcept nogil:
    """Return a segment of exactly nbytes, marked as used: free before, split, or at the top."""
    cdef int32_t index = find(self, nbytes)
    cdef int32_t rest
    cdef Segment* segment
    if index >= 0:
        bin_remove(self, index)
    elif self.last >= 0 and self.segments[self.last].is_free:
        index = self.last
        bin_remove(self, index)
        self.segments[index].nbytes = nbytes
        self.top = self.segments[index].offset + nbytes
    else:
        index = segment_new(self, self.top, nbytes)
        self.segments[index].below = self.last
        if self.last >= 0:
            self.segments[self.last].above = index
        self.last = index
        self.top += nbytes
    segment = &self.segments[index]
    if segment.nbytes > nbytes:
        rest = segment_new(self, segment.offset + nbytes, segment.nbytes - nbytes)
        self.segments[rest].below = index
        self.segments[rest].above = segment.above
        if segment.above >= 0:
            self.segments[segment.above].below = rest
        else:
            self.last = rest
        segment.above = rest
        segment.nbytes = nbytes
        bin_insert(self, rest)
    return index


cdef void absorb(FreeList* self, int32_t index) noexcept nogil:
    """Merge the segment above `index` into it."""
    cdef Segment* segment = &self.segments[index]
    cdef int32_t gone = segment.above
    segment.nbytes += self.segments[gone].nbytes
    segment.above = self.segments[gone].above
    if segment.above >= 0:
        self.segments[segment.above].below = index
    else:
        self.last = index
    self.segments[gone].next = self.unused
    self.unused = gone


cdef void give(FreeList* self, int32_t index) noexcept nogil:
    """Free a segment and merge it with the free ones beside it."""
    cdef int32_t below = self.segments[index].below
    cdef int32_t above = self.segments[index].above
    if above >= 0 and self.segments[above].is_free:
        bin_remove(self, above)
        absorb(self, index)
    if below >= 0 and self.segments[below].is_free:
        bin_remove(self, below)
        absorb(self, below)
        index = below
    bin_insert(self, index)


cdef inline bint is_kind(const Buffer* buffer, bint small) noexcept nogil:
    return buffer.nbytes > 0 and (buffer.nbytes < 64) == small


cdef Py_ssize_t most_held(const Lifetimes* lives, bint small) noexcept nogil:
    """Return how many buffers of a kind are held at once."""
    cdef const Buffer* buffers = lives.buffers
    cdef Py_ssize_t held = 0, most = 0, dead = 0, k
    for k in range(lives.n):
        while buffers[lives.by_death[dead]].death <= buffers[lives.by_birth[k]].birth:
            held -= is_kind(&buffers[lives.by_death[dead]], small)
            dead += 1
        held += is_kind(&buffers[lives.by_birth[k]], small)
        most = max(most, held)
    return most


cdef int64_t place_kind(const Lifetimes* lives, int64_t floor, bint small,
                        int64_t* offsets) noexcept nogil:
    """Place the buffers of one kind from floor on.

    Returns the end of the highest one, the floor if there is none; -1 without memory to work in.
    """
    cdef FreeList self
    cdef const Buffer* buffers = lives.buffers
    # Beside each held segment one may be free, and one at the end.
    cdef Py_ssize_t capacity = 2 * most_held(lives, small) + 4
    cdef Py_ssize_t k, born, gone, dead = 0
    cdef int64_t extent = floor
    cdef int32_t* held = <int32_t*> malloc((lives.n + 1) * sizeof(int32_t))
    self.segments = <Segment*> malloc(capacity * sizeof(Segment))
    if held == NULL or self.segments == NULL:
        free(held)
        free(self.segments)
        return -1
    for k in range(capacity):
        self.segments[k].next = <int32_t> k + 1
    self.unused = 0
    self.last = -1
    self.top = floor
    memset(self.bins, 0xFF, sizeof(self.bins))
    memset(self.filled, 0, sizeof(self.filled))
    for k in range(lives.n):
        born = lives.by_birth[k]
        while buffers[lives.by_death[dead]].death <= buffers[born].birth:
            gone = lives.by_death[dead]
            if is_kind(&buffers[gone], small):
                give(&self, held[gone])
            dead += 1
        if is_kind(&buffers[born], small):
            held[born] = take(&self, buffers[born].nbytes)
            offsets[born] = self.segments[held[born]].offset
            extent = max(extent, offsets[born] + buffers[born].nbytes)
    free(held)
    free(self.segments)
    return extent


cdef bint place_in_time(const Lifetimes* lives, int64_t* offsets) noexcept nogil:
    """Write the offset of every buffer that has bytes; False if there is no memory to work in."""
    cdef int64_t small = place_kind(lives, 0, True, offsets)
    if small < 0:
        return False
    return place_kind(lives, align_up(small, 64), False, offsets) >= 0
