"""Chains of unequal steps: the chain programme against all persistent schedules of small chains."""

import random
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autodiff as ad
from autodiff.errors import BudgetError, PlanError, PolicyError
from autodiff.planning import Checkpoint, Problem, binomial, solve
from autodiff.planning.chain import Chain
from autodiff.planning.lifetimes import free_after_last_use
from autodiff.planning.segments import Segments
from autodiff.planning.simulate import simulate
from planning_problems import random_problems, sine_chain, sines
from validator import validate


def unit_chain(steps, levels=True):
    """Make the linear training chain of unit nodes: i → i + 1 and i → 2·steps − i."""
    n = 2 * steps + 1
    inputs = [[v - 1] if v else [] for v in range(steps + 1)]
    inputs += [[v - 1, 2 * steps - v] for v in range(steps + 1, n)]
    level = [int(v > steps) for v in range(n)] if levels else None
    return Problem([1] * n, [1] * n, inputs, [n - 1], level=level)


@pytest.mark.parametrize("levels", [True, False])
@pytest.mark.parametrize(("steps", "costs"), [(4, [15, 11, 10, 9]), (8, [45, 26, 22, 21, 20, 19])])
def test_unit_training_chains(steps, levels, costs):
    chain = Chain(unit_chain(steps, levels))
    assert chain.least_bytes == 3
    assert [chain.schedule(3 + i).cost for i in range(len(costs))] == costs


def test_steps_that_repeat_share_their_rows():
    """A part in 10^9 of their costs keeps steps apart, and changes no choice."""
    even = unit_chain(120)
    inputs = [even.inputs(v) for v in range(len(even))]
    costs = [1 + 1e-9 * v for v in range(len(even))]
    uneven = Problem(even.nbytes, costs, inputs, even.targets, level=even.level)
    shared, apart = Chain(even), Chain(uneven)
    assert (shared.is_even, apart.is_even) == (True, False)
    assert shared.least_bytes == apart.least_bytes == 3
    budgets = [*range(3, 20), 40, 80, 120]
    assert [shared.schedule(b).cost for b in budgets] == [
        int(apart.schedule(b).cost) for b in budgets]


def test_a_long_chain_of_equal_steps_is_cut_at_every_step():
    chain = unit_chain(600)
    least, more = solve(chain, 3), solve(chain, 30)
    assert (least.method, more.method) == ("chain", "chain")
    assert least.peak_bytes == 3        # nothing is held: a sweep of its own for every step
    assert least.cost == 600 * 601 // 2 + 601
    assert validate(chain, more.steps)[:2] == (30, more.cost)


def periodic_chain(steps):
    """A loop whose step has four states in a row, two of them larger."""
    problem = unit_chain(4 * steps)
    lower = np.arange(4 * steps)
    nbytes = problem.nbytes.copy()
    nbytes[lower[lower % 4 > 1]] = 3
    return problem.with_nbytes(nbytes)


def test_more_narrow_places_than_segments_are_cut_in_equal_steps():
    for steps in (200, 300):            # 800 and 1,200 places
        problem = periodic_chain(steps)
        segments = Segments(problem, most=500)
        assert 150 <= len(segments.lower) <= 500
        assert len({len(nodes) for nodes in segments.lower[1:-1]}) == 1
        chain = Chain(problem)
        assert max(cutting.rotor.work for cutting in chain._cuttings) < 3_000_000
        budget = chain.least_bytes + 20
        schedule = chain.schedule(budget)
        assert validate(problem, schedule.steps)[:2] == (schedule.peak_bytes, schedule.cost)
        assert schedule.peak_bytes <= budget


def test_a_chain_that_does_not_repeat_is_cut_where_few_bytes_cross():
    rng = np.random.default_rng(0)
    problem = unit_chain(400)
    problem = problem.with_nbytes(rng.integers(1, 9, len(problem)))
    segments = Segments(problem, most=50)
    crossing = [sum(int(problem.nbytes[v]) for v in state) for state in segments.states[1:]]
    assert len(segments.lower) <= 50
    assert np.median(crossing) <= 2


