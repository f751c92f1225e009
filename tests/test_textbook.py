"""The oracle has oracles: finite differences, complex step, hand calculation, itself twice."""

import ast
import doctest
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autodiff import textbook as tb

seeds = st.integers(0, 2**32 - 1)


def gradients(ops, values, seed=None):
    """Run `ops(G, *variables) -> z` on values: (z, its gradients with respect to all of them)."""
    G = tb.Graph()
    variables = [G.variable(f"x{k}", value) for k, value in enumerate(values)]
    z = ops(G, *variables)
    table = tb.algorithm_6_5(variables, G, z, seed)
    return z.value, [table[V] for V in variables]


def value_of(ops, values):
    G = tb.Graph()
    return ops(G, *(G.variable(f"x{k}", value) for k, value in enumerate(values))).value


def numeric_gradients(ops, values, seed, step):
    """Compute Σ seed · ∂z/∂x entry by entry: complex step if `step` is imaginary, else central."""
    result = []
    for k, value in enumerate(values):
        gradient = np.zeros(np.shape(value))
        for entry in np.ndindex(np.shape(value)):

            def at(shift, k=k, entry=entry):
                moved = [np.array(v, dtype=np.result_type(v, type(step))) for v in values]
                moved[k][entry] += shift
                return np.sum(seed * value_of(ops, moved))

            if isinstance(step, complex):
                gradient[entry] = at(step).imag / step.imag
            else:
                gradient[entry] = (at(step) - at(-step)) / (2 * step)
        result.append(gradient)
    return result


def check(ops, values, step=1e-30j, rtol=1e-12):
    """Compare algorithm 6.5 with numeric derivatives under a random seed, shapes included."""
    values = [np.asarray(v, dtype=float) for v in values]
    shape = value_of(ops, values).shape
    seed = np.random.default_rng(7).normal(size=shape)
    _, found = gradients(ops, values, seed)
    expected = numeric_gradients(ops, values, seed, step)
    for value, f, e in zip(values, found, expected, strict=True):
        assert f.shape == value.shape
        np.testing.assert_allclose(f, e, rtol=rtol, atol=rtol)


def one(op):
    return lambda G, *x: G.apply(op, *x)


# ------------------------------------------------------------------------ operations

UNARY = [tb.negative, tb.exp, tb.log, tb.sin, tb.cos, tb.tanh, tb.square, tb.sqrt, tb.sigmoid]
BINARY = [tb.add, tb.subtract, tb.multiply, tb.divide]
PAIRS = [((), ()), ((3,), ()), ((2, 3), (3,)), ((2, 1), (1, 3)), ((1,), (2, 3)), ((0, 3), (1, 3))]


def positive(shape, seed=0):
    return np.random.default_rng(seed).uniform(0.3, 2.0, size=shape)


@pytest.mark.parametrize("op", UNARY, ids=lambda op: op.name)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0,)], ids=str)
def test_unary_gradients_equal_the_complex_step(op, shape):
    check(one(op), [positive(shape)])


@pytest.mark.parametrize("op", BINARY, ids=lambda op: op.name)
@pytest.mark.parametrize("shapes", PAIRS, ids=str)
def test_binary_gradients_equal_the_complex_step_and_undo_broadcasting(op, shapes):
    check(one(op), [positive(shapes[0], 1), positive(shapes[1], 2)])


@pytest.mark.parametrize("shapes", PAIRS, ids=str)
def test_maximum_equals_central_differences_away_from_ties(shapes):
    check(one(tb.maximum), [positive(shapes[0], 1), positive(shapes[1], 2)], 1e-6, 1e-8)


def test_relu_equals_central_differences_away_from_zero():
    check(one(tb.relu), [[-2.0, -0.5, 0.25, 3.0]], 1e-6, 1e-8)


def test_sigmoid_saturates_without_a_warning():
    x = np.float32([-200, 0, 200])
    z, (g,) = gradients(one(tb.sigmoid), [x], np.ones(3))
    np.testing.assert_array_equal(z, np.float32([0, 0.5, 1]))
    np.testing.assert_array_equal(g, np.float32([0, 0.25, 0]))


def test_conventions_at_ties():
    assert gradients(one(tb.relu), [0.0])[1][0] == 0
    assert gradients(one(tb.maximum), [1.5, 1.5])[1] == [0.5, 0.5]


