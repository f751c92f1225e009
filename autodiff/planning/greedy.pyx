"""The first plan within a budget: walk a known sequence, evict what is cheap, large and far away.

A value is evicted where bytes are short, least cost / (bytes · distance to its next use) first
(Kirisame et al. 2021, "Dynamic tensor rematerialization", with the sequence known in advance). When
it is needed again it is recomputed, with those of its inputs that are not held, and so on.
"""

from libc.math cimport INFINITY, pow
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint8_t

import numpy as np

from autodiff.planning.network cimport Net, Network

cdef enum:
    CLOSURE = 200       # nodes looked at to price a recomputation
    PLACED = 0
    STUCK = 1           # too little room, whatever is evicted
    TOO_LONG = 2        # more computes than allowed

cdef struct Walk:
    Net net
    int64_t budget
    double distance_power
    const int64_t* place    # per node: where it stands in the sequence
    int64_t* pointer        # per node: its first consumer not yet placed, in consumers by place
    const int64_t* uses     # consumers of each node, ascending by place; rows as net.out_start
    int64_t* again          # per node: where an evicted value that is made of it is needed next
    uint8_t* held
    uint8_t* done           # per node: computed at least once
    int64_t* lock           # per node: computations under way that read it
    int64_t* seen           # per node: the last closure it was met in
    int64_t closure         # the number of the closure being priced
    int32_t* residents      # nodes held
    int64_t* slot           # per node: where it stands among them
    int64_t count
    int32_t* stack          # nodes being computed, the innermost last
    int64_t live            # bytes held
    int64_t now             # place in the sequence
    int32_t* order          # the result
    int64_t size
    int64_t most


cdef int64_t next_use(Walk* w, int64_t u) noexcept nogil:
    """Find the place where u is needed next, as far as is known; INT64_MAX for nowhere."""
    cdef int64_t next = INT64_MAX
    cdef int64_t end = w.net.out_start[u + 1]
    while w.pointer[u] < end and w.place[w.uses[w.pointer[u]]] < w.now:
        w.pointer[u] += 1
    if w.pointer[u] < end:
        next = w.place[w.uses[w.pointer[u]]]
    if w.now <= w.again[u] < next:
        next = w.again[u]
    return next


cdef double price(Walk* w, int64_t u, double most) noexcept nogil:
    """Add up what recomputing u costs, with its inputs that are not held.

    INFINITY if it cannot be, or where the sum exceeds `most` or takes too many nodes.
    """
    cdef int32_t[CLOSURE] queue
    cdef int64_t top = 1, met = 1, i, v, x
    cdef double total = 0
    w.closure += 1
    queue[0] = <int32_t>u
    w.seen[u] = w.closure
    while top:
        top -= 1
        v = queue[top]
        if w.net.fixed[v]:
            return INFINITY
        total += w.net.cost[v]
        if total >= most:
            return INFINITY
        for i in range(w.net.in_start[v], w.net.in_start[v + 1]):
            x = w.net.in_index[i]
            if not w.held[x] and w.seen[x] != w.closure:
                if met == CLOSURE:
                    return INFINITY
                w.seen[x] = w.closure
                queue[top] = <int32_t>x
                top += 1
                met += 1
    return total


cdef void wanted_again(Walk* w, int64_t u, int64_t at) noexcept nogil:
    """Note that what u is made of is needed at `at`, when u is recomputed."""
    cdef int32_t[CLOSURE] queue
    cdef int64_t top = 1, met = 1, i, v, x
    queue[0] = <int32_t>u
    while top:
        top -= 1
        v = queue[top]
        for i in range(w.net.in_start[v], w.net.in_start[v + 1]):
            x = w.net.in_index[i]
            if w.now <= w.again[x] <= at:
                continue
            w.again[x] = at
            if not w.held[x] and met < CLOSURE:
                queue[top] = <int32_t>x
                top += 1
                met += 1


cdef void drop(Walk* w, int64_t u) noexcept nogil:
    """Let go of u."""
    cdef int64_t next = next_use(w, u)
    w.count -= 1
    w.residents[w.slot[u]] = w.residents[w.count]
    w.slot[w.residents[w.count]] = w.slot[u]
    w.held[u] = 0
    w.live -= w.net.nbytes[u]
    if next < INT64_MAX:
        wanted_again(w, u, next)


cdef int64_t choose(Walk* w, bint locked) noexcept nogil:
    """Find the value to evict, or -1; with `locked`, also among inputs of computations waiting."""
    cdef int64_t i, u, next, best = -1
    cdef double score, weight, least = INFINITY
    for i in range(w.count):
        u = w.residents[i]
        if w.net.nbytes[u] == 0 or w.net.pinned[u] or (w.lock[u] and not locked):
            continue
        if w.seen[u] == -1:
            continue
        next = next_use(w, u)
        if next == INT64_MAX and not w.lock[u]:
            return u
        if next == INT64_MAX:
            next = w.now
        weight = <double>w.net.nbytes[u] * pow(<double>(next - w.now) + 1, w.distance_power)
        score = (price(w, u, least * weight) + 1e-12) / weight
        if score < least:
            least = score
            best = u
    return best


cdef int64_t overwritten(Walk* w, int64_t v, bint needed_later) noexcept nogil:
    """Find an input whose bytes v takes over: one that is not needed later, or is, at a price."""
    cdef int64_t i, u
    for i in range(w.net.over_start[v], w.net.over_start[v + 1]):
        u = w.net.over_index[i]
        if w.lock[u] > 1 or not w.held[u]:
            continue
        if needed_later:
            if not w.net.fixed[u]:
                return u
        elif next_after(w, u, v) == INT64_MAX:
            return u
    return -1