class Training:
    """A random training chain, with what makes up each of its steps.

    Step i makes state i of state i − 1, through an inner value or not; its stage of the sweep reads
    state i − 1, any of the others, and may make a target of its own.
    """

    def __init__(self, rng, steps, skips=False):
        self.steps, self.forward, self.stages = steps, [], []
        p = self.p = {"nbytes": [], "cost": [], "inputs": [], "inplace": [], "workspace": [],
                      "level": []}

        def add(inputs, level, over=()):
            p["inputs"].append(inputs)
            p["level"].append(level)
            p["nbytes"].append(p["nbytes"][over[0]] if over else rng.choice((1, 2, 3, 5, 8)))
            p["inplace"].append(list(over))
            p["cost"].append(rng.randint(0, 9))
            p["workspace"].append(rng.choice((0, 0, 0, 2)))
            return len(p["inputs"]) - 1

        states = []
        for _ in range(steps):
            before = states[-1:]
            nodes = [add(before, 0)] if rng.random() < 0.5 else []
            read = nodes or before
            over = read if nodes and rng.random() < 0.5 else ()
            skipped = before if nodes and skips and rng.random() < 0.5 else ()
            nodes.append(add([*read, *skipped], 0, over))
            states.append(nodes[-1])
            self.forward.append(nodes)
        gradient, targets = None, []
        for i in reversed(range(steps)):
            before = states[i - 1 : i] if i else []
            stage, carried = [], [] if gradient is None else [gradient]
            read = [v for v in (*self.forward[i][:-1], *before) if rng.random() < 0.6]
            # Where it reads state i alone, that is better read by stage i + 1 already.
            if gradient is None or (set(read) & set(self.forward[i]) and rng.random() < 0.5):
                read.append(states[i])
            over = carried if carried and rng.random() < 0.4 else ()
            stage.append(add([*carried, *read], 1, over))
            if rng.random() < 0.4:
                target = add([stage[-1], *(before if rng.random() < 0.7 else ())], 1)
                targets.append(target)
                stage.append(target)
            # As in the model of the literature, each stage reads the state it starts from.
            over = stage[:1] if rng.random() < 0.5 else ()
            stage.append(add([stage[0], *before], 1, over))
            gradient = stage[-1]
            self.stages.append(stage)
        self.stages.reverse()
        self.states = states
        self.problem = Problem(**p, targets=[gradient, *targets])

    def orders(self):
        """Enumerate the persistent schedules: all orders of computes that the recursion allows."""
        reads = [{u for v in stage for u in self.p["inputs"][v]} for stage in self.stages]
        tapes = [[v for v in nodes if v in reads[i]] for i, nodes in enumerate(self.forward)]

        def tape(i, again):
            """Compute what stage i reads of step i; its state may have been kept."""
            wanted = [v for v in tapes[i] if again or v != self.states[i]]
            nodes = self.forward[i]
            return nodes[: nodes.index(wanted[-1]) + 1] if wanted else []

        @lru_cache(None)
        def ways(a, b):
            if a == b:
                if b == self.steps - 1:
                    return [self.forward[b] + self.stages[b]]
                return [tape(a, again) + self.stages[a] for again in (False, True)]
            found = [self.forward[a] + rest + self.stages[a] for rest in ways(a + 1, b)]
            for j in range(a + 1, b + 1):
                passed = [v for nodes in self.forward[a:j] for v in nodes]
                found += [passed + right + left for right in ways(j, b) for left in ways(a, j - 1)]
            return found

        return {tuple(order) for order in ways(0, self.steps - 1)}

    def frontier(self):
        """Collect (peak, cost) of all persistent schedules, none worse in both than another."""
        p, points = self.problem, set()
        for order in self.orders():
            steps = free_after_last_use(
                np.array(order, np.int32), p.input_start, p.input_index, p.owner, p.pinned)
            result = simulate(p, steps)
            points.add((result.peak_bytes, result.cost))
        best = []
        for peak, cost in sorted(points):
            if not best or cost < best[-1][1]:
                best.append((peak, cost))
        return best


