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

GRAPHS = Path(__file__).resolve().parent.parent / "benchmarks" / "graphs"


def unit(nbytes):
    return 64 if nbytes >= 64 else 8


def arrays(buffers):
    """Turn (nbytes, birth, death, pinned) tuples into the arguments of place."""
    table = np.array(buffers, dtype=np.int64).reshape(-1, 4)
    return [np.ascontiguousarray(column) for column in table.T]


def check(buffers, wall, offsets, extent):
    """Assert every rule of a placement, by looking at each pair of buffers."""
    top = wall
    for (nbytes, _, _, pinned), offset in zip(buffers, offsets):
        if pinned >= 0:
            assert offset == pinned
            continue
        if nbytes == 0:
            assert offset == 0
            continue
        in_results = offset + nbytes <= wall
        assert in_results or offset >= wall, "it lies across the wall"
        assert (offset if in_results else offset - wall) % unit(nbytes) == 0
        assert offset >= 0
        top = max(top, offset + nbytes)
    for i, j in itertools.combinations(range(len(buffers)), 2):
        (a, a_birth, a_death, _), (b, b_birth, b_death, _) = buffers[i], buffers[j]
        if a and b and a_birth < b_death and b_birth < a_death:
            apart = offsets[i] + a <= offsets[j] or offsets[j] + b <= offsets[i]
            assert apart, f"buffers {i} and {j} overlap"
    assert extent == top


def live_bytes(buffers):
    """Return the largest sum of live bytes, step by step."""
    steps = range(max((death for _, _, death, _ in buffers), default=0))
    sums = [sum(n for n, birth, death, _ in buffers if birth <= t < death) for t in steps]
    return max(sums, default=0)


def place_checked(buffers, wall=0):
    nbytes, birth, death, pinned = arrays(buffers)
    offsets, extent = place(nbytes, birth, death, pinned, wall)
    check(buffers, wall, offsets.tolist(), extent)
    assert live_peak(nbytes, birth, death) == live_bytes(buffers)
    assert extent >= live_bytes(buffers)
    return extent


