"""In which orders buffers are placed, and where the wall between arena and block may stand."""

import numpy as np

SIZES = 3           # most frequent sizes whose multiples a wall is tried at
CROSSED = 3         # and places that the fewest bytes lie across


def live_bytes(nbytes, birth, death, by_birth, by_death):
    """Return the bytes that are live once each buffer is born, in order of birth."""
    born = nbytes[by_birth].cumsum()
    dead = np.concatenate(([0], nbytes[by_death].cumsum()))
    return born - dead[np.searchsorted(death[by_death], birth[by_birth], side="right")]


def crowding(live, birth, death, by_birth):
    """Return for each buffer the most bytes that are live at one of its steps.

    A table of maxima over 1, 2, 4 … births answers for any range of births with two of them.
    """
    first = np.arange(birth.size)
    last = np.searchsorted(birth[by_birth], death[by_birth])
    width = np.frexp(last - first)[1] - 1
    most = np.empty_like(live)
    for k in range(width.max(initial=0) + 1):
        at = np.flatnonzero(width == k)
        most[by_birth[at]] = np.maximum(live[first[at]], live[last[at] - 2**k])
        live = np.maximum(live[: -(2**k)], live[2**k :]) if live.size > 2**k else live
    return most


def orders(nbytes, birth, death, crowd):
    """Return pairs (keys, lowest) of ways to place buffers one by one, the most promising first.

    The order sorts by the keys, the last one first. Crowding (where many bytes are live
    there is the least choice) is the "breadth" of Pisarchyk & Lee.
    """
    length = death - birth
    area = nbytes.astype(float) * length
    return (
        ((birth, -nbytes, -length, -crowd), False),
        ((birth, -length, -nbytes), True),
        ((-nbytes, birth, -crowd), False),
        ((birth, -nbytes, -length), False),
        ((birth, -length, -nbytes, -crowd), True),
        ((-nbytes, birth), False),
        ((birth, -length, -nbytes), False),
        ((birth, -nbytes, -area), False),
        ((birth, -nbytes, -length), True),
        ((-nbytes, -death), False),
    )


def lowest_wall(offsets, nbytes, below):
    """Return the highest multiple of 64, at most `below`, that no buffer lies across."""
    by_offset = np.argsort(offsets, kind="stable")
    start = np.concatenate((offsets[by_offset], [below]))
    end = np.maximum.accumulate(np.concatenate(([0], (offsets + nbytes)[by_offset])))
    free = np.minimum(start, below) // 64 * 64
    return int(free[free >= end].max(initial=0))


def weight_below(addresses, points, weights):
    """Return for each address the sum of the weights of the points below it."""
    by_point = np.argsort(points, kind="stable")
    sums = np.concatenate(([0], weights[by_point].cumsum()))
    return sums[np.searchsorted(points[by_point], addresses)]


def walls(offsets, nbytes, lasting, extent, block):
    """Return addresses that are worth trying as a wall, at most `extent - block`.

    With buffers of one size the best is a multiple of it, the largest that leaves room for the
    block; else it is where a packing without a wall has little that lies across.

    Parameters
    ----------
    offsets, nbytes, lasting : int64 arrays, shape (n,)
        The packing, and how many steps each buffer is held.
    extent, block : int
        Its extent, and the bytes of the results alone.
    """
    most = extent - block
    sizes, which = np.unique(nbytes, return_inverse=True)
    shares = np.bincount(which, weights=nbytes * lasting.astype(float))
    common = sizes[np.argsort(-shares, kind="stable")[:SIZES]]
    ends = np.unique(offsets + nbytes)
    ends = ends[(ends <= most) & (ends >= most - block)]
    begun = weight_below(ends, offsets, nbytes * lasting)
    over = weight_below(ends + 1, offsets + nbytes, nbytes * lasting)
    least = ends[np.argsort(begun - over, kind="stable")[:CROSSED]]
    found = [most, *(most // common * common), *least]
    return list(dict.fromkeys(int(w) // 64 * 64 for w in found if w >= 64))
