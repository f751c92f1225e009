"""The numbering of a problem with repeats: each dropped node again for each level that reads it.

A *copy* is a node, or its repeat for a level. Copies are numbered in one walk over the nodes, each
after what it reads and just before the first that needs it. What a copy reads follows from marks
and levels (`wanted`), so rows are written by asking again when all are numbered.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t

import numpy as np

cdef struct Copies:
    const int64_t* in_start
    const int64_t* in_index
    const int64_t* owner
    const int64_t* call
    const uint8_t* drop
    int32_t* slot           # per node and column of levels: the number of the copy, or -1
    const int32_t* column   # per node: the column of its level
    int64_t columns         # column 0 is the node itself, column k + 1 its repeat for level k
    int32_t* stack          # copies being numbered, the innermost last; a copy is node · columns …
    int32_t* cursor         # … + column; how many of its needs have still to be looked at
    int32_t* copy_at        # the copy with each number
    int64_t count


cdef inline int64_t wanted(const Copies* c, int64_t u, int64_t reader,
                           int64_t column) noexcept nogil:
    """Find what a copy, the reader's for a column, reads for u: the column of u's copy."""
    cdef int64_t level = column - 1 if column else c.column[reader]
    if not c.drop[u] or level <= c.column[u]:
        return 0
    if not column and 0 < c.call[u] == c.call[reader]:
        return 0        # inside its own call a value is held
    return level + 1


cdef void number(Copies* c, int64_t v) noexcept nogil:
    """Number v, after what it reads; the owner first, then the inputs from last to first."""
    cdef int64_t top = 1, copy, u, column, need, k
    c.stack[0] = <int32_t>(v * c.columns)
    c.cursor[0] = <int32_t>(c.in_start[v + 1] - c.in_start[v] + 1)
    while top:
        copy = c.stack[top - 1]
        v, column = copy // c.columns, copy % c.columns
        k = c.cursor[top - 1] - 1
        if k < 0:
            top -= 1
            c.slot[copy] = <int32_t>c.count
            c.copy_at[c.count] = <int32_t>copy
            c.count += 1
            continue
        c.cursor[top - 1] = <int32_t>k
        u = c.owner[v] if k == c.in_start[v + 1] - c.in_start[v] else c.in_index[c.in_start[v] + k]
        if u < 0:
            continue
        need = u * c.columns + wanted(c, u, v, column)
        if c.slot[need] < 0:
            c.stack[top] = <int32_t>need
            c.cursor[top] = <int32_t>(c.in_start[u + 1] - c.in_start[u] + 1)
            top += 1


cdef void rewrite(const Copies* c, const int64_t* start, const int64_t* index, bint plain,
                  int64_t* new_start, int64_t* new_index) noexcept nogil:
    """Write rows of nodes as rows of numbers; `plain` ones name the nodes themselves."""
    cdef int64_t at, i, v, u, column, size = 0
    for at in range(c.count):
        v, column = c.copy_at[at] // c.columns, c.copy_at[at] % c.columns
        for i in range(start[v], start[v + 1]):
            u = index[i]
            new_index[size] = c.slot[u * c.columns + (0 if plain else wanted(c, u, v, column))]
            size += 1
        new_start[at + 1] = size


def repeat(problem, given_drop, given_call):
    """Number the copies of a problem's needed nodes.

    Parameters
    ----------
    problem : Problem
    given_drop : uint8 array (n,)
        What is not held for nodes of higher levels.
    given_call : int64 array (n,)
        Where it is above 0 and the same, it is held.

    Returns
    -------
    node : int32 array, the node of each copy
    again : int64 array, 0 or the level each copy is a repeat for
    slot : int32 array (n,), the number of each needed node, -1 for others
    rows : dict of "input", "inplace", "owner", "after" to (start, index), int64
    """
    cdef int64_t n = len(problem), v
    levels, found = np.unique(problem.level, return_inverse=True)
    owned = problem.owner >= 0
    owner_start = np.concatenate([[0], np.cumsum(owned)])
    # One entry more than needed: the address of the first exists for an empty problem too.
    cdef const int64_t[::1] in_start = problem.input_start, owner = np.append(problem.owner, -1)
    cdef const int64_t[::1] in_index = np.append(problem.input_index, 0)
    cdef const int32_t[::1] column = np.append(found, 0).astype(np.int32)
    cdef const uint8_t[::1] needed = problem.needed
    cdef const uint8_t[::1] drop = np.append(given_drop, 0).astype(np.uint8)
    cdef const int64_t[::1] call = np.append(given_call, 0)
    cdef int64_t room = max(1, n * (len(levels) + 1))
    slot_array = np.full(room, -1, np.int32)
    copy_array = np.zeros(room, np.int32)
    cdef int32_t[::1] slot = slot_array, copy_at = copy_array
    cdef int32_t[::1] stack = np.zeros(room, np.int32), cursor = np.zeros(room, np.int32)
    cdef const int64_t[::1] start, index
    cdef int64_t[::1] new_start, new_index
    cdef Copies c
    c.in_start, c.in_index, c.owner = &in_start[0], &in_index[0], &owner[0]
    c.call, c.drop, c.column = &call[0], &drop[0], &column[0]
    c.slot, c.copy_at, c.stack, c.cursor = &slot[0], &copy_at[0], &stack[0], &cursor[0]
    c.columns, c.count = len(levels) + 1, 0
    with nogil:
        for v in range(n):
            if needed[v] and c.slot[v * c.columns] < 0:
                number(&c, v)
    node = copy_array[: c.count] // c.columns
    rows = {}
    for what, old_start, old_index in (
        ("input", problem.input_start, problem.input_index),
        ("inplace", problem.inplace_start, problem.inplace_index),
        ("owner", owner_start, problem.owner[owned]),
        ("after", problem.after_start, problem.after_index),
    ):
        size = int(np.diff(old_start)[node].sum())
        start, index = old_start, np.append(old_index, 0)
        starts, indices = np.zeros(c.count + 1, np.int64), np.zeros(size + 1, np.int64)
        new_start, new_index = starts, indices
        rewrite(&c, &start[0], &index[0], what == "after", &new_start[0], &new_index[0])
        rows[what] = starts, indices[:size]
    repeated_for = copy_array[: c.count] % c.columns
    again = np.where(repeated_for, np.append(0, levels)[repeated_for], 0)
    return node, again, slot_array[:: c.columns], rows


def turns(given_level, const int64_t[::1] again, const uint8_t[::1] needed):
    """Find, for each needed repeat, the last needed copy of a lower level that stands before it.

    Parameters
    ----------
    given_level : int64 array (n,), the level of each copy's node
    again : int64 array (n,), as of `repeat`
    needed : uint8 array (n,)

    Returns
    -------
    int64 array (n,), -1 for what is no repeat, and where there is none
    """
    cdef int64_t v, k, n = len(again), many
    levels, found = np.unique(given_level, return_inverse=True)
    cdef const int64_t[::1] column = found.astype(np.int64), level = levels
    result = np.full(n, -1, np.int64)
    cdef int64_t[::1] turn = result, last = np.full(len(levels), -1, np.int64)
    many = len(levels)
    for v in range(n):
        if not needed[v]:
            continue
        if not again[v]:
            last[column[v]] = v
            continue
        for k in range(many):
            if level[k] < again[v] and last[k] > turn[v]:
                turn[v] = last[k]
    return result