@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 3, 4)], ids=str)
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [None, 0, -1, (0, -1), ()], ids=str)
def test_sum(shape, axis, keepdims):
    if axis == (0, -1) and len(shape) == 1:
        axis = (0,)
    check(one(tb.sum_over(axis, keepdims)), [positive(shape)])


@pytest.mark.parametrize("axes", [None, (1, 2, 0), (-1, 0, 1), (0, 2, 1)], ids=str)
def test_transpose(axes):
    check(one(tb.transpose(axes)), [positive((2, 3, 4))])


@pytest.mark.parametrize("shape", [(6,), (3, 2), (1, 6, 1), (-1, 2)], ids=str)
def test_reshape(shape):
    check(one(tb.reshape(shape)), [positive((2, 3))])


@pytest.mark.parametrize("source", [(), (1,), (3,), (2, 1), (1, 1, 3)], ids=str)
def test_broadcast_to(source):
    check(one(tb.broadcast_to((4, 2, 3))), [positive(source)])


@pytest.mark.parametrize(
    "shapes",
    [
        ((3,), (3,)),
        ((3,), (3, 2)),
        ((2, 3), (3,)),
        ((2, 3), (3, 4)),
        ((5, 2, 3), (3, 4)),
        ((2, 3), (5, 3, 4)),
        ((5, 1, 2, 3), (6, 3, 4)),
        ((5, 2, 3), (3,)),
        ((3,), (5, 3, 4)),
        ((2, 0), (0, 4)),
    ],
    ids=str,
)
def test_matmul(shapes):
    check(one(tb.matmul), [positive(shapes[0], 1), positive(shapes[1], 2)])


def test_cross_entropy_equals_the_complex_step_and_its_definition():
    labels = np.array([2, 0, 1, 1])
    logits = np.random.default_rng(3).normal(size=(4, 3))

    def ops(G, a):
        return G.apply(tb.cross_entropy, a, G.variable("labels", labels))

    check(ops, [logits])
    probability = [math.exp(r[k]) / sum(map(math.exp, r)) for r, k in zip(logits, labels)]
    expected = -sum(map(math.log, probability)) / 4
    assert value_of(ops, [logits]) == pytest.approx(expected, rel=1e-14)


def test_cross_entropy_is_finite_for_large_logits_and_labels_carry_nothing():
    logits, labels = np.array([[1e4, 0.0], [0.0, 1e4]]), np.array([0, 0])
    z, (g_logits, g_labels) = gradients(one(tb.cross_entropy), [logits, labels])
    assert z == 5e3
    np.testing.assert_array_equal(g_logits, [[0.0, 0.0], [-0.5, 0.5]])
    np.testing.assert_array_equal(g_labels, [0.0, 0.0])


def test_a_gradient_has_the_dtype_of_its_variable():
    x, y = np.float32([1, 2]), np.float64([3, 4])
    z, (gx, gy) = gradients(one(tb.multiply), [x, y], np.ones(2))
    assert (z.dtype, gx.dtype, gy.dtype) == (np.float64, np.float32, np.float64)


def test_a_new_operation_is_one_call():
    cube = tb.Operation("cube", lambda x: x[0] ** 3, lambda x, X, G: G * 3 * x[0] ** 2)
    check(one(cube), [positive((2, 3))])


def test_a_wrong_shape_from_bprop_is_an_error_naming_the_operation():
    wrong = tb.Operation("wrong", lambda x: x[0] * 1, lambda x, X, G: np.ones(()))
    with pytest.raises(ValueError, match="wrong"):
        gradients(one(wrong), [np.ones(3)], np.ones(3))


# --------------------------------------------------------------- 6.5 and 6.6, errata


def test_x_times_x_is_asked_once_per_edge():
    assert gradients(lambda G, x: G.apply(tb.multiply, x, x), [3.0])[1] == [6.0]
    assert gradients(lambda G, x: G.apply(tb.subtract, x, x), [3.0])[1] == [0.0]
    assert gradients(lambda G, x: G.apply(tb.divide, x, x), [3.0])[1] == [0.0]


def test_a_matrix_times_itself():
    check(lambda G, A: G.apply(tb.matmul, A, A), [positive((3, 3))])


def test_bprop_treats_equal_inputs_as_distinct():
    asked = []

    def bprop(x, X, G):
        asked.append(X)
        return G * x[1 - X]

    product = tb.Operation("product", lambda x: x[0] * x[1], bprop)
    gradients(lambda G, x: G.apply(product, x, x), [3.0])
    assert asked == [0, 1]


