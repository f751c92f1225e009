"""Checkpoint: which values are kept, when segments are recomputed, where there are no states."""

import numpy as np
import pytest

from autodiff.planning import Problem, solve
from planning_problems import blocks, computes, sine_chain, sines
from validator import plain


@pytest.mark.parametrize("n", [2, 3, 7, 20])
@pytest.mark.parametrize("every", [1, 2, 3, 5, 100])
@pytest.mark.parametrize("with_z", [False, True])
def test_checkpoints_of_a_chain(n, every, with_z):
    # States: all sines but the last, which no sine reads. The last segment is computed once.
    problem = sine_chain(n, with_z)
    plan = solve(problem, method="checkpoint", every=every)
    sine_count = n - 1 + with_z
    kept = list(range(every - 1, sine_count - 1, every))
    assert sines(problem, plan) == sine_count + len(kept) * (every - 1)
    tail = kept[-1] + 1 if kept else 0
    once = [*kept, *range(tail, sine_count)]
    assert [v for v in range(sine_count) if plan.evaluations[v] == 1] == sorted(once)
    # Kept states, one segment, and on top of it cosine, product and next product at the most.
    assert plan.peak_bytes <= 8 * (len(kept) + every + 3 + with_z)


def test_checkpoints_default_to_the_root_of_the_number_of_states():
    problem = sine_chain(102)
    assert solve(problem, method="checkpoint").steps == solve(
        problem, method="checkpoint", every=10
    ).steps


@pytest.mark.parametrize("every", [1, 2, 4])
def test_states_are_where_the_graph_narrows(every):
    count, width = 9, 3
    problem = blocks(count, width)
    plan = solve(problem, method="checkpoint", every=every)
    states = range(0, count * width, width)
    kept = states[every - 1 :: every]
    once = [*kept, *range(kept[-1] + 1, count * width + 1)]
    assert [v for v in range(count * width + 1) if plan.evaluations[v] == 1] == once


def test_a_state_counts_once_however_long_it_is_alone():
    # From each state x a side value is made that only the sweep reads: x is alone twice.
    n = 24
    inputs = [[]]
    for x in range(0, 2 * n - 2, 2):
        inputs += [[x], [x]]
    f = len(inputs)
    inputs += [[f - 1]] + [[f - 1 - i, f - 1 + i] for i in range(1, f)]
    m = len(inputs)
    problem = Problem([8] * m, [1] * m, inputs, [m - 1], level=[0] * f + [1] * (m - f))
    plan = solve(problem, method="checkpoint", every=6)
    assert [v for v in range(2 * n - 14) if plan.evaluations[v] == 1 and v % 2 == 0] == [10, 22]


def test_values_of_no_bytes_do_not_widen_the_graph():
    # As sine_chain(20), with a value of 0 bytes made first and read by every sine.
    p = plain(sine_chain(20))
    m = len(p["inputs"])
    inputs = [[], *([u + 1 for u in row] for row in p["inputs"])]
    for v in range(1, 20):
        inputs[v].append(0)
    problem = Problem(
        [0] + [8] * m, [1] * (m + 1), inputs, [m], level=[0, *p["level"]]
    )
    plan = solve(problem, method="checkpoint", every=5)
    assert [v for v in range(1, 16) if plan.evaluations[v] == 1] == [5, 10, 15]


def test_a_view_of_a_view_goes_with_the_later_segment():
    # The sweep's first read is a view (14) of a view (12) that lies segments after its owner (1).
    inputs = [[v - 1] if v else [] for v in range(12)] + [[1], [11, 12], [12], [13, 14]]
    inputs += [[15 + i, 11 - i] for i in range(12)]
    n = len(inputs)
    problem = Problem(
        [8] * n,
        [1] * n,
        inputs,
        [n - 1],
        owner=[1 if v in (12, 14) else None for v in range(n)],
        level=[int(v >= 14) for v in range(n)],
    )
    plan = solve(problem, method="checkpoint", every=4)
    again = [i for i, v in enumerate(computes(plan)) if v == 0]
    assert len(again) == 2
    assert again[1] > computes(plan).index(20)      # which reads 7, segments after 0


