"""The order of computes when the values below the last sweep are recomputed in passes.

The sweep's nodes are computed once, in their order. Before a node that reads lower values which
are not held, one pass computes them together with the ancestors they need: up the numbers, each
node once, however many ways lead to it (never an expression tree). A pass stops at values that are
held: *sticky* ones, which stay once they are computed, and, with groups, those a former pass made
for the sweep. Without groups, a pass makes what the next node reads, and that is dropped again;
with groups, it makes all that the sweep reads of the groups touched.
"""

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

import numpy as np

from autodiff.errors import PlanError

# Part of the plan a node belongs to, as `split` finds it.
IDLE, LOWER, ALIAS, SWEEP = range(4)

cdef extern from *:
    """
    #if defined(_MSC_VER)
    #include <intrin.h>
    static int ctz(unsigned __int64 bits) {
        unsigned long i;
        _BitScanForward64(&i, bits);
        return (int)i;
    }
    #else
    #define ctz(bits) __builtin_ctzll(bits)
    #endif
    """
    int ctz(uint64_t bits) noexcept nogil

cdef enum:
    IDLE_ = 0       # no target needs it
    LOWER_ = 1      # below the last sweep
    ALIAS_ = 2      # made by the last sweep, but a mere view of a lower value: goes with its owner
    SWEEP_ = 3      # the last sweep, and whatever depends on it

cdef enum:
    MOST_COMPUTES = 100_000_000     # 1.6 GB of order and steps
    POLL = 1_000_000                # computes between two looks at interrupts


def split(
    const int64_t[::1] level,
    const uint8_t[::1] needed,
    const uint8_t[::1] special,
    const int64_t[::1] input_start,
    const int64_t[::1] input_index,
    const int64_t[::1] after_start,
    const int64_t[::1] after_index,
    const int64_t[::1] root,
):
    """Tell the last sweep from what lies below it (uint8: IDLE, LOWER, ALIAS or SWEEP).

    `special` nodes (targets, keep, once) are never aliases: they have a life of their own.
    """
    cdef int64_t n = level.shape[0], v, i, top = 0
    cdef bint reaches, sweeps
    part = np.zeros(n, np.uint8)
    cdef uint8_t[::1] parts = part
    with nogil:
        for v in range(n):
            if needed[v] and level[v] > top:
                top = level[v]
        for v in range(n):
            if not needed[v]:
                continue
            reaches = level[v] == top
            sweeps = root[v] < 0 or special[v] or parts[root[v]] == SWEEP_
            reaches = reaches or (root[v] >= 0 and parts[root[v]] != LOWER_)
            for i in range(input_start[v], input_start[v + 1]):
                reaches = reaches or parts[input_index[i]] != LOWER_
                sweeps = sweeps or parts[input_index[i]] == SWEEP_
            for i in range(after_start[v], after_start[v + 1]):
                reaches = reaches or parts[after_index[i]] != LOWER_
                sweeps = sweeps or parts[after_index[i]] == SWEEP_
            parts[v] = LOWER_ if not reaches else SWEEP_ if sweeps else ALIAS_
    return part


cdef struct Walk:
    const int64_t* input_start
    const int64_t* input_index
    const int64_t* after_start
    const int64_t* after_index
    const int64_t* root
    const uint8_t* part
    const uint8_t* sticky       # per node: held from its first computation until its last use
    const int64_t* group        # per node; NULL without groups
    const int64_t* group_start  # the nodes of each group, as compressed rows
    const int64_t* group_index
    uint8_t* made               # per group: its pass has been
    uint8_t* is_read            # per node: the sweep reads it, or makes a view of it
    uint8_t* done               # per node: computed at least once
    uint64_t* marked            # bit set: the nodes of the pass being collected
    int64_t low                 # the least and the greatest of them
    int64_t high
    int32_t* stack              # those whose own needs are not marked yet
    int64_t top
    int32_t* touched            # the groups of the pass being collected
    int64_t groups
    int32_t* order              # the result
    int64_t size
    int64_t capacity