def test_inputs_outside_the_pruned_graph_are_still_needed():
    """Erratum 1: with target W alone, X is not in G', and XᵀG needs it."""
    X, W, seed = positive((4, 3), 1), positive((3, 2), 2), positive((4, 2), 3)
    G = tb.Graph()
    x, w = G.variable("X", X), G.variable("W", W)
    c = G.apply(tb.matmul, x, w)
    pruned = tb.prune(G, c, [w])
    assert pruned.variables == [w, c]
    assert tb.get_inputs(c, pruned) == [w]
    assert tb.get_inputs(c, G) == [x, w]
    np.testing.assert_allclose(tb.algorithm_6_5([w], G, c, seed)[w], X.T @ seed, rtol=1e-14)


def test_get_operation_inputs_consumers():
    G = tb.Graph()
    x, y = G.variable("x", 2.0), G.variable("y", 3.0)
    z = G.apply(tb.multiply, x, x)
    t = G.apply(tb.add, z, y)
    assert tb.get_operation(x) is None
    assert tb.get_operation(t) is tb.add
    assert tb.get_inputs(z, G) == [x, x]
    assert tb.get_consumers(x, G) == [z]
    assert tb.get_consumers(y, G) == [t]
    assert tb.get_consumers(t, G) == []


def test_pruned_graph_asks_nothing_of_edges_that_lead_to_no_target():
    def refuse(x, X, G):
        raise AssertionError("asked for a derivative nobody needs")

    dead = tb.Operation("dead", lambda x: x[0] + 1, refuse)
    G = tb.Graph()
    w, x = G.variable("w", 2.0), G.variable("x", 5.0)
    side = G.apply(dead, x)  # leads to z, but not from w
    G.apply(dead, w)  # comes from w, but leads nowhere
    z = G.apply(tb.multiply, w, side)
    assert tb.algorithm_6_5([w], G, z) == {w: 6.0}


def test_targets_may_be_z_itself_intermediates_and_strangers():
    G = tb.Graph()
    x, stranger = G.variable("x", 3.0), G.variable("s", np.ones((2, 3)))
    h = G.apply(tb.square, x)
    z = G.apply(tb.sin, h)
    table = tb.algorithm_6_5([z, h, x, stranger], G, z)
    assert table[z] == 1
    assert table[h] == math.cos(9.0)
    assert table[x] == pytest.approx(6 * math.cos(9.0), rel=1e-15)
    np.testing.assert_array_equal(table[stranger], np.zeros((2, 3)))


def test_errors_of_algorithm_6_5_and_of_graphs():
    with pytest.raises(ValueError, match="seed"):
        gradients(one(tb.exp), [np.ones(3)])
    with pytest.raises(ValueError, match="seed"):
        gradients(one(tb.exp), [np.ones(3)], np.ones(4))
    foreign = tb.Graph().variable("foreign", 1.0)
    with pytest.raises(ValueError, match="exp: foreign"):
        tb.Graph().apply(tb.exp, foreign)


def test_a_variable_keeps_its_value_when_the_callers_array_changes():
    value = np.ones(3)
    G = tb.Graph()
    x = G.variable("x", value)
    value[:] = 5
    np.testing.assert_array_equal(x.value, np.ones(3))


# ---------------------------------------------------------------- 6.1, 6.2 and paths

SCALARS = [
    (tb.add, lambda a, b: a + b, (lambda a, b: 1.0, lambda a, b: 1.0)),
    (tb.multiply, lambda a, b: a * b, (lambda a, b: b, lambda a, b: a)),
    (tb.subtract, lambda a, b: a - b, (lambda a, b: 1.0, lambda a, b: -1.0)),
    (tb.sin, np.sin, (np.cos,)),
    (tb.tanh, np.tanh, (lambda a: 1 - np.tanh(a) ** 2,)),
]


def squarings(n):
    """Build n nodes a · a, each of the one before: the chain whose tree has 2ⁿ leaves."""
    _, f, partials = SCALARS[1]
    return [tb.Node(f, (i, i), partials) for i in range(1, n + 1)]


