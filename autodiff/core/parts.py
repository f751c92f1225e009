"""Which part of an array the attributes of slices, joins and transposes name.

Ranges are those of `ops.slicing`: for each axis an int, which drops it, or (start, step, count).
"""


def cancels(outer, inner):
    """Whether permuting axes by `inner` and then by `outer` leaves them as they were."""
    return all(inner[axis] == k for k, axis in enumerate(outer))


def along(ranges, axis, shape):
    """(start, step, count) on `axis` of a part that is whole on every other; None for others."""
    for d, n in enumerate(shape):
        if d != axis and ranges[d] != (0, 1, n):
            return None
    part = ranges[axis]
    return part if isinstance(part, tuple) else (part, 1, 1)


def piece(ranges, axis, starts, shape):
    """Which of the arrays joined along `axis`, from `starts` on, the ranges take out; -1: none."""
    part = along(ranges, axis, shape)
    return next((k for k in range(len(starts) - 1)
                 if part == (starts[k], 1, starts[k + 1] - starts[k])), -1)
