"""An independent judge of placements: births and moves one by one, every pair looked at."""


def replay(buffers, offsets, in_block, moves):
    """Assert that nothing is ever written over; return the highest ends in arena and block.

    Parameters
    ----------
    buffers : list of (nbytes, birth, death, is_result)
        Results are held to the end.
    offsets, in_block, moves
        As `place` returns them, as lists.
    """
    held, ends = {}, [0, 0]          # buffer -> (in the block, first byte, end)

    def put(i, block, start):
        end = start + buffers[i][0]
        assert start >= 0
        for j, (other, low, high) in held.items():
            apart = j == i or other != block or end <= low or high <= start
            assert apart, f"buffer {i} is put onto buffer {j}"
        held[i] = bool(block), start, end
        ends[block] = max(ends[block], end)

    pending = list(moves)
    for i in sorted(range(len(buffers)), key=lambda i: buffers[i][1]):
        nbytes, step, _, _ = buffers[i]
        for j in list(held):
            if not buffers[j][3] and buffers[j][2] <= step:
                del held[j]
        while pending and pending[0][0] <= step:
            when, moved, block, start = pending.pop(0)
            assert when == step, "moves are made before a buffer is born"
            assert moved in held, "only what is held is moved"
            assert buffers[moved][1] < step, "what is not written yet is not moved"
            assert not buffers[moved][3], "results stay where they are"
            put(moved, block, start)
        if nbytes:
            put(i, in_block[i], offsets[i])
    assert not pending, "moves are in the order of steps"
    return ends
