"""The simulator against the validator: same verdict, same step, same bytes, on any steps."""

import pickle
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autodiff.errors import PlanError
from autodiff.planning import Problem, Steps, memory_bound, simulate, solve
from planning_problems import random_problems, raw_problems
from validator import InvalidPlanError, needed, owner_of, validate

METHODS = ("store", "recompute", "checkpoint")


def assert_same(problem, steps, raw=None):
    """Judge the steps twice; True when they are a plan."""
    try:
        peak, cost, live, evaluations = validate(raw or problem, steps)
    except InvalidPlanError as wrong:
        where = f"step {wrong.step}, " if wrong.step < len(steps) else "after the last step"
        with pytest.raises(PlanError, match=f"^{where}"):
            simulate(problem, steps)
        return False
    found = simulate(problem, steps)
    assert (found.peak_bytes, found.cost) == (peak, cost)
    assert found.live_bytes.tolist() == live
    assert not live or live.index(peak) == found.peak_step
    assert {v: e for v, e in enumerate(found.evaluations.tolist()) if e} == evaluations
    return True


def spoilt(steps, problem, rng):
    """Change a plan a little: leave out, repeat, swap, or replace a step."""
    steps = list(steps)
    for _ in range(rng.randint(1, 2)):
        i = rng.randrange(len(steps) + 1)
        kind = rng.randrange(4)
        stranger = (
            rng.choice(["compute", "free"]),
            rng.randrange(len(problem) + (rng.random() < 0.1)),
            int(rng.random() < 0.05),
        )
        if kind == 0:
            steps.insert(i, stranger)
        elif i < len(steps) and kind == 1:
            del steps[i]
        elif i + 1 < len(steps) and kind == 2:
            steps[i], steps[i + 1] = steps[i + 1], steps[i]
        elif i < len(steps):
            steps[i] = stranger
    return steps


@settings(max_examples=300)
@given(raw_problems(), st.sampled_from(METHODS), st.randoms(use_true_random=False))
def test_any_steps_get_the_same_verdict(raw, method, rng):
    problem = Problem(**raw)
    steps = list(solve(problem, method=method).steps)
    assert assert_same(problem, steps, raw)
    for _ in range(5):
        assert_same(problem, spoilt(steps, problem, rng), raw)


def test_the_spoilt_steps_are_both_right_and_wrong():
    # The property above says nothing unless both verdicts occur often.
    rng = random.Random(0)
    problem = Problem([4] * 4, [1] * 4, [[], [0], [0], [1, 2]], [3])
    steps = list(solve(problem).steps)
    verdicts = [assert_same(problem, spoilt(steps, problem, rng)) for _ in range(300)]
    assert 30 < sum(verdicts) < 270


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ("c0 c0", r"step 1, compute node 0 \(a\): it is held already"),
        ("c1", r"step 0, compute node 1 \(b\): node 0 \(a\), which it reads, is not held"),
        ("c0 f1", r"step 1, free node 1 \(b\): it is not held"),
        ("c0 c1 c2 f1 f2", r"step 4, free node 2 \(c\): it is a target, held to the end"),
        ("c0 c1 f1", r"after the last step: the target node 2 \(c\) is not held at the end"),
        ("c0 c7", r"step 1, compute node 7: there is no such node"),
        ("c0 c3 f0", r"step 2, free node 0 \(a\): node 3 \(v\), a view of its bytes, is still"),
        ("c0 c3 c4 f4", r"step 3, free node 4 \(k\): it is kept"),
        ("c0 c1 f1 c1", r"step 3, compute node 1 \(b\): it may be computed only once"),
        ("c5", r"step 0, compute node 5 \(p\): node 0 \(a\), which must come first, was never"),
        ("c0 c3 c6 f3 f0", r"step 4, free node 0 \(a\): node 6 \(w\), a view of its bytes"),
    ],
)
def test_wrong_steps_are_named(steps, message):
    problem = Problem(
        [4] * 7,
        [1] * 7,
        [[], [0], [1], [0], [], [], [3]],
        [2],
        owner=[None, None, None, 0, None, None, 3],
        keep=[0, 0, 0, 0, 1, 0, 0],
        once=[0, 1, 0, 0, 0, 0, 0],
        after=[[], [], [], [], [], [0], []],
        names=list("abcvkpw"),
    )
    words = {"c": "compute", "f": "free"}
    with pytest.raises(PlanError, match=message):
        simulate(problem, [(words[s[0]], int(s[1:])) for s in steps.split()])


