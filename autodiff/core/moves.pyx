"""Placement of buffers in time order, where those that stand in the way are moved.

What is live may fit and yet leave no gap for the next buffer, whatever the order in which offsets
are chosen beforehand: with few bytes to spare at many steps, some buffers must change their places
while they live. As long as all that is live fits, this never fails: free bytes are brought
together by sliding what lies between them. How a buffer chooses its place is its way; fewest.pyx
looks for the ways that move the fewest bytes.

Results hang from the top of the addresses, as in allocate.pyx, and stay where they are. Before
one is born, what lies in its place leaves, into gaps or downwards. The wall between arena and
block, where one is wanted, is one more held buffer, of no bytes, that nothing passes: then it may
fail.

Moves are carried out one after the other, so that each goes where nothing is at that moment: those
of a window that slides downwards in ascending order of their offsets, upwards in descending order.
"""

from libc.stdint cimport INT64_MAX, int8_t, int32_t, int64_t, uint8_t
from libc.stdlib cimport free, malloc
from libc.string cimport memmove, memset

from autodiff.core.allocate cimport Buffer, Lifetimes

cdef enum:
    TIGHT = 0           # the smallest gap, at its lower end
    LOW = 1             # the lowest gap
    TIGHT_HIGH = 2      # the smallest gap, at its upper end
    NEIGHBOUR = 3       # beside the buffer whose death is nearest
    HIGH = 4            # the highest place


cdef bint moving_new(Moving* self, const Lifetimes* lives, const int64_t* nbytes,
                     const int8_t* is_result, int64_t extent, int64_t wall,
                     int64_t* first) noexcept nogil:
    """Make room to work in; False if there is none. Free it in either case."""
    cdef Py_ssize_t n = lives.n + 1, k
    memset(self, 0, sizeof(Moving))
    self.lives, self.nbytes, self.is_result = lives, nbytes, is_result
    self.extent, self.wall, self.first = extent, wall, first
    self.rank = <int32_t*> malloc(n * sizeof(int32_t))
    self.ways = <uint8_t*> malloc(n)
    self.held = <int32_t*> malloc(n * sizeof(int32_t))
    self.now = <int64_t*> malloc(n * sizeof(int64_t))
    self.concerned = <int32_t*> malloc(n * sizeof(int32_t))
    if (self.rank == NULL or self.ways == NULL or self.held == NULL or self.now == NULL
            or self.concerned == NULL):
        return False
    for k in range(lives.n):
        self.rank[lives.by_birth[k]] = <int32_t> k
    return True


cdef void moving_free(Moving* self) noexcept nogil:
    free(self.rank)
    free(self.ways)
    free(self.held)
    free(self.now)
    free(self.concerned)


cdef inline int64_t end_of(const Moving* self, Py_ssize_t k) noexcept nogil:
    """Return the end of the k-th held buffer, 0 below the first."""
    return self.now[self.held[k]] + self.nbytes[self.held[k]] if k >= 0 else 0


cdef inline int64_t start_of(const Moving* self, Py_ssize_t k) noexcept nogil:
    """Return the offset of the k-th held buffer, the top above the last."""
    return self.now[self.held[k]] if k < self.n_held else self.top


cdef inline bint is_new(const Moving* self, int64_t buffer, int64_t step) noexcept nogil:
    """Whether a buffer is born at this step: it holds nothing yet, so that moving it is free."""
    return self.lives.buffers[buffer].birth == step


cdef void put(Moving* self, int64_t buffer, int64_t offset, Py_ssize_t k) noexcept nogil:
    """Let a buffer be the k-th held one."""
    memmove(&self.held[k + 1], &self.held[k], (self.n_held - k) * sizeof(int32_t))
    self.held[k] = <int32_t> buffer
    self.n_held += 1
    self.now[buffer] = offset


cdef void take(Moving* self, Py_ssize_t k) noexcept nogil:
    self.n_held -= 1
    memmove(&self.held[k], &self.held[k + 1], (self.n_held - k) * sizeof(int32_t))


cdef void concern(Moving* self, int64_t buffer) noexcept nogil:
    if self.n_concerned < self.lives.n:
        self.concerned[self.n_concerned] = self.rank[buffer]
        self.n_concerned += 1


cdef void shift(Moving* self, int64_t buffer, int64_t offset, int64_t step) noexcept nogil:
    """Change the offset of a held buffer before a step."""
    if self.now[buffer] == offset:
        return
    self.now[buffer] = offset
    if is_new(self, buffer, step):
        self.first[buffer] = offset
        return
    if self.moves != NULL:
        self.moves[self.n_moves].step = step
        self.moves[self.n_moves].buffer = buffer
        self.moves[self.n_moves].offset = offset
    self.n_moves += 1
    self.moved_bytes += self.nbytes[buffer]
    concern(self, buffer)


cdef bint take_gap(Moving* self, int64_t buffer, int way) noexcept nogil:
    """Put a new buffer into the gap that its way prefers; False where none is large enough.

    Where it would not be in the way of results before it dies is better than where it would.
    """
    cdef const Buffer* lives = self.lives.buffers
    cdef int64_t nbytes = self.nbytes[buffer], least = INT64_MAX, low, gap, offset, key, at = 0
    cdef Py_ssize_t k, chosen = -1, neighbour
    cdef int upper
    for k in range(self.n_held + 1):
        low = end_of(self, k - 1)
        gap = start_of(self, k) - low
        if gap < nbytes:
            continue
        for upper in range(2):
            offset = low + gap - nbytes if upper else low
            if way == LOW:
                key = offset
            elif way == HIGH:
                key = self.extent - offset
            elif way == NEIGHBOUR:
                neighbour = k - 1 + upper
                key = lives[buffer].death
                if 0 <= neighbour < self.n_held:
                    key -= lives[self.held[neighbour]].death
                    key = max(key, -key)
            else:
                key = gap
                if upper != (way == TIGHT_HIGH):
                    continue
            if offset + nbytes + lives[buffer].above > self.extent:
                key += self.extent + lives[buffer].death
            if key < least:
                least, at, chosen = key, offset, k
    if chosen < 0:
        return False
    put(self, buffer, at, chosen)
    return True


