"""Schedules: what solve refuses, what a schedule knows about itself and prints."""

import pytest

from autodiff.errors import PlanError, PolicyError
from autodiff.planning import Problem, Schedule, solve
from planning_problems import sine_chain
from validator import plain


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "stoer"}, "unknown method 'stoer'; did you mean 'store'?"),
        ({"method": "quickest"}, r"unknown method 'quickest'\. Known are .*'store'"),
        ({"method": None}, "unknown method None"),
        ({"method": "store", "every": 3}, "method 'store' takes no every="),
        ({"method": "checkpoint", "every": 0}, "at least 1"),
        ({"method": "checkpoint", "every": -2}, "at least 1"),
        ({"method": "checkpoint", "every": 2.0}, "an int of at least 1"),
        ({"method": "checkpoint", "every": True}, "an int of at least 1"),
    ],
)
def test_impossible_wishes_are_refused(options, message):
    with pytest.raises(PolicyError, match=message):
        solve(sine_chain(3), **options)


def test_auto_is_store_without_a_budget():
    assert solve(sine_chain(5)).method == "store"


def test_a_schedule_prints_what_it_does():
    problem = sine_chain(3, True)
    labelled = Problem(**plain(problem), names=lambda v: f"u{v}", lines=lambda v: f"f.py:{v}")
    text = str(solve(labelled, method="recompute"))
    assert "recompute: 8 nodes, 20 steps" in text
    assert "peak       32 B at step" in text
    assert "cost       11 (overhead 37.5%)" in text
    assert "computes   11, of them 3 again" in text
    assert "cost ≥ 8 in any order, gap 37.5%" in text
    assert "0  compute                8  node 0 (u0)  f.py:0" in text
    assert text.count("recompute  ") == 3
    assert repr(solve(labelled)) == "<Schedule: store, 14 steps, peak 32 B, overhead 0.0%>"
    long = str(solve(sine_chain(100)))
    assert len(long.splitlines()) < 70
    assert "more steps" in long


def test_a_schedule_refuses_what_is_no_plan():
    with pytest.raises(PlanError, match="after the last step"):
        Schedule(sine_chain(3), [("compute", 0)], "by hand")
    bound = Schedule(sine_chain(1), [("compute", 0)], "by hand", 2, "given first-execution order")
    assert (bound.gap, bound.overhead) == (0, 0)
