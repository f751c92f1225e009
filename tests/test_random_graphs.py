"""Random programs in which every row appears: numbers, bits, bytes and plans.

Values and gradients are the textbook's to rounding; the bits are the same under every policy; what
a run measures is what its plan said; an independent validator accepts every plan.
"""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

import autodiff as ad
from autodiff import textbook
from autodiff.core.gradients import tangents
from autodiff.core.operations import all_operations
from autodiff.ops.table import Form
from autodiff.planning import Checkpoint, Recompute, Store
from random_graphs import build, recipes
from validator import validate

LEAVES = {"variable", "argument", "constant"}
ROWS = {op.name for op in all_operations()
        if op.effect != "counter" and not isinstance(op, Form)} - LEAVES
VIEWS = {"reshape", "transpose", "broadcast_to", "slice"}


def examples(quick, long):
    """Run a test on the same examples each time, and if asked for on many new ones."""
    return pytest.mark.parametrize(
        "profile", [settings(max_examples=quick, derandomize=True, database=None),
                    pytest.param(settings(max_examples=long, database=None),
                                 marks=pytest.mark.long)], ids=["quick", "long"])


def reached(outputs):
    """All nodes that outputs are computed from."""
    found, left = set(), list(outputs)
    while left:
        y = left.pop()
        if y not in found:
            found.add(y)
            left += y.inputs
    return found


def same_bits(one, other):
    return (one.dtype == other.dtype and one.shape == other.shape
            and one.tobytes() == other.tobytes())


class Case:
    """A built program with what is asked of it: z, gradients, and some values between."""

    def __init__(self, built, chosen):
        self.built = built
        self.targets = built.targets()
        gradients = ad.gradients(built.z.x, [t.x for t in self.targets])
        between = [t for t in built.pool if isinstance(t.x, ad.Variable)]
        between = [between[k % len(between)] for k in chosen]
        self.outputs = [built.z.x, *gradients, *(t.x for t in between)]
        table = textbook.algorithm_6_5([t.u for t in self.targets], built.book, built.z.u)
        self.n_gradients = len(gradients)
        self.expected = [
            built.z.value, *(table[t.u] for t in self.targets), *(t.value for t in between)]

    def run(self, policy, fuse=True):
        """Run under a policy: (program, results)."""
        inputs = [x for x, _ in self.built.leaves]
        program = ad.Program(inputs, self.outputs, policy=policy, fuse=fuse)
        return program, program(*(u.value for _, u in self.built.leaves))

    def check_numbers(self, results):
        """Equal to the textbook to rounding, on the scale of the values and gradients."""
        single = any(t.dtype == np.float32 for t in self.built.pool)
        unit = np.finfo(np.float32 if single else np.float64).eps
        scale = max(1, *(np.max(np.abs(g)) for g in self.expected[: 1 + self.n_gradients]))
        for y, found, expected in zip(self.outputs, results, self.expected):
            assert found.dtype == expected.dtype, y
            assert found.shape == expected.shape, y
            if found.dtype.kind == "f":
                np.testing.assert_allclose(
                    found, expected, rtol=100 * unit, atol=500 * unit * scale,
                    err_msg=repr(y))
            else:
                np.testing.assert_array_equal(found, expected, err_msg=repr(y))


# ---- plans --------------------------------------------------------------------------------------

def root(y, scaled=()):
    """The node whose bytes y shows: y itself unless it is a view, or scaled by a product."""
    while y.op.name in VIEWS or y in scaled:
        y = y.inputs[0] if y.inputs[0].shape == y.shape or y not in scaled else y.inputs[1]
    return y


def check_problem(program):
    """The planning problem says of each region what the graph says of its node."""
    problem, graph = program.plan.problem, program.graph
    regions = [program._executable.regions.describe(r) for r in range(len(problem))]
    inside = [[graph[v] for _, v in program.plan.regions.operations(r)]
              for r in range(len(problem))]
    scaled = {u for r, (name, _) in enumerate(regions) if name.startswith("matmul_")
              for u in inside[r] if u.op.name in ("multiply", "divide") and not any(
                  root(x).op.name == "matmul" and x in inside[r] for x in u.inputs)}
    for r, (name, index) in enumerate(regions):
        y = graph[index]
        assert problem.nbytes[r] == y.size * y.dtype.itemsize, y
        assert problem.level[r] == y.level, y
        assert problem.owner[r] == -1, y
        # a region reads the roots of its node's inputs, or copies of them; a copy its own root
        read = {root(graph[regions[q][1]], scaled) for q in problem.inputs(r)}
        packs = name == "copy" and y.op.name != "copy"
        asked = {root(x, scaled) for u in [y, *inside[r]] for x in u.inputs} - {y, *inside[r]}
        asked = {root(y, scaled)} if packs else asked
        assert {x for x in read if x.op.name not in LEAVES} == {
            x for x in asked if x.op.name not in LEAVES}, y
    computed = {index for r in range(len(problem)) for name, index
                in program.plan.regions.operations(r) if graph[index].op.name == name}
    assert computed == {y.index for y in reached(program.outputs)
                        if y.op.name not in LEAVES | VIEWS}
    assert len(problem.targets) == len(program.outputs)
    for r, y in zip(problem.targets, program.outputs):
        assert regions[r][1] == y.index
    captured = sum(y.size * y.dtype.itemsize for y in reached(program.outputs)
                   if y.op.name == "constant")
    assert program.plan.captured_bytes == captured


