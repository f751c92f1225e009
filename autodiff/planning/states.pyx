"""The cheapest plan of a small problem: a shortest path over sets of held values (A*).

A state is the set of nodes held, and of those computed before where that matters (once, after).
Every state is one bit mask, n ≤ 25 here and 32 at most. An arc computes one node, after frees that
make room for it: frees cost nothing, and to hold more is never worse, so they are made only where
room is missing, and no more of them than needed (minimal sets). What must still be computed from a
state - the missing targets, and what they need that is not held - costs at least its sum once: a
consistent estimate, which grows only where something needed is freed.
"""

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc

import numpy as np

MOST_NODES = 25     # solved within two seconds, mostly within milliseconds

cdef enum:
    NODES = 32
    FOUND = 0
    NONE = 1            # all states were looked at
    UNFINISHED = 2      # there are more states or arcs than allowed
    NO_MEMORY = 3
    POLL = 10_000       # states between two looks at interrupts
    ARCS = 5            # tried for each state allowed: many small values are freed in many ways

cdef struct Entry:      # a state in the hash table
    uint64_t key        # held | computed before << 32; 0 with `used` 0: empty
    uint64_t parent     # key of the state before
    double cost         # of the way to it
    int8_t node         # computed last on the way to it
    uint8_t used
    uint8_t closed

cdef struct Waiting:    # a state in the heap
    double estimate     # cost of the way to it and of what must follow
    int32_t missing     # nodes that must follow: of equal estimates the nearer to the goal first
    uint64_t key

cdef struct Search:
    int n
    int64_t[NODES] nbytes
    int64_t[NODES] workspace
    double[NODES] cost
    uint32_t[NODES] reads
    uint32_t[NODES] after
    uint32_t[NODES] views       # of each owner
    uint32_t[NODES] over        # inputs whose bytes may be taken over
    int[NODES] by_size          # nodes with bytes, not pinned, largest first
    int sized
    uint32_t targets
    uint32_t once
    uint32_t remembered
    int64_t budget
    double below                # only plans cheaper than this are looked for
    bint priced                 # otherwise any plan will do, and costs are not looked at
    Entry* table
    int64_t slots               # a power of two
    int64_t used
    int64_t most
    int64_t arcs                # that may still be tried
    Waiting* heap
    int64_t waiting
    int64_t room
    uint64_t key                # the state being expanded
    double passed               # its cost
    int status


cdef extern from *:
    """
    #if defined(_MSC_VER)
    #include <intrin.h>
    static int top_bit(unsigned int bits) {
        unsigned long i;
        _BitScanReverse(&i, bits);
        return (int)i;
    }
    #else
    #define top_bit(bits) (31 - __builtin_clz(bits))
    #endif
    """
    int top_bit(uint32_t bits) noexcept nogil


cdef Entry* find(Search* s, uint64_t key) noexcept nogil:
    """Find the slot of a state, or the empty one where it belongs."""
    cdef uint64_t at = key
    at = (at ^ (at >> 29)) * <uint64_t>0xBF58476D1CE4E5B9
    at = (at ^ (at >> 32)) & <uint64_t>(s.slots - 1)
    while s.table[at].used and s.table[at].key != key:
        at = (at + 1) & <uint64_t>(s.slots - 1)
    return &s.table[at]


cdef int widen(Search* s) noexcept nogil:
    """Double the hash table."""
    cdef Entry* old = s.table
    cdef int64_t slots = s.slots, i
    s.table = <Entry*>calloc(2 * slots, sizeof(Entry))
    if s.table == NULL:
        s.table = old
        return NO_MEMORY
    s.slots = 2 * slots
    for i in range(slots):
        if old[i].used:
            find(s, old[i].key)[0] = old[i]
    free(old)
    return FOUND


cdef inline bint before(const Waiting* a, const Waiting* b) noexcept nogil:
    return a.estimate < b.estimate or (a.estimate == b.estimate and a.missing < b.missing)


cdef int push(Search* s, Waiting item) noexcept nogil:
    cdef int64_t i = s.waiting, up
    cdef void* block
    if s.waiting == s.room:
        block = realloc(s.heap, (2 * s.room + 1024) * sizeof(Waiting))
        if block == NULL:
            return NO_MEMORY
        s.heap = <Waiting*>block
        s.room = 2 * s.room + 1024
    s.waiting += 1
    while i:
        up = (i - 1) >> 1
        if not before(&item, &s.heap[up]):
            break
        s.heap[i] = s.heap[up]
        i = up
    s.heap[i] = item
    return FOUND