def test_the_owner_must_be_held_even_when_it_is_not_read():
    problem = Problem([4, 4], [1, 1], [[], []], [1], owner=[None, 0])
    with pytest.raises(PlanError, match="node 0, whose bytes it views, is not held"):
        simulate(problem, [("compute", 1)])
    assert simulate(problem, [("compute", 0), ("compute", 1)]).peak_bytes == 4


@pytest.mark.parametrize(
    ("frees", "peak"),
    [("01", 8), ("10", 8), ("0", 8), ("", 12), ("1", 12)],
)
def test_one_dying_input_is_taken_over(frees, peak):
    # Node 2 may overwrite node 0 (4 bytes) but not node 1; both are 4 bytes, and it is too.
    problem = Problem([4] * 3, [1] * 3, [[], [], [0, 1]], [2], inplace=[[], [], [0]])
    steps = [("compute", 0), ("compute", 1), ("compute", 2)] + [("free", int(v)) for v in frees]
    found = simulate(problem, steps)
    assert found.peak_bytes == peak
    assert found.taken.tolist()[:3] == [-1, -1, 0 if "0" in frees else -1]
    assert found.live_bytes[-1] == 12 - 4 * len(frees)


@pytest.mark.parametrize(
    "change",
    [
        {"nbytes": [4, 8]},                         # of another size
        {"inplace": [[], []]},                      # not allowed
        {"targets": [0, 1], "frees": []},           # wanted still
    ],
)
def test_what_is_not_taken_over(change):
    frees = change.pop("frees", [("free", 0)])
    arguments = {"nbytes": [4, 4], "targets": [1], "inplace": [[], [0]], **change}
    problem = Problem(cost=[1, 1], inputs=[[], [0]], **arguments)
    found = simulate(problem, [("compute", 0), ("compute", 1), *frees])
    assert found.peak_bytes == sum(arguments["nbytes"])
    assert set(found.taken) == {-1}


def test_a_value_with_a_live_view_is_not_taken_over():
    problem = Problem(
        [4, 0, 4], [1] * 3, [[], [0], [0, 1]], [2], owner=[None, 0, None], inplace=[[], [], [0]]
    )
    computes = [("compute", v) for v in range(3)]
    assert simulate(problem, [*computes, ("free", 1), ("free", 0)]).peak_bytes == 8


def test_workspace_counts_while_its_node_is_computed():
    problem = Problem([4, 4], [1, 1], [[], [0]], [1], workspace=[100, 7])
    found = simulate(problem, [("compute", 0), ("compute", 1), ("free", 0)])
    assert found.live_bytes.tolist() == [104, 15, 4]
    assert (found.peak_bytes, found.peak_step) == (104, 0)


@settings(max_examples=300)
@given(random_problems(), st.sampled_from(METHODS))
def test_no_plan_beats_the_memory_bound(problem, method):
    bound, node = memory_bound(problem)
    assert 0 <= bound <= solve(problem, method=method).peak_bytes
    assert node is None or problem.needed[node]


@settings(max_examples=300)
@given(raw_problems(), st.sampled_from(METHODS), st.randoms(use_true_random=False))
def test_frees_come_as_early_as_they_can(raw, method, rng):
    # Delaying any free keeps the plan valid or not, but never lowers the bytes at a compute.
    problem = Problem(**raw)
    steps = list(solve(problem, method=method).steps)
    frees = [i for i, step in enumerate(steps) if step[0] == "free"]
    if not frees:
        return
    i = rng.choice(frees)
    delayed = steps[:i] + steps[i + 1 :]
    delayed.insert(rng.randint(i, len(delayed)), steps[i])
    try:
        _, _, live, _ = validate(raw, delayed)
    except InvalidPlanError:
        return
    early = simulate(problem, steps).live_bytes

    def computes(steps, live):
        return [b for step, b in zip(steps, live, strict=True) if step[0] == "compute"]

    assert all(a <= b for a, b in zip(computes(steps, early), computes(delayed, live), strict=True))