cdef inline bint is_held(const Walk* w, int64_t u) noexcept nogil:
    if w.part[u] == SWEEP_:
        return True
    if w.sticky[u]:
        return w.done[u]
    return w.group != NULL and w.made[w.group[u]] and w.is_read[u]


cdef inline void mark(Walk* w, int64_t u) noexcept nogil:
    """Take u into the pass unless it is held or already in."""
    cdef uint64_t bit = (<uint64_t>1) << (u & 63)
    if is_held(w, u) or w.marked[u >> 6] & bit:
        return
    w.marked[u >> 6] |= bit
    w.stack[w.top] = <int32_t>u
    w.top += 1
    if u < w.low:
        w.low = u
    if u > w.high:
        w.high = u


cdef void want(Walk* w, int64_t u) noexcept nogil:
    """Ask for a value the sweep reads: it alone, or all the sweep reads of its group."""
    cdef int64_t g, i
    if is_held(w, u):
        return
    mark(w, u)
    if w.group == NULL:
        return
    g = w.group[u]
    for i in range(w.groups):
        if w.touched[i] == g:
            return
    w.touched[w.groups] = <int32_t>g
    w.groups += 1
    for i in range(w.group_start[g], w.group_start[g + 1]):
        if w.is_read[w.group_index[i]]:
            mark(w, w.group_index[i])


cdef void mark_needs(Walk* w, int64_t v) noexcept nogil:
    cdef int64_t i
    for i in range(w.input_start[v], w.input_start[v + 1]):
        mark(w, w.input_index[i])
    if w.root[v] >= 0:
        mark(w, w.root[v])
    for i in range(w.after_start[v], w.after_start[v + 1]):
        if not w.done[w.after_index[i]]:
            mark(w, w.after_index[i])


cdef inline int emit(Walk* w, int64_t v) noexcept nogil:
    """Append one compute to the order; 0, or -1 without memory."""
    cdef void* block
    if w.size == w.capacity:
        block = realloc(w.order, (2 * w.capacity + 64) * sizeof(int32_t))
        if block == NULL:
            return -1
        w.order = <int32_t*>block
        w.capacity = 2 * w.capacity + 64
    w.order[w.size] = <int32_t>v
    w.size += 1
    w.done[v] = 1
    return 0


cdef int make(Walk* w) noexcept nogil:
    """Complete the pass by what it needs and append it, up the numbers; 0, or -1 without memory."""
    cdef int64_t word, i
    cdef uint64_t bits
    while w.top:
        w.top -= 1
        mark_needs(w, w.stack[w.top])
    for word in range(w.low >> 6, (w.high >> 6) + 1):
        bits = w.marked[word]
        w.marked[word] = 0
        while bits:
            i = ctz(bits)
            bits &= bits - 1
            if emit(w, (word << 6) + i) < 0:
                return -1
    for i in range(w.groups):
        w.made[w.touched[i]] = 1
    w.groups = 0
    w.low = INT64_MAX - 64
    w.high = -1
    return 0


cdef int compute(Walk* w, int64_t v) noexcept nogil:
    """Compute one node of the sweep, after a pass for the lower values it reads."""
    cdef int64_t i
    for i in range(w.input_start[v], w.input_start[v + 1]):
        want(w, w.input_index[i])
    if w.root[v] >= 0:
        want(w, w.root[v])
    mark_needs(w, v)
    if w.high >= 0 and make(w) < 0:
        return -1
    return emit(w, v)


cdef int64_t sweep(Walk* w, int64_t v, int64_t n, int64_t limit) noexcept nogil:
    """Go on from node v until the order has `limit` computes: the next node, or -1 (no memory)."""
    while v < n and w.size < limit:
        if w.part[v] == SWEEP_ and compute(w, v) < 0:
            return -1
        v += 1
    return v


cdef const int64_t* start_of(const int64_t[::1] array) noexcept nogil:
    return &array[0] if array.shape[0] else NULL


