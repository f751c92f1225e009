"""Placement: nothing that lives together overlaps, and hardly more bytes than are live at once."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autodiff.core.allocate import live_peak, place
from autodiff.errors import PlanError
from replay import replay

GRAPHS = Path(__file__).resolve().parent.parent / "benchmarks" / "graphs"


def unit(nbytes):
    return 64 if nbytes >= 64 else 8


def arrays(buffers):
    """Turn (nbytes, birth, death, is_result) tuples into the arguments of place."""
    table = np.array(buffers, dtype=np.int64).reshape(-1, 4)
    *columns, result = (np.ascontiguousarray(column) for column in table.T)
    return [*columns, result.astype(bool)]


def to_the_end(buffers):
    """Let the results among the buffers be held to the end."""
    last = max((death for _, _, death, _ in buffers), default=0)
    return [(n, birth, last if is_result else death) for n, birth, death, is_result in buffers]


def check(buffers, offsets, in_block, arena_bytes, block_bytes, moves):
    """Assert every rule of a placement, by looking at each pair of buffers."""
    top = 0
    for i in sorted(range(len(buffers)), key=lambda i: buffers[i][1]):
        nbytes, _, _, is_result = buffers[i]
        if is_result:
            assert in_block[i]
            assert offsets[i] == top or not nbytes, "results are first, in order of birth"
            top += -(-nbytes // 64) * 64
        elif nbytes == 0:
            assert offsets[i] == 0
            continue
        assert offsets[i] % (64 if is_result else unit(nbytes)) == 0
    assert all(start % unit(buffers[i][0]) == 0 for _, i, _, start in moves)
    assert [arena_bytes, block_bytes] == replay(buffers, offsets, in_block, moves)


def live_bytes(buffers):
    """Return the largest sum of live bytes, step by step."""
    held = to_the_end(buffers)
    last = max((death for _, _, death in held), default=0)
    return max((sum(n for n, b, d in held if b <= t < d) for t in range(last)), default=0)


def place_checked(buffers):
    offsets, in_block, arena_bytes, block_bytes, moves = place(*arrays(buffers))
    check(buffers, offsets.tolist(), in_block.tolist(), arena_bytes, block_bytes, moves.tolist())
    assert arena_bytes + block_bytes >= live_bytes(buffers)
    return arena_bytes + block_bytes


@st.composite
def problems(draw):
    """Draw buffers, some of them results."""
    steps = draw(st.integers(1, 30))
    sizes = st.one_of(st.integers(0, 200), st.integers(0, 20).map(lambda k: 64 * k))
    buffers = []
    for _ in range(draw(st.integers(0, 40))):
        birth = draw(st.integers(0, steps - 1))
        is_result = draw(st.integers(0, 4)) == 0
        death = steps if is_result else draw(st.integers(birth + 1, steps))
        buffers.append((draw(sizes), birth, death, is_result))
    return buffers


@given(problems())
def test_no_two_conflicting_buffers_overlap(buffers):
    place_checked(buffers)


@given(problems())
def test_live_peak_is_the_largest_sum_of_live_bytes(buffers):
    buffers = [(nbytes, birth, death, False) for nbytes, birth, death, _ in buffers]
    assert live_peak(*arrays(buffers)[:3]) == live_bytes(buffers)


@given(problems(), st.randoms(use_true_random=False))
def test_the_same_lifetimes_get_the_same_offsets(buffers, random):
    first = place(*arrays(buffers))
    place_checked([(random.randrange(1000), 0, 1, False) for _ in range(20)])
    again = place(*arrays(buffers))
    assert [np.asarray(x).tolist() for x in first] == [np.asarray(x).tolist() for x in again]


def least_extent(buffers):
    """Return the least extent of buffers of multiples of 64 bytes, by trying every order.

    Some order of lowest-first placement reaches the optimum: the order of its own offsets.
    """
    best = None
    for order in itertools.permutations(buffers):
        placed = []
        for nbytes, birth, death, _ in order:
            offset = 0
            for low, high, b, d in sorted(placed):
                if birth < d and b < death and low < offset + nbytes and offset < high:
                    offset = high
            placed.append((offset, offset + nbytes, birth, death))
        extent = max(high for _, high, _, _ in placed)
        best = extent if best is None else min(best, extent)
    return best


@pytest.mark.parametrize("seed", range(60))
def test_tiny_cases_are_placed_best(seed):
    random = np.random.default_rng(seed)
    births = random.integers(0, 6, 6)
    deaths = births + random.integers(1, 5, 6)
    sizes = 64 * random.integers(1, 8, 6)
    buffers = [(int(n), int(b), int(d), False) for n, b, d in zip(sizes, births, deaths)]
    assert place_checked(buffers) == least_extent(buffers)


def layered(n, seed):
    """Lifetimes of a random layered graph: values read within a few steps, some much later."""
    random = np.random.default_rng(seed)
    sizes = 64 * np.exp2(random.uniform(0, 8, n)).astype(int)
    last = np.arange(n)
    width = int(random.integers(2, 9))
    for v in range(1, n):
        for _ in range(random.integers(1, 4)):
            low = max(0, v - 2 * width) if random.random() < 0.8 else 0
            u = random.integers(low, v)
            last[u] = max(last[u], v)
    return [(int(size), v, int(end) + 1, False) for v, (size, end) in enumerate(zip(sizes, last))]


@pytest.mark.parametrize("n", [30, 100, 300])
@pytest.mark.parametrize("seed", range(5))
def test_random_layered_lifetimes_need_at_most_4_percent_more_than_is_live(n, seed):
    buffers = layered(n, seed)
    assert place_checked(buffers) <= 1.04 * live_bytes(buffers)


def stored_chain(sizes):
    """A chain and its reversal: value i lives until its gradient is made, gradients two steps."""
    n = len(sizes)
    values = [(sizes[i], i, 2 * n - i, False) for i in range(n)]
    return values + [(sizes[n - 1 - k], n + k, n + k + 2, False) for k in range(n)]


def checkpointed_chain(sizes):
    """The same with every k-th value kept and the segments between made again, k = √n."""
    n = len(sizes)
    segments = [range(a, min(a + int(n**0.5), n)) for a in range(0, n, int(n**0.5))]
    buffers, born, step = [], {}, 0
    for i in itertools.chain(*segments):
        born[i] = step
        if i not in [segment[0] for segment in segments]:
            buffers.append((sizes[i], step, step + 2, False))
        step += 1
    for segment in reversed(segments):
        for i in segment[1:]:
            born[i] = step
            step += 1
        for i in reversed(segment):
            buffers.append((sizes[i], step, step + 2, False))
            buffers.append((sizes[i], born[i], step + 1, False))
            step += 1
    return buffers


@pytest.mark.parametrize("shape", [stored_chain, checkpointed_chain])
@pytest.mark.parametrize("n", [10, 50, 150])
@pytest.mark.parametrize("kind", ["mixed", "equal", "scalars"])
def test_chains_need_at_most_1_percent_more_than_is_live(shape, n, kind):
    random = np.random.default_rng(n)
    mixed = (64 * np.exp2(random.uniform(4, 12, n)).astype(int)).tolist()
    sizes = {"mixed": mixed, "equal": [4096] * n, "scalars": [8] * n}[kind]
    buffers = shape(sizes)
    extent = place_checked(buffers)
    assert extent <= (1.01 if kind == "mixed" else 1) * live_bytes(buffers)


def stored_graph(name):
    """Lifetimes of a benchmark graph, every node once, in place where it is allowed."""
    problem = json.loads((GRAPHS / f"{name}.json").read_text())
    nodes, targets = problem["nodes"], problem["targets"]
    root = list(range(len(nodes)))
    last = list(range(len(nodes)))
    for v, node in enumerate(nodes):
        if node["owner"] is not None:
            root[v] = root[node["owner"]]
        for u in node["inputs"]:
            last[root[u]] = v
    for v in targets:
        last[root[v]] = len(nodes) - 1
    taken = {}                              # node -> the one that takes its bytes over
    for v, node in enumerate(nodes):
        for u in map(root.__getitem__, node["inplace"]):
            if last[u] == v and nodes[u]["nbytes"] == node["nbytes"] and u not in taken:
                taken[u] = v
                break
    heads = [v for v in range(len(nodes)) if root[v] == v and v not in taken.values()]
    buffers = []
    for v in heads:
        end = v
        while end in taken:
            end = taken[end]
        is_result = end in map(root.__getitem__, targets)
        buffers.append((nodes[v]["nbytes"], v, last[end] + 1, is_result))
    return buffers + [(node["workspace"], v, v + 1, False) for v, node in enumerate(nodes)]


@pytest.mark.parametrize(
    ("name", "live"), [("vgg16", 2495), ("resnet50", 2719), ("unet", 2758)]
)
def test_real_training_graphs_need_at_most_1_percent_more_than_is_live(name, live):
    buffers = stored_graph(name)
    assert round(live_bytes(buffers) / 1e6) == live
    assert place_checked(buffers) <= 1.01 * live_bytes(buffers)


def test_places_of_results_are_used_until_these_are_born():
    # The result is born last; before, its place has room for the two others, one after the other.
    assert place_checked([(1000, 0, 2, False), (1000, 2, 4, False), (1024, 4, 5, True)]) == 1024
    # Born earlier, it leaves room for the first one only.
    assert place_checked([(1000, 0, 2, False), (1000, 2, 4, False), (1024, 3, 5, True)]) == 2024


def test_a_buffer_may_take_the_places_of_several_results_and_more():
    results = [(640, birth, 9, True) for birth in (4, 5, 6)]
    assert place_checked([(1920, 0, 4, False), *results]) == 1920
    # Part of it lies behind the results. That slack is part of the block, the arena is empty.
    offsets, in_block, arena_bytes, block_bytes, _ = place(*arrays([(3200, 0, 4, False), *results]))
    assert (offsets.tolist(), in_block.all()) == ([0, 0, 640, 1280], True)
    assert (arena_bytes, block_bytes) == (0, 3200)


def test_slack_is_not_had_for_next_to_nothing():
    # Together they would need 64 bytes fewer, but most of the large one would be slack.
    buffers = [(64_000, 0, 4, False), (64, 4, 5, True)]
    offsets, in_block, arena_bytes, block_bytes, _ = place(*arrays(buffers))
    assert (in_block.tolist(), arena_bytes, block_bytes) == ([False, True], 64_000, 64)


def test_results_are_stacked_in_order_of_birth():
    buffers = [(100, 3, 9, True), (64, 1, 9, True), (8, 2, 9, True)]
    offsets, _, arena_bytes, block_bytes, _ = place(*arrays(buffers))
    assert (offsets.tolist(), arena_bytes, block_bytes) == ([128, 0, 64], 0, 228)


def long_plan(n, seed):
    """More buffers than the orders can be tried for, alive in great numbers."""
    random = np.random.default_rng(seed)
    birth = np.arange(n)
    death = birth + random.integers(1, n // 4, n)
    small = 8 * random.integers(1, 9, n)
    return np.where(random.random(n) < 0.3, small, 64 * random.integers(1, 20, n)), birth, death


def assert_free_of_overlaps(nbytes, birth, death, offsets):
    """Paint each buffer at birth, look at it at death: what overlaps is painted over."""
    memory = np.full((offsets + nbytes).max(), -1, np.int32)
    deaths = [(step, False, i) for i, step in enumerate(death)]
    births = [(step, True, i) for i, step in enumerate(birth)]
    for _, is_birth, i in sorted(deaths + births):
        own = memory[offsets[i] : offsets[i] + nbytes[i]]
        if is_birth:
            own[:] = i
        else:
            assert (own == i).all(), f"buffer {i} was written over"


@pytest.mark.parametrize("results", [0, 2000])
def test_long_plans_are_placed_by_free_lists(results):
    n = 40_000
    nbytes, birth, death = long_plan(n, results)
    result = np.zeros(n, bool)
    result[np.random.default_rng(1).choice(n, results, replace=False)] = True
    death[result] = death.max()
    offsets, in_block, arena_bytes, block_bytes, _ = place(nbytes, birth, death, result)
    assert_free_of_overlaps(nbytes, birth, death, np.where(in_block, arena_bytes, 0) + offsets)
    assert (offsets % np.where(nbytes < 64, 8, 64))[~result].max() == 0
    live = live_peak(nbytes, birth, death)
    assert live <= arena_bytes + block_bytes <= 1.05 * live


def test_a_million_scalars_of_a_chain_take_8_bytes_each():
    n = 500_000
    birth = np.arange(2 * n)
    death = np.concatenate((np.arange(2 * n, n, -1), birth[n:] + 2))
    nbytes = np.full(2 * n, 8)
    _, _, arena_bytes, _, _ = place(nbytes, birth, death)
    assert arena_bytes == live_peak(nbytes, birth, death) == 8 * (n + 1)


@pytest.mark.parametrize("nbytes_of_result", [0, 6400, 640_000])
def test_long_plans_of_short_lives_are_packed_by_conflicts(nbytes_of_result):
    n = 30_000
    random = np.random.default_rng(nbytes_of_result)
    birth = np.arange(n)
    death = birth + random.integers(2, 8, n)
    nbytes = 64 * np.exp2(random.uniform(0, 8, n)).astype(np.int64)
    result = np.arange(n) == n // 2
    nbytes[result], death[result] = nbytes_of_result, n + 7
    offsets, in_block, arena_bytes, block_bytes, _ = place(nbytes, birth, death, result)
    assert_free_of_overlaps(nbytes, birth, death, np.where(in_block, arena_bytes, 0) + offsets)
    assert arena_bytes + block_bytes <= 1.04 * live_peak(nbytes, birth, death)


def test_nothing_to_place():
    offsets, in_block, arena_bytes, block_bytes, _ = place(*arrays([]))
    assert (offsets.tolist(), in_block.tolist(), arena_bytes, block_bytes) == ([], [], 0, 0)
    assert live_peak(*arrays([])[:3]) == 0
    assert place_checked([(0, 0, 1, False), (0, 0, 1, False)]) == 0
    assert place_checked([(0, 0, 9, True), (640, 0, 9, True)]) == 640


@pytest.mark.parametrize(
    ("buffers", "message"),
    [
        ([(8, 0, 1, False), (-8, 0, 1, False)], r"buffer 1 \(-8 bytes, .* fewer"),
        ([(8, 2, 2, False)], r"buffer 0 \(.* steps 2 to 2\) must be born"),
        ([(8, -1, 2, False)], "born"),
        ([(8, 0, 2**31, False)], "born"),
        ([(2**62, 0, 1, False), (2**62, 1, 2, False)], "more bytes than can be counted"),
    ],
)
def test_impossible_buffers_are_refused(buffers, message):
    with pytest.raises(PlanError, match=message):
        place(*arrays(buffers))


def test_arrays_of_different_lengths_are_refused():
    nbytes, birth, death, result = arrays([(8, 0, 1, False), (8, 0, 1, False)])
    with pytest.raises(PlanError, match="one entry"):
        place(nbytes, birth[:1], death, result)
    with pytest.raises(PlanError, match="one entry"):
        live_peak(nbytes, birth, death[:1])
    with pytest.raises(ValueError, match="Buffer dtype"):
        place(nbytes.astype(np.float64), birth, death)