@st.composite
def scalar_graphs(draw):
    """Draw inputs and nodes for 6.1, and the same graph for 6.5."""
    x = draw(st.lists(st.floats(-1, 1), min_size=1, max_size=3))
    nodes, G = [], tb.Graph()
    variables = [G.variable(f"x{k}", value) for k, value in enumerate(x)]
    for _ in range(draw(st.integers(1, 9))):
        op, f, partials = draw(st.sampled_from(SCALARS))
        parents = draw(st.tuples(*[st.integers(1, len(variables))] * len(partials)))
        nodes.append(tb.Node(f, parents, partials))
        variables.append(G.apply(op, *(variables[j - 1] for j in parents)))
    return x, nodes, G, variables


@given(scalar_graphs())
@settings(max_examples=150, deadline=None)
def test_6_2_equals_6_6_and_the_sum_over_paths(drawn):
    x, nodes, G, variables = drawn
    u = tb.algorithm_6_1(x, nodes)
    assert [u[i] for i in range(1, len(u) + 1)] == [V.value for V in variables]
    gradient, tables = tb.algorithm_6_2(x, nodes)
    assert gradient == [tables[-1][j] for j in range(1, len(x) + 1)]
    by_6_6 = tb.algorithm_6_5(variables, G, variables[-1])
    for j, V in enumerate(variables, start=1):
        assert tables[-1][j] == pytest.approx(float(by_6_6[V]), rel=1e-12, abs=1e-12)
        by_paths, _ = tb.sum_over_paths(x, nodes, j)
        assert tables[-1][j] == pytest.approx(by_paths, rel=1e-12, abs=1e-12)
    assert tb.expression_tree(x, nodes)[0] == u[len(u)]


def test_6_2_equals_the_complex_step():
    _, f, partials = SCALARS[1]
    nodes = [
        tb.Node(np.sin, (1,), (np.cos,)),
        tb.Node(f, (3, 2), partials),
        tb.Node(f, (4, 4), partials),
        tb.Node(f, (5, 1), partials),
    ]
    gradient, _ = tb.algorithm_6_2([0.7, -1.2], nodes)
    for k in range(2):
        x = [0.7 + 0j, -1.2 + 0j]
        x[k] += 1e-30j
        assert gradient[k] == pytest.approx(tb.algorithm_6_1(x, nodes)[6].imag / 1e-30, rel=1e-14)


def test_6_2_records_its_table_after_each_step():
    x, nodes = [3.0], squarings(3)
    _, tables = tb.algorithm_6_2(x, nodes)
    assert tables == [
        {4: 1.0},
        {4: 1.0, 3: 2 * 81.0},
        {4: 1.0, 3: 2 * 81.0, 2: 4 * 729.0},
        {4: 1.0, 3: 2 * 81.0, 2: 4 * 729.0, 1: 8 * 2187.0},
    ]


def test_an_input_that_u_n_does_not_depend_on_gets_zero():
    node = tb.Node(np.sin, (1,), (np.cos,))
    assert tb.algorithm_6_2([0.5, 2.0], [node])[0] == [math.cos(0.5), 0.0]


@pytest.mark.parametrize("n", [1, 2, 5, 10])
def test_naive_counts_double_where_6_1_counts_nodes(n):
    calls = 0

    def times(a, b):
        nonlocal calls
        calls += 1
        return a * b

    nodes = [tb.Node(times, node.parents, node.partials) for node in squarings(n)]
    value, evaluations = tb.expression_tree([1.01], nodes)
    assert evaluations == calls == 2**n - 1
    assert value == pytest.approx(1.01**2**n, rel=1e-11)
    calls = 0
    tb.algorithm_6_2([1.01], nodes)
    assert calls == n
    derivative, paths = tb.sum_over_paths([1.01], nodes, 1)
    assert paths == 2**n
    assert derivative == pytest.approx(2**n * 1.01 ** (2**n - 1), rel=1e-11)


def test_a_sin_chain_has_one_path_and_a_tree_of_n_evaluations():
    chain = [tb.Node(np.sin, (i,), (np.cos,)) for i in range(1, 7)]
    assert tb.expression_tree([0.5], chain)[1] == 6
    assert tb.sum_over_paths([0.5], chain, 1)[1] == 1