def order_in_passes(
    const int64_t[::1] input_start,
    const int64_t[::1] input_index,
    const int64_t[::1] after_start,
    const int64_t[::1] after_index,
    const int64_t[::1] root,
    const uint8_t[::1] part,
    const uint8_t[::1] sticky,
    const int64_t[::1] first,
    const int64_t[::1] group=None,
):
    """Order the computes of a plan that recomputes lower values in passes.

    Parameters
    ----------
    input_start, input_index, after_start, after_index : int64 arrays
        What each node reads and what must come before it, as compressed rows.
    root : int64 array (n,)
        The node that owns v's bytes, -1 where it is v itself.
    part : uint8 array (n,)
        Of `split`.
    sticky : uint8 array (n,)
        Lower nodes that stay from their first computation to their last use; with every sticky
        view, and every view of the sweep, its owner.
    first : int64 array
        Lower values computed in one pass before the sweep begins: sticky ones alone; with groups,
        any other stands for all that the sweep reads of its group.
    group : int64 array (n,), optional
        The group of each lower node. What another group reads must be sticky.

    Returns
    -------
    int32 array
        The nodes in the order they are computed.

    Raises
    ------
    PlanError
        When there are more than 10^8 computes.
    """
    cdef int64_t n = root.shape[0], v = 0, i
    cdef int64_t[::1] members = None, starts = None
    cdef int64_t groups = 0
    cdef Walk w
    cdef int32_t[::1] order
    if n == 0:
        return np.empty(0, np.int32)
    if group is not None:
        members = np.argsort(group, kind="stable")
        groups = group[members[n - 1]] + 1
        starts = np.searchsorted(np.asarray(group)[members], np.arange(groups + 1))
    cdef uint8_t[::1] done = np.zeros(n, np.uint8), is_read = np.zeros(n, np.uint8)
    cdef uint8_t[::1] made = np.zeros(groups + 1, np.uint8)
    cdef uint64_t[::1] marked = np.zeros((n >> 6) + 1, np.uint64)
    cdef int32_t[::1] stack = np.empty(n, np.int32), touched = np.empty(groups + 1, np.int32)
    w.input_start, w.input_index = &input_start[0], start_of(input_index)
    w.after_start, w.after_index = &after_start[0], start_of(after_index)
    w.root, w.part, w.sticky = &root[0], &part[0], &sticky[0]
    w.group = w.group_start = w.group_index = NULL
    if group is not None:
        w.group, w.group_start, w.group_index = &group[0], &starts[0], &members[0]
    w.made, w.is_read, w.done, w.marked = &made[0], &is_read[0], &done[0], &marked[0]
    w.stack, w.top, w.touched, w.groups = &stack[0], 0, &touched[0], 0
    w.low, w.high = INT64_MAX - 64, -1
    w.order, w.size, w.capacity = NULL, 0, 0
    try:
        with nogil:
            for v in range(n):
                if part[v] == SWEEP_:
                    if root[v] >= 0:
                        is_read[root[v]] = 1
                    for i in range(input_start[v], input_start[v + 1]):
                        is_read[input_index[i]] = 1
            for i in range(first.shape[0]):
                if sticky[first[i]]:
                    mark(&w, first[i])
                else:
                    want(&w, first[i])
            v = 0 if w.high < 0 else make(&w)
        while 0 <= v < n:
            PyErr_CheckSignals()
            if w.size > MOST_COMPUTES:
                raise PlanError(
                    f"recomputing takes more than {MOST_COMPUTES:,} computes for {n:,} nodes "
                    f"({v:,} of them done so far); use a checkpoint policy"
                )
            with nogil:
                v = sweep(&w, v, n, w.size + POLL)
        if v < 0:
            raise MemoryError(f"no memory for an order of {w.size:,} computes")
        result = np.empty(w.size, np.int32)
        if w.size:
            order = result
            memcpy(&order[0], w.order, w.size * sizeof(int32_t))
    finally:
        free(w.order)
    return result
