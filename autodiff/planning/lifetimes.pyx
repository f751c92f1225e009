"""Frees: given the order of computes, every value dies directly after its last use.

A node may stand in the order several times; each time is a life of its own, which ends at the last
use before the next. For a given order no other placing of frees holds fewer bytes at any step.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t

import numpy as np

from autodiff.core.steps cimport COMPUTE, FREE, StepArray, Steps, grow, push, reverse


cdef inline void last_use(
    StepArray* steps, int64_t u, const int64_t[::1] root, uint8_t[::1] used
) noexcept nogil:
    """Meet a use of u, going backwards: the first one met is the last one, and u dies there.

    A use of a view is one of its owner, which is met first, so that the view dies before it.
    """
    if root[u] >= 0 and not used[root[u]]:
        used[root[u]] = 1
        push(steps, FREE, <int32_t>root[u])
    if not used[u]:
        used[u] = 1
        push(steps, FREE, <int32_t>u)


cdef void walk_back(
    StepArray* steps,
    const int32_t[::1] order,
    const int64_t[::1] input_start,
    const int64_t[::1] input_index,
    const int64_t[::1] root,
    uint8_t[::1] used,
) noexcept nogil:
    cdef int64_t t, i
    cdef int32_t v
    for t in range(order.shape[0] - 1, -1, -1):
        v = order[t]
        last_use(steps, v, root, used)
        for i in range(input_start[v + 1] - 1, input_start[v] - 1, -1):
            last_use(steps, input_index[i], root, used)
        push(steps, COMPUTE, v)
        used[v] = 0
    reverse(steps)


def free_after_last_use(
    const int32_t[::1] order,
    const int64_t[::1] input_start,
    const int64_t[::1] input_index,
    const int64_t[::1] root,
    const uint8_t[::1] pinned,
):
    """Put the frees into an order of computes.

    Parameters
    ----------
    order : int32 array
        The nodes in the order they are computed; inputs and owners come before what uses them.
    input_start, input_index : int64 arrays
        What each node reads, as compressed rows.
    root : int64 array (n,)
        The node that owns v's bytes, -1 where it is v itself.
    pinned : uint8 array (n,)
        Nodes that are held to the end once computed.

    Returns
    -------
    Steps
    """
    cdef Steps steps = Steps()
    cdef int64_t computes = order.shape[0]
    used = np.array(pinned, np.uint8)
    cdef uint8_t[::1] use = used
    # At most one free follows from each compute, so push cannot run out of room below.
    if grow(&steps.c, 2 * computes) < 0:
        raise MemoryError(f"no memory for {2 * computes} steps")
    with nogil:
        walk_back(&steps.c, order, input_start, input_index, root, use)
    return steps
