"""Profiles: every computation is there, with its line, flops and bytes; times are not judged."""

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

import autodiff as ad
from autodiff.core.elementwise import Elementwise
from autodiff.core.operations import all_operations
from autodiff.ops.table import Form
from autodiff.profiles import MOVES, OF_INPUT, Profile, flops_of

rng = np.random.default_rng(0)
W, X = rng.normal(size=(20, 30)), rng.normal(size=(40, 20))
HERE = __file__.rsplit("/", 1)[-1].rsplit("\\", 1)[-1]


def cost(W, X):
    for _ in range(3):
        X = np.tanh(X @ W) @ W.T
    return (X * X).sum()


def lines_of(f):
    """The source lines of a function, as listings write them."""
    first = f.__code__.co_firstlineno
    return {f"{HERE}:{line}" for line in range(first, first + 5)}


def check(found, plan):
    """What is true of every profile."""
    assert isinstance(found, Profile)
    computed = [(k, r) for k, (action, r, _) in enumerate(plan.steps) if action == "compute"]
    assert [(step.step, step.region) for step in found.steps] == computed
    assert [step.times for step in found.steps] == [
        1 + [r for _, r in computed[:k]].count(r) for k, (_, r) in enumerate(computed)]
    assert sum(step.share for step in found.steps) == pytest.approx(1)
    assert all(step.seconds > 0 for step in found.steps)
    assert sum(step.seconds for step in found.steps) + found.outside == pytest.approx(found.seconds)
    for name in ("seconds", "share", "nbytes", "flops"):
        assert sum(getattr(row, name) for row in found.lines) == pytest.approx(
            sum(getattr(step, name) for step in found.steps))
    assert sum(row.steps for row in found.lines) == len(found.steps)
    assert sum(row.again for row in found.lines) == sum(step.times > 1 for step in found.steps)
    seconds = [row.seconds for row in found.lines]
    assert seconds == sorted(seconds, reverse=True)
    assert sum((row.operations for row in found.lines), start=Counter()) == plan.evaluations
    assert max(map(len, str(found).splitlines())) < 160


