"""Problems: what is accepted, what is refused and how, and that JSON keeps all of it."""

import json

import numpy as np
import pytest
from hypothesis import given, settings

from autodiff.errors import PlanError
from autodiff.planning import Problem, memory_bound, solve
from planning_problems import GRAPHS, raw_problems
from validator import needed, owner_of, plain

# name -> store's peak, targets, node bound, in MB rounded (published with the graphs)
REAL = {
    "vgg16": (2495, 553, 1028),
    "resnet50": (2719, 102, 257),
    "unet": (2758, 124, 537),
}

CHAIN = {"nbytes": [8, 8, 8], "cost": [1, 2, 3], "inputs": [[], [0], [1]], "targets": [2]}


def same(a, b):
    """Compare all that a problem says, labels included."""
    labels = [(a.label(v), a.line(v)) for v in range(len(a))]
    return plain(a) == plain(b) and labels == [(b.label(v), b.line(v)) for v in range(len(b))]


def test_flat_arrays_take_no_other_options():
    with pytest.raises(TypeError, match="a problem has no colour"):
        Problem.from_arrays([8], [1], [0, 0], [], [0], colour=[1])


@pytest.mark.parametrize("name", REAL)
def test_real_graphs_have_their_published_numbers(name):
    problem = Problem.from_json((GRAPHS / f"{name}.json").read_text())
    store = solve(problem, method="store")
    peak, targets, bound = REAL[name]
    assert round(store.peak_bytes / 1e6) == peak
    assert round(problem.nbytes[problem.targets].sum() / 1e6) == targets
    assert round(memory_bound(problem)[0] / 1e6) == bound
    assert store.cost == problem.cost.sum() == problem.total_cost
    assert (store.overhead, store.gap, store.lower_bound) == (0, 0, store.cost)


@pytest.mark.parametrize("name", REAL)
def test_real_graphs_come_back_from_json_to_the_letter(name):
    text = (GRAPHS / f"{name}.json").read_text()
    assert Problem.from_json(text).to_json() == text.strip()


@settings(max_examples=200)
@given(raw_problems())
def test_lists_arrays_and_json_say_the_same(raw):
    n = len(raw["nbytes"])
    labels = {"names": [f"u{v}" for v in range(n)], "lines": [f"f.py:{v}" for v in range(n)]}
    problem = Problem(**raw, **labels)
    lists = {key: plain(problem)[key] for key in raw}
    views = [owner_of(raw, v) != v for v in range(n)]
    assert lists == {
        **raw,
        "nbytes": [0 if view else b for view, b in zip(views, raw["nbytes"], strict=True)],
        "owner": [owner_of(raw, v) if view else -1 for v, view in enumerate(views)],
    }
    assert set(np.flatnonzero(problem.needed).tolist()) == needed(raw)
    flat = Problem.from_arrays(
        raw["nbytes"],
        raw["cost"],
        problem.input_start,
        problem.input_index,
        raw["targets"],
        workspace=raw["workspace"],
        inplace_start=problem.inplace_start,
        inplace_index=problem.inplace_index,
        owner=problem.owner,
        level=raw["level"],
        once=np.array(raw["once"]),
        keep=problem.keep,
        after_start=problem.after_start,
        after_index=problem.after_index,
        names=lambda v: f"u{v}",
        lines=labels["lines"],
    )
    assert same(flat, problem)
    again = Problem.from_json(problem.to_json())
    assert same(again, problem)
    assert again.to_json() == problem.to_json()


def test_optional_fields_are_left_out_of_json():
    nodes = json.loads(Problem(**CHAIN).to_json())["nodes"]
    assert list(nodes[1]) == ["nbytes", "cost", "inputs", "inplace", "owner", "workspace"]
    marks = {"level": [0, 0, 1], "once": [1, 0, 0], "after": [[], [], [0]], "lines": [None] * 3}
    nodes = json.loads(Problem(**CHAIN, **marks).to_json())["nodes"]
    assert [node["once"] for node in nodes] == [True, False, False]
    assert nodes[2]["after"] == [0]
    assert "keep" not in nodes[2]


