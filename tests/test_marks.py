"""Marks: what ad.checkpoint and ad.save ask of plans, under every policy; numbers never change."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import autodiff as ad
from autodiff.errors import ArgumentError, BudgetError, PolicyError
from autodiff.planning import Problem, frontier, memory_bound, simulate, smallest_budget, solve
from autodiff.planning.repeats import Repeats
from planning_problems import raw_problems
from validator import validate

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 50))
POLICIES = ["store", "recompute", "checkpoint", ad.Checkpoint(every=2), ad.Save("h")]


def layer(x):
    return np.tanh(np.tanh(np.tanh(x)))


def deep(mark, n=6):
    def cost(x):
        for _ in range(n):
            x = np.sin(mark(layer)(x))
        return x.sum()

    return cost


def evaluations(f, *args, policy=None, **options):
    return ad.plan(f, *args, policy=policy, fuse=False, **options).evaluations


def bits(tree):
    return [np.asarray(a).tobytes() for a in tree]


# ---- checkpoint -----------------------------------------------------------------------------

def test_the_inside_is_computed_again_and_only_the_inside():
    plain = ad.plan(ad.grad(deep(lambda f: f)), X, fuse=False)
    marked = ad.plan(ad.grad(deep(ad.checkpoint)), X, fuse=False)
    # each layer: three tanh, of which the last is the result; two again
    assert plain.evaluations["tanh"] == 18
    assert marked.evaluations["tanh"] == 18 + 12
    assert marked.evaluations["sin"] == plain.evaluations["sin"] == 5    # of z nothing is asked
    assert marked.peak_bytes < plain.peak_bytes - 6 * X.nbytes
    assert plain.overhead == 0 < marked.overhead
    assert marked.cost > marked.problem.total_cost


def test_nothing_made_inside_is_held_while_the_backward_pass_begins():
    with ad.Graph() as graph:
        x = ad.variable("x", X.shape)
        inner = []

        @ad.checkpoint
        def f(x):
            a = np.tanh(x)
            b = np.exp(a)
            inner.extend([a.index, b.index])
            return a * b

        y = np.sin(f(np.cos(x)))
        y = np.sin(np.sin(y) + y)
        g, = ad.gradients([y.sum()], [x])
    program = ad.Program([x], [g])
    plan, regions = program.plan, program._executable.regions
    node = [regions.describe(r)[1] for r in range(len(plan.problem))]
    held, before_the_turn = set(), None
    for action, region, _ in plan.steps:
        if action == "compute" and graph[node[region]].level and before_the_turn is None:
            before_the_turn = {node[r] for r in held}
        held.add(region) if action == "compute" else held.discard(region)
    assert before_the_turn
    assert not before_the_turn & set(inner)
    assert {v for v, call in graph.calls.items() if call > 0} == set(inner)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("order", [1, 2])
def test_bits_and_bytes_under_every_policy(policy, order):
    def cost(mark, x):
        h = ad.save(mark(layer)(x), "h")
        return (np.cos(mark(lambda h: np.exp(np.sin(h)) * h)(h))).sum()

    def transform(f):
        g = ad.grad(f)
        return g if order == 1 else ad.grad(lambda x: (g(x) ** 2).sum())

    expected = transform(lambda x: cost(lambda f: f, x))(X)
    step = ad.compile(transform(lambda x: cost(ad.checkpoint, x)), policy)
    assert bits([step(X)]) == bits([expected])
    plan = step.plan(X)
    assert step.measured_peak_bytes == plan.peak_bytes
    peak, total = validate(plan.problem, plan.steps)[:2]
    assert (peak, total) == (simulate(plan.problem, plan.steps).peak_bytes, plan.cost)


def test_budgets_obey_the_marks():
    f = ad.grad(deep(ad.checkpoint))
    store = ad.plan(f, X)
    expected = ad.grad(deep(lambda f: f))(X)
    for share in (1.5, 1.0, 0.9, 0.8):
        step = ad.compile(f, ad.Budget(int(store.peak_bytes * share), time_limit=1))
        plan = step.plan(X)
        assert bits([step(X)]) == bits([expected])
        assert step.measured_peak_bytes == plan.peak_bytes <= int(store.peak_bytes * share)
        assert plan.evaluations["tanh"] >= 30
        assert plan.bound_family.endswith(("marks respected", "any order"))
        assert plan.gap >= 0
    with pytest.raises(BudgetError, match="^impossible: computing node"):
        ad.plan(f, X, policy=ad.Budget(100))


def test_second_derivatives_compute_again_for_each_order():
    def cost(mark, x):
        return (mark(lambda x: np.tanh(np.exp(x)))(x) ** 2).sum()

    def second(mark):
        return ad.grad(lambda x: (ad.grad(lambda x: cost(mark, x))(x) ** 2).sum())

    x = RNG.normal(size=20)
    assert bits([second(ad.checkpoint)(x)]) == bits([second(lambda f: f)(x)])
    plain, marked = evaluations(second(lambda f: f), x), evaluations(second(ad.checkpoint), x)
    assert (plain["exp"], marked["exp"]) == (1, 3)


def test_a_gradient_inside_is_part_of_the_inside():
    def slope(x):
        return ad.grad(lambda x: np.tanh(np.exp(x)).sum())(x)

    def cost(mark, x):
        return mark(slope)(x).sum()

    x = RNG.normal(size=20)
    assert bits([ad.grad(lambda x: cost(ad.checkpoint, x))(x)]) == bits(
        [ad.grad(lambda x: cost(lambda f: f, x))(x)])
    # without a sweep outside, nothing is computed twice
    assert evaluations(lambda x: cost(ad.checkpoint, x), x)["exp"] == 1
    assert evaluations(ad.value_and_grad(lambda x: cost(ad.checkpoint, x)), x)["exp"] == 2


def test_an_empty_problem_has_no_repeats():
    assert solve(Problem([], [], [], []), method="save").cost == 0


def test_marks_inside_marks_count_once():
    inner = ad.checkpoint(layer)
    outer = ad.checkpoint(lambda x: np.sin(inner(np.sin(inner(x)))))
    found = evaluations(ad.grad(lambda x: np.exp(outer(x)).sum()), X)
    assert found["tanh"] == 12
    assert found["sin"] == 3        # the last is the result


def test_results_that_are_views_are_kept():
    f = ad.checkpoint(lambda x: (np.exp(np.tanh(x)).T, np.sin(x)))

    def cost(x):
        a, b = f(x)
        return (np.exp(a) * np.cos(b).T).sum()

    found = evaluations(ad.grad(cost), X)
    assert found["tanh"] == 2
    assert found["exp"] == 2        # exp(tanh(x)) has the bytes of the first result
    assert bits([ad.grad(cost)(X)]) == bits(
        [ad.grad(lambda x: (np.exp(np.exp(np.tanh(x)).T) * np.cos(np.sin(x)).T).sum())(X)])


def test_arrays_and_methods_pass_through():
    f = ad.checkpoint(layer)
    assert bits([f(X)]) == bits([layer(X)])
    assert f.__name__ == "layer"

    class Net:
        @ad.checkpoint
        def __call__(self, x):
            return layer(x)

    assert evaluations(ad.grad(lambda x: Net()(x).sum()), X)["tanh"] == 5
    with pytest.raises(ArgumentError, match="takes a function"):
        ad.checkpoint(3)


def test_an_error_inside_leaves_no_mark():
    def fails(x):
        np.tanh(x)
        raise KeyError("inside")

    with ad.Graph() as graph:
        x = ad.variable("x", (3,))
        with pytest.raises(KeyError):
            ad.checkpoint(fails)(x)
    assert not graph.calls


def test_callbacks_inside_run_once():
    seen = []
    spy = ad.operation(lambda x: seen.append(1) or x * 2, bprop=(lambda g, y, x: g * 2,),
                       shape=lambda x: (x.shape, x.dtype), effect="callback", name="marked_spy")
    f = ad.checkpoint(lambda x: np.exp(spy(np.tanh(x))) + 1)
    ad.grad(lambda x: f(x).sum())(X)
    assert len(seen) == 1


@pytest.mark.parametrize("policy", ["store", ad.Save("h")])
def test_a_pullback_keeps_no_inside(policy):
    def f(x):
        h = ad.save(np.sin(x), "h")
        return np.cos(ad.checkpoint(layer)(h))

    value, pull = ad.vjp(f, X, policy=policy)
    _, expected = ad.vjp(lambda x: np.cos(layer(np.sin(x))), X)
    u = RNG.normal(size=X.shape)
    assert bits(pull(u)) == bits(expected(u))
    arrays = {"store": 3, ad.Save("h"): 2}[policy]      # x, h and layer(h)
    assert pull.residual_bytes == arrays * X.nbytes


# ---- save -----------------------------------------------------------------------------------

def saving(x):
    for i in range(8):
        x = np.tanh(x)
        if i in (2, 5):
            x = ad.save(x, f"h{i}")
    return x.sum()


def test_save_keeps_the_names_and_computes_the_rest_again():
    f = ad.value_and_grad(saving)
    everything = [ad.plan(f, X, policy=p) for p in ("store", ad.Save(["h2", "h5"]), ad.Save("h2"))]
    assert [p.evaluations["tanh"] for p in everything] == [8, 14, 15]
    assert everything[0].peak_bytes > everything[2].peak_bytes > everything[1].peak_bytes
    for policy in (ad.Save(["h2", "h5"]), ad.Save("h5"), ad.Save([])):
        step = ad.compile(f, policy)
        assert bits(step(X)) == bits(f(X))
        assert step.measured_peak_bytes == step.plan(X).peak_bytes


@pytest.mark.parametrize("policy", ["recompute", "checkpoint", ad.Save(["h2", "h5"]), "budget"])
def test_saved_values_are_computed_once(policy):
    f = ad.grad(saving)
    if policy == "budget":
        policy = ad.Budget(ad.plan(f, X, fuse=False).peak_bytes * 7 // 10, time_limit=1)
    with ad.Graph() as graph:
        x = ad.variable("x", X.shape)
        g, = ad.gradients([saving(x)], [x])
    program = ad.Program([x], [g], policy, fuse=False)
    plan, regions = program.plan, program._executable.regions
    count = dict.fromkeys(graph.saved, 0)
    for action, region, _ in plan.steps:
        node = regions.describe(region)[1]
        if action == "compute" and node in count:
            count[node] += 1
    assert list(count.values()) == [1, 1]
    assert plan.evaluations["tanh"] > 8


def test_saved_inside_a_checkpoint_is_kept():
    f = ad.checkpoint(lambda x: np.tanh(np.tanh(ad.save(np.tanh(np.tanh(x)), "h"))))
    assert evaluations(ad.grad(lambda x: f(x).sum()), X)["tanh"] == 4 + 2


def test_views_and_aliases_are_saved_by_their_bytes():
    def cost(x):
        h = ad.save(np.tanh(np.tanh(x)).T, "h")
        slope = ad.grad(lambda h: np.exp(np.sin(ad.save(h, "h"))).sum())(h)
        return (slope * np.exp(h)).sum()

    f = ad.grad(cost)
    assert evaluations(f, X, policy=ad.Save("h"))["tanh"] == 3
    assert bits([ad.compile(f, ad.Save("h"))(X)]) == bits([f(X)])


def test_values_without_a_graph_pass_through():
    assert ad.save(X, "x") is X
    tree = {"a": X, "b": [1.0]}
    assert ad.save(tree, "x") is tree


def test_wrong_names_are_told():
    with pytest.raises(ArgumentError, match="string"):
        ad.save(X, 3)
    for wrong in (3, [3], None, [["h"]]):
        with pytest.raises(PolicyError, match="names"):
            ad.Save(wrong)
    for call in (ad.grad(saving, policy=ad.Save("h3")), ad.compile(ad.grad(saving), ad.Save("h3"))):
        with pytest.raises(PolicyError, match="'h3': marked are 'h2', 'h5'"):
            call(X)
    with pytest.raises(PolicyError, match="no value is marked"):
        ad.grad(lambda x: x.sum(), policy=ad.Save(["h"]))(X)
    x = ad.variable("x", X.shape)
    y = ad.save(np.tanh(x), "h")
    with pytest.raises(PolicyError, match="nothing is saved as 'k': marked are 'h'"):
        ad.Program([x], [np.sin(y)], policy=ad.Save(["h", "k"]))
    with pytest.raises(PolicyError, match="class"):
        ad.grad(saving, policy=ad.Save)(X)


def test_marks_are_part_of_the_structure():
    from autodiff.tracing import programs

    programs.clear()
    for _ in range(2):
        for f in (deep(lambda f: f), deep(ad.checkpoint), saving, lambda x: deep(layers)(x)):
            ad.grad(f)(X)
    assert (programs.misses, programs.hits) == (4, 4)


def layers(f):
    return lambda x: ad.save(f(x), "layer")


# ---- abstract problems ----------------------------------------------------------------------

@st.composite
def marked_problems(draw):
    raw = draw(raw_problems())
    n = len(raw["nbytes"])
    return Problem(
        **raw, drop=draw(st.lists(st.booleans(), min_size=n, max_size=n)),
        call=draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)))


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(marked_problems(), st.sampled_from(["store", "recompute", "checkpoint", "save"]))
def test_every_method_gives_a_valid_plan(problem, method):
    schedule = solve(problem, method=method)
    assert validate(problem, schedule.steps)[0] == schedule.peak_bytes
    if problem.drop.any() and method != "save":
        inner = solve(Repeats(problem).problem, method=method)
        assert schedule.peak_bytes <= inner.peak_bytes
        assert schedule.cost == inner.cost
        assert schedule.gap >= 0


def test_what_a_mark_forbids_is_not_called_impossible():
    """Recompute holds 4 bytes, as no plan that respects the mark does."""
    problem = Problem([1, 1, 1], [1] * 3, [[], [0], [0, 1]], [2], workspace=[3, 0, 0],
                      level=[0, 0, 3], drop=[True, False, False])
    assert solve(problem, method="recompute").peak_bytes == 4
    with pytest.raises(BudgetError, match="^not found") as caught:
        solve(problem, 4)
    assert (caught.value.bound, caught.value.known) == (4, 5)
    with pytest.raises(BudgetError, match="^impossible") as caught:
        solve(problem, 3)
    assert caught.value.bound == 4
    assert smallest_budget(problem) == (5, 4)
    assert solve(problem, 5).peak_bytes == 5


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(marked_problems(), st.floats(0, 1))
def test_budgets_hold_on_marked_problems(problem, share):
    known, bound = smallest_budget(problem)
    assert memory_bound(problem)[0] <= bound <= known
    budget = known + int(share * (solve(problem, method="store").peak_bytes - known))
    schedule = solve(problem, max(1, budget), time_limit=0.2)
    assert validate(problem, schedule.steps)[0] == schedule.peak_bytes <= max(1, budget)


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(marked_problems())
def test_frontiers_of_marked_problems_hold(problem):
    points = frontier(problem, points=4, time_limit=0.2)
    for point in points:
        assert point.schedule.problem is problem
        assert validate(problem, point.schedule.steps)[0] <= point.budget
    overheads = [point.overhead for point in points]
    assert overheads == sorted(overheads, reverse=True)


def test_a_chain_whose_inside_is_dropped():
    inputs = [[], [0], [1], [2], [3, 3], [4, 2], [5, 1], [6, 0]]
    problem = Problem([8] * 8, [1] * 8, inputs, [7], level=[0] * 4 + [1] * 4,
                      drop=[0, 1, 1, 0, 0, 0, 0, 0])
    schedule = solve(problem)
    assert schedule.evaluations.tolist() == [1, 2, 2, 1, 1, 1, 1, 1]
    assert schedule.overhead == 0.25
    assert Problem.from_json(problem.to_json()).drop.tolist() == problem.drop.tolist()
    # save repeats what the sweep reads; what only the sweep reads has no other evaluation
    both = Problem([8] * 8, [1] * 8, inputs, [3, 7], level=[0] * 4 + [1] * 4)
    assert solve(both, method="save").evaluations.tolist() == [2, 2, 2, 1, 1, 1, 1, 1]
    assert solve(problem, method="save").evaluations.tolist() == [1] * 8
