"""Reorder before recomputing: another order of first computes may hold fewer bytes, for nothing.

A list schedule takes, of the nodes that are ready, the one after which the fewest bytes are held;
among equals the one that comes first, or last, in the given order.
"""

from libc.stdint cimport int32_t, int64_t

import numpy as np

from autodiff.planning.network cimport Net, Network


cdef int64_t gain(const Net* net, const int32_t* unread, int64_t v) noexcept nogil:
    """Count the bytes that computing v adds to those held, when dead inputs are freed."""
    cdef int64_t i, u, total = net.nbytes[v]
    for i in range(net.in_start[v], net.in_start[v + 1]):
        u = net.in_index[i]
        if unread[u] == 1 and not net.pinned[u]:
            total -= net.nbytes[u]
    return total


cdef void schedule(
    const Net* net, int32_t* unread, int32_t* missing, int32_t* ready, int64_t* order, bint last,
    const int64_t* follow_start, const int64_t* follow_index,
) noexcept nogil:
    """Fill `order`; `unread` counts readers to come, `missing` what each node waits for."""
    cdef int64_t count = 0, size = 0, i, v, c, best, at = 0, bytes_now, least = 0
    for v in range(net.n):
        if missing[v] == 0:
            ready[count] = <int32_t>v
            count += 1
    while count:
        best = -1
        for i in range(count):
            v = ready[i]
            bytes_now = gain(net, unread, v)
            if best < 0 or bytes_now < least or (
                bytes_now == least and (v > best if last else v < best)
            ):
                best, least, at = v, bytes_now, i
        count -= 1
        ready[at] = ready[count]
        order[size] = best
        size += 1
        for i in range(net.in_start[best], net.in_start[best + 1]):
            unread[net.in_index[i]] -= 1
        for i in range(follow_start[best], follow_start[best + 1]):
            c = follow_index[i]
            missing[c] -= 1
            if missing[c] == 0:
                ready[count] = <int32_t>c
                count += 1


def least_bytes_first(Network network, bint last=False):
    """Order all nodes, each once, by the greedy list schedule (int64 array (n,)).

    Parameters
    ----------
    network : Network
    last : bool
        Whether of equal nodes the last in the given order is taken (depth first, mostly).
    """
    cdef int64_t n = network.n
    a = network.arrays
    order_array = np.empty(n, np.int64)
    if n == 0:
        return order_array
    consumer = np.repeat(np.arange(n), np.diff(a["in_start"]))
    later = np.repeat(np.arange(n), np.diff(a["after_start"]))
    before = np.concatenate([a["in_index"], a["after_index"]])
    after = np.concatenate([consumer, later])
    start = np.zeros(n + 1, np.int64)
    np.cumsum(np.bincount(before, minlength=n), out=start[1:])
    cdef int64_t[::1] follow_start = start
    cdef int64_t[::1] follow_index = np.append(after[np.argsort(before, kind="stable")], 0)
    cdef int32_t[::1] missing = np.bincount(after, minlength=n).astype(np.int32)
    cdef int32_t[::1] unread = np.diff(a["out_start"]).astype(np.int32)
    cdef int32_t[::1] ready = np.empty(n, np.int32)
    cdef int64_t[::1] order = order_array
    with nogil:
        schedule(&network.net, &unread[0], &missing[0], &ready[0], &order[0], last,
                 &follow_start[0], &follow_index[0])
    return order_array