def test_what_the_sweep_must_come_after_is_made_on_the_way_forward():
    # Node 3 has no reader; the last node of the sweep, which reads 4, must come after it.
    inputs = [[], [0], [1], [2], [2], [4], [5], [6], [7], [8, 4], [9]]
    problem = Problem(
        [8] * 11,
        [1] * 11,
        inputs,
        [10],
        level=[int(v >= 8) for v in range(11)],
        after=[[3] if v == 10 else [] for v in range(11)],
    )
    plan = solve(problem, method="checkpoint", every=5)
    assert plan.evaluations.tolist() == [2, 2, 2, 1, 2, 1, 1, 1, 1, 1, 1]


def test_without_narrow_points_segments_have_equal_cost():
    # Every value is read by the next two: two are always live.
    n = 400
    inputs = [[u for u in (v - 2, v - 1) if u >= 0] for v in range(n)]
    inputs += [[n - 1]] + [[n - 1 - i, n - 1 + i] for i in range(1, n)]
    m = len(inputs)
    problem = Problem([8] * m, [1] * m, inputs, [m - 1], level=[0] * n + [1] * (m - n))
    plan = solve(problem, method="checkpoint", every=20)
    kept = [v for v in range(n - 20) if plan.evaluations[v] == 1]
    assert len(kept) == 2 * (n // 20 - 1)
    gaps = np.diff(kept[::2])
    assert abs(gaps - 20).max() <= 10
    assert plan.evaluations.max() == 2
    assert plan.peak_bytes < solve(problem, method="store").peak_bytes / 5


def test_cuts_move_to_where_few_bytes_cross():
    # Pairs of large values with a small one between two pairs: x → (a, b) → x, and x is carried
    # along by a second value (0), so that there are no states. Cuts keep x and 0 alone.
    inputs = [[]]
    for _ in range(60):
        x = len(inputs) - 1
        inputs += [[x], [x], [x + 1, x + 2]]
    inputs.append([0, len(inputs) - 1])
    f = len(inputs)
    inputs += [[f - 1]] + [[f - 1 - i, f - 1 + i] for i in range(1, f)]
    m = len(inputs)
    nbytes = [8 if v % 3 == 0 or v >= f else 64 for v in range(m)]
    problem = Problem(nbytes, [1] * m, inputs, [m - 1], level=[0] * f + [1] * (m - f))
    for every in (10, 11, 13, 14):
        plan = solve(problem, method="checkpoint", every=every)
        kept = [v for v in range(f - 20) if plan.evaluations[v] == 1]
        assert len(kept) >= f // 15
        assert all(v % 3 == 0 for v in kept)


def test_segments_of_equal_cost_follow_the_cost():
    # The same graph, its second half ten times dearer: most of the cuts lie there.
    n = 400
    inputs = [[u for u in (v - 2, v - 1) if u >= 0] for v in range(n)]
    inputs += [[n - 1]] + [[n - 1 - i, n - 1 + i] for i in range(1, n)]
    m = len(inputs)
    cost = [1] * (n // 2) + [10] * (m - n // 2)
    problem = Problem([8] * m, cost, inputs, [m - 1], level=[0] * n + [1] * (m - n))
    plan = solve(problem, method="checkpoint", every=20)
    kept = [v for v in range(n - 15) if plan.evaluations[v] == 1]
    cheap = [v for v in kept if v < n // 2]
    assert len(cheap) == 2
    assert 30 <= len(kept) - len(cheap) <= 36


def test_a_long_way_round_leaves_no_narrow_points():
    # As in a U-Net: the first value is read again at the end, so nothing between is a state, and
    # the two states at the ends would leave all of the cost in one segment.
    n = 100
    inputs = [[]] + [[v] for v in range(n - 2)] + [[0, n - 2], [n - 1]]
    f = len(inputs)
    inputs += [[f - 1]] + [[f - 1 - i, f - 1 + i] for i in range(1, f)]
    m = len(inputs)
    problem = Problem([8] * m, [1] * m, inputs, [m - 1], level=[0] * f + [1] * (m - f))
    plan = solve(problem, method="checkpoint")
    assert plan.peak_bytes < 8 * 30 < solve(problem, method="store").peak_bytes