@st.composite
def problems(draw):
    """Draw buffers, some pinned as results that live to the end, and the wall above these."""
    steps = draw(st.integers(1, 30))
    sizes = st.one_of(st.integers(0, 200), st.integers(0, 20).map(lambda k: 64 * k))
    buffers, wall = [], 0
    for _ in range(draw(st.integers(0, 40))):
        birth = draw(st.integers(0, steps - 1))
        nbytes = draw(sizes)
        if draw(st.integers(0, 4)) == 0:
            buffers.append((nbytes, birth, steps, wall))
            wall += -(-nbytes // 64) * 64 + draw(st.sampled_from([0, 0, 64, 640]))
        else:
            buffers.append((nbytes, birth, draw(st.integers(birth + 1, steps)), -1))
    return buffers, wall + draw(st.sampled_from([0, 0, 8, 1000]))


@given(problems())
def test_no_two_conflicting_buffers_overlap(problem):
    buffers, wall = problem
    place_checked(buffers, wall)


@given(problems(), st.randoms(use_true_random=False))
def test_the_same_lifetimes_get_the_same_offsets(problem, random):
    buffers, wall = problem
    first = place(*arrays(buffers), wall)
    place_checked([(random.randrange(1000), 0, 1, -1) for _ in range(20)])
    again = place(*arrays(buffers), wall)
    assert first[0].tolist() == again[0].tolist()
    assert first[1] == again[1]


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
    buffers = [(int(n), int(b), int(d), -1) for n, b, d in zip(sizes, births, deaths)]
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
    return [(int(size), v, int(end) + 1, -1) for v, (size, end) in enumerate(zip(sizes, last))]


@pytest.mark.parametrize("n", [30, 100, 300])
@pytest.mark.parametrize("seed", range(5))
def test_random_layered_lifetimes_need_at_most_4_percent_more_than_is_live(n, seed):
    buffers = layered(n, seed)
    assert place_checked(buffers) <= 1.04 * live_bytes(buffers)


def stored_chain(sizes):
    """A chain and its reversal: value i lives until its gradient is made, gradients two steps."""
    n = len(sizes)
    values = [(sizes[i], i, 2 * n - i, -1) for i in range(n)]
    return values + [(sizes[n - 1 - k], n + k, n + k + 2, -1) for k in range(n)]


def checkpointed_chain(sizes):
    """The same with every k-th value kept and the segments between made again, k = √n."""
    n = len(sizes)
    segments = [range(a, min(a + int(n**0.5), n)) for a in range(0, n, int(n**0.5))]
    buffers, born, step = [], {}, 0
    for i in itertools.chain(*segments):
        born[i] = step
        if i not in [segment[0] for segment in segments]:
            buffers.append((sizes[i], step, step + 2, -1))
        step += 1
    for segment in reversed(segments):
        for i in segment[1:]:
            born[i] = step
            step += 1
        for i in reversed(segment):
            buffers.append((sizes[i], step, step + 2, -1))
            buffers.append((sizes[i], born[i], step + 1, -1))
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
    """Lifetimes of a benchmark graph, every node once, in place where it is allowed.

    The targets are results, the last one born at the lowest address.
    """
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
    buffers, results = [], []
    for v in heads:
        end = v
        while end in taken:
            end = taken[end]
        kept = results if end in map(root.__getitem__, targets) else buffers
        kept.append((nodes[v]["nbytes"], v, last[end] + 1, -1))
    wall = 0
    for nbytes, birth, death, _ in reversed(results):
        buffers.append((nbytes, birth, death, wall))
        wall += -(-nbytes // 64) * 64
    buffers += [(node["workspace"], v, v + 1, -1) for v, node in enumerate(nodes)]
    return buffers, wall


@pytest.mark.parametrize(
    ("name", "live"), [("vgg16", 2495), ("resnet50", 2719), ("unet", 2758)]
)
def test_real_training_graphs_need_at_most_1_percent_more_than_is_live(name, live):
    buffers, wall = stored_graph(name)
    assert round(live_bytes(buffers) / 1e6) == live
    assert place_checked(buffers, wall) <= 1.01 * live_bytes(buffers)


def test_result_block_is_used_until_its_result_is_born():
    # The result is born last; before, its place has room for the two others, one after the other.
    assert place_checked([(1000, 0, 2, -1), (1000, 2, 4, -1), (1024, 4, 5, 0)], 1024) == 1024
    # Born earlier, it leaves room for the first one only.
    assert place_checked([(1000, 0, 2, -1), (1000, 2, 4, -1), (1024, 3, 5, 0)], 1024) == 2024


def test_nothing_lies_across_the_wall():
    assert place_checked([(1000, 0, 1, -1)], 999) == 1999
    assert place_checked([(1000, 0, 1, -1)], 1000) == 1000
    assert place_checked([(640, 0, 1, -1), (640, 0, 1, -1)], 1000) == 1640


def test_offsets_in_the_arena_count_from_the_wall():
    offsets, extent = place(np.array([64, 8]), np.array([0, 0]), np.array([1, 1]), wall=4)
    assert (sorted(offsets.tolist()), extent) == ([4, 68], 76)


@pytest.mark.parametrize("births", [(0, 2), (2, 0)])
def test_results_at_one_place_at_different_times(births):
    results = [(512, birth, birth + 2, 0) for birth in births]
    # Of two more buffers at the first steps one finds room beside the first result.
    buffers = [*results, (512, 2, 4, 512), (500, 0, 2, -1), (500, 0, 2, -1)]
    assert place_checked(buffers, 1024) == 1524


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
    pinned = np.full(n, -1)
    kept = np.sort(np.random.default_rng(1).choice(n, results, replace=False))[::-1]
    death[kept] = death.max()
    pinned[kept] = np.concatenate(([0], (-(-nbytes[kept] // 64) * 64).cumsum()))[:-1]
    wall = int((-(-nbytes[kept] // 64) * 64).sum())
    offsets, extent = place(nbytes, birth, death, pinned, wall)
    assert_free_of_overlaps(nbytes, birth, death, offsets)
    free = pinned < 0
    in_results = offsets + nbytes <= wall
    assert (in_results | (offsets >= wall))[free].all()
    units = np.where(nbytes < 64, 8, 64)
    assert ((offsets - np.where(in_results, 0, wall)) % units)[free].max() == 0
    assert not results or in_results[free & (nbytes >= 64)].any(), "the result block is used"
    assert extent == max(wall, (offsets + nbytes)[~in_results].max())
    assert live_peak(nbytes, birth, death) <= extent <= 1.05 * live_peak(nbytes, birth, death)


def test_a_million_scalars_of_a_chain_take_8_bytes_each():
    n = 500_000
    birth = np.arange(2 * n)
    death = np.concatenate((np.arange(2 * n, n, -1), birth[n:] + 2))
    nbytes = np.full(2 * n, 8)
    _, extent = place(nbytes, birth, death)
    assert extent == live_peak(nbytes, birth, death) == 8 * (n + 1)


@pytest.mark.parametrize("result", [0, 6400, 640_000])
def test_long_plans_of_short_lives_are_packed_by_conflicts(result):
    n = 30_000
    random = np.random.default_rng(result)
    birth = np.arange(n)
    death = birth + random.integers(2, 8, n)
    nbytes = 64 * np.exp2(random.uniform(0, 8, n)).astype(np.int64)
    pinned = np.full(n, -1)
    nbytes[n // 2], death[n // 2], pinned[n // 2] = result, n + 7, 0
    offsets, extent = place(nbytes, birth, death, pinned, result)
    assert_free_of_overlaps(nbytes, birth, death, offsets)
    assert ((offsets + nbytes <= result) | (offsets >= result)).all(), "one lies across the wall"
    assert extent <= 1.04 * live_peak(nbytes, birth, death)


def test_nothing_to_place():
    offsets, extent = place(*arrays([]), 640)
    assert (offsets.tolist(), extent) == ([], 640)
    assert live_peak(*arrays([])[:3]) == 0
    assert place_checked([(0, 0, 1, -1), (0, 0, 1, -1)]) == 0
    assert place_checked([(0, 0, 9, 64), (640, 0, 9, 0)], 640) == 640


@pytest.mark.parametrize(
    ("buffers", "wall", "message"),
    [
        ([(8, 0, 1, -1), (-8, 0, 1, -1)], 0, r"buffer 1 \(-8 bytes, .* fewer"),
        ([(8, 2, 2, -1)], 0, r"buffer 0 \(.* steps 2 to 2\) must be born"),
        ([(8, -1, 2, -1)], 0, "born"),
        ([(8, 0, 2**31, -1)], 0, "born"),
        ([(8, 0, 1, 0), (8, 0, 1, 60)], 64, "buffer 1 .* pinned"),
        ([(64, 0, 4, 0), (64, 3, 4, 63)], 128, "buffers 0 and 1 are pinned to the same bytes"),
        ([(2**62, 0, 1, -1), (2**62, 1, 2, -1)], 0, "more bytes than can be counted"),
        ([(8, 0, 1, -1)], -64, "wall"),
    ],
)
def test_impossible_buffers_are_refused(buffers, wall, message):
    with pytest.raises(PlanError, match=message):
        place(*arrays(buffers), wall)


def test_arrays_of_different_lengths_are_refused():
    nbytes, birth, death, pinned = arrays([(8, 0, 1, -1), (8, 0, 1, -1)])
    with pytest.raises(PlanError, match="one entry"):
        place(nbytes, birth[:1], death, pinned)
    with pytest.raises(PlanError, match="one entry"):
        live_peak(nbytes, birth, death[:1])
    with pytest.raises(ValueError, match="Buffer dtype"):
        place(nbytes.astype(np.float64), birth, death)
