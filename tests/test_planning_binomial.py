"""Equal steps: counts in closed form and by recurrence, held against actions that are executed."""

from functools import cache
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autodiff.errors import PolicyError
from autodiff.planning import binomial, mixed, replay
from autodiff.planning.actions import Actions


def execute(n, slots, actions):
    """Carry actions out on the numbers of states and tapes: (advances, runs, slots at most)."""
    held, at_hand, left = {}, ("state", 0), n
    advances = runs = most = 0
    for kind, step, other in actions:
        if kind == "advance":
            assert at_hand == ("state", step)
            assert step < other < left
            advances += other - step
            at_hand = ("state", other)
        elif kind == "store":
            assert at_hand == ("state", step)
            assert other not in held
            held[other] = at_hand
        elif kind == "tape":
            assert at_hand == ("state", step)
            assert other not in held
            held[other] = ("tape", step)
            runs += 1
            at_hand = ("state", step + 1)
        elif kind == "load":
            at_hand = held[other]
            assert at_hand == ("state", step)
        elif kind == "free":
            assert held.pop(other)[1] == step
        else:
            assert kind == "reverse"
            assert step == left - 1
            assert (at_hand if other is None else held[other]) == (
                "state" if other is None else "tape", step
            )
            runs += other is None
            left, at_hand = step, None
        assert all(0 <= slot < slots for slot in held)
        most = max(most, len(held))
    assert left == 0
    assert not held
    return advances, runs, most


@cache
def least_advances(n, slots):
    """t(n, s) by the recurrence of Griewank & Walther: t(l, s) = min m + t(l−m, s−1) + t(m, s)."""
    if n <= 1:
        return 0
    if slots == 1:
        return n * (n - 1) // 2
    return min(m + least_advances(n - m, slots - 1) + least_advances(m, slots)
               for m in range(1, n))


@cache
def least_runs(n, slots):
    """T(n, s) by the recurrence of Maddison 2024."""
    if n <= slots + 1:
        return n
    if slots == 1:
        return n * (n + 1) // 2 - 1
    return min(1 + least_runs(n - 1, slots - 1),
               *(i + least_runs(i, slots) + least_runs(n - i, slots - 1) for i in range(2, n)))


@pytest.mark.parametrize(
    ("n", "slots", "count"),
    [(0, 3, 0), (1, 1, 0), (2, 1, 1), (5, 1, 10), (10, 3, 15), (30, 5, 62), (100, 5, 316),
     (1000, 10, 3636), (7, 100, 6)],
)
def test_counts_of_the_literature(n, slots, count):
    assert binomial(n, slots)[0] == count


def test_counts_are_the_least_by_the_recurrence():
    for n in range(1, 65):
        for slots in range(1, 13):
            assert binomial(n, slots)[0] == least_advances(n, slots)


@given(st.integers(0, 120), st.integers(1, 25))
def test_binomial_actions_are_as_many_as_the_count(n, slots):
    count, actions = binomial(n, slots)
    done = execute(n, slots, actions)
    assert done == (count, n, min(n, done[2]))
    assert replay(actions) == {"advances": count, "runs": n, "slots": done[2]}
    assert list(actions) == list(actions)       # a stream can be read again


def check_binomial(most_n, most_slots):
    for n in range(most_n + 1):
        for slots in range(1, most_slots + 1):
            count, actions = binomial(n, slots)
            done = replay(actions)
            assert (done["advances"], done["runs"]) == (count, n)
            assert done["slots"] <= slots


def test_executed_advances_equal_the_closed_form():
    check_binomial(300, 20)


@pytest.mark.long
def test_executed_advances_of_longer_chains():
    check_binomial(2000, 40)


def test_a_million_steps_take_no_table():
    count, actions = binomial(1_000_000, 12)
    assert replay(actions) == {"advances": count, "runs": 1_000_000, "slots": 12}
    first = list(islice(binomial(2**31 - 1, 2)[1], 3))
    assert first[0] == ("store", 0, 0)
    assert first[1][:2] == ("advance", 0)
    assert first[2] == ("store", first[1][2], 1)


@pytest.mark.parametrize(
    ("n", "slots", "count"), [(100, 10, 237), (1, 1, 1), (4, 3, 4), (5, 1, 14)]
)
def test_runs_of_the_literature(n, slots, count):
    assert mixed(n, slots)[0] == count


def test_a_slot_for_either_matches_gruslys_et_al():
    # 1000 steps, 5 % of the memory: 1.33 times the time, where reversing takes two runs.
    runs, _ = mixed(1000, 50)
    assert (runs + 2000) / 3000 == pytest.approx(1.33, abs=0.01)


@given(st.integers(0, 60), st.integers(1, 12))
def test_mixed_actions_are_as_many_as_their_recurrence(n, slots):
    count, actions = mixed(n, slots)
    assert count == least_runs(n, slots)
    advances, runs, most = execute(n, slots, actions)
    assert advances + runs == count
    assert replay(actions) == {"advances": advances, "runs": runs, "slots": most}
    assert count <= binomial(n, slots)[0] + n


def check_mixed(most_n, most_slots, step):
    for n in range(0, most_n + 1, step):
        for slots in range(1, most_slots + 1):
            count, actions = mixed(n, slots)
            done = replay(actions)
            assert done["advances"] + done["runs"] == count
            assert done["slots"] <= slots


def test_executed_runs_equal_the_table():
    check_mixed(300, 20, 13)


@pytest.mark.long
def test_executed_runs_of_all_chains():
    check_mixed(300, 20, 1)


def test_actions_are_read_aloud():
    assert str(binomial(2, 1)[1]).splitlines() == [
        "store state 0 in slot 0",
        "advance from state 0 to state 1",
        "run step 1 and reverse it",
        "load state 0 from slot 0",
        "run step 0 and reverse it",
        "free slot 0 of number 0",
    ]
    assert str(mixed(2, 1)[1]).splitlines()[0] == "run step 0 and keep its tape in slot 0"
    assert str(binomial(10**6, 5)[1]).endswith("…")
    assert repr(binomial(10, 3)[1]) == "<Binomial: 10 steps in 3 slots>"


def test_streams_are_made_of_what_is_checked():
    """A stream of no slots had no end, and others read memory beyond their tables."""
    tabled, counted = type(mixed(5, 2)[1]), type(binomial(5, 2)[1])
    for n, slots in ((5, 0), (-5, 3), (2**31, 3)):
        with pytest.raises(PolicyError):
            counted(n, slots)
    with pytest.raises(PolicyError, match=r"mixed\(n, slots\)"):
        tabled()
    for empty in (tabled.__new__(tabled), counted.__new__(counted), binomial(0, 3)[1]):
        assert replay(empty) == {"advances": 0, "runs": 0, "slots": 0}

    class Broken(Actions):
        def restarted(self):
            return None

    for actions in (None, Broken()):
        with pytest.raises(TypeError):
            replay(actions)
    with pytest.raises(TypeError):
        list(Broken())


@pytest.mark.parametrize("function", [binomial, mixed])
@pytest.mark.parametrize(
    ("n", "slots"),
    [(-1, 1), (2.5, 1), (True, 1), (1 << 31, 1), (3, 0), (3, -2), (3, "4"), (3, None)],
)
def test_what_is_no_chain_is_refused(function, n, slots):
    with pytest.raises(PolicyError, match="counts st"):
        function(n, slots)


def test_a_table_too_large_is_refused():
    with pytest.raises(PolicyError, match="use binomial"):
        mixed(10**6, 100)