cdef Waiting pop(Search* s) noexcept nogil:
    cdef Waiting top = s.heap[0], item
    cdef int64_t i = 0, down
    s.waiting -= 1
    item = s.heap[s.waiting]
    while True:
        down = 2 * i + 1
        if down >= s.waiting:
            break
        if down + 1 < s.waiting and before(&s.heap[down + 1], &s.heap[down]):
            down += 1
        if not before(&s.heap[down], &item):
            break
        s.heap[i] = s.heap[down]
        i = down
    s.heap[i] = item
    return top


cdef bint estimate(Search* s, uint64_t key, double* cost, int32_t* missing) noexcept nogil:
    """Price what must follow a state; False where a node would have to be computed twice."""
    cdef uint32_t held = <uint32_t>key, ever = <uint32_t>(key >> 32)
    cdef uint32_t need = s.targets & ~held, rest = need
    cdef int v
    cost[0] = 0
    missing[0] = 0
    if need & s.once & ever:
        return False
    while rest:
        v = top_bit(rest)
        rest ^= <uint32_t>1 << v
        cost[0] += s.cost[v]
        missing[0] += 1
        rest |= (s.reads[v] & ~held) | (s.after[v] & ~ever & ~held)
        if rest & s.once & ever:
            return False
    return True


cdef void reach(Search* s, uint32_t held, int v) noexcept nogil:
    """Reach the state in which v has just been computed and `held` is held beside it."""
    cdef uint64_t key
    cdef uint32_t bit = <uint32_t>1 << v, ever = <uint32_t>(s.key >> 32) | (bit & s.remembered)
    cdef double cost = s.passed + s.cost[v], ahead
    cdef Waiting item
    cdef Entry* entry
    s.arcs -= 1
    if s.arcs < 0:
        s.status = UNFINISHED
        return
    key = <uint64_t>(held | bit) | (<uint64_t>ever << 32)
    if not estimate(s, key, &ahead, &item.missing):
        return
    if s.priced:
        item.estimate = cost + ahead
        if item.estimate >= s.below:
            return
    else:
        cost = 0
        item.estimate = item.missing
    entry = find(s, key)
    if entry.used and entry.cost <= cost:
        return
    if not entry.used:
        if s.used == s.most:
            s.status = UNFINISHED
            return
        if 2 * s.used > s.slots:
            if widen(s) != FOUND:
                s.status = NO_MEMORY
                return
            entry = find(s, key)
        s.used += 1
        entry.used = 1
    entry.key, entry.parent, entry.cost, entry.node = key, s.key, cost, <int8_t>v
    entry.closed = 0
    item.key = key
    if push(s, item) != FOUND:
        s.status = NO_MEMORY


cdef void make_room(
    Search* s, uint32_t held, uint32_t stays, int64_t lacking, int at, int v
) noexcept nogil:
    """Compute v after each minimal set of frees, of nodes from `by_size[at]` on."""
    cdef int i, u
    cdef uint32_t bit
    cdef int64_t rest = 0
    if lacking <= 0:
        reach(s, held, v)
        return
    for i in range(at, s.sized):
        u = s.by_size[i]
        bit = <uint32_t>1 << u
        if held & bit and not stays & (bit | s.views[u]):
            rest += s.nbytes[u]
    for i in range(at, s.sized):
        if rest < lacking or s.status:
            return
        u = s.by_size[i]
        bit = <uint32_t>1 << u
        if held & bit and not stays & (bit | s.views[u]):
            make_room(s, held & ~(bit | s.views[u]), stays, lacking - s.nbytes[u], i + 1, v)
            rest -= s.nbytes[u]


cdef void expand(Search* s) noexcept nogil:
    """Reach all states from s.key."""
    cdef uint32_t held = <uint32_t>s.key, ever = <uint32_t>(s.key >> 32), bit, rest, gone
    cdef int64_t live = 0, lacking
    cdef int v, u
    rest = held
    while rest:
        u = top_bit(rest)
        rest ^= <uint32_t>1 << u
        live += s.nbytes[u]
    for v in range(s.n):
        bit = <uint32_t>1 << v
        if held & bit or s.reads[v] & ~held or s.after[v] & ~ever or bit & s.once & ever:
            continue
        lacking = live + s.nbytes[v] + s.workspace[v] - s.budget
        make_room(s, held, s.reads[v], lacking, 0, v)
        rest = s.over[v] & held
        while lacking > 0 and rest:
            u = top_bit(rest)
            rest ^= <uint32_t>1 << u
            if s.views[u] & s.reads[v]:
                continue
            gone = (<uint32_t>1 << u) | s.views[u]
            make_room(s, held & ~gone, s.reads[v] & ~gone, lacking - s.nbytes[v], 0, v)


