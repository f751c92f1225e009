"""Moves: buffers that change their places while they live, and programs that run so."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autodiff as ad
import autodiff.core.code as code
from autodiff.core.allocate import live_peak, place
from replay import replay

PAGE = 4096


def filled(seed, steps=60, room=64 * PAGE, results=0.3):
    """Lifetimes that fill the room at every step: random ones die until the next one fits."""
    random = np.random.default_rng(seed)
    buffers, held = [], []              # [nbytes, birth, death, is_result]
    for step in range(steps):
        nbytes = int(PAGE * np.exp2(random.uniform(0, 4)) // 64 * 64)
        mortal = [buffer for buffer in held if not buffer[3]]
        while mortal and sum(buffer[0] for buffer in held) + nbytes > room:
            victim = mortal.pop(random.integers(len(mortal)))
            victim[2] = step
            held.remove(victim)
        if sum(buffer[0] for buffer in held) + nbytes > room:
            break
        held.append([nbytes, step, steps, random.random() < results])
        buffers.append(held[-1])
    return buffers


def place_checked(buffers, effort=8):
    """Place buffers, let an independent judge replay that; return (extent, live, moves)."""
    nbytes, birth, death = (np.array([b[k] for b in buffers], np.int64) for k in range(3))
    result = np.array([b[3] for b in buffers], bool)
    offsets, in_block, arena_bytes, block_bytes, moves = place(nbytes, birth, death, result, effort)
    ends = replay(buffers, offsets.tolist(), in_block.tolist(), moves.tolist())
    assert ends == [arena_bytes, block_bytes]
    death[result] = death.max()
    return arena_bytes + block_bytes, live_peak(nbytes, birth, death), moves.tolist()


@pytest.mark.parametrize("results", [0, 0.1, 0.4])
@pytest.mark.parametrize("seed", range(8))
def test_rooms_that_are_always_full_are_packed_all_the_same(seed, results):
    extent, live, moves = place_checked(filled(seed, results=results))
    assert extent <= live + live // 128 + PAGE
    assert moves == place_checked(filled(seed, results=results))[2]


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.integers(2, 80), st.floats(0, 1), st.sampled_from([20, 64, 300]))
def test_moves_never_write_over_what_is_held(seed, steps, results, pages):
    place_checked(filled(seed, steps, pages * PAGE, results))


def test_nothing_is_moved_for_less_than_a_page_unless_it_is_asked_for():
    small = [[[nbytes // 64, *life] for nbytes, *life in filled(seed)] for seed in range(4)]
    assert not any(place_checked(buffers, effort=1)[2] for buffers in small)
    assert any(place_checked(buffers)[2] for buffers in small)


def test_no_more_is_moved_than_the_saved_bytes_are_worth():
    for seed in range(4):
        buffers = filled(seed)
        usual, thorough = place_checked(buffers, 1), place_checked(buffers, 8)
        best = max(extent for extent, _, _ in (usual, thorough))
        for effort, (extent, _, moves) in ((1, usual), (8, thorough)):
            moved = sum(buffers[i][0] for _, i, _, _ in moves) / sum(b[0] for b in buffers)
            assert moved <= 4 * effort * (1 - extent / best) or not moves


def restless(nbytes, birth, death, result):
    """Place in thrice the room, and before every step move what is held to wherever is free."""
    random = np.random.default_rng(nbytes.size)
    n, units = nbytes.size, (nbytes + 63) // 64
    room = 3 * int(units.sum()) + 1
    start, now, moves = np.zeros(n, np.int64), np.zeros(n, np.int64), []
    taken = units[result].cumsum() - units[result]
    start[result] = taken
    free = np.flatnonzero(~result & (nbytes > 0))
    for step in np.unique(birth[free]).tolist():
        held = [i for i in free if birth[i] < step < death[i]]
        held = [int(i) for i in random.permutation(held)]
        for i in [*held, *(int(i) for i in free if birth[i] == step)]:
            others = [j for j in held if j != i]
            others += [int(j) for j in free if birth[j] == step and j < i and i not in held]
            at = int(random.integers(room))
            for _ in range(1000):
                if all(at + units[i] <= now[j] or now[j] + units[j] <= at for j in others):
                    break
                at = int(random.integers(room))
            else:
                continue
            now[i] = at
            if birth[i] == step:
                start[i] = at
            else:
                moves.append((step, i, 0, 64 * at))
    return (64 * start, result.copy(), 64 * (room + int(units.max(initial=0))),
            64 * int(units[result].sum()), np.array(moves, np.int64).reshape(-1, 4))


def mlp(weights, x):
    for W, b in weights:
        x = np.tanh(x @ W + b)
    return (x * x).sum()


def scalars(x, y):
    for _ in range(10):
        x, y = np.sin(x) * y, x + y * y
    return x + y


def views(A):
    B = (A.T @ A).reshape(-1)
    return (np.exp(-B[::2]) * B[1::2]).sum() + np.concatenate([B, A.reshape(-1)]).mean()


def cases():
    random = np.random.default_rng(1)
    weights = [(random.standard_normal((200, 200)), random.standard_normal(200)) for _ in range(4)]
    yield mlp, (weights, random.standard_normal((50, 200)))
    yield scalars, (0.3, 0.7)
    yield views, (random.standard_normal((30, 16)) / 9,)


@pytest.mark.parametrize(("f", "args"), list(cases()), ids=lambda x: getattr(x, "__name__", ""))
@pytest.mark.parametrize("policy", [ad.Store(), ad.Recompute()])
def test_programs_compute_the_same_bits_while_everything_moves(f, args, policy, monkeypatch):
    compiled = ad.compile(ad.value_and_grad(f))
    ad.clear_cache()
    with ad.use_policy(policy):
        expected = compiled(*args)
    asked = []

    def moving(*lives, effort):
        asked.append(restless(*lives))
        return asked[-1]

    monkeypatch.setattr(code, "place", moving)
    ad.clear_cache()
    again = ad.compile(ad.value_and_grad(f))
    with ad.use_policy(policy):
        found = again(*args)
    ad.clear_cache()
    assert sum(len(placed[-1]) for placed in asked) > 0
    assert flat(found) == flat(expected)


def flat(tree):
    if isinstance(tree, (tuple, list)):
        return [leaf for branch in tree for leaf in flat(branch)]
    return [np.asarray(tree).tobytes()]


def layered_program(n, seed):
    """A program of values of many sizes, each reading two earlier ones, some of them results."""
    random = np.random.default_rng(seed)
    width = int(random.integers(2, 9))
    sizes = np.exp2(random.uniform(13, 17.5, n)).astype(int).tolist()
    read = [set()]
    for v in range(1, n):
        near = max(0, v - 2 * width)
        read.append({
            int(random.integers(near if random.random() < 0.8 else 0, v)) for _ in range(2)})
    with ad.Graph():
        given, values = [ad.variable(f"c{v}", k) for v, k in enumerate(sizes)], []
        for v in range(n):
            scale = 1.0
            for u in sorted(read[v]):
                scale = scale + values[u].sum()
            values.append(np.tanh(given[v] * scale))
        sinks = [values[v] for v in range(n) if v not in set().union(*read)]
        outputs = [*sinks[::3], sum(s.sum() for s in sinks)]
        return ad.Program(given, outputs, fuse=False), [random.standard_normal(k) for k in sizes]


def test_a_program_that_moves_is_planned_to_the_byte_and_says_so(monkeypatch):
    moving, arrays = layered_program(60, 3)
    assert 0 < moving.plan.moved_bytes < moving.plan.peak_bytes
    assert f"moved     {moving.plan.moved_bytes:,} bytes" in str(moving.plan)
    monkeypatch.setattr(code, "place", lambda *lives, effort: place(*lives, effort=0))
    still, _ = layered_program(60, 3)
    assert still.plan.moved_bytes == 0
    assert "moved" not in str(still.plan)
    assert moving.peak_bytes < still.peak_bytes
    for program in (moving, still, moving):
        assert flat(program(*arrays)) == flat(still(*arrays))
        program(*arrays)
        assert program.measured_peak_bytes == program.peak_bytes