def check_against_all(seed, steps):
    training = Training(random.Random(seed), steps)
    frontier = training.frontier()
    chain = Chain(training.problem)
    assert chain.least_bytes <= frontier[0][0]
    for peak, cost in frontier:
        plan = chain.schedule(peak)
        assert validate(training.problem, plan.steps)[:2] == (plan.peak_bytes, plan.cost)
        assert plan.peak_bytes <= peak
        assert plan.cost <= cost, (seed, steps, peak)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**9), st.integers(2, 5))
def test_no_persistent_schedule_is_better(seed, steps):
    check_against_all(seed, steps)


@pytest.mark.long
def test_no_persistent_schedule_of_many_chains_is_better():
    for seed in range(6000):
        for steps in (2, 3, 4, 5):
            check_against_all(seed, steps)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**9), st.integers(2, 7))
def test_no_other_method_is_better(seed, steps):
    problem = Training(random.Random(seed), steps).problem
    chain = Chain(problem)
    for method in ("store", "checkpoint", "recompute"):
        other = solve(problem, method=method)
        if other.peak_bytes >= chain.least_bytes:
            assert chain.schedule(other.peak_bytes).cost <= other.cost
    store = solve(problem, method="store")
    assert chain.schedule(store.peak_bytes).cost == store.cost
    for every in range(1, steps):
        other = solve(problem, method="checkpoint", every=every)
        assert chain.schedule(max(chain.least_bytes, other.peak_bytes)).cost <= other.cost


def chain_of(problem):
    """Make the chain of a problem; None where it is not chain-like."""
    try:
        return Chain(problem)
    except PlanError:
        return None


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**9), st.integers(2, 12), st.booleans(), st.integers(0, 100))
def test_plans_keep_their_budget(seed, steps, skips, percent):
    problem = Training(random.Random(seed), steps, skips).problem
    chain = chain_of(problem)
    if chain is None:
        assert skips
        return
    peak = solve(problem, method="store").peak_bytes
    budget = chain.least_bytes + max(0, peak - chain.least_bytes) * percent // 100
    plan = chain.schedule(budget)
    assert validate(problem, plan.steps)[:2] == (plan.peak_bytes, plan.cost)
    assert plan.peak_bytes <= budget
    assert solve(problem, budget, method="chain").lower_bound <= plan.cost
    if chain.least_bytes <= peak:
        with pytest.raises(BudgetError, match=r"(not found|impossible): "):
            solve(problem, chain.least_bytes - 1, method="chain")


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**9), st.integers(2, 4))
def test_the_best_plan_of_any_kind_is_not_dearer(seed, steps):
    problem = Training(random.Random(seed), steps).problem
    chain = Chain(problem)
    if len(problem) > 25:
        return
    for budget in (chain.least_bytes, chain.least_bytes + 3):
        assert solve(problem, budget, method="exact").cost <= chain.schedule(budget).cost


@settings(max_examples=100, deadline=None)
@given(random_problems(most=14), st.integers(0, 100))
def test_any_problem_is_planned_or_refused(problem, percent):
    chain = chain_of(problem)
    if chain is None:
        with pytest.raises(PlanError, match="not chain-like"):
            Chain(problem)
        return
    peak = solve(problem, method="store").peak_bytes
    plan = chain.schedule(chain.least_bytes + max(0, peak - chain.least_bytes) * percent // 100)
    assert validate(problem, plan.steps)[:2] == (plan.peak_bytes, plan.cost)
    assert plan.peak_bytes <= max(peak, chain.least_bytes)
    # What is wanted beside the states is computed once, as in every plan.
    assert plan.cost >= problem.total_cost


def test_slots_on_equal_steps_are_binomial():
    for n in range(2, 25):
        problem = sine_chain(n)
        for slots in range(1, 9):
            plan = solve(problem, method="checkpoint", slots=slots)
            assert sines(problem, plan) == binomial(n, slots)[0]
            assert plan.steps == Checkpoint(slots=slots).schedule(problem).steps


@pytest.mark.parametrize(("n", "slots"), [(300, 5), (3000, 12)])
def test_slots_on_long_chains_are_binomial(n, slots):
    problem = sine_chain(n)
    plan = Checkpoint(slots=slots).schedule(problem)
    assert sines(problem, plan) == binomial(n, slots)[0]
    # In eights: the other states, and four values at hand.
    assert plan.peak_bytes <= 8 * (slots - 1 + 4)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**9), st.integers(2, 9), st.booleans())
