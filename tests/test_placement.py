"""Every row gives the same bits wherever its operands lie in memory.

Inner loops choose vector or scalar paths by alignment and by how near two buffers are; a plan
moves buffers, so a difference of one bit would be a difference between policies.
"""

import numpy as np
import pytest

import autodiff as ad
from autodiff.ops.conversion import copy
from samples import collect

CALLS = [
    pytest.param(sample, dtype, id=f"{row}-{number}-{np.dtype(dtype).char}")
    for row, group in collect("SAMPLES").items()
    for number, sample in enumerate(group) for dtype in sample.dtypes
]


def side_by_side(arrays, shift):
    """Copies of the arrays in one buffer, one right behind the other from element `shift` on."""
    room = np.zeros(sum(a.nbytes + 16 for a in arrays) + 64 * 17, np.uint8)
    start = -room.ctypes.data % 64 + shift * max((a.itemsize for a in arrays), default=8)
    placed = []
    for a in arrays:
        start += -start % a.itemsize
        x = room[start:start + a.nbytes].view(a.dtype).reshape(a.shape)
        x[...] = a
        placed.append(x)
        start += a.nbytes
    return placed


def bits(results):
    return [y.tobytes() for y in results]


def outputs_of(sample, xs):
    """The value of a call and its gradients."""
    y = sample.f(*xs)
    if y.dtype.kind != "f" or not sample.wrt:
        return [y]
    seed = np.full(y.shape, 0.5, y.dtype)
    return [y, *ad.gradients([y], [xs[k] for k in sample.wrt], [seed])]


@pytest.mark.parametrize(("sample", "dtype"), CALLS)
def test_bits_do_not_depend_on_addresses(sample, dtype):
    arrays = [np.ascontiguousarray(a) if a.ndim else a for a in sample.arrays(dtype)]
    with ad.Graph():
        xs = [ad.variable(f"x{k}", a.shape, a.dtype) for k, a in enumerate(arrays)]
        outputs = outputs_of(sample, xs)
        program = ad.Program(xs, outputs)
        expected = bits(program(*arrays))
        for shift in range(9):
            assert bits(program(*side_by_side(arrays, shift))) == expected, shift
        # In the arena: copies that die, behind a pad of so many times 8 bytes that does not.
        for shift in range(1, 9):
            pad = ad.variable("pad", (shift,))
            kept = copy(pad)
            outputs = outputs_of(sample, [copy(x) for x in xs])
            inside = ad.Program([*xs, pad], [kept.sum(), *outputs, kept.max()])
            assert bits(inside(*arrays, np.ones(shift)))[1:-1] == expected, shift
