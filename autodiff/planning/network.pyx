"""A problem as compiled searches read it: flat C arrays, edges in both directions.

Reading a view is reading its owner too, and a view reads its owner: so lifetimes follow from edges
alone. Owners of views, and views, are computed once here; `Reduced` removes most views before.
"""

from libc.stdint cimport int64_t, uint8_t

import numpy as np


cdef const int64_t* integers(const int64_t[::1] array) noexcept:
    return &array[0] if array.shape[0] else NULL


cdef const uint8_t* marks(const uint8_t[::1] array) noexcept:
    return &array[0] if array.shape[0] else NULL


cdef const double* reals(const double[::1] array) noexcept:
    return &array[0] if array.shape[0] else NULL


def compress(rows):
    """Make (start, index), int64, of a list of lists."""
    start = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(row) for row in rows], out=start[1:])
    index = np.fromiter((u for row in rows for u in row), np.int64, start[len(rows)])
    return start, index


def turn_round(start, index):
    """Turn edges round: for each node the rows in which it stands, ascending."""
    n = len(start) - 1
    row = np.repeat(np.arange(n), np.diff(start))
    by_entry = np.argsort(index, kind="stable")
    turned = np.zeros(n + 1, np.int64)
    np.cumsum(np.bincount(index, minlength=n), out=turned[1:])
    return turned, np.ascontiguousarray(row[by_entry])


cdef class Network:
    """Hold the arrays of a problem all of whose nodes are needed.

    Parameters
    ----------
    problem : Problem
    """

    def __init__(self, problem):
        n = len(problem)
        owner = problem.owner
        has_views = np.zeros(n, np.uint8)
        has_views[owner[owner >= 0]] = 1
        inputs, over = [], []
        for v in range(n):
            read = dict.fromkeys(problem.inputs(v))
            owners = [int(owner[u]) for u in (v, *read) if owner[u] >= 0]
            inputs.append(sorted({*read, *owners}))
            over.append([
                u for u in dict.fromkeys(problem.inplace(v))
                if owner[v] < 0 and owner[u] < 0 and not has_views[u] and not problem.pinned[u]
                and problem.nbytes[u] == problem.nbytes[v] > 0
            ])
        in_start, in_index = compress(inputs)
        out_start, out_index = turn_round(in_start, in_index)
        over_start, over_index = compress(over)
        fixed = problem.pinned | problem.once | (owner >= 0) | has_views
        self.arrays = a = {
            "nbytes": problem.nbytes,
            "workspace": problem.workspace,
            "cost": np.ascontiguousarray(problem.cost, np.float64),
            "in_start": in_start,
            "in_index": in_index,
            "out_start": out_start,
            "out_index": out_index,
            "over_start": over_start,
            "over_index": over_index,
            "after_start": problem.after_start,
            "after_index": problem.after_index,
            "root": owner,
            "pinned": problem.pinned,
            "fixed": np.ascontiguousarray(fixed, np.uint8),
        }
        self.n = self.net.n = n
        self.net.nbytes, self.net.workspace = integers(a["nbytes"]), integers(a["workspace"])
        self.net.cost = reals(a["cost"])
        self.net.in_start, self.net.in_index = integers(in_start), integers(in_index)
        self.net.out_start, self.net.out_index = integers(out_start), integers(out_index)
        self.net.over_start, self.net.over_index = integers(over_start), integers(over_index)
        self.net.after_start = integers(a["after_start"])
        self.net.after_index = integers(a["after_index"])
        self.net.root = integers(a["root"])
        self.net.pinned, self.net.fixed = marks(a["pinned"]), marks(a["fixed"])
