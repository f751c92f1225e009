"""The planning problem of regions: their bytes, costs and dependencies, and nothing else."""

import numpy as np

from libc.stdint cimport int32_t, int64_t

from .operations cimport Operation, operations
from .regions cimport Regions
from .sums cimport sum_kind
from .traits cimport traits
from .values cimport BUFFER, Value, itemsizes

cdef extern from "region.h":
    int SUM_ROWS, SUM_COLUMNS
    int64_t chunks_of_sum(int32_t, int64_t, int64_t)


def problem_arrays(Regions regions):
    """The abstract problem as flat arrays: one node a region, caller's arrays left out."""
    cdef int32_t k, j, r, n = regions.n_regions, value
    cdef Value* x
    cdef Value* u
    cdef Operation op
    nbytes = np.zeros(n, np.int64)
    cost = np.zeros(n, np.int64)
    workspace = np.zeros(n, np.int64)
    level = np.zeros(n, np.int64)
    once = np.zeros(n, np.uint8)
    input_start = np.zeros(n + 1, np.int64)
    input_index = np.zeros(regions.n_inputs, np.int64)
    inplace_start = np.zeros(n + 1, np.int64)
    inplace_index = np.zeros(regions.n_inputs, np.int64)
    after_start, after = np.zeros(n + 1, np.int64), []
    impure = -1                    # the last operation with an effect: they keep their order
    cdef int64_t[::1] nbytes_ = nbytes, cost_ = cost, workspace_ = workspace, level_ = level
    cdef int64_t[::1] start_ = input_start, index_ = input_index
    cdef int64_t[::1] istart_ = inplace_start, iindex_ = inplace_index
    cdef int64_t n_edges = 0, n_inplace = 0, e
    for k in range(n):
        value = regions.computed[k]
        x = &regions.values[value]
        nbytes_[k] = x.nbytes
        level_[k] = regions.graph.nodes[x.node].level
        if x.n_inners >= 0:
            cost_[k] = quantise(pass_cost(regions, value))
            workspace_[k] = sum_workspace(regions, value)
        else:
            op = <Operation> operations[x.op]
            y = regions.graph.handle(regions.shaped_by(value))
            cost_[k] = quantise(op.cost(y) if value not in regions.pieces else sum(
                [pass_cost(regions, piece) for piece in regions.pieces[value]]))
            workspace_[k] = op.workspace(y)
            if op.effect == "callback":
                once[k] = True
                if impure >= 0:
                    after.append(impure)
                impure = k
        for j in range(x.n_inputs):
            u = &regions.values[regions.inputs[x.first_input + j]]
            if u.base != BUFFER:
                continue
            r = regions.values[u.root].slot
            for e in range(start_[k], n_edges):
                if index_[e] == r:
                    break
            else:
                index_[n_edges] = r
                n_edges += 1
                if (may_overwrite(regions, value, regions.inputs[x.first_input + j])
                        if x.n_inners >= 0
                        else j in op.overwrites and overwrites(regions, value, j)):
                    iindex_[n_inplace] = r
                    n_inplace += 1
        after_start[k + 1] = len(after)
        start_[k + 1] = n_edges
        istart_[k + 1] = n_inplace
    calls = calls_of(regions)
    targets = np.array([regions.values[value].slot for value in regions.outputs], np.int64)
    return {"nbytes": nbytes, "cost": cost, "workspace": workspace, "level": level,
            "once": once, "drop": calls > 0, "call": abs(calls), "input_start": input_start,
            "input_index": input_index[:n_edges].copy(), "inplace_start": inplace_start,
            "inplace_index": inplace_index[:n_inplace].copy(), "after_start": after_start,
            "after_index": np.array(after, np.int64), "targets": targets}


cdef object calls_of(Regions regions):
    """By region, the marked call that made its node, 0 for none, below 0 for its results."""
    cdef int32_t k
    found = np.zeros(regions.n_regions, np.int64)
    if regions.graph.calls:
        for k in range(regions.n_regions):
            found[k] = regions.graph.calls.get(regions.values[regions.computed[k]].node, 0)
    return found


def holding(Regions regions, nodes):
    """By region, whether it holds the bytes of one of these graph nodes, or of a view of it."""
    cdef int32_t k
    cdef Value* x
    found = np.zeros(regions.n_regions, np.uint8)
    for k in range(regions.n_values if nodes else 0):
        x = &regions.values[k]
        if x.base == BUFFER and x.node in nodes and x.op == regions.graph.nodes[x.node].op:
            found[regions.values[x.root].slot] = 1
    return found


cdef bint may_overwrite(Regions regions, int32_t value, int32_t source) noexcept:
    """Whether the result of a pass may take the place of `source`.

    Each element is written where it was read; no other operand looks at these bytes in
    another layout.
    """
    cdef Value* x = &regions.values[value]
    cdef Value* u = &regions.values[source]
    cdef int32_t j, other
    if u.root != source or u.nbytes != x.nbytes or u.layout != x.layout or regions.sums(value):
        return False
    for j in range(x.n_inputs):
        other = regions.inputs[x.first_input + j]
        if other != source and regions.values[other].root == source:
            return False
    return True


cdef bint overwrites(Regions regions, int32_t value, int32_t position) noexcept:
    """Whether a kernel that can write over this input may: it is a whole buffer, laid out as
    the result, and no other operand lies in it."""
    cdef Value* x = &regions.values[value]
    cdef int32_t j, source = regions.inputs[x.first_input + position]
    if regions.values[source].root != source or regions.values[source].layout != x.layout:
        return False
    for j in range(x.n_inputs):
        if j != position and regions.values[regions.inputs[x.first_input + j]].root == source:
            return False
    return True


cdef int64_t sum_workspace(Regions regions, int32_t value) except -1:
    """Bytes of the sums of chunks that a pass sums up at its end."""
    cdef int64_t extents[3]
    cdef int64_t chunks
    cdef int kind
    cdef Value* x = &regions.values[value]
    if not regions.sums(value):
        return 0
    kind = sum_kind(regions.pass_shape(value), regions.axes_of(value), extents)
    chunks = chunks_of_sum(SUM_ROWS if kind == 1 else SUM_COLUMNS, extents[1], extents[2])
    return extents[0] * chunks * extents[2] * itemsizes[x.dtype] if chunks > 1 else 0


cdef int64_t pass_cost(Regions regions, int32_t value) except -1:
    """Arithmetic hides behind memory; what a dearer operation costs beyond it is added."""
    cdef Value* x = &regions.values[value]
    cdef int64_t k, size = x.nbytes // itemsizes[x.dtype], weight = 1
    if regions.sums(value):
        size = 1
        for extent in regions.pass_shape(value):
            size *= <int64_t> extent
    for k in range(x.n_inners):
        weight += traits[regions.inners[x.first_inner + k].op].cost - 1
    return 50 + size * weight


cdef int64_t quantise(int64_t cost) noexcept:
    """Round to six bits (steps of at most 3 %), so that plans do not flip with noise."""
    cdef int shift = 0
    while (cost >> shift) >= 64:
        shift += 1
    return ((cost + ((1 << shift) >> 1)) >> shift) << shift