def test_integers_stay_integers_and_floats_floats():
    assert isinstance(solve(Problem(**CHAIN)).cost, int)
    cost = solve(Problem(**{**CHAIN, "cost": [0.1, 0.2, 0.3]})).cost
    assert isinstance(cost, float)
    assert cost == 0.6      # rounded once; 0.1 + 0.2 + 0.3 in turn is 0.6000000000000001
    assert isinstance(json.loads(Problem(**CHAIN).to_json())["nodes"][0]["cost"], int)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inputs": [[], [1], [1]]}, "^node 1 reads node 1: a cycle$"),
        ({"inputs": [[], [2], [1]]}, "^node 1 reads node 2: a cycle$"),
        ({"inputs": [[], [2], [0]]}, "^node 1 reads node 2, which comes later: .*topological"),
        ({"inputs": [[], [7], [1]]}, "^node 1 reads node 7, which does not exist$"),
        ({"inputs": [[], [-1], [1]]}, "^node 1 reads node -1, which does not exist$"),
        ({"inputs": [[], [0]]}, "input has 2 rows for 3 nodes"),
        ({"inputs": [[], 0, [1]]}, "node 1: inputs is 0, not a sequence of node numbers"),
        ({"inputs": [[], [0.5], [1]]}, r"node 1: inputs is \[0.5\]"),
        ({"inputs": [[], [2**70], [1]]}, "node 1: inputs is"),
        ({"inputs": 3}, "inputs is 3, not a list per node"),
        ({"after": [[], [2], []]}, "^node 1 must come after node 2: a cycle$"),
        ({"after": [[2], [], []]}, "^node 0 must come after node 2: a cycle$"),
        ({"owner": [None, 1, None]}, "^node 1 is a view of node 1: a cycle$"),
        ({"owner": [None, None, 3]}, "^node 2 is a view of node 3, which does not exist$"),
        ({"owner": [-2, None, None]}, "owner of node 0 is -2"),
        ({"inplace": [[], [], [0]]}, "^node 2 may overwrite node 0, which it does not read$"),
        ({"inplace": [[], []]}, "inplace has 2 rows for 3 nodes"),
        ({"nbytes": [8, -1, 8]}, "nbytes of node 1 is -1"),
        ({"nbytes": [8, 8.5, 8]}, "nbytes must be a sequence of integers"),
        ({"nbytes": [8, 2**64, 8]}, "nbytes"),
        ({"nbytes": [2**62, 2**62, 8]}, "the bytes of all nodes together exceed"),
        ({"nbytes": ["8", "8", "8"]}, "nbytes must be a sequence of integers"),
        ({"nbytes": [[8], [8], [8]]}, "nbytes must be"),
        ({"nbytes": 8}, "nbytes is 8, not a sequence of numbers"),
        ({"nbytes": [[8], 8, 8]}, "nbytes is not a sequence of numbers"),
        ({"cost": [1, -2, 3]}, "cost of node 1 is -2"),
        ({"cost": [1, 2, float("nan")]}, "cost of node 2 is nan"),
        ({"cost": [1, 2, float("inf")]}, "cost of node 2 is inf"),
        ({"cost": [1, 2]}, "cost has 2 entries for 3 nodes"),
        ({"cost": [1, 2, 3j]}, "cost must be a sequence of numbers"),
        ({"cost": [True, True, False]}, "cost must be a sequence of numbers"),
        ({"workspace": [0, 0, -5]}, "workspace of node 2 is -5"),
        ({"targets": [3]}, "target 3 does not exist: the nodes are 0 to 2"),
        ({"targets": [-1]}, "targets of node 0 is -1|target -1"),
        ({"targets": []}, "nothing is wanted"),
        ({"targets": [0.5]}, "targets must be"),
        ({"level": [0, 0, -1]}, "level of node 2 is -1"),
        ({"level": [0, 0]}, "level has 2 entries"),
        ({"once": [True, False]}, "once must be 3 booleans"),
        ({"keep": ["yes", "no", "no"]}, "keep must be 3 booleans"),
        ({"once": [[True], False, False]}, "once is not a sequence of booleans"),
        ({"drop": [True, [], False]}, "drop is not a sequence of booleans"),
        ({"cost": [1e308, 1e308, 3.0]}, "the costs of all nodes together exceed"),
        ({"names": ["a"]}, "names has 1 entries for 3 nodes"),
        ({"lines": ["a"]}, "lines has 1 entries for 3 nodes"),
    ],
)
def test_impossible_problems_are_refused(change, message):
    with pytest.raises(PlanError, match=message):
        Problem(**{**CHAIN, **change})


def test_rows_are_as_many_as_their_length():
    class Rows(list):
        def __len__(self):
            return 3

    with pytest.raises(PlanError, match="input has 1000 rows for 3 nodes"):
        Problem(**{**CHAIN, "inputs": Rows([[]] * 1000)})


