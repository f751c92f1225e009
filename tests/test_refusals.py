"""Programs, plans and pictures of what is none: the error is ours and says what is."""

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest

import autodiff as ad
import autodiff.numpy as anp
from autodiff.planning import Budget, Problem, as_policy, frontier, simulate, smallest_budget, solve

HUGE, UNPRINTABLE = 10**400, 10**5000
PAIR = Problem([8, 8], [1, 1], [[], [0]], [1])


def program():
    x = ad.variable("x", 3)
    return ad.Program([x], [np.tanh(x)])


@pytest.mark.parametrize(("f", "error", "match"), [
    (lambda: ad.Program(None, None), ad.GraphError, "outputs must be Variables, not None"),
    (lambda: ad.Program(3, ad.variable("x", 3)), ad.GraphError, "inputs must be Variables, not 3"),
    (lambda: ad.Program([], [ad.variable("x", 3)], costs=3), ad.ArgumentError, "costs are.*not 3"),
    (lambda: program()(np.ones(3), out=3), ad.ArgumentError, "out= takes a list.*int"),
    (lambda: program()([[1], 2, 3]), ad.DTypeError, r"input 'x' is float64, \[\[1\], 2, 3\]"),
    (lambda: program()(None), ad.DTypeError, "input 'x'"),
    (lambda: ad.frontier(np.tanh, np.ones(3), policy="1MB"), ad.ArgumentError, "takes no policy="),
    (lambda: ad.set_arena_limit(True), ad.ArgumentError, "not True"),
    (lambda: ad.set_num_threads(UNPRINTABLE), ad.ArgumentError, "an int of 16610 bits"),
])
def test_programs(f, error, match):
    with pytest.raises(error, match=match):
        f()
    np.testing.assert_array_equal(program()(np.zeros(3))[0], np.zeros(3))


@pytest.mark.parametrize(("f", "error", "match"), [
    (lambda: Problem(None, [1], [[]], [0]), ad.PlanError, "nbytes is None"),
    (lambda: Problem([1], None, [[]], [0]), ad.PlanError, "cost is None"),
    (lambda: Problem([1], [1], None, [0]), ad.PlanError, "inputs is None"),
    (lambda: Problem([1], [1], [[]], 2), ad.PlanError, "targets is 2"),
    (lambda: Problem([1], [1], [[]], [-1]), ad.PlanError, "target -1 does not exist"),
    (lambda: Problem([1], [1], [[]], [0], owner=3), ad.PlanError, "owner must be"),
    (lambda: Problem([1], [1], [[]], [0], names=3), ad.PlanError, "names is 3"),
    (lambda: solve(3), ad.PlanError, "a Problem is planned, not 3"),
    (lambda: smallest_budget(None), ad.PlanError, "a Problem is planned, not None"),
    (lambda: frontier([]), ad.PlanError, r"a Problem is planned, not \[\]"),
    (lambda: simulate(None, []), ad.PlanError, "a Problem is planned"),
    (lambda: simulate(PAIR, "abc"), ad.PlanError, "not steps of a plan"),
    (lambda: solve(PAIR, method=["a"]), ad.PolicyError, r"unknown method \['a'\]"),
    (lambda: solve(PAIR, 100, time_limit=HUGE), ad.PolicyError, "time_limit=.*1329 bits"),
    (lambda: solve(PAIR, 100, seed=UNPRINTABLE), ad.PolicyError, "seed=.*16610 bits"),
    (lambda: Budget("1" * 5000 + "MB"), ad.PolicyError, "a budget is finite"),
    (lambda: Budget(UNPRINTABLE), ad.PolicyError, "a budget is finite, not an int of"),
    (lambda: Problem.from_json("[" * 100_000), ad.PlanError, "nested too deeply"),
    (lambda: Problem.from_json('{"version": true, "nodes": [], "targets": []}'), ad.PlanError,
     "version True is unknown"),
])
def test_planning(f, error, match):
    with pytest.raises(error, match=match):
        f()


def test_a_problem_of_nothing_has_plans():
    nothing = Problem([], [], [], [])
    assert smallest_budget(nothing) == (0, 0)
    assert Problem.from_json(nothing.to_json()).to_json() == nothing.to_json()
    assert simulate(nothing, []).peak_bytes == 0
    assert [point.schedule.peak_bytes for point in frontier(nothing)] == [0]
    for method in ("store", "recompute", "checkpoint", "save", "search", "exact", "auto"):
        assert len(solve(nothing, 1, method=method).steps) == 0


