"""The simulator: what steps hold at every moment, and which step is wrong.

It knows the byte model and nothing else: it shares no code with the policies whose plans it judges.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t

import numpy as np

from autodiff.core.steps cimport COMPUTE, FREE, StepArray, Steps

# What a step can do wrong; `fault` is an index into this table, 0 for a good plan.
FAULTS = (
    "",
    "there is no such node",
    "there is no such option (0 is the only one)",
    "it is held already",
    "it may be computed only once",
    "{other}, which it reads, is not held",
    "{other}, whose bytes it views, is not held",
    "{other}, which must come first, was never computed",
    "it is not held",
    "it is a target, held to the end",
    "it is kept, never freed",
    "{other}, a view of its bytes, is still held",
    "the target {other} is not held at the end",
)

cdef enum:
    NO_FAULT
    NO_NODE
    NO_OPTION
    HELD_ALREADY
    COMPUTED_TWICE
    INPUT_MISSING
    OWNER_MISSING
    PREDECESSOR_MISSING
    NOT_HELD
    IS_TARGET
    IS_KEPT
    VIEW_HELD
    TARGET_MISSING


cdef struct Outcome:
    int64_t peak        # the most bytes held at any step
    int64_t peak_step   # the first step at which they are
    int64_t step        # the wrong step (one past the last for a target missing), or -1
    int fault           # what it does wrong, one of FAULTS
    int64_t other       # the other node the fault is about, or -1


cdef int64_t takeover(
    const StepArray* steps,
    int64_t at,
    const int64_t[::1] nbytes,
    const int64_t[::1] inplace_start,
    const int64_t[::1] inplace_index,
    const int64_t[::1] root,
    const uint8_t[::1] held,
    const int32_t[::1] views,
) noexcept nogil:
    """Find the input whose bytes the compute at step `at` takes over, or -1.

    It is one that inplace allows, owns as many bytes, has no view held, and is among the frees
    that directly follow.
    """
    cdef int32_t v = steps.node[at], u
    cdef int64_t i = at + 1, j
    cdef int64_t begin = inplace_start[v], end = inplace_start[v + 1]
    if begin == end or root[v] >= 0 or nbytes[v] == 0:
        return -1
    while i < steps.size and steps.action[i] == FREE:
        u = steps.node[i]
        i += 1
        for j in range(begin, end):
            if inplace_index[j] == u and nbytes[u] == nbytes[v] and held[u]:
                if root[u] < 0 and views[u] == 0:
                    return u
    return -1


cdef Outcome run(
    const StepArray* steps,
    const int64_t[::1] nbytes,
    const int64_t[::1] workspace,
    const int64_t[::1] input_start,
    const int64_t[::1] input_index,
    const int64_t[::1] inplace_start,
    const int64_t[::1] inplace_index,
    const int64_t[::1] after_start,
    const int64_t[::1] after_index,
    const int64_t[::1] root,
    const uint8_t[::1] target,
    const uint8_t[::1] keep,
    const uint8_t[::1] once,
    uint8_t[::1] held,
    int32_t[::1] views,
    int64_t[::1] evaluations,
    int64_t* live_bytes,
    int32_t* taken,
) noexcept nogil:
    """Walk the steps; `live_bytes` and `taken` (one entry per step) may be NULL."""
    cdef Outcome out
    cdef int64_t n = nbytes.shape[0], i, j, live = 0, now, over = -1
    cdef int32_t v
    out.peak = 0
    out.peak_step = 0
    out.step = -1
    out.fault = NO_FAULT
    out.other = -1
    for i in range(steps.size):
        v = steps.node[i]
        out.step = i
        if v < 0 or v >= n:
            out.fault = NO_NODE
            return out
        if steps.option[i] != 0:
            out.fault = NO_OPTION
            return out
        if steps.action[i] == COMPUTE:
            if held[v]:
                out.fault = HELD_ALREADY
                return out
            if once[v] and evaluations[v]:
                out.fault = COMPUTED_TWICE
                return out
            for j in range(input_start[v], input_start[v + 1]):
                if not held[input_index[j]]:
                    out.fault = INPUT_MISSING
                    out.other = input_index[j]
                    return out
            if root[v] >= 0 and not held[root[v]]:
                out.fault = OWNER_MISSING
                out.other = root[v]
                return out
            for j in range(after_start[v], after_start[v + 1]):
                if not evaluations[after_index[j]]:
                    out.fault = PREDECESSOR_MISSING
                    out.other = after_index[j]
                    return out
            over = takeover(steps, i, nbytes, inplace_start, inplace_index, root, held, views)
            if taken != NULL:
                taken[i] = <int32_t>over
            held[v] = 1
            evaluations[v] += 1
            if root[v] >= 0:
                views[root[v]] += 1
            else:
                live += nbytes[v]
            if over >= 0:
                live -= nbytes[over]
            now = live + workspace[v]
        else:
            if not held[v]:
                out.fault = NOT_HELD
                return out
            if target[v]:
                out.fault = IS_TARGET
                return out
            if keep[v]:
                out.fault = IS_KEPT
                return out
            if views[v]:
                out.fault = VIEW_HELD
                for j in range(n):
                    if held[j] and root[j] == v:
                        out.other = j
                return out
            held[v] = 0
            if root[v] >= 0:
                views[root[v]] -= 1
            elif v == over:
                over = -1    # its bytes live on in the result that took them over
            else:
                live -= nbytes[v]
            if taken != NULL:
                taken[i] = -1
            now = live
        if now > out.peak:
            out.peak = now
            out.peak_step = i
        if live_bytes != NULL:
            live_bytes[i] = now
    out.step = steps.size
    for v in range(<int32_t>n):
        if target[v] and not held[v]:
            out.fault = TARGET_MISSING
            out.other = v
            return out
    out.step = -1
    return out


def simulate_steps(
    Steps steps not None,
    const int64_t[::1] nbytes,
    const int64_t[::1] workspace,
    const int64_t[::1] input_start,
    const int64_t[::1] input_index,
    const int64_t[::1] inplace_start,
    const int64_t[::1] inplace_index,
    const int64_t[::1] after_start,
    const int64_t[::1] after_index,
    const int64_t[::1] root,
    const uint8_t[::1] target,
    const uint8_t[::1] keep,
    const uint8_t[::1] once,
    profile=False,
):
    """Run `steps` through the byte model on a problem given as flat arrays of length n.

    Lists per node (inputs, inplace, after) are in compressed rows: row v is
    ``index[start[v]:start[v + 1]]``. ``root[v]`` is the node that owns v's bytes, or -1.

    Returns
    -------
    tuple
        (peak_bytes, peak_step, evaluations int64 (n,), wrong step or -1, its fault as an index of
        FAULTS, the other node of the fault or -1, live_bytes int64 (steps,), taken int32 (steps,));
        the last two are None unless `profile`. After a wrong step the numbers are those before it.

    Raises
    ------
    ValueError
        When the arrays do not fit each other.
    """
    cdef int64_t n = nbytes.shape[0]
    cdef int64_t[::1] live_view
    cdef int32_t[::1] taken_view
    cdef int64_t* live_pointer = NULL
    cdef int32_t* taken_pointer = NULL
    cdef Outcome out
    if not (
        workspace.shape[0] == root.shape[0] == n
        and target.shape[0] == keep.shape[0] == once.shape[0] == n
        and input_start.shape[0] == inplace_start.shape[0] == after_start.shape[0] == n + 1
        and input_index.shape[0] == input_start[n]
        and inplace_index.shape[0] == inplace_start[n]
        and after_index.shape[0] == after_start[n]
    ):
        raise ValueError("the arrays of the problem differ in length")
    held = np.zeros(n, np.uint8)
    views = np.zeros(n, np.int32)
    evaluations = np.zeros(n, np.int64)
    live_bytes = taken = None
    if profile:
        live_bytes = np.zeros(steps.c.size, np.int64)
        taken = np.full(steps.c.size, -1, np.int32)
        if steps.c.size:
            live_view, taken_view = live_bytes, taken
            live_pointer, taken_pointer = &live_view[0], &taken_view[0]
    cdef uint8_t[::1] held_view = held
    cdef int32_t[::1] views_view = views
    cdef int64_t[::1] evaluations_view = evaluations
    steps.readers += 1
    with nogil:
        out = run(
            &steps.c, nbytes, workspace, input_start, input_index, inplace_start, inplace_index,
            after_start, after_index, root, target, keep, once, held_view, views_view,
            evaluations_view, live_pointer, taken_pointer,
        )
    steps.readers -= 1
    if out.fault == 0:
        steps.frozen = True     # what has been found right stays so: programs are made of it
    return (
        out.peak, out.peak_step, evaluations, out.step, out.fault, out.other, live_bytes, taken
    )
