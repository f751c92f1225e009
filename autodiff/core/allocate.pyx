"""Packing of buffers with known lifetimes into as few bytes as can be found.

A buffer is a rectangle: its lifetime, the half-open interval of steps [birth, death), by its
bytes. Two that share a step must not share an address. The least extent is NP-hard to find
(dynamic storage allocation: Garey & Johnson 1979, SR2); the largest sum of live bytes bounds it
from below, and placing buffers one after the other, each in its best gap, comes close to that.
Which order is good depends on the program, so several are tried, see placement.pyx.

Results must outlive the arena, but until one is born its place is free. They hang from the top of
the addresses, in the order in which they are born, the first at the very top. So what they take at
a step is one range that grows downwards, all other buffers lie below it, and one that ends at an
address demands this many bytes and those of the results born before it dies: the extent is the
largest demand.

No order may come close where hardly a byte is to spare at many steps: what is free lies in pieces.
Then buffers are moved while they live, and the extent is all but the most live bytes.
"""

from libc.stdint cimport INT32_MAX, INT64_MAX, int64_t

import numpy as np

from autodiff.core.orders import live_bytes
from autodiff.core.placement cimport Placement
from autodiff.errors import PlanError


cdef check(nbytes, birth, death, result):
    """Raise PlanError where one buffer by itself is impossible, or all together too large."""
    if not nbytes.shape == birth.shape == death.shape == result.shape:
        raise PlanError("nbytes, birth, death and result must have one entry for each buffer")
    lives = (birth >= 0) & (death > birth) & (death <= INT32_MAX)
    for right, demand in (
        (nbytes >= 0, "cannot have fewer bytes than none"),
        (lives, "must be born and then die"),
    ):
        if not right.all():
            i = int(right.argmin())
            what = f"{nbytes[i]} bytes, steps {birth[i]} to {death[i]}"
            raise PlanError(f"buffer {i} ({what}) {demand}")
    # Half of what an int64 holds, so that no sum of sizes, with alignment, overflows.
    if nbytes.sum(dtype=float) + 64.0 * nbytes.size >= INT64_MAX // 2:
        raise PlanError("all buffers together have more bytes than can be counted")


def place(
    const int64_t[::1] nbytes not None,
    const int64_t[::1] birth not None,
    const int64_t[::1] death not None,
    result=None,
    int64_t effort=1,
):
    """Place buffers so that those that share a step share no byte, in as few bytes as can be found.

    A buffer lies in the arena or in the block. Results lie in the block and are held from birth to
    the end; they are its first bytes, in order of birth. Others may lie there while it is free, and
    where that saves memory enough they are moved while they live.

    Parameters
    ----------
    nbytes : int64 array, shape (n,)
        Bytes of each buffer, exact.
    birth, death : int64 array, shape (n,)
        Steps; the buffer is held in [birth, death), 0 <= birth < death < 2**31.
    result : bool array, shape (n,), optional
        Which buffers are results; none when not given.
    effort : int
        How much longer than usual moves are searched for, and how many more of them a byte is
        worth that they save; with 1, as usual, they save a page at least, and with 0 nothing is
        moved.

    Returns
    -------
    offsets : int64 array, shape (n,)
        Multiples of 64 for results and buffers of 64 bytes and more, else of 8; 0 for no bytes.
    in_block : bool array, shape (n,)
        Whether the offset counts in the block; else it does in the arena.
    arena_bytes, block_bytes : int
        The ends of the highest buffers. Their sum is never below `live_peak`.
    moves : int64 array, shape (m, 4)
        Rows of step, buffer, whether it is in the block from then on, and its offset there: its
        bytes are to be moved before this step, one move after the other.

    Raises
    ------
    PlanError
        A buffer is impossible; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> from autodiff.core.allocate import place
    >>> lives = np.array([640, 128, 512]), np.array([0, 1, 2]), np.array([2, 4, 4])
    >>> offsets, in_block, arena_bytes, block_bytes, moves = place(*lives)
    >>> offsets.tolist(), arena_bytes, block_bytes, len(moves)
    ([0, 640, 0], 768, 0, 0)

    References
    ----------
    Sekiyama et al. 2018, "Profile-guided memory optimization for deep neural networks"; Pisarchyk
    & Lee 2020, "Efficient memory management for deep neural net inference" (best-fit, by orders).
    """
    cdef Placement placement
    if result is None:
        result = np.zeros(nbytes.shape[0], bool)
    sizes, births, deaths, result = map(np.asarray, (nbytes, birth, death, result))
    check(sizes, births, deaths, result)
    placement = Placement(sizes, births, deaths, result, effort)
    placement.in_time()
    if not placement.is_done():
        placement.search()
        placement.with_moves()
    return placement.cut()


def live_peak(
    const int64_t[::1] nbytes not None,
    const int64_t[::1] birth not None,
    const int64_t[::1] death not None,
):
    """Return the largest sum of bytes held at one step: no placement has a smaller extent.

    Parameters
    ----------
    nbytes, birth, death : int64 array, shape (n,)
        As in `place`.

    Returns
    -------
    int

    Raises
    ------
    PlanError
        As `place`.

    Examples
    --------
    >>> import numpy as np
    >>> from autodiff.core.allocate import live_peak
    >>> live_peak(np.array([640, 128, 512]), np.array([0, 1, 2]), np.array([2, 4, 4]))
    768
    """
    sizes, births, deaths = map(np.asarray, (nbytes, birth, death))
    check(sizes, births, deaths, np.zeros(sizes.shape, bool))
    by_birth = np.argsort(births, kind="stable")
    by_death = np.argsort(deaths, kind="stable")
    return int(live_bytes(sizes, births, deaths, by_birth, by_death).max(initial=0))
