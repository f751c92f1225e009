"""Simplification: every rule fires, none changes a bit, and what only looks like a rule is none."""

import numpy as np
import pytest

import autodiff as ad
from autodiff.core.making import node
from autodiff.core.operations import ARGUMENT, operation
from autodiff.core.rules import RULES
from autodiff.ops.conversion import astype
from autodiff.ops.movement import transpose
from autodiff.ops.selection import relu
from autodiff.ops.slicing import embed, slice_of

PAYLOAD = np.array(0x7FF8000000000123, np.uint64).view(np.float64)    # not the NaN NumPy makes
SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, -np.nan, PAYLOAD, -PAYLOAD, 5e-324, -5e-324, 1.5,
           -2.5, 1.7e308, -1.7e308, 1e-40, 3.0, 0.5]


def floats(*shape, dtype=np.float64):
    """Numbers on which a rule could be wrong, all of them in vectors and in their tails."""
    with np.errstate(over="ignore"):
        return np.resize(SPECIAL, shape or 67).astype(dtype)


def integers(dtype):
    limits = np.iinfo(dtype)
    return np.resize(np.array([limits.min, limits.max, 0, 1, 7], dtype), 67)


X, SINGLE, WHOLE = floats(), floats(dtype=np.float32), integers(np.int64)
MATRIX, BLOCK, NONE = floats(3, 4), floats(2, 3, 4), np.zeros((0, 4))
MASK = np.arange(67) % 3 == 0
RANGES = ((5, -2, 3), (0, 1, 4))