cdef bint open_gap(Moving* self, int64_t buffer, int64_t step, int split) noexcept nogil:
    """Slide the fewest bytes that make a gap for a new buffer, and put it there.

    A window of held buffers has the gaps between and beside them. False where all gaps on one side
    of the wall are too small.
    """
    cdef int64_t room = 0, weight = 0, least = INT64_MAX, low, high
    cdef Py_ssize_t i = 0, j, k, first = -1, last = 0, middle
    cdef int32_t other
    for j in range(self.n_held + 1):
        if j > 0 and self.held[j - 1] == self.lives.n:
            room = weight = 0
            i = j
        room += start_of(self, j) - end_of(self, j - 1)
        if j > i and not is_new(self, self.held[j - 1], step):
            weight += self.nbytes[self.held[j - 1]]
        while i < j and room - (start_of(self, i) - end_of(self, i - 1)) >= self.nbytes[buffer]:
            room -= start_of(self, i) - end_of(self, i - 1)
            if not is_new(self, self.held[i], step):
                weight -= self.nbytes[self.held[i]]
            i += 1
        if room >= self.nbytes[buffer] and weight < least:
            least, first, last = weight, i, j
    if first < 0:
        return False
    middle = last if split == 0 else first if split == 1 else (first + last) // 2
    low = end_of(self, first - 1)
    high = start_of(self, last)
    for k in range(first, middle):
        other = self.held[k]
        shift(self, other, low, step)
        low += self.nbytes[other]
    for k in range(last - 1, middle - 1, -1):
        other = self.held[k]
        high -= self.nbytes[other]
        shift(self, other, high, step)
    put(self, buffer, low, middle)
    concern(self, buffer)
    return True


cdef bint jump(Moving* self, Py_ssize_t k, int64_t limit, int64_t step) noexcept nogil:
    """Move the k-th held buffer into the smallest gap below a limit; False if none holds it."""
    cdef int32_t buffer = self.held[k]
    cdef int64_t gap, least = INT64_MAX, at = 0
    cdef Py_ssize_t j, chosen = -1
    for j in range(k + 1):
        gap = min(limit, start_of(self, j)) - end_of(self, j - 1)
        if self.nbytes[buffer] <= gap < least:
            least, at, chosen = gap, end_of(self, j - 1), j
    if chosen < 0:
        return False
    take(self, k)
    put(self, buffer, self.now[buffer], chosen)
    shift(self, buffer, at, step)
    return True


cdef bint clear_top(Moving* self, int64_t result, int64_t step) noexcept nogil:
    """Let a result have its place below those born before; what is there leaves it."""
    cdef int64_t limit = self.top - self.nbytes[result], low
    cdef Py_ssize_t k = self.n_held - 1
    cdef int64_t sum_below
    while k >= 0 and end_of(self, k) > limit:
        k -= 1
    k += 1
    if k < self.n_held:
        concern(self, result)
    while k < self.n_held:
        jump(self, k, limit, step)
        k += 1                  # one that jumped lies below, so the next one is here
    self.top = limit
    if self.n_held > 0 and end_of(self, self.n_held - 1) > limit:
        # Slide down what is highest, as few as need to.
        k = self.n_held
        sum_below = 0
        while True:
            if k < self.n_held and end_of(self, k - 1) + sum_below <= limit:
                break
            if k == 0 or self.held[k - 1] == self.lives.n:
                return False
            k -= 1
            sum_below += self.nbytes[self.held[k]]
        low = end_of(self, k - 1)
        while k < self.n_held:
            shift(self, self.held[k], low, step)
            low = end_of(self, k)
            k += 1
    self.first[result] = self.now[result] = limit
    return True


cdef bint place_moving(Moving* self, int64_t most) noexcept nogil:
    """Place all buffers in order of birth, each in its way; False where the extent is too small.

    Ends early once more than `most` bytes have been moved; counts them, and the moves.
    """
    cdef const Lifetimes* lives = self.lives
    cdef const Buffer* buffers = lives.buffers
    cdef Py_ssize_t k, dead = 0
    cdef int64_t born, step
    cdef int32_t j, kept
    self.n_held = self.n_concerned = 0
    if self.wall > 0:
        put(self, lives.n, self.wall, 0)
    self.moved_bytes = self.n_moves = 0
    self.top = self.extent
    for k in range(lives.n):
        born = lives.by_birth[k]
        step = buffers[born].birth
        if buffers[lives.by_death[dead]].death <= step:
            while buffers[lives.by_death[dead]].death <= step:
                dead += 1
            kept = 0
            for j in range(self.n_held):
                if buffers[self.held[j]].death > step:
                    self.held[kept] = self.held[j]
                    kept += 1
            self.n_held = kept
        if self.nbytes[born] == 0:
            self.first[born] = 0
        elif self.is_result[born]:
            if not clear_top(self, born, step):
                return False
        else:
            if (not take_gap(self, born, self.ways[k] % GAPS)
                    and not open_gap(self, born, step, self.ways[k] // GAPS)):
                return False
            self.first[born] = self.now[born]
        if self.moved_bytes > most:
            return True
    return True