cdef uint64_t run(Search* s, int64_t expansions) noexcept nogil:
    """Expand so many states, or until s.status says the end; returns the goal's state, or 0."""
    cdef Waiting item
    cdef Entry* entry
    while expansions and s.status == FOUND:
        expansions -= 1
        if s.waiting == 0:
            s.status = NONE
            break
        item = pop(s)
        entry = find(s, item.key)
        if entry.closed:
            continue
        entry.closed = 1
        if not s.targets & ~<uint32_t>item.key:
            return item.key
        s.key, s.passed = item.key, entry.cost
        expand(s)
    return 0


cdef void begin(Search* s) noexcept nogil:
    """Begin with nothing held."""
    cdef Waiting item
    cdef Entry* entry = find(s, 0)
    item.key, item.estimate, item.missing = 0, 0, 0
    entry.used, entry.node = 1, -1
    s.used = 1
    s.status = push(s, item)


def shortest(problem, reads, over, int64_t budget, below=None, int64_t most=2_000_000):
    """Find the cheapest plan within the budget, or any plan.

    Parameters
    ----------
    problem : Problem, of at most 32 nodes, all needed
    reads, over : list of lists of int
        What each node needs held (inputs, owner); what it may take over.
    budget : int, bytes
    below : float, optional
        Look only for plans that cost less; None: look for any plan, whatever it costs.
    most : int
        The most states to visit; five times as many arcs are tried at most.

    Returns
    -------
    order : int32 array or None
    proven : bool
        Whether the order is cheapest (with `below`), or None proves that there is none.
    """
    cdef Search s
    cdef int v, u
    cdef uint64_t goal = 0
    cdef Entry* entry
    s.n = <int>len(problem)
    if s.n > NODES:
        raise ValueError(f"{s.n} nodes are more than {NODES}")
    s.targets = s.once = s.remembered = 0
    for v in range(s.n):
        s.nbytes[v], s.workspace[v] = problem.nbytes[v], problem.workspace[v]
        s.cost[v] = float(problem.cost[v])
        s.reads[v] = s.after[v] = s.over[v] = s.views[v] = 0
        for u in reads[v]:
            s.reads[v] |= <uint32_t>1 << u
        for u in over[v]:
            s.over[v] |= <uint32_t>1 << u
        for u in problem.after(v):
            s.after[v] |= <uint32_t>1 << u
            s.remembered |= <uint32_t>1 << u
        if problem.owner[v] >= 0:
            s.views[<int>problem.owner[v]] |= <uint32_t>1 << v
        if problem.target[v]:
            s.targets |= <uint32_t>1 << v
        if problem.once[v] and not problem.pinned[v]:
            s.once |= <uint32_t>1 << v
    s.remembered |= s.once
    sized = [
        v for v in np.argsort(-problem.nbytes, kind="stable").tolist()
        if problem.nbytes[v] and not problem.pinned[v]
    ]
    s.sized = <int>len(sized)
    for v in range(s.sized):
        s.by_size[v] = sized[v]
    s.budget, s.most, s.arcs = budget, most, ARCS * most
    s.priced = below is not None
    s.below = below if s.priced else 0.0
    s.slots, s.heap, s.waiting, s.room = 1 << 12, NULL, 0, 0
    s.table = <Entry*>calloc(s.slots, sizeof(Entry))
    if s.table == NULL:
        raise MemoryError("no memory for a table of states")
    try:
        begin(&s)
        while goal == 0 and s.status == FOUND:
            PyErr_CheckSignals()
            with nogil:
                goal = run(&s, POLL)
        if s.status == NO_MEMORY:
            raise MemoryError(f"no memory for {s.used:,} states")
        if s.status != FOUND:
            return None, s.status == NONE
        order = []
        while goal:
            entry = find(&s, goal)
            order.append(entry.node)
            goal = entry.parent
    finally:
        free(s.table)
        free(s.heap)
    return np.array(order[::-1], np.int32), True