def test_messages_use_the_names():
    with pytest.raises(PlanError, match=r"^node 1 \(relu\) reads node 2 \(conv\): a cycle"):
        Problem(**{**CHAIN, "inputs": [[], [2], [1]]}, names=["x", "relu", "conv"])


@pytest.mark.parametrize(
    ("start", "index", "message"),
    [
        ([0, 0, 1], [0], "input has 2 rows"),
        ([0, 0, 1, 3], [0, 1], "input_start does not ascend from 0 to the 2 entries"),
        ([0, 2, 1, 2], [0, 1], "input_start does not ascend"),
        ([1, 1, 1, 2], [0, 1], "input_start does not ascend"),
        ([0, 0, 1, 2], [0, 2], "node 2 reads node 2: a cycle"),
        ([0, 0, 1, 2], [0.0, 1.0], "input_index must be a sequence of integers"),
    ],
)
def test_impossible_arrays_are_refused(start, index, message):
    with pytest.raises(PlanError, match=message):
        Problem.from_arrays([8] * 3, [1] * 3, start, index, [2])


def test_arrays_are_copied_and_cannot_be_written():
    nbytes = np.array([8, 8, 8])
    problem = Problem.from_arrays(nbytes, [1] * 3, [0, 0, 1, 2], [0, 1], [2])
    nbytes[:] = 0
    assert problem.nbytes.tolist() == [8, 8, 8]
    for array in (problem.nbytes, problem.cost, problem.input_index, problem.needed):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        (None, "not JSON"),
        ("[]", "not a planning problem"),
        ('{"nodes": [], "targets": []}', "not a planning problem: no object with a version"),
        ('{"version": 2, "nodes": [], "targets": []}', "version 2 is unknown; this is version 1"),
        ('{"version": 1, "targets": []}', "nodes and targets are lists"),
        ('{"version": 1, "nodes": [3], "targets": []}', "node 0: not an object with nbytes"),
        ('{"version": 1, "nodes": [{"nbytes": 8}], "targets": [0]}', "node 0: not an object"),
        (
            '{"version": 1, "nodes": [{"nbytes": 8, "cost": 1, "inplcae": []}], "targets": [0]}',
            "node 0: there is no field 'inplcae'",
        ),
        (
            '{"version": 1, "nodes": [{"nbytes": 8, "cost": NaN}], "targets": [0]}',
            "cost of node 0 is nan",
        ),
        ('{"version": 1, "nodes": [{"nbytes": 8, "cost": 1}], "targets": ["a"]}', "targets must"),
        ('{"version": 1, "nodes": [{"nbytes": 8, "cost": 1}], "targets": [4]}', "target 4 does"),
    ],
)
def test_json_that_is_no_problem_is_refused(text, message):
    with pytest.raises(PlanError, match=message):
        Problem.from_json(text)


def test_nothing_at_all_is_a_problem():
    empty = Problem([], [], [], [])
    assert memory_bound(empty) == (0, None)
    for method in ("store", "recompute", "checkpoint"):
        plan = solve(empty, method=method)
        assert (list(plan.steps), plan.peak_bytes, plan.cost, plan.overhead) == ([], 0, 0, 0)
        assert "0 steps" in str(plan)
    assert Problem.from_json(empty.to_json()).n == 0


def test_only_what_targets_need_is_planned():
    problem = Problem([8] * 4, [1, 10, 1, 100], [[], [0], [0], [1]], [2], after=[[], [], [], []])
    plan = solve(problem)
    assert [v for action, v, _ in plan.steps if action == "compute"] == [0, 2]
    assert (plan.cost, plan.overhead) == (2, 0)


def test_the_bound_says_what_forces_it():
    wide = Problem([4, 4, 4, 1], [1] * 4, [[], [], [0, 1], [2]], [3], workspace=[0, 0, 5, 0])
    assert memory_bound(wide) == (17, 2)
    inplace = Problem([4, 0, 4], [1] * 3, [[], [0], [0]], [2], inplace=[[], [], [0]])
    assert memory_bound(inplace) == (4, 0)
    viewed = {"owner": [None, 0, None], "inplace": [[], [], [0]]}
    assert memory_bound(Problem([4, 0, 4], [1] * 3, [[], [0], [0, 1]], [2], **viewed)) == (8, 2)
    kept = Problem([9, 9, 1], [1] * 3, [[], [], [1]], [0, 2], keep=[0, 1, 0])
    assert memory_bound(kept) == (19, None)