@pytest.mark.parametrize("n", [1, 2, 3, 10])
@pytest.mark.parametrize("with_z", [False, True])
def test_6_52_stores_and_6_53_recomputes(n, with_z):
    counts = []
    chain = [tb.Node(np.sin, (i,), (np.cos,)) for i in range(1, n + 1)]
    (expected,), _ = tb.algorithm_6_2([0.5], chain)
    for equation in tb.equation_6_52, tb.equation_6_53:
        calls = 0

        def f(a):
            nonlocal calls
            calls += 1
            return math.sin(a)

        derivative, evaluations = equation(f, math.cos, 0.5, n, with_z)
        assert derivative == pytest.approx(expected, rel=1e-14)
        assert evaluations == calls
        counts.append(calls)
    assert counts == ([n, n * (n + 1) // 2] if with_z else [n - 1, n * (n - 1) // 2])


def test_the_counts_of_the_chapter_for_three_sines():
    assert tb.equation_6_52(math.sin, math.cos, 0.5, 3)[1] == 2
    assert tb.equation_6_53(math.sin, math.cos, 0.5, 3)[1] == 3
    assert tb.equation_6_52(math.sin, math.cos, 0.5, 3, with_z=True)[1] == 3
    assert tb.equation_6_53(math.sin, math.cos, 0.5, 3, with_z=True)[1] == 6


# --------------------------------------------------------------------------- 6.3, 6.4

ACTIVATIONS = {
    "tanh": (tb.TANH, tb.tanh),
    "sigmoid": (tb.SIGMOID, tb.sigmoid),
    "relu": (tb.RELU, tb.relu),
    "identity": (tb.IDENTITY, None),
}


def random_mlp(sizes, seed):
    rng = np.random.default_rng(seed)
    W = [rng.normal(size=(n, m)) for m, n in zip(sizes, sizes[1:])]
    b = [rng.normal(size=n) for n in sizes[1:]]
    return W, b, rng.normal(size=sizes[0]), rng.normal(size=sizes[-1])


def mlp_as_graph(W, b, x, y, names, lam):
    """Build J of 6.3 from tensor operations, mean squared error, decay λ ΣW²."""
    G = tb.Graph()
    Ws = [G.variable("W", w) for w in W]
    bs = [G.variable("b", c) for c in b]
    h = G.variable("x", x)
    for w, c, name in zip(Ws, bs, names, strict=True):
        h = G.apply(tb.add, c, G.apply(tb.matmul, w, h))
        if ACTIVATIONS[name][1] is not None:
            h = G.apply(ACTIVATIONS[name][1], h)
    error = G.apply(tb.square, G.apply(tb.subtract, h, G.variable("y", y)))
    J = G.apply(tb.divide, G.apply(tb.sum_over(), error), G.variable("m", float(y.size)))
    for w in Ws:
        decay = G.apply(tb.sum_over(), G.apply(tb.square, w))
        J = G.apply(tb.add, J, G.apply(tb.multiply, G.variable("lam", lam), decay))
    return G, Ws, bs, J


@given(
    st.lists(st.integers(1, 4), min_size=2, max_size=5),
    st.data(),
    seeds,
    st.sampled_from([0.0, 0.3]),
)
@settings(max_examples=60, deadline=None)
def test_6_4_equals_6_6_on_any_mlp(sizes, data, seed, lam):
    names = [data.draw(st.sampled_from(sorted(ACTIVATIONS))) for _ in sizes[1:]]
    W, b, x, y = random_mlp(sizes, seed)
    f = [ACTIVATIONS[name][0] for name in names]
    arguments = (W, b, x, y, f, tb.MEAN_SQUARED_ERROR, tb.WEIGHT_DECAY, lam)
    J, _, _ = tb.algorithm_6_3(*arguments)
    grad_W, grad_b = tb.algorithm_6_4(*arguments)
    G, Ws, bs, z = mlp_as_graph(W, b, x, y, names, lam)
    np.testing.assert_allclose(J, z.value, rtol=1e-12)
    table = tb.algorithm_6_5(Ws + bs, G, z)
    for V, found in zip(Ws + bs, grad_W + grad_b, strict=True):
        np.testing.assert_allclose(found, table[V], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("omega", [tb.NO_REGULARISER, tb.WEIGHT_DECAY], ids=["none", "decay"])
def test_6_4_equals_the_complex_step_of_6_3(omega):
    W, b, x, y = random_mlp([3, 4, 2], 5)
    rest = (x, y, [tb.TANH, tb.SIGMOID], tb.MEAN_SQUARED_ERROR, omega, 0.1)
    grad_W, grad_b = tb.algorithm_6_4(W, b, *rest)
    for group, found in (W, grad_W), (b, grad_b):
        for k in range(2):
            assert found[k].shape == group[k].shape
            for entry in np.ndindex(group[k].shape):
                real = group[k]
                group[k] = real.astype(complex)
                group[k][entry] += 1e-30j
                J, _, _ = tb.algorithm_6_3(W, b, *rest)
                group[k] = real
                assert found[k][entry] == pytest.approx(J.imag / 1e-30, rel=1e-12, abs=1e-14)


def test_layers_and_parameters_must_be_as_many():
    W, b, x, y = random_mlp([3, 4, 2], 5)
    with pytest.raises(ValueError, match="zip"):
        tb.algorithm_6_3(W, b, x, y, [tb.TANH], tb.MEAN_SQUARED_ERROR)


class TestTwoTwoTwo:
    """The sigmoid network 2-2-2 of examples/two_two_two.py: h1 reads w1 and w3, o1 reads w5, w7."""

    x, y = np.array([0.05, 0.10]), np.array([0.01, 0.99])
    W = [np.array([[0.15, 0.25], [0.20, 0.30]]), np.array([[0.40, 0.50], [0.45, 0.55]])]
    b = [np.array([0.35, 0.35]), np.array([0.60, 0.60])]
    network = (W, b, x, y, [tb.SIGMOID] * 2, tb.MEAN_SQUARED_ERROR)

    def test_forward_values_are_those_the_example_prints(self):
        _, a, h = tb.algorithm_6_3(*self.network)
        printed = [f"{v:.2f}" for v in (*a[0], *h[1], a[1][0], h[2][0])]
        assert printed == ["0.38", "0.39", "0.59", "0.60", "1.14", "0.76"]
        np.testing.assert_allclose(a[0], [0.3825, 0.39], rtol=1e-14)

    def by_hand(self):
        """Work the network out in scalars: J and dJ/dw1 … w8, b1 … b4, each formula written."""

        def s(t):
            return 1 / (1 + math.exp(-t))

        x1, x2 = 0.05, 0.10
        w1, w2, w3, w4, w5, w6, w7, w8 = 0.15, 0.20, 0.25, 0.30, 0.40, 0.45, 0.50, 0.55
        h1, h2 = s(w1 * x1 + w3 * x2 + 0.35), s(w2 * x1 + w4 * x2 + 0.35)
        o1, o2 = s(w5 * h1 + w7 * h2 + 0.60), s(w6 * h1 + w8 * h2 + 0.60)
        J = ((o1 - 0.01) ** 2 + (o2 - 0.99) ** 2) / 2
        d1, d2 = (o1 - 0.01) * o1 * (1 - o1), (o2 - 0.99) * o2 * (1 - o2)
        e1 = (d1 * w5 + d2 * w6) * h1 * (1 - h1)
        e2 = (d1 * w7 + d2 * w8) * h2 * (1 - h2)
        dw = [e1 * x1, e2 * x1, e1 * x2, e2 * x2, d1 * h1, d2 * h1, d1 * h2, d2 * h2]
        return J, dw, [e1, e2, d1, d2]

    def test_6_4_equals_the_calculation_by_hand(self):
        J, _, _ = tb.algorithm_6_3(*self.network)
        (W1, W2), (b12, b34) = tb.algorithm_6_4(*self.network)
        expected_J, dw, db = self.by_hand()
        assert J == pytest.approx(expected_J, rel=1e-14)
        found = [W1[0, 0], W1[1, 0], W1[0, 1], W1[1, 1], W2[0, 0], W2[1, 0], W2[0, 1], W2[1, 1]]
        np.testing.assert_allclose(found, dw, rtol=1e-13)
        np.testing.assert_allclose([*b12, *b34], db, rtol=1e-13)

    def test_6_4_equals_6_6(self):
        grad_W, grad_b = tb.algorithm_6_4(*self.network)
        G, Ws, bs, J = mlp_as_graph(self.W, self.b, self.x, self.y, ["sigmoid"] * 2, 0.0)
        table = tb.algorithm_6_5(Ws + bs, G, J)
        for V, found in zip(Ws + bs, grad_W + grad_b, strict=True):
            np.testing.assert_allclose(found, table[V], rtol=1e-13)


# ------------------------------------------------------------------------------ the file


def test_examples_in_docstrings():
    result = doctest.testmod(tb)
    assert result.attempted >= 7
    assert result.failed == 0


def test_imports_numpy_and_the_standard_library_only():
    found = set()
    for node in ast.walk(ast.parse(Path(tb.__file__).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name.split(".")[0] for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            found.add(node.module.split(".")[0])
    assert "numpy" in found
    assert found - {"numpy"} <= sys.stdlib_module_names