def test_more_slots_never_cost_more(seed, steps, skips):
    problem = Training(random.Random(seed), steps, skips).problem
    if chain_of(problem) is None:
        return
    plans = [solve(problem, method="checkpoint", slots=s) for s in range(1, 2 * steps + 3)]
    for plan in plans:
        assert validate(problem, plan.steps)[:2] == (plan.peak_bytes, plan.cost)
    if not skips:
        assert [p.cost for p in plans] == sorted((p.cost for p in plans), reverse=True)
        assert solve(problem, method="checkpoint", slots=100).cost == problem.total_cost


def branching(steps, tape_bytes):
    """Make a chain x' = g(x, f(x)) whose stages read f(x) alone."""
    inputs, nbytes = [], []
    for _ in range(steps):
        state = [len(inputs) - 1] if inputs else []
        inputs += [state, [*state, len(inputs)]]
        nbytes += [tape_bytes, 8]
    forward = len(inputs)
    for i in reversed(range(steps)):
        inputs.append([2 * i] if len(inputs) == forward else [len(inputs) - 1, 2 * i])
    n = len(inputs)
    return Problem(
        nbytes + [1] * steps, [1] * n, inputs, [n - 1], level=[int(v >= forward) for v in range(n)]
    )


def test_a_slot_holds_a_tape_where_it_is_small():
    costs = {
        size: [solve(branching(12, size), method="checkpoint", slots=s).cost for s in range(2, 13)]
        for size in (8, 80)
    }
    assert all(small < large for small, large in zip(costs[8][:-2], costs[80][:-2], strict=True))
    assert costs[8][-1] == branching(12, 8).total_cost


def test_slots_are_checked():
    problem = sine_chain(5)
    for slots in (0, -1, 2.5, "3", True):
        with pytest.raises(PolicyError, match="slots= counts stored states"):
            Checkpoint(slots=slots)
        with pytest.raises(PolicyError, match="slots= counts stored states"):
            solve(problem, method="checkpoint", slots=slots)
    with pytest.raises(PolicyError, match="not both"):
        Checkpoint(2, 3)
    with pytest.raises(PolicyError, match="two ways"):
        solve(problem, method="checkpoint", every=2, slots=3)
    with pytest.raises(PolicyError, match="'store' takes no slots="):
        solve(problem, method="store", slots=3)
    flat = Problem([1] * 3, [1] * 3, [[], [0], [1]], [2])
    assert solve(flat, method="checkpoint", slots=1).cost == 3
    wide = Problem([1] * 3, [1] * 3, [[], [], [0, 1]], [2], level=[0, 0, 1])
    with pytest.raises(PlanError, match="not chain-like"):
        solve(wide, method="checkpoint", slots=1)


def deep(layers, width, batch):
    """Make the problem of a deep MLP's gradient, as the library builds it."""
    weights = [np.zeros((width, width), np.float32) for _ in range(layers)]

    def cost(weights, x):
        for w in weights:
            x = np.maximum(x @ w, 0)
        return (x * x).sum()

    x = np.zeros((batch, width), np.float32)
    return ad.plan(ad.value_and_grad(cost), weights, x).problem


def test_a_deep_network_at_a_third_of_its_bytes():
    problem = deep(48, 64, 512)
    store = solve(problem, method="store")
    chain = Chain(problem)
    for every in (None, *range(1, 25)):
        other = solve(problem, method="checkpoint", every=every)
        plan = chain.schedule(max(other.peak_bytes, chain.least_bytes))
        assert plan.cost <= other.cost
        assert validate(problem, plan.steps)[0] <= max(other.peak_bytes, chain.least_bytes)
    # Bars of the deep MLP of 48 layers, width 512, batch 4096, in its proportions: 413 MB stored.
    third = solve(problem, store.peak_bytes * 150 // 413, method="chain")
    assert third.overhead <= 0.25
    assert chain.least_bytes <= store.peak_bytes * 85 // 413
    costs = [chain.schedule(store.peak_bytes * p // 100).cost for p in range(20, 101, 4)]
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] == store.cost
