"""Policies: what a user may write, what it means, and what is refused."""

import contextvars
import pickle
import threading

import numpy as np
import pytest

from autodiff.errors import PolicyError
from autodiff.planning import Budget, Checkpoint, Recompute, Store, as_policy, solve, use_policy
from planning_problems import sine_chain


@pytest.mark.parametrize(
    ("given", "policy", "text"),
    [
        ("store", Store(), "Store()"),
        ("recompute", Recompute(), "Recompute()"),
        ("checkpoint", Checkpoint(), "Checkpoint()"),
        (Checkpoint(every=4), Checkpoint(4), "Checkpoint(every=4)"),
        (Checkpoint(every=np.int64(4)), Checkpoint(4), "Checkpoint(every=4)"),
        (None, Store(), "Store()"),
    ],
)
def test_policies_may_be_given_in_short(given, policy, text):
    found = as_policy(given)
    assert found == policy
    assert hash(found) == hash(policy)
    assert repr(found) == text
    assert eval(text) == found
    assert pickle.loads(pickle.dumps(found)) == found


def test_policies_differ_and_cannot_be_changed():
    assert len({Store(), Recompute(), Checkpoint(), Checkpoint(2), Checkpoint(3)}) == 5
    with pytest.raises(AttributeError):
        Checkpoint(2).every = 3


@pytest.mark.parametrize("policy", [Store(), Recompute(), Checkpoint(), Checkpoint(3)])
def test_a_policy_makes_its_schedule(policy):
    problem = sine_chain(12)
    every = getattr(policy, "every", None)
    schedule = policy.schedule(problem)
    assert schedule.method == type(policy).__name__.lower()
    assert schedule.steps == solve(problem, method=schedule.method, every=every).steps


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ("chekpoint", "unknown policy 'chekpoint'; did you mean 'checkpoint'?"),
        ("Store", "did you mean 'store'?"),
        ("none", "unknown policy 'none'"),
        ("", "unknown policy ''. Known are 'store', 'recompute', 'checkpoint'."),
        ("MB", "A budget is written as '64MB'"),
        (Store, r"Store is a class; write Store\(\)"),
        (Checkpoint, r"write Checkpoint\(\)"),
        (np.zeros(3), "a policy is"),
        (3.5j, r"a policy is Store\(\), .*not 3.5j"),
        (True, "a policy is"),
    ],
)
def test_what_is_no_policy_is_refused(policy, message):
    with pytest.raises(PolicyError, match=message):
        as_policy(policy)
    with pytest.raises(PolicyError, match=message), use_policy(policy):
        pass
    assert as_policy(None) == Store()


@pytest.mark.parametrize(
    ("given", "nbytes"), [("64MB", 64_000_000), ("64MiB", 2**26), (1000, 1000), (np.int64(7), 7)])
def test_bytes_are_a_budget(given, nbytes):
    assert as_policy(given) == Budget(nbytes)


@pytest.mark.parametrize("given", ["64", "64XB", 0, -5, "-1MB", "0MB", "inf MB"])
def test_impossible_bytes_are_refused(given):
    with pytest.raises(PolicyError):
        as_policy(given)


@pytest.mark.parametrize("every", [0, -1, 2.5, "3", True, float("nan")])
def test_impossible_distances_are_refused(every):
    with pytest.raises(PolicyError, match="an int of at least 1"):
        Checkpoint(every=every)


def test_use_policy_nests_and_ends():
    with use_policy("recompute") as outer:
        assert outer == as_policy(None) == Recompute()
        with use_policy(Checkpoint(2)):
            assert as_policy(None) == Checkpoint(2)
            assert as_policy("store") == Store()
            with use_policy(None) as inherited:
                assert inherited == Checkpoint(2)
        assert as_policy(None) == Recompute()
    with pytest.raises(ZeroDivisionError), use_policy("recompute"):
        raise ZeroDivisionError
    assert as_policy(None) == Store()


def test_use_policy_stays_in_its_thread_and_context():
    seen = []
    with use_policy("recompute"):
        thread = threading.Thread(target=lambda: seen.append(as_policy(None)))
        thread.start()
        thread.join()
        seen.append(contextvars.copy_context().run(as_policy, None))
    assert seen == [Store(), Recompute()]
