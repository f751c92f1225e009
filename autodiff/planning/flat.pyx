"""Loops over a problem's flat arrays: what is wrong, who owns which bytes, what is needed.

Lists per node are compressed rows: row v is ``index[start[v]:start[v + 1]]``. Nodes stand in a
topological order, so every loop here is one walk up or down the numbers, without recursion.
"""

from libc.stdint cimport int64_t, uint8_t

import operator

import numpy as np

from autodiff.errors import PlanError


def flatten(rows, what):
    """Turn one sequence of nodes per node into compressed rows.

    Parameters
    ----------
    rows : sequence of iterables of int
    what : str
        What the rows are, for error messages.

    Returns
    -------
    start : int64 array (len(rows) + 1,)
    index : int64 array (start[-1],)

    Raises
    ------
    PlanError
        Naming the row that is not a sequence of integers.
    """
    cdef Py_ssize_t v = 0, size = 0, room = 2 * len(rows) + 16
    start = np.zeros(len(rows) + 1, np.int64)
    index = np.empty(room, np.int64)
    cdef int64_t[::1] starts = start, indices = index
    for v, row in enumerate(rows):
        try:
            for u in row:
                if size == room:
                    room *= 2
                    index = np.resize(index, room)
                    indices = index
                indices[size] = operator.index(u)
                size += 1
        except (TypeError, OverflowError):
            raise PlanError(
                f"node {v}: {what} is {row!r}, not a sequence of node numbers"
            ) from None
        starts[v + 1] = size
    return start, index[:size].copy()


cdef enum:
    SOUND
    INPUT_ORDER
    AFTER_ORDER
    OWNER_ORDER
    INPLACE_STRANGER

# What is wrong with a problem, by the code that first_fault returns.
FAULTS = (
    "",
    "reads {other}",
    "must come after {other}",
    "is a view of {other}",
    "may overwrite {other}, which it does not read",
)


cdef (int, int64_t, int64_t) scan(
    const int64_t[::1] input_start,
    const int64_t[::1] input_index,
    const int64_t[::1] inplace_start,
    const int64_t[::1] inplace_index,
    const int64_t[::1] after_start,
    const int64_t[::1] after_index,
    const int64_t[::1] owner,
) noexcept nogil:
    cdef int64_t v, i, j
    cdef bint read
    for v in range(owner.shape[0]):
        for i in range(input_start[v], input_start[v + 1]):
            if not 0 <= input_index[i] < v:
                return INPUT_ORDER, v, input_index[i]
        for i in range(after_start[v], after_start[v + 1]):
            if not 0 <= after_index[i] < v:
                return AFTER_ORDER, v, after_index[i]
        if not -1 <= owner[v] < v:
            return OWNER_ORDER, v, owner[v]
        for i in range(inplace_start[v], inplace_start[v + 1]):
            read = False
            for j in range(input_start[v], input_start[v + 1]):
                read = read or input_index[j] == inplace_index[i]
            if not read:
                return INPLACE_STRANGER, v, inplace_index[i]
    return SOUND, -1, -1


def first_fault(
    const int64_t[::1] input_start,
    const int64_t[::1] input_index,
    const int64_t[::1] inplace_start,
    const int64_t[::1] inplace_index,
    const int64_t[::1] after_start,
    const int64_t[::1] after_index,
    const int64_t[::1] owner,
):
    """Find the first node whose rows are impossible: (index of FAULTS or 0, node, other node)."""
    cdef (int, int64_t, int64_t) fault
    with nogil:
        fault = scan(
            input_start, input_index, inplace_start, inplace_index, after_start, after_index, owner
        )
    return fault


def find_roots(const int64_t[::1] owner):
    """Follow chains of views: root[v] is the node that owns v's bytes, -1 where it is v itself."""
    root = np.full(owner.shape[0], -1, np.int64)
    cdef int64_t[::1] roots = root
    cdef int64_t v
    with nogil:
        for v in range(owner.shape[0]):
            if owner[v] >= 0:
                roots[v] = owner[v] if roots[owner[v]] < 0 else roots[owner[v]]
    return root


def find_needed(
    const uint8_t[::1] target,
    const int64_t[::1] input_start,
    const int64_t[::1] input_index,
    const int64_t[::1] after_start,
    const int64_t[::1] after_index,
    const int64_t[::1] root,
):
    """Mark (uint8) the targets and all they need: inputs, owners of views, predecessors."""
    needed = np.array(target, np.uint8)
    cdef uint8_t[::1] need = needed
    cdef int64_t v, i
    with nogil:
        for v in range(target.shape[0] - 1, -1, -1):
            if need[v]:
                for i in range(input_start[v], input_start[v + 1]):
                    need[input_index[i]] = 1
                for i in range(after_start[v], after_start[v + 1]):
                    need[after_index[i]] = 1
                if root[v] >= 0:
                    need[root[v]] = 1
    return needed


def node_bytes(
    const int64_t[::1] nbytes,
    const int64_t[::1] workspace,
    const int64_t[::1] input_start,
    const int64_t[::1] input_index,
    const int64_t[::1] inplace_start,
    const int64_t[::1] inplace_index,
    const int64_t[::1] root,
    const uint8_t[::1] pinned,
):
    """Count the bytes that no plan can avoid while v is computed, for every v (int64).

    They are the inputs (each owner once), the output and the workspace, less the output where it
    may take over an input of its size that is free to die: not pinned, and no view of it is read.
    """
    cdef int64_t n = nbytes.shape[0], v, u, i, j, total
    result = np.empty(n, np.int64)
    cdef int64_t[::1] out = result
    cdef int64_t[::1] seen = np.full(n, -1, np.int64)
    cdef bint dies
    with nogil:
        for v in range(n):
            total = workspace[v] + nbytes[v]
            if root[v] >= 0:
                seen[root[v]] = v
                total += nbytes[root[v]]
            for i in range(input_start[v], input_start[v + 1]):
                u = input_index[i] if root[input_index[i]] < 0 else root[input_index[i]]
                if seen[u] != v:
                    seen[u] = v
                    total += nbytes[u]
            for i in range(inplace_start[v], inplace_start[v + 1]):
                u = inplace_index[i]
                dies = root[v] < 0 and root[u] < 0 and not pinned[u] and nbytes[u] == nbytes[v]
                for j in range(input_start[v], input_start[v + 1]):
                    dies = dies and root[input_index[j]] != u
                if dies:
                    total -= nbytes[v]
                    break
            out[v] = total
    return result