# By rule: calls, each with what the program still computes. A program copies what is an input.
NOTHING = {"copy": 1}
FIRES = {
    "x * 1": [
        (lambda x: x * 1, [X], NOTHING),
        (lambda x: x * 1.0, [MATRIX], NOTHING),
        (lambda x: x * True, [SINGLE], NOTHING),
        (lambda x: x * np.float32(1), [SINGLE], NOTHING),
        (lambda x: x * 1, [WHOLE], NOTHING)],
    "1 * x": [
        (lambda x: 1 * x, [X], NOTHING),
        (lambda x, y: ad.gradients((x * y).sum(), x), [X, X[::-1].copy()], NOTHING)],
    "x / 1": [(lambda x: x / 1, [X], NOTHING), (lambda x: x / 1, [SINGLE], NOTHING)],
    "x // 1 of integers": [(lambda x: x // 1, [WHOLE], NOTHING)],
    "x ** 1 of integers": [(lambda x: x**1, [WHOLE], NOTHING)],
    "x - 0": [(lambda x: x - 0, [X], NOTHING), (lambda x: x - 0, [WHOLE], NOTHING)],
    "x + -0.0": [(lambda x: x + -0.0, [X], NOTHING)],
    "-0.0 + x": [(lambda x: -0.0 + x, [X], NOTHING)],
    "x + 0 of integers": [(lambda x: x + 0, [WHOLE], NOTHING)],
    "0 + x of integers": [(lambda x: 0 + x, [WHOLE], NOTHING)],
    "-(-x)": [
        (lambda x: np.negative(-x), [X], NOTHING),
        (lambda x: np.negative(-x), [WHOLE], NOTHING),
        (lambda x: -np.negative(-x), [X], {"negative": 1})],
    "not not x": [(lambda x: np.logical_not(np.logical_not(x)), [MASK], NOTHING)],
    "abs(abs(x))": [
        (lambda x: abs(abs(x)), [X], {"abs": 1}), (lambda x: abs(abs(x)), [WHOLE], {"abs": 1})],
    "sign(sign(x))": [(lambda x: np.sign(np.sign(x)), [X], {"sign": 1})],
    "floor(floor(x))": [(lambda x: np.floor(np.floor(x)), [X], {"floor": 1})],
    "relu(relu(x))": [
        (lambda x: relu(relu(x)), [X], {"relu": 1}),
        (lambda x: relu(relu(x)), [SINGLE], {"relu": 1})],
    "where(c, x, x)": [(lambda c, x: np.where(np.logical_not(c), x, x), [MASK, X], NOTHING)],
    "maximum(x, x)": [
        (lambda x: np.maximum(x, x), [X], NOTHING),
        (lambda x: np.maximum(x, x), [SINGLE], NOTHING),
        (lambda x: np.maximum(x, x), [WHOLE], NOTHING)],
    "minimum(x, x)": [
        (lambda x: np.minimum(x, x), [X], NOTHING),
        (lambda x: np.minimum(x, x), [SINGLE], NOTHING)],
    "x and x": [(lambda x: np.logical_and(x, x), [MASK], NOTHING)],
    "x or x": [(lambda x: np.logical_or(x, x), [MASK], NOTHING)],
    "reshape back": [
        (lambda x: x.reshape(12).reshape(3, 4), [MATRIX], NOTHING),
        (lambda x: x.reshape(6, 2).reshape(12).reshape(3, 4), [MATRIX], NOTHING),
        (lambda x: x.T.reshape(12).reshape(4, 3), [MATRIX], NOTHING)],
    "transpose back": [
        (lambda x: x.T.T, [MATRIX], NOTHING),
        (lambda x: transpose(transpose(x, (1, 2, 0)), (2, 0, 1)), [BLOCK], NOTHING)],
    "broadcast to its shape": [
        (lambda x: node(operation("broadcast_to"), [x], x.shape, x.dtype, (x.shape,)), [MATRIX],
         NOTHING)],
    "convert back": [
        (lambda x: astype(astype(x, np.float64), np.float32), [SINGLE], NOTHING),
        (lambda x: astype(astype(x, np.int64), np.int8), [integers(np.int8)], NOTHING),
        (lambda x: node(operation("astype"), [x], x.shape, x.dtype), [X], NOTHING)],
    "convert back to integers": [
        (lambda x: astype(astype(x, np.float64), np.int32), [integers(np.int32)], NOTHING),
        (lambda x: astype(astype(x, np.float32), np.uint16), [integers(np.uint16)], NOTHING)],
    "convert back to booleans": [
        (lambda x: astype(astype(x, np.float32), bool), [MASK], NOTHING)],
    "slice of a join or an embedding": [
        (lambda x, y: np.concatenate([x, y])[3:], [MATRIX, MATRIX[:2] * 2], NOTHING),
        (lambda x, y: np.concatenate([y, x, -x])[:3], [MATRIX, NONE], NOTHING),
        (lambda x, y: np.concatenate([x, y], axis=1)[:, :4], [MATRIX, floats(3, 1)], NOTHING),
        (lambda x, y: np.stack([x, y])[1], [MATRIX, MATRIX * 2], NOTHING),
        (lambda x, y: np.stack([x, y], axis=1)[:, 0], [MATRIX, MATRIX * 2], NOTHING),
        (lambda x: slice_of(embed(x, (7, 4), RANGES), RANGES), [MATRIX], NOTHING)],
    "join of all slices": [
        (lambda x: np.concatenate([x[:1], x[1:]]), [MATRIX], NOTHING),
        (lambda x: np.concatenate([x[:, :3], x[:, 3:]], axis=1), [MATRIX], NOTHING),
        (lambda x: np.stack(list(x)), [MATRIX], NOTHING),
        (lambda x: np.stack([x[:, k] for k in range(4)], axis=1), [MATRIX], NOTHING)],
    "argument": [
        (lambda x: -ad.vjp(np.negative, x)[0], [X], NOTHING)],
}
CALLS = [pytest.param(*call, id=f"{rule}-{k}")
         for rule, calls in FIRES.items() for k, call in enumerate(calls)]

# What must be computed as it is written, because some bit would differ (or nobody promised it).
NO_RULE = {
    "x + 0": (lambda x: x + 0, [X], {"add": 1}),
    "0 + x": (lambda x: 0 + x, [X], {"add": 1}),
    "x * 0": (lambda x: x * 0, [X], {"multiply": 1}),
    "x * -1": (lambda x: x * -1, [X], {"multiply": 1}),
    "x * 1 of more axes": (lambda x: x * np.ones((2, 1)), [X], {"multiply": 1}),
    "x - -0.0": (lambda x: x - -0.0, [X], {"subtract": 1}),
    "0 - x": (lambda x: 0 - x, [X], {"subtract": 1}),
    "x - x": (lambda x: x - x, [X], {"subtract": 1}),
    "x / x": (lambda x: x / x, [X], {"divide": 1}),
    "1 / x": (lambda x: 1 / x, [X], {"divide": 1}),
    "x // 1 of floats": (lambda x: x // 1, [X], {"floor_divide": 1}),
    "where(c, x, y)": (lambda c, x: np.where(c, x, -x), [MASK, X], {"negative": 1, "where": 1}),
    "where of fewer axes": (
        lambda c, x: np.where(c.reshape(67, 1), x, x), [MASK, X], {"where": 1}),
    "and of numbers": (lambda x: np.logical_and(x, x), [X], {"logical_and": 1}),
    "not not of numbers": (
        lambda x: np.logical_not(np.logical_not(x)), [X], {"logical_not": 2}),
    "narrowed and back": (
        lambda x: astype(astype(x, np.float32), np.float64), [X], {"astype": 2}),
    "int64 through float64": (
        lambda x: astype(astype(x, np.float64), np.int64), [WHOLE // 2],
        {"astype": 1, "astype_integer": 1}),
    "the same permutation twice": (
        lambda x: transpose(transpose(x, (1, 2, 0)), (1, 2, 0)), [BLOCK], NOTHING),
    "another shape": (lambda x: x.T.reshape(12).reshape(3, 4), [MATRIX], {"copy": 2}),
    "a part of what was joined": (
        lambda x, y: np.concatenate([x, y])[2:4], [MATRIX, -MATRIX], {"concatenate": 1, "copy": 1}),
    "every other row": (
        lambda x, y: np.concatenate([x, y])[::2], [MATRIX, MATRIX], {"concatenate": 1, "copy": 1}),
    "slices in another order": (
        lambda x: np.concatenate([x[1:], x[:1]]), [MATRIX], {"concatenate": 1}),
    "not all slices": (lambda x: np.stack([x[0], x[2]]), [MATRIX], {"concatenate": 1}),
    "slices of two arrays": (
        lambda x, y: np.stack([x[0], y[1], x[2]]), [MATRIX, -MATRIX], {"concatenate": 1}),
    "rows made columns": (lambda x: np.stack(list(x), axis=1), [MATRIX], {"concatenate": 1}),
    "an embedding read elsewhere": (
        lambda x: slice_of(embed(x, (7, 4), RANGES), ((4, 1, 3), (0, 1, 4))), [MATRIX],
        {"embed": 1, "copy": 1}),
}


def traced(f, arrays):
    with ad.Graph() as graph:
        xs = [ad.variable(f"x{k}", a.shape, a.dtype) for k, a in enumerate(arrays)]
        return graph, xs, f(*xs)


def alone(v, arrays):
    """The operation of node `v` in a graph of its own, where no rule has anything to look at."""
    with ad.Graph():
        xs = [ad.variable(f"x{k}", a.shape, a.dtype) for k, a in enumerate(arrays)]
        y = node(v.op, xs, v.shape, v.dtype, v.attrs)
        return ad.Program(xs, [y])(*arrays)[0]


def one_by_one(graph, xs, y, arrays):
    """What `y` is when every operation is computed as it is written."""
    values = dict(zip([x.index for x in xs], arrays, strict=True))
    for v in graph:
        if v.inputs:
            given = [values[u.index] for u in v.inputs]
            values[v.index] = given[0] if v.op is ARGUMENT else alone(v, given)
        else:
            values.setdefault(v.index, graph.payloads.get(v.index))
    return values[y.index]


def test_every_rule_is_tested():
    assert list(FIRES) == [rule for rule, *_ in RULES]


@pytest.mark.parametrize(("f", "arrays", "computed"), CALLS)
def test_a_rule_fires_and_changes_no_bit(f, arrays, computed):
    graph, xs, y = traced(f, arrays)
    program = ad.Program(xs, [y])
    assert program.plan.evaluations == computed
    found = program(*arrays)[0]
    assert found.tobytes() == one_by_one(graph, xs, y, arrays).tobytes()
    as_written = ad.Program(xs, [y], fuse=False)
    assert sum(as_written.plan.evaluations.values()) >= sum(computed.values())
    assert found.tobytes() == as_written(*arrays)[0].tobytes()


@pytest.mark.parametrize("case", NO_RULE)
def test_what_is_no_rule_is_computed_as_written(case):
    f, arrays, computed = NO_RULE[case]
    graph, xs, y = traced(f, arrays)
    program = ad.Program(xs, [y])
    assert program.plan.evaluations == computed
    found = program(*arrays)[0]
    assert found.tobytes() == one_by_one(graph, xs, y, arrays).tobytes()


# ---- where rules meet the rest --------------------------------------------------------------

def test_an_input_in_the_middle_of_a_graph_is_opaque():
    with ad.Graph():
        x = ad.variable("x", (2, 3))
        u = -x
        program = ad.Program([u], [-u])           # u is given: it need not be -x
    np.testing.assert_array_equal(program(np.ones((2, 3)))[0], -np.ones((2, 3)))


def test_programs_found_by_their_structure_differ_where_a_rule_needs_a_literal():
    x = np.arange(3.0)
    for c in (1.0, 2.0, 1.0, 3.0, -0.0, 0.0):
        value, slope = ad.value_and_grad(lambda x, c=c: (x * c).sum())(x)
        assert value == 3 * c
        assert slope.tobytes() == np.full(3, c).tobytes()
        assert ad.vjp(lambda x, c=c: x * c - c, x)[0].tobytes() == (x * c - c).tobytes()
        assert ad.vjp(lambda x, c=c: -x + c, x)[0].tobytes() == (-x + c).tobytes()


def test_what_only_a_dropped_operand_needs_is_dead():
    plan = ad.plan(lambda x: np.where(np.sin(x) > np.cos(x), x, x) * 2, floats())
    assert plan.evaluations == {"multiply": 1}


def test_what_is_saved_stays_itself():
    def f(x):
        return np.sin(ad.save(np.cos(x) * 1, "product")).sum()

    plan = ad.plan(ad.grad(f), np.ones(100), policy=ad.Save(["product"]))
    assert plan.evaluations["multiply"] >= 1


def test_the_seed_of_a_gradient_costs_no_product():
    def cost(W, X):
        return ((X @ W) ** 2).sum()

    evaluations = ad.plan(ad.grad(cost), np.ones((4, 3)), np.ones((5, 4))).evaluations
    assert "multiply" not in evaluations


def test_results_that_are_one_value_are_two_arrays():
    with ad.Graph():
        x = ad.variable("x", (3,))
        y = np.sin(x)
        program = ad.Program([x], [y, y * 1, np.negative(-y)])
    one, two, three = program(np.arange(3.0))
    one[:] = 7
    assert two.tobytes() == three.tobytes() == np.sin(np.arange(3.0)).tobytes()
    assert program.plan.evaluations["sin"] == 1


@pytest.mark.parametrize("policy", ["store", "recompute", "checkpoint"])
def test_every_policy_gives_the_same_bits(policy):
    def cost(x):
        for _ in range(3):
            x = np.tanh(np.stack(list(x.T.T * 1.0)) - 0)
        return (x**2).sum() / 1

    x = np.linspace(-1, 1, 12).reshape(3, 4)
    value, slope = ad.value_and_grad(cost, policy=policy)(x)
    plain, expected = ad.value_and_grad(
        lambda x: (np.tanh(np.tanh(np.tanh(x))) ** 2).sum(), policy=policy)(x)
    assert (value.tobytes(), slope.tobytes()) == (plain.tobytes(), expected.tobytes())


def test_products_read_transposes_where_they_lie():
    X, W = np.ones((50, 40)), np.ones((40, 30))
    towards = ad.grad(lambda W, X: np.tanh(X @ W).sum(), argnums=(0, 1))
    evaluations = ad.plan(towards, W, X).evaluations      # X @ W, X' g, g W'
    assert evaluations["matmul"] == 3
    assert "copy" not in evaluations