cdef int64_t next_after(Walk* w, int64_t u, int64_t v) noexcept nogil:
    """Find where u is needed next when v, which reads it, has been computed."""
    cdef int64_t i
    if w.place[v] != w.now:
        return next_use(w, u)
    i = w.pointer[u]
    while i < w.net.out_start[u + 1] and w.place[w.uses[i]] <= w.now:
        i += 1
    if i < w.net.out_start[u + 1]:
        return w.place[w.uses[i]]
    return w.again[u] if w.now < w.again[u] < INT64_MAX else INT64_MAX


cdef int compute(Walk* w, int64_t v) noexcept nogil:
    """Compute v, whose inputs are held, evicting until it fits."""
    cdef int64_t taken = overwritten(w, v, False), victim, i
    cdef int64_t room = w.net.workspace[v] + (0 if taken >= 0 else w.net.nbytes[v])
    cdef bint locked = False
    while w.live + room > w.budget:
        # What v reads stays: seen is -1 for no node otherwise.
        for i in range(w.net.in_start[v], w.net.in_start[v + 1]):
            w.seen[w.net.in_index[i]] = -1
        victim = choose(w, locked)
        for i in range(w.net.in_start[v], w.net.in_start[v + 1]):
            w.seen[w.net.in_index[i]] = 0
        if victim >= 0:
            drop(w, victim)
        elif taken < 0 and overwritten(w, v, True) >= 0:
            taken = overwritten(w, v, True)
            room = w.net.workspace[v]
        elif not locked:
            locked = True
        else:
            return STUCK
    if w.size == w.most:
        return TOO_LONG
    w.order[w.size] = <int32_t>v
    w.size += 1
    w.done[v] = 1
    if taken >= 0:
        drop(w, taken)
    w.held[v] = 1
    w.slot[v] = w.count
    w.residents[w.count] = <int32_t>v
    w.count += 1
    w.live += w.net.nbytes[v]
    return PLACED


cdef int ensure(Walk* w, int64_t goal) noexcept nogil:
    """Compute `goal` and first what it needs that is not held, innermost first."""
    cdef int64_t top = 1, v, i, u, missing
    cdef int status = PLACED
    w.stack[0] = <int32_t>goal
    for i in range(w.net.in_start[goal], w.net.in_start[goal + 1]):
        w.lock[w.net.in_index[i]] += 1
    while top:
        v = w.stack[top - 1]
        missing = -1
        for i in range(w.net.in_start[v], w.net.in_start[v + 1]):
            u = w.net.in_index[i]
            if not w.held[u]:
                missing = u
                break
        if missing < 0:
            status = compute(w, v)
        elif w.done[missing] and w.net.fixed[missing]:
            status = STUCK
        else:
            w.stack[top] = <int32_t>missing
            top += 1
            for i in range(w.net.in_start[missing], w.net.in_start[missing + 1]):
                w.lock[w.net.in_index[i]] += 1
            continue
        if status != PLACED:
            return status
        for i in range(w.net.in_start[v], w.net.in_start[v + 1]):
            w.lock[w.net.in_index[i]] -= 1
        top -= 1
    return PLACED


cdef int walk(Walk* w, const int64_t* sequence) noexcept nogil:
    """Walk the sequence; the status. `now` is where it ended."""
    cdef int status
    cdef int64_t i
    for i in range(w.net.n):
        w.now = i
        # A value recomputed early is there already.
        if w.held[sequence[i]]:
            continue
        status = ensure(w, sequence[i])
        if status != PLACED:
            return status
    return PLACED


def evict(Network network, const int64_t[::1] sequence, int64_t budget, double distance_power=1.0,
          int64_t most=0):
    """Turn a sequence of all nodes, each once, into an order of computes within a budget.

    Parameters
    ----------
    network : Network
    sequence : int64 array (n,), a topological order of all nodes
    budget : int, bytes
    distance_power : float
        How much the distance to the next use counts.
    most : int
        The most computes; 0 for 20 per node and some.

    Returns
    -------
    order : int32 array, or None when it got stuck
    node : int
        The node of the sequence it got stuck at, -1 otherwise.
    """
    cdef int64_t n = network.n
    cdef Walk w
    cdef int status
    if n == 0:
        return np.empty(0, np.int32), -1
    place_array = np.empty(n, np.int64)
    place_array[np.asarray(sequence)] = np.arange(n)
    start = network.arrays["out_start"]
    consumer = network.arrays["out_index"]
    row = np.repeat(np.arange(n), np.diff(start))
    uses_array = np.append(consumer[np.lexsort((place_array[consumer], row))], 0)
    cdef const int64_t[::1] place = place_array, uses = uses_array
    cdef int64_t[::1] pointer = np.array(start[:n]), again = np.full(n, -1), lock = np.zeros(n, int)
    cdef int64_t[::1] seen = np.zeros(n, int), slot = np.zeros(n, int)
    cdef uint8_t[::1] held = np.zeros(n, np.uint8), done = np.zeros(n, np.uint8)
    w.most = most if most > 0 else 20 * n + 1000
    cdef int32_t[::1] residents = np.empty(n, np.int32), stack = np.empty(n + 1, np.int32)
    cdef int32_t[::1] order = np.empty(w.most, np.int32)
    w.net, w.budget, w.distance_power = network.net, budget, distance_power
    w.place, w.uses, w.pointer, w.again = &place[0], &uses[0], &pointer[0], &again[0]
    w.held, w.done, w.lock, w.seen = &held[0], &done[0], &lock[0], &seen[0]
    w.residents, w.slot, w.stack, w.order = &residents[0], &slot[0], &stack[0], &order[0]
    w.closure = w.count = w.live = w.now = w.size = 0
    with nogil:
        status = walk(&w, &sequence[0])
    if status != PLACED:
        return None, int(sequence[w.now])
    return np.array(order[: w.size]), -1