def test_budgets_and_policies_are_read_alike():
    for given in (64, 64.0, np.float32(64), np.int64(64), "64B"):
        assert as_policy(given) == Budget(given) == Budget(64)
    for given in (0, -1.0, np.nan, np.inf, True, UNPRINTABLE):
        for read in (as_policy, Budget):
            with pytest.raises(ad.PolicyError):
                read(given)


def test_the_variable_of_the_environment():
    done = subprocess.run(
        [sys.executable, "-c", "import autodiff"], capture_output=True, text=True,
        env={**os.environ, "AUTODIFF_NUM_THREADS": "9" * 5000})
    assert "ArgumentError: AUTODIFF_NUM_THREADS=" in done.stderr


def test_out_is_named_by_its_place_in_the_result():
    step = ad.compile(lambda x: {"W": np.tanh(x), "b": [x + 1, x.sum()]})
    x = np.ones(3)

    def given(**changed):
        return {"W": np.empty(3), "b": [np.empty(3), np.empty(())], **changed}

    shared = np.empty(3)
    for _ in range(2):                             # the general way, then the quick one
        for out, error, match in (
                (given(W=np.empty(4)), ad.ShapeError, r"the array for result\['W'\] has shape"),
                (given(b=[np.empty(3, np.float32), np.empty(())]), ad.DTypeError,
                 r"the array for result\['b'\]\[0\] is of float32"),
                (given(b=[np.empty(6)[::2], np.empty(())]), ad.ArgumentError,
                 r"the array for result\['b'\]\[0\] is not in C order"),
                (given(W=shared, b=[shared, np.empty(())]), ad.ArgumentError,
                 r"the array for result\['b'\]\[0\] overlaps the array for result\['W'\]"),
                (given(W=x), ad.ArgumentError, r"result\['W'\] overlaps argument 0")):
            with pytest.raises(error, match=match):
                step(x, out=out)
        step(x)


def test_out_of_other_kinds():
    z = ad.variable("z", (1, 3))
    f = ad.Program([z], [z + 1])
    matrix = np.empty((1, 3)).view(np.matrix)
    with pytest.raises(ad.ArgumentError, match="array 0 is a matrix"):
        f(np.ones((1, 3)), out=[matrix])
    with pytest.raises(ad.ArgumentError, match="takes a list of arrays, not a generator"):
        f(np.ones((1, 3)), out=(a for a in [np.empty((1, 3))]))
    out = (np.empty((1, 3)),)
    assert f(np.ones((1, 3)), out=out) is out
    assert (out[0] == 2).all()


def test_errors_of_a_run_name_what_the_user_called():
    for f in (ad.grad(anp.cross_entropy), ad.value_and_grad(anp.cross_entropy)):
        with pytest.raises(ad.IndexRangeError, match=r"^cross_entropy.*label 7"):
            ad.compile(f)(np.ones((2, 3)), np.array([0, 7]))


def test_a_refused_copy_says_of_what():
    x = ad.variable("weights", (300, 200))
    with pytest.raises(ad.BudgetError, match=r"computing node 0 \(copy of transpose\)"):
        ad.Program([x], [x.T], policy="1kB")


def test_pictures(tmp_path):
    pytest.importorskip("matplotlib")
    f = program()
    shown = [f.plan, ad.frontier(np.tanh, np.ones(3)), f.profile(np.ones(3))]
    for picture in shown:
        for path in (None, 3, ["a.png"]):
            with pytest.raises(ad.ArgumentError, match="saved under a path, not"):
                picture.plot(path)
        with pytest.raises(ad.ArgumentError, match="no format 'junk'"):
            picture.plot(tmp_path / "a.junk")
        picture.plot(str(tmp_path / "a.svg"))
    with pytest.raises(ad.ArgumentError, match="saved under a path, not None"):
        f.plan.to_html(None)
    assert [path.name for path in tmp_path.iterdir()] == ["a.svg"]


def test_a_picture_of_no_bytes_draws_without_warnings(tmp_path):
    pytest.importorskip("matplotlib")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ad.frontier(lambda x: np.tanh(x), np.zeros(0)).plot(tmp_path / "a.svg")
        ad.frontier(lambda x: np.tanh(x), np.zeros(3)).plot(tmp_path / "b.svg")
        ad.plan(lambda x: np.tanh(x), np.zeros(0)).plot(tmp_path / "c.svg")


