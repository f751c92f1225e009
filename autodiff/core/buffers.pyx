"""Buffers: which steps of a plan fill the same bytes, and from when to when these are held.

A compute fills a new buffer, or continues the one of an input whose bytes it takes over. A
computation that is repeated has as many buffers, and workspace is a buffer of one step.
"""

from libc.stdint cimport int32_t, int64_t

import numpy as np

from .steps cimport COMPUTE, Steps


def buffers(Steps steps not None, const int32_t[::1] taken not None,
            const int64_t[::1] nbytes not None, const int64_t[::1] workspace not None):
    """Find the buffers that the steps of a plan need.

    Parameters
    ----------
    steps : Steps
    taken : int32 array, one per step
        The node whose bytes the compute at this step takes over, -1 for none.
    nbytes, workspace : int64 array, one per node

    Returns
    -------
    sizes, birth, death : int64 array, one per buffer
        As `place` wants them; what is never freed dies after the last step.
    filled, scratch, freed : int64 array, one per step
        The buffer that a compute fills, its workspace, the buffer that a free ends; -1 for none.
    last : int64 array, one per node
        The buffer that holds the node after the last step, -1 for none.

    Examples
    --------
    >>> import numpy as np
    >>> from autodiff.core.buffers import buffers
    >>> from autodiff.core.steps import Steps
    >>> steps = Steps([("compute", 0), ("compute", 1), ("free", 0)])
    >>> taken = np.full(3, -1, np.int32)
    >>> sizes, birth, death, *_ = buffers(steps, taken, np.array([8, 16]), np.array([0, 0]))
    >>> sizes.tolist(), birth.tolist(), death.tolist()
    ([8, 16], [0, 1], [2, 4])
    """
    cdef int64_t n_steps = steps.c.size, n_computes = 0, n = 0, t, b
    cdef int32_t v
    for t in range(n_steps):
        n_computes += steps.c.action[t] == COMPUTE
    sizes = np.zeros(2 * n_computes, np.int64)
    birth = np.zeros(2 * n_computes, np.int64)
    death = np.full(2 * n_computes, n_steps + 1, np.int64)
    filled = np.full(n_steps, -1, np.int64)
    scratch = np.full(n_steps, -1, np.int64)
    freed = np.full(n_steps, -1, np.int64)
    last = np.full(nbytes.shape[0], -1, np.int64)
    cdef int64_t[::1] sizes_ = sizes, birth_ = birth, death_ = death
    cdef int64_t[::1] filled_ = filled, scratch_ = scratch, freed_ = freed, last_ = last
    for t in range(n_steps):
        v = steps.c.node[t]
        if steps.c.action[t] == COMPUTE:
            if taken[t] >= 0:
                b = last_[taken[t]]
                last_[taken[t]] = -1
            else:
                b = n
                n += 1
                sizes_[b] = nbytes[v]
                birth_[b] = t
            last_[v] = filled_[t] = b
            if workspace[v]:
                scratch_[t] = n
                sizes_[n] = workspace[v]
                birth_[n] = t
                death_[n] = t + 1
                n += 1
        elif last_[v] >= 0:
            death_[last_[v]] = t
            freed_[t] = last_[v]
            last_[v] = -1
    return sizes[:n], birth[:n], death[:n], filled, scratch, freed, last
