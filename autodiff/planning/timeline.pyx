"""A timeline: computes at slots, a life from each to its last use, bytes at every slot.

A life of v begins where v is computed and ends at the last read before v is computed again (never,
where v is held to the end). Adding or taking out a compute changes the life before it and those of
its inputs only, so the bytes at every slot follow by a few range additions. Slots lie wider than
computes, so that one can be put between two others.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t

import numpy as np

from autodiff.planning.network cimport Network
from autodiff.planning.peaktree cimport tree_add

cdef enum:
    SPREAD = 4      # slots for each compute, at least


cdef int64_t life_at(const Line* line, int64_t v, int64_t slot) noexcept nogil:
    """Find the life of v that a read at `slot` uses: the last to begin before it, or -1."""
    cdef const int32_t* start = line.start + v * line.most
    cdef int64_t low = 0, high = line.count[v], middle
    while low < high:
        middle = (low + high) >> 1
        if start[middle] < slot:
            low = middle + 1
        else:
            high = middle
    return low - 1


cdef bint reads(const Line* line, int64_t v, int64_t u) noexcept nogil:
    """Say whether v reads u."""
    cdef int64_t i
    for i in range(line.net.in_start[v], line.net.in_start[v + 1]):
        if line.net.in_index[i] == u:
            return True
    return False


cdef int64_t life_limit(const Line* line, int64_t v, int64_t life) noexcept nogil:
    """Find the slot where the next life begins, one past the last slot if there is none."""
    return line.start[v * line.most + life + 1] if life + 1 < line.count[v] else line.slots


cdef int64_t last_use(const Line* line, int64_t v, int64_t life) noexcept nogil:
    """Find the slot of the last read of a life; its start if there is none."""
    cdef int64_t limit = life_limit(line, v, life), last = line.start[v * line.most + life]
    cdef int64_t i, c, k, slot
    if line.net.pinned[v] and limit == line.slots:
        return line.slots - 1
    for i in range(line.net.out_start[v], line.net.out_start[v + 1]):
        c = line.net.out_index[i]
        k = life_at(line, c, limit)
        if k >= 0:
            slot = line.start[c * line.most + k]
            if slot > last:
                last = slot
    return last


cdef int64_t first_use(const Line* line, int64_t v, int64_t life, int64_t after) noexcept nogil:
    """Find the slot of the first read of a life later than `after`; `slots` if there is none."""
    cdef int64_t limit = life_limit(line, v, life), first = line.slots
    cdef int64_t i, c, k, slot
    for i in range(line.net.out_start[v], line.net.out_start[v + 1]):
        c = line.net.out_index[i]
        k = life_at(line, c, after + 1) + 1
        if k < line.count[c]:
            slot = line.start[c * line.most + k]
            if slot < limit and slot < first:
                first = slot
    return first


cdef void look_for_takeover(Line* line, int64_t slot) noexcept nogil:
    """Bring up to date whether the compute at `slot` takes over an input that dies there."""
    cdef int64_t v = line.node[slot], i, u, k
    cdef uint8_t taken = 0
    for i in range(line.net.over_start[v], line.net.over_start[v + 1]):
        u = line.net.over_index[i]
        k = life_at(line, u, slot)
        if k >= 0 and line.end[u * line.most + k] == slot:
            taken = 1
            break
    if taken != line.taken[slot]:
        line.taken[slot] = taken
        tree_add(&line.tree, slot, slot + 1, -line.net.nbytes[v] if taken else line.net.nbytes[v])


cdef void set_end(Line* line, int64_t v, int64_t life, int64_t end) noexcept nogil:
    """Let a life end at another slot."""
    cdef int32_t* place = line.end + v * line.most + life
    cdef int64_t old = place[0], nbytes = line.net.nbytes[v]
    if end == old:
        return
    place[0] = <int32_t>end
    if end > old:
        tree_add(&line.tree, old + 1, end + 1, nbytes)
    else:
        tree_add(&line.tree, end + 1, old + 1, -nbytes)
    if old < line.slots and line.node[old] >= 0:
        look_for_takeover(line, old)
    if line.node[end] >= 0:
        look_for_takeover(line, end)


cdef void note(Line* line, int64_t v, int64_t slot, uint8_t added) noexcept nogil:
    if line.changed < line.room:
        line.changes[line.changed].node = <int32_t>v
        line.changes[line.changed].slot = <int32_t>slot
        line.changes[line.changed].added = added
    line.changed += 1


cdef bint insert(Line* line, int64_t v, int64_t slot) noexcept nogil:
    """Compute v at an empty slot, for all reads until it is computed again.

    False, with nothing changed, when an input is not computed before or there is no room.
    """
    cdef int64_t i, u, k, life, count = line.count[v]
    cdef int32_t* start = line.start + v * line.most
    cdef int32_t* end = line.end + v * line.most
    if count == line.most or line.changed >= line.room or line.node[slot] >= 0:
        return False
    for i in range(line.net.in_start[v], line.net.in_start[v + 1]):
        if life_at(line, line.net.in_index[i], slot) < 0:
            return False
    life = life_at(line, v, slot) + 1
    for i in range(count, life, -1):
        start[i], end[i] = start[i - 1], end[i - 1]
    start[life] = end[life] = <int32_t>slot
    line.count[v] = <int32_t>(count + 1)
    line.node[slot] = <int32_t>v
    line.taken[slot] = 0
    line.cost += line.net.cost[v]
    tree_add(&line.tree, slot, slot + 1, line.net.nbytes[v] + line.net.workspace[v])
    if life:
        set_end(line, v, life - 1, last_use(line, v, life - 1))
    set_end(line, v, life, last_use(line, v, life))
    for i in range(line.net.in_start[v], line.net.in_start[v + 1]):
        u = line.net.in_index[i]
        k = life_at(line, u, slot)
        if line.end[u * line.most + k] < slot:
            set_end(line, u, k, slot)
    look_for_takeover(line, slot)
    if count == 1:
        line.where[v] = <int32_t>line.several_count
        line.several[line.several_count] = <int32_t>v
        line.several_count += 1
    note(line, v, slot, 1)
    return True


cdef void remove(Line* line, int64_t v, int64_t life) noexcept nogil:
    """Take a compute of v out; its reads go to the life before (there are none, or there is one).
    """
    cdef int64_t i, u, k, count = line.count[v]
    cdef int32_t* start = line.start + v * line.most
    cdef int32_t* end = line.end + v * line.most
    cdef int64_t slot = start[life]
    set_end(line, v, life, slot)
    if line.taken[slot]:
        line.taken[slot] = 0
        tree_add(&line.tree, slot, slot + 1, line.net.nbytes[v])
    tree_add(&line.tree, slot, slot + 1, -line.net.nbytes[v] - line.net.workspace[v])
    line.node[slot] = -1
    line.cost -= line.net.cost[v]
    for i in range(life, count - 1):
        start[i], end[i] = start[i + 1], end[i + 1]
    line.count[v] = <int32_t>(count - 1)
    if life:
        set_end(line, v, life - 1, last_use(line, v, life - 1))
    for i in range(line.net.in_start[v], line.net.in_start[v + 1]):
        u = line.net.in_index[i]
        k = life_at(line, u, slot)
        if line.end[u * line.most + k] == slot:
            set_end(line, u, k, last_use(line, u, k))
    if count == 2:
        line.several_count -= 1
        u = line.several[line.several_count]
        line.several[line.where[v]] = <int32_t>u
        line.where[u] = line.where[v]
    note(line, v, slot, 0)


cdef void remove_useless(Line* line, int64_t v, int64_t slot) noexcept nogil:
    """Take out the life of v that `slot` would read if nothing reads it; likewise its inputs."""
    cdef int64_t i, life = life_at(line, v, slot), at
    if life < 0 or line.count[v] == 1 or line.changed + 1 >= line.room:
        return
    at = line.start[v * line.most + life]
    if line.end[v * line.most + life] != at or line.net.fixed[v]:
        return
    if life == 0 and line.net.after_start[line.net.n]:
        return      # others may have to come after its first compute
    remove(line, v, life)
    for i in range(line.net.in_start[v], line.net.in_start[v + 1]):
        remove_useless(line, line.net.in_index[i], at)


cdef void undo(Line* line) noexcept nogil:
    """Take back all changes since the last commit."""
    cdef int64_t i, v, size = line.changed
    cdef Change change
    for i in range(size - 1, -1, -1):
        change = line.changes[i]
        v = change.node
        line.changed = i        # taking back notes its own change over the one it takes back
        if change.added:
            remove(line, v, life_at(line, v, change.slot + 1))
        else:
            insert(line, v, change.slot)
    line.changed = 0


cdef class Timeline:
    """Lay an order of computes out on slots.

    Parameters
    ----------
    network : Network
    order : int32 array
    """

    def __init__(self, Network network, const int32_t[::1] order):
        self.network = network
        self.lay_out(order)

    cdef lay_out(self, const int32_t[::1] order):
        cdef int64_t n = self.network.n, size = order.shape[0], slots = 16, t
        cdef int64_t most = 2 * int(np.bincount(order, minlength=n).max(initial=0)) + 14
        cdef int64_t room = 4096
        while slots < SPREAD * size + 16:
            slots *= 2
        self.arrays = a = {
            "top": np.zeros(2 * slots, np.int64),
            "pending": np.zeros(slots, np.int64),
            "node": np.full(slots, -1, np.int32),
            "taken": np.zeros(slots, np.uint8),
            "count": np.zeros(n, np.int32),
            "start": np.zeros(n * most, np.int32),
            "end": np.zeros(n * most, np.int32),
            "several": np.zeros(n, np.int32),
            "where": np.zeros(n, np.int32),
            "changes": np.zeros(room * sizeof(Change), np.uint8),
        }
        cdef int64_t[::1] top = a["top"], pending = a["pending"]
        cdef int32_t[::1] node = a["node"], count = a["count"], start = a["start"], end = a["end"]
        cdef int32_t[::1] several = a["several"], where = a["where"]
        cdef uint8_t[::1] taken = a["taken"], changes = a["changes"]
        cdef Line* line = &self.line
        line.net, line.slots, line.most, line.room = self.network.net, slots, most, room
        line.tree.size, line.tree.top, line.tree.pending = slots, &top[0], &pending[0]
        line.node, line.taken, line.count = &node[0], &taken[0], &count[0]
        line.start, line.end, line.several = &start[0], &end[0], &several[0]
        line.where, line.changes = &where[0], <Change*>&changes[0]
        line.several_count, line.cost = 0, 0
        with nogil:
            for t in range(size):
                line.changed = 0
                insert(line, order[t], (t * slots + slots // 2) // size)
        line.changed = 0

    @property
    def order(self):
        """Read the order of computes off the slots (int32 array)."""
        node = self.arrays["node"]
        return node[node >= 0]

    @property
    def peak_bytes(self):
        """The most bytes at any slot."""
        return self.line.tree.top[1]

    @property
    def cost(self):
        """The cost of all computes."""
        return self.line.cost