@pytest.mark.parametrize("policy", ["store", "recompute", "checkpoint"])
@pytest.mark.parametrize("fuse", [True, False])
def test_every_computation_is_there(policy, fuse):
    step = ad.compile(ad.grad(cost), policy, fuse=fuse)
    plan = step.plan(W, X)
    found = step.profile(W, X)
    check(found, plan)
    assert {row.line for row in found.lines} <= lines_of(cost)
    assert len(found.lines) == 2
    products = [s for s in found.steps if s.operations == ("matmul",)]
    assert {s.flops for s in products} == {2 * 20 * 30 * 40}
    tanh = [s for s in found.steps if s.operations[-1] == "tanh"]
    assert {s.flops // len(s.operations) for s in tanh} == {40 * 30}
    assert any(row.again for row in found.lines) == (policy != "store")


def test_bytes_and_flops_by_hand():
    A, B = ad.variable("A", (7, 5), np.float32), ad.variable("B", (5, 3), np.float32)
    b = ad.variable("b", (3,), np.float32)
    program = ad.Program([A, B, b], [A @ B + b, np.exp(A).sum(axis=0), A.T])
    arrays = [np.ones(x.shape, np.float32) for x in (A, B, b)]
    found = ad.profile(program, *arrays)
    check(found, program.plan)
    rows = {step.operations: (step.nbytes, step.flops) for step in found.steps}
    assert rows == {
        ("matmul",): (4 * (35 + 15 + 21), 2 * 7 * 5 * 3),
        ("add",): (4 * (21 + 3 + 21), 21),
        ("exp", "sum"): (4 * (35 + 5), 2 * 35),
        ("copy",): (4 * 70, 0),
    }


def test_products_of_vectors_and_batches():
    A, x = ad.variable("A", (4, 6)), ad.variable("x", (6,))
    batch = ad.variable("C", (3, 2, 4))
    for product, flops in ((A @ x, 48), (x @ x, 12), (batch @ A, 3 * 2 * 2 * 4 * 6)):
        assert flops_of("matmul", product) == flops


def test_a_part_and_a_look_up_count_what_they_touch():
    def rows(x):
        return sum((x[k] * x[k]).sum() for k in range(4))

    x = np.ones((1000, 10))
    check(ad.profile(ad.grad(rows), x), ad.plan(ad.grad(rows), x))
    added = [s for s in ad.profile(ad.grad(rows), x).steps if s.operations == ("embed_add",)]
    assert {(s.nbytes, s.flops) for s in added} == {(3 * 80, 10)}
    table = ad.variable("table", (1000, 10))
    program = ad.Program([table], [table[np.array([3, 1])]])
    step, = program.profile(x).steps
    assert step.operations == ("gather",)
    assert step.nbytes == 2 * 160 + 16


def test_scripts_share_their_time():
    def numbers(x):
        a, b = x[0], x[1]
        for _ in range(5):
            a, b = np.sin(a * b) + b, a - b
        return a * b

    x = np.array([0.3, 0.4])
    found = ad.profile(ad.grad(numbers), x)
    check(found, ad.plan(ad.grad(numbers), x))
    joined = [step for step in found.steps if step.script > 1]
    assert len(joined) > 5
    for size in {step.script for step in joined}:
        assert sum(step.script == size for step in joined) % size == 0
    assert "part of a script of" in str(found)
    for step in joined[1:]:     # in one script, as many operations take as long
        if (step.script, len(step.operations)) == (joined[0].script, len(joined[0].operations)):
            assert step.seconds == joined[0].seconds


def test_callbacks_run_once_a_run():
    calls = []

    def twice(x):
        calls.append(None)
        return 2 * x

    op = ad.operation(twice, bprop=(lambda g, y, x: 2 * g,), shape=lambda x: (x.shape, x.dtype),
                      name="profiled_twice")
    step = ad.compile(lambda x: op(np.sin(x)).sum())
    found = step.profile(np.ones(5), runs=3)
    assert len(calls) == 3
    check(found, step.plan(np.ones(5)))
    called, = [s for s in found.steps if s.operations == ("profiled_twice",)]
    assert (called.flops, called.nbytes) == (0, 80)
    assert found.runs == 3


def test_the_fastest_run_is_taken_whole():
    x = ad.variable("x", (50,))
    program = ad.Program([x], [np.tanh(x)])
    program(np.zeros(50))
    spent, whole = ad.measured.clocked_runs(program.executable, [np.zeros(50)], [], 20)
    assert spent.shape == (20, 1)
    assert (0 <= spent[:, 0]).all()
    assert (spent[:, 0] <= whole).all()


def test_strided_arguments_are_profiled_with_their_copies():
    x = ad.variable("x", (30, 20))
    program = ad.Program([x], [np.tanh(x)])
    wide = np.ones((20, 30)).T
    found = program.profile(wide)
    check(found, program.plan_for(wide))
    assert [s.operations for s in found.steps] == [("copy",), ("tanh",)]


def test_functions_programs_and_compiled_functions():
    f = ad.grad(cost)
    step = ad.compile(f)
    found = [ad.profile(f, W, X), ad.profile(step, W, X=X), step.profile(W, X, runs=1)]
    assert len({tuple((s.operations, s.flops, s.nbytes) for s in p.steps) for p in found}) == 1
    assert step.cache.misses == 1 + 1        # X by name is another signature
    with ad.use_policy("recompute"):
        assert any(s.times > 1 for s in ad.profile(f, W, X).steps)


def test_a_program_of_no_computations():
    step = ad.compile(lambda x: (x, np.ones(3)))
    found = step.profile(np.ones((0,)))
    assert [s.operations for s in found.steps] == [("copy",)]
    assert str(found)


@pytest.mark.parametrize("runs", [0, -1, 2.0, True])
def test_runs_are_a_number(runs):
    with pytest.raises(ad.ArgumentError, match="runs"):
        ad.profile(np.sin, np.ones(3), runs=runs)


def test_what_cannot_be_profiled():
    with pytest.raises(ad.ArgumentError, match="profile: the function returned nothing"):
        ad.profile(lambda x: 3, np.ones(3))
    with pytest.raises(ad.GraphError, match="profile takes arrays"):
        ad.profile(np.sin, ad.variable("x", (3,)))
    x = ad.variable("x", (3,))
    program = ad.Program([x], [np.sin(x)])
    with pytest.raises(ad.ShapeError):
        ad.profile(program, np.ones(4))


def test_every_row_of_the_table_is_counted_somehow():
    rows = {op.name for op in all_operations()
            if not isinstance(op, (Elementwise, Form)) and not op.views
            and getattr(op, "kernel", None) not in (None, "python")}
    assert not rows - set(OF_INPUT) - MOVES - {"matmul"}, "say how many flops they have"
    assert set(OF_INPUT) | MOVES <= {op.name for op in all_operations()}


def test_pictures(tmp_path):
    pytest.importorskip("matplotlib")
    for k, policy in enumerate(("store", "recompute")):
        ad.profile(ad.compile(ad.grad(cost), policy), W, X).plot(tmp_path / f"{k}.png")
        assert (tmp_path / f"{k}.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    ad.profile(ad.compile(ad.grad(cost), "recompute"), W, X).plot(tmp_path / "profile.svg")
    text = (tmp_path / "profile.svg").read_text()
    assert len(text) > 5000
    assert all(row.line in text for row in ad.profile(ad.grad(cost), W, X).lines)


def test_pictures_without_matplotlib_name_the_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ad.MissingExtraError, match=r"autodiff-budget\[plots\]"):
        ad.profile(ad.grad(cost), W, X).plot(tmp_path / "profile.png")


def test_profiles_are_imported_when_they_are_asked_for():
    code = "import sys, autodiff; assert 'autodiff.profiles' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