@settings(max_examples=200)
@given(raw_problems(), st.sampled_from(METHODS))
def test_nothing_outlives_its_last_use(raw, method):
    # At the end only targets and what is kept, with their owners, are held.
    problem = Problem(**raw)
    steps = solve(problem, method=method).steps
    held = set()
    for action, v, _ in steps:
        (held.add if action == "compute" else held.remove)(v)
    stays = {v for v in needed(raw) if v in raw["targets"] or raw["keep"][v]}
    assert held == stays | {owner_of(raw, v) for v in stays}


def test_steps_are_a_sequence():
    steps = Steps([("compute", 0), ("compute", 1, 0), ("free", 0)])
    expected = [("compute", 0, 0), ("compute", 1, 0), ("free", 0, 0)]
    assert list(steps) == expected
    assert len(steps) == 3
    assert steps[-1] == steps[2] == expected[2]
    assert list(steps[1:]) == expected[1:]
    assert steps == expected
    assert steps == Steps(expected)
    assert steps != Steps(expected[:2])
    assert pickle.loads(pickle.dumps(steps)) == steps
    assert repr(steps) == (
        "<Steps: 3: ('compute', 0, 0), ('compute', 1, 0), ('free', 0, 0)>"
    )
    assert (steps.actions.dtype, steps.nodes.dtype, steps.options.dtype) == ("i1", "i4", "i1")
    assert steps.nodes.tolist() == [0, 1, 0]
    with pytest.raises(IndexError, match="step 3 of 3"):
        steps[3]


def test_views_of_steps_stay_valid():
    steps = Steps()
    for v in range(1000):
        steps.append("compute", v)
    nodes = steps.nodes
    with pytest.raises(ValueError, match="complete"):
        steps.append("free", 0)
    with pytest.raises(ValueError, match="read-only"):
        nodes[0] = 1
    del steps
    assert nodes.tolist() == list(range(1000))


@pytest.mark.parametrize(
    "steps",
    [
        [("calculate", 0)],
        [("compute", 0.5)],
        [("compute", -1)],
        [("compute", 1 << 31)],
        [("compute", 0, 128)],
        [("compute",)],
        [3],
        5,
    ],
)
def test_what_is_no_step_is_refused(steps):
    problem = Problem([4], [1], [[]], [0])
    with pytest.raises(PlanError, match="not steps of a plan"):
        simulate(problem, steps)


def test_steps_that_are_a_plan_stay_as_they_are():
    """Programs are made of them, and of what they take over."""
    problem = Problem([8, 8], [1, 1], [[], [0]], [1])
    steps = Steps([("compute", 0)])
    with pytest.raises(PlanError, match="not held at the end"):
        simulate(problem, steps)
    steps.append("compute", 1)
    found = simulate(problem, steps)
    with pytest.raises(ValueError, match="complete"):
        steps.append("compute", 10**6)
    for array in (found.taken, found.live_bytes, found.evaluations):
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 10**6


def test_steps_from_arrays_are_checked():
    assert Steps.from_arrays([0, 1], [5, 5]) == [("compute", 5, 0), ("free", 5, 0)]
    with pytest.raises(ValueError, match="action 2 is neither"):
        Steps.from_arrays([0, 2], [0, 0])
    with pytest.raises(ValueError, match="differ in length"):
        Steps.from_arrays([0, 1], [0])
    for columns in ([256], [0]), ([0], [2**32]), ([0], [0.5]), ([0], [np.nan]), ([0], [0], [-256]):
        with pytest.raises(ValueError, match="are integers of int"):
            Steps.from_arrays(*map(np.array, columns))


def test_costs_are_exact():
    large = 2**62
    problem = Problem([1] * 3, [large, large, 1], [[], [0], [1]], [2])
    steps = [("compute", 0), ("compute", 1), ("free", 0), ("compute", 2)]
    assert simulate(problem, steps).cost == 2 * large + 1
    floats = Problem([1] * 3, [1e16, 1.0, -0.0], [[], [0], [1]], [2])
    again = [*steps, ("free", 1), ("compute", 0), ("compute", 1)]
    assert simulate(floats, again).cost == 2e16 + 2.0
    assert simulate(floats, again).evaluations.dtype == np.int64