def check_plan(program):
    """The validator accepts the steps and finds the bytes, cost and evaluations of the plan."""
    plan = program.plan
    peak, cost, _, evaluations = validate(plan.problem, plan.steps)
    assert peak == plan.live_bytes
    assert plan.live_bytes + plan.captured_bytes <= plan.peak_bytes
    assert cost == plan.cost
    counts = Counter()
    for region, times in evaluations.items():
        for name, _ in program._executable.regions.operations(region):
            counts[name] += times
    assert plan.evaluations == counts
    assert program.measured_peak_bytes == program.peak_bytes == plan.peak_bytes


# ---- what the programs are like -----------------------------------------------------------------

class Tally:
    """Count rows that programs ran, and programs with fan-out and broadcasting."""

    def __init__(self):
        self.rows, self.likes, self.programs, self.largest = Counter(), Counter(), 0, 0

    def add(self, case, program):
        nodes = reached(case.outputs)
        self.rows.update({y.op.name for y in nodes} | set(program.plan.evaluations))
        own = [y for y in nodes if y.level == 0]
        self.programs += 1
        self.largest = max(self.largest, len(own))
        self.likes["fan-out"] += any(
            sum(c.level == 0 for c in y.consumers()) > 1 for y in own if y.op.name not in LEAVES)
        self.likes["broadcasting"] += any(
            x.shape != y.shape for y in own if y.op.name in BROADCASTING for x in y.inputs
            if x.ndim)
        self.likes["mixed dtypes"] += len({y.dtype for y in own}) > 2

    def require(self):
        assert not ROWS - set(self.rows), f"no program ran {sorted(ROWS - set(self.rows))}"
        for like, programs in self.likes.items():
            assert programs >= self.programs / 2, f"only {programs} programs have {like}"
        assert len(self.likes) == 3
        assert self.largest >= 180


BROADCASTING = {"add", "subtract", "multiply", "divide", "maximum", "minimum", "where", "power"}


@examples(200, 5000)
def test_random_programs(profile):
    tally = Tally()

    @profile
    @given(recipes(120), st.booleans(), st.lists(st.integers(0, 500), max_size=6),
           st.integers(1, 12))
    def check(steps, mixed, chosen, every):
        built = build(steps, mixed=mixed)
        note(str(built.graph))
        case = Case(built, chosen)
        first = None
        plain = Store()
        for policy in (plain, Store(), Recompute(), Checkpoint(), Checkpoint(every=every)):
            program, results = case.run(policy, fuse=policy is not plain)
            if first is None:
                first = results
                case.check_numbers(results)
                check_problem(program)
                tally.add(case, program)
            for y, one, other in zip(case.outputs, first, results):
                assert same_bits(one, other), f"{y} under {policy}"
            check_plan(program)

    check()
    tally.require()


# ---- second derivatives -------------------------------------------------------------------------

def moved(built, shifts):
    """The textbook's graph with other inputs: ({its variable: the new one}, the new graph)."""
    book, twin = textbook.Graph(), {}
    for V in built.book.variables:
        if V.op is None:
            twin[V] = book.variable(V.name, V.value + shifts.get(V, 0))
        else:
            twin[V] = book.apply(V.op, *(twin[U] for U in V.inputs))
    return twin, book


@examples(100, 1000)
def test_random_second_derivatives(profile):
    """Reverse over reverse and forward over reverse against differences of the textbook."""
    rows = Counter()

    @profile
    @given(recipes(40), st.integers(0, 2**20))
    def check(steps, seed):
        built = build(steps, smooth=True)
        leaves = [(x, u) for x, u in built.leaves if x.dtype == np.float64]
        if not leaves:
            return
        note(str(built.graph))
        rng = np.random.default_rng(seed)
        v = {u: rng.uniform(-1, 1, u.value.shape) for _, u in leaves}
        xs = [x for x, _ in leaves]
        directions = [ad.variable(f"v{k}", x.shape, graph=built.graph) for k, x in enumerate(xs)]
        first = ad.gradients(built.z.x, xs)
        along = tangents([built.z.x], xs, directions)
        second = ad.gradients(first, xs, directions)
        forward = tangents(first, xs, directions)
        inputs = [*(x for x, _ in built.leaves), *directions]
        arrays = [*(u.value for _, u in built.leaves), *(v[u] for _, u in leaves)]

        def run(outputs):
            program = ad.Program(inputs, outputs, policy=Checkpoint())
            rows.update({y.op.name for y in reached(outputs)})
            return program(*arrays)

        def gradients_at(step):
            twin, book = moved(built, {u: step * v[u] for u in v})
            table = textbook.algorithm_6_5([twin[u] for _, u in leaves], book, twin[built.z.u])
            return [table[twin[u]] for _, u in leaves]

        # central differences of fourth order, of the textbook's gradient along v
        h = 1e-4
        a, b, c, d = (gradients_at(k * h) for k in (-2, -1, 1, 2))
        expected = [(p - 8 * q + 8 * r - s) / (12 * h) for p, q, r, s in zip(a, b, c, d)]
        scale = max(1, *(np.max(np.abs(e)) for e in expected))
        for x, found, e in zip(xs, run(second), expected):
            np.testing.assert_allclose(found, e, rtol=0, atol=1e-8 * scale, err_msg=repr(x))
        for x, y, e in zip(xs, forward, run(second)):
            found = np.zeros(x.shape) if y is None else run([y])[0]
            np.testing.assert_allclose(found, e, rtol=0, atol=1e-12 * scale, err_msg=repr(x))
        # forward mode itself: J v = <gradient, v>
        g = gradients_at(0)
        expected = sum(np.sum(one * v[u]) for one, (_, u) in zip(g, leaves))
        found = 0.0 if along[0] is None else run(along)[0]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13 * len(built.graph))

    check()
    missing = {"share", "softmax_error", "scatter_add", "embed", "embed_add"} - set(rows)
    assert not missing, f"no second derivative passed {missing}"
