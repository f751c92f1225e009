"""Algorithms 6.5 and 6.6, symbol to symbol, against the textbook's; counts of what they ask."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import autodiff as ad
from autodiff import textbook as tb
from autodiff.core.operations import operation
from autodiff.numpy import cos, exp, maximum, relu, sin, tanh

RNG = np.random.default_rng(0)


@pytest.fixture
def g():
    with ad.Graph() as graph:
        yield graph


def run(inputs, outputs, arrays, policy=None):
    return ad.Program(inputs, outputs, policy)(*arrays)


# ---- random graphs against algorithm 6.5 ----------------------------------------------------

SHAPES = [(), (3,), (1, 3), (2, 1), (2, 3)]
UNARY = [(tanh, tb.tanh), (sin, tb.sin), (cos, tb.cos), (lambda x: -x, tb.negative)]
BINARY = [
    (lambda a, b: a + b, tb.add), (lambda a, b: a - b, tb.subtract),
    (lambda a, b: a * b, tb.multiply), (maximum, tb.maximum),
]


def both_graphs(choices, rng):
    """The same random expression twice: (leaves, arrays, nodes, book graph, book nodes)."""
    book = tb.Graph()
    nodes, book_nodes, arrays = [], [], []
    for k, shape in enumerate(SHAPES):
        arrays.append(rng.uniform(-1, 1, shape))
        nodes.append(ad.variable(f"x{k}", shape))
        book_nodes.append(book.variable(f"x{k}", arrays[-1]))
    leaves = list(nodes)
    for which, i, j in choices:
        i, j = i % len(nodes), j % len(nodes)
        if which < len(UNARY):
            ours, theirs = UNARY[which]
            operands = [i]
        elif which < len(UNARY) + len(BINARY):
            ours, theirs = BINARY[which - len(UNARY)]
            operands = [i, j]
        else:
            axis = None if not nodes[i].ndim else j % nodes[i].ndim
            theirs = tb.sum_over(axis, keepdims=bool(j % 2))
            def ours(x, axis=axis, keepdims=bool(j % 2)):
                return x.sum(axis, keepdims)
            operands = [i]
        nodes.append(ours(*[nodes[k] for k in operands]))
        book_nodes.append(book.apply(theirs, *[book_nodes[k] for k in operands]))
    return leaves, arrays, nodes, book, book_nodes


@given(
    st.lists(st.tuples(st.integers(0, 8), st.integers(0, 40), st.integers(0, 40)),
             min_size=1, max_size=25),
    st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_any_graph_has_the_gradients_of_algorithm_6_5(choices, seed):
    rng = np.random.default_rng(seed)
    with ad.Graph():
        with np.errstate(over="ignore", invalid="ignore"):
            leaves, arrays, nodes, book, book_nodes = both_graphs(choices, rng)
        assume(all(np.all(np.abs(node.value) < 1e3) for node in book_nodes))
        z, book_z = nodes[-1], book_nodes[-1]
        u = rng.normal(size=z.shape)
        found = ad.gradients([z], nodes, [u])       # leaves, intermediates and z itself
        assert [(x.shape, x.dtype) for x in found] == [(x.shape, x.dtype) for x in nodes]
        results = run(leaves, [z, *found], arrays)
    expected = tb.algorithm_6_5(book_nodes, book, book_z, np.asarray(u))
    np.testing.assert_allclose(results[0], book_z.value, rtol=1e-12, atol=1e-12)
    for node, book_node, result in zip(nodes, book_nodes, results[1:], strict=True):
        if sum(other is node for other in nodes) == 1:        # merged nodes are apart in the book
            theirs = expected[book_node]
            scale = 1e-9 * (1 + np.max(np.abs(theirs), initial=0))
            np.testing.assert_allclose(result, theirs, rtol=1e-9, atol=scale)


def test_the_two_uses_of_an_input_add(g):
    x = ad.variable("x", (3,))
    a = RNG.normal(size=3)
    np.testing.assert_array_equal(run([x], [ad.gradients((x * x).sum(), x)], [a])[0], 2 * a)


# ---- targets, outputs, seeds ----------------------------------------------------------------

def test_z_itself_is_a_target(g):
    x = ad.variable("x", ())
    z = tanh(x)
    dz, dx = run([x], ad.gradients(z, [z, x]), [0.5])
    assert dz == 1
    assert dx == 1 - np.tanh(0.5) ** 2


def test_an_intermediate_is_a_target_and_stands_for_all_its_paths(g):
    x = ad.variable("x", (4,))
    h = tanh(x)
    z = (h * h + h).sum()
    a = RNG.normal(size=4)
    np.testing.assert_allclose(run([x], [ad.gradients(z, h)], [a])[0], 2 * np.tanh(a) + 1)
    # with x among the targets as well, the gradient of h is the same node
    assert ad.gradients(z, [x, h])[1] is ad.gradients(z, h)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_nothing_depends_on_gets_zeros(g, dtype):
    x, w = ad.variable("x", (2,), dtype), ad.variable("w", (3, 1), dtype)
    later = tanh(w)
    for target in (w, later):
        found = run([x, w], [ad.gradients(x.sum(), target)], [np.ones(2, dtype),
                                                              np.ones((3, 1), dtype)])[0]
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, np.zeros((3, 1)))


def test_gradients_have_the_dtype_of_their_target(g):
    x, w = ad.variable("x", (3,), np.float32), ad.variable("w", (3,), np.float64)
    z = (x * w).sum()
    assert z.dtype == np.float64
    dx, dw = ad.gradients(z, [x, w])
    assert (dx.dtype, dw.dtype) == (np.float32, np.float64)
    a, b = RNG.normal(size=3).astype(np.float32), RNG.normal(size=3)
    found = run([x, w], [dx, dw], [a, b])
    np.testing.assert_array_equal(found[0], b.astype(np.float32))
    np.testing.assert_array_equal(found[1], a)


def test_one_target_gives_one_variable_and_a_list_a_list(g):
    x = ad.variable("x", ())
    assert isinstance(ad.gradients(x * x, x), ad.Variable)
    assert isinstance(ad.gradients(x * x, [x]), list)
    assert isinstance(ad.gradients([x * x], x), ad.Variable)
    one, two = ad.gradients(x * x, (x, x))
    assert one is two


def test_several_outputs_add_under_their_seeds(g):
    x = ad.variable("x", (3,))
    s, a = ad.variable("s", (3,)), RNG.normal(size=3)
    ys = [tanh(x), x.sum(), x * x]
    u = RNG.normal(size=3)
    found = run([x, s], [ad.gradients(ys, x, [s, 2.0, u])], [a, 3 * u])[0]
    np.testing.assert_allclose(found, 3 * u * (1 - np.tanh(a) ** 2) + 2 + 2 * a * u)


def test_an_output_given_twice_counts_twice(g):
    x = ad.variable("x", ())
    assert run([x], [ad.gradients([x * x, x * x], x)], [3.0])[0] == 12


def test_a_seed_may_depend_on_the_target(g):
    """A seed is a factor: nothing is differentiated through it."""
    x = ad.variable("x", (2,))
    found = run([x], [ad.gradients([x * x], x, [x])], [np.array([1.0, 3.0])])[0]
    np.testing.assert_array_equal(found, [2, 18])


@pytest.mark.parametrize(
    ("outputs", "seeds", "match"),
    [
        (lambda x: [x], None, r"shape \(3,\), not a scalar"),
        (lambda x: [x], [np.ones(2)], r"seed of shape \(2,\)"),
        (lambda x: [x.sum(), x.sum()], [1.0], "1 seeds for 2 outputs"),
    ],
)
def test_seeds_that_do_not_fit(g, outputs, seeds, match):
    x = ad.variable("x", (3,))
    with pytest.raises(ad.ShapeError, match=match):
        ad.gradients(outputs(x), x, seeds)
    assert ad.gradients(x.sum(), x) is not None       # nothing is lost


@pytest.mark.parametrize("seed", [
    np.array([1j, 1]), np.ones(2, np.float16), np.array([object()] * 2),
    np.array(["a", "b"])])
def test_a_seed_that_is_no_real_number(g, seed):
    x = ad.variable("x", (2,))
    with pytest.raises(ad.DTypeError, match="the seed for .* has dtype"):
        ad.gradients([2 * x], [x], [seed])
    with pytest.raises(ad.DTypeError, match="the seed for .* has dtype"):
        ad.gradients([x.sum()], [x], [seed[0]])
    assert np.tanh(x).level == 0                      # nothing is left behind


@pytest.mark.parametrize("seed", [np.array([3, 5]), np.array([3, 5], ">f8"), [3.0, 5.0], (3, 5)])
def test_a_seed_of_any_real_dtype(g, seed):
    x = ad.variable("x", (2,), np.float32)
    found = run([x], ad.gradients([2 * x], [x], [seed]), [np.ones(2, np.float32)])[0]
    np.testing.assert_array_equal(found, np.array([6, 10], np.float32), strict=True)


def test_a_seed_of_another_graph(g):
    x = ad.variable("x", (3,))
    with ad.Graph():
        s = ad.variable("s", (3,))
    with pytest.raises(ad.GraphError, match="seed"):
        ad.gradients([x], x, [s])


# ---- gradients of gradients -----------------------------------------------------------------

@pytest.mark.parametrize("n", range(7))
def test_the_nth_derivative_of_sine(g, n):
    x = ad.variable("x", ())
    y = sin(x)
    for _ in range(n):
        y = ad.gradients(y, x)
    expected = [np.sin, np.cos, lambda a: -np.sin(a), lambda a: -np.cos(a)][n % 4](0.7)
    np.testing.assert_allclose(run([x], [y], [0.7])[0], expected, rtol=1e-14)


def test_second_derivatives_of_a_product(g):
    A, x = ad.variable("A", (3, 3)), ad.variable("x", (3,))
    z = x @ (A @ x)
    dx = ad.gradients(z, x)
    hessian = [ad.gradients(dx, x, [e]) for e in np.eye(3)]
    a, b = RNG.normal(size=(3, 3)), RNG.normal(size=3)
    np.testing.assert_allclose(run([A, x], [dx], [a, b])[0], (a + a.T) @ b)
    np.testing.assert_allclose(run([A, x], hessian, [a, b]), a + a.T)


def test_a_gradient_is_one_level_above_what_it_differentiates(g):
    x = ad.variable("x", ())
    y = exp(tanh(x))
    dy = ad.gradients(y, x)
    assert (y.level, dy.level, ad.gradients(dy, x).level) == (0, 1, 2)


# ---- what the sweep asks --------------------------------------------------------------------

@pytest.fixture
def asked(monkeypatch):
    """Record each bprop that is asked: (operation, position, node)."""
    log = []
    for name in ("add", "multiply", "tanh", "sum", "matmul", "relu", "cross_entropy", "square"):
        op = operation(name)

        def ask(position, g, y, *inputs, op=op, bprop=op.bprop):
            log.append((op.name, position, y.index))
            return bprop(position, g, y, *inputs)

        monkeypatch.setattr(op, "bprop", ask)
    return log


def test_bprop_is_asked_once_for_each_edge(g, asked):
    x, w = ad.variable("x", (3,)), ad.variable("w", (3,))
    h = tanh(x * w)
    k = h * h
    z = (k + h).sum()
    ad.gradients(z, [x, w])
    edges = {(v.op.name, p, v.index) for v in (z, z.inputs[0], k, h, h.inputs[0])
             for p in range(len(v.inputs))}
    assert len(asked) == len(edges) == 8
    assert set(asked) == edges


def test_only_what_leads_to_a_target_is_asked(g, asked):
    x, w, c = (ad.variable(name, (3,)) for name in "xwc")
    side = tanh(tanh(c))                              # leads to no target
    z = ((x * w) * side).sum()
    beyond = tanh(z)                                  # z does not depend on it
    ad.gradients(z, w)
    assert sorted((name, position) for name, position, _ in asked) == [
        ("multiply", 0), ("multiply", 1), ("sum", 0)]
    assert beyond.index not in [node for _, _, node in asked]


def test_a_diamond_is_linear(g, asked):
    """2^40 paths, 80 edges."""
    x = ad.variable("x", ())
    y = x
    for k in range(40):
        y = y * 1.0 + y if k % 2 else y + y
    z = ad.gradients(y, x)
    assert len(asked) <= 3 * 40
    assert run([x], [z], [1.0])[0] == 2.0**40


# ---- equation 6.56 --------------------------------------------------------------------------

M, D, H, C = 16, 6, 5, 3


def cost_of_6_56(X, labels, W1, W2, lam):
    hidden = relu(X @ W1)
    loss = ad.numpy.cross_entropy(hidden @ W2, labels)
    return loss + lam * ((W1**2).sum() + (W2**2).sum())


@pytest.fixture
def mlp(g):
    X, W1, W2 = (ad.variable(n, s) for n, s in (("X", (M, D)), ("W1", (D, H)), ("W2", (H, C))))
    labels = ad.variable("y", (M,), np.int64)
    return X, labels, W1, W2


def test_equation_6_56_takes_five_products(mlp):
    X, labels, W1, W2 = mlp
    J = cost_of_6_56(X, labels, W1, W2, 1e-4)
    dW = ad.gradients(J, [W1, W2])
    plan = ad.Program([X, labels, W1, W2], [J, *dW]).plan
    assert plan.evaluations["matmul"] == 5           # X W1, H W2, H'G, G W2', X'G'
    made = [v for v in J.graph if v.op.name == "matmul"]
    assert len(made) == 5                            # and none towards X was even built
    assert {v.shape for v in made} == {(M, H), (M, C), (H, C), (D, H)}


def test_each_edge_of_equation_6_56_is_asked_once(mlp, asked):
    X, labels, W1, W2 = mlp
    J = cost_of_6_56(X, labels, W1, W2, 1e-4)
    ad.gradients(J, [W1, W2])
    assert len(asked) == len(set(asked))
    products = [(position, node) for name, position, node in asked if name == "matmul"]
    assert len(products) == 3                        # W2, H, W1: nothing towards X


def test_weight_decay_adds_exactly_two_lambda_w(g):
    W = ad.variable("W", (4, 3))
    lam = 1e-3
    a = RNG.normal(size=(4, 3))
    found = run([W], [ad.gradients(lam * (W**2).sum(), W)], [a])[0]
    np.testing.assert_array_equal(found, 2 * lam * a)


def test_equation_6_56_agrees_with_the_book(mlp):
    X, labels, W1, W2 = mlp
    lam = 0.01
    J = cost_of_6_56(X, labels, W1, W2, lam)
    arrays = [RNG.normal(size=(M, D)), RNG.integers(C, size=M), RNG.normal(size=(D, H)),
              RNG.normal(size=(H, C))]
    value, d1, d2 = run([X, labels, W1, W2], [J, *ad.gradients(J, [W1, W2])], arrays)
    book = tb.Graph()
    bX, by, b1, b2 = (book.variable(n, a) for n, a in zip("Xyuv", arrays, strict=True))
    hidden = book.apply(tb.relu, book.apply(tb.matmul, bX, b1))
    loss = book.apply(tb.cross_entropy, book.apply(tb.matmul, hidden, b2), by)
    decay = [book.apply(tb.sum_over(), book.apply(tb.square, W)) for W in (b1, b2)]
    both = book.apply(tb.add, *decay)
    z = book.apply(tb.add, loss, book.apply(tb.multiply, book.variable("lam", lam), both))
    expected = tb.algorithm_6_5([b1, b2], book, z)
    np.testing.assert_allclose(value, z.value, rtol=1e-13)
    np.testing.assert_allclose(d1, expected[b1], rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(d2, expected[b2], rtol=1e-11, atol=1e-14)


# ---- where there is no derivative -----------------------------------------------------------

def test_a_gradient_that_arrives_at_argmax_is_an_error_with_its_path(g):
    x = ad.variable("x", (3,))
    k = tanh(x).argmax()
    z = k.astype(float) * 2.0
    with pytest.raises(ad.UndefinedDerivativeError, match="derivative of argmax") as caught:
        ad.gradients(z, x)
    message = str(caught.value)
    steps = ["= multiply", "= astype", "= argmax", "= tanh", "x = variable"]
    assert [message.find(step) for step in steps] == sorted(message.find(step) for step in steps)
    assert all(step in message for step in steps)
    assert "test_gradients.py:" in message
    assert isinstance(caught.value, TypeError)
    assert ad.gradients((x * x).sum(), x).level == 1   # the graph is as good as before


def test_a_gradient_that_arrives_at_a_conversion_to_integers(g):
    x = ad.variable("x", (3,))
    with pytest.raises(ad.UndefinedDerivativeError, match="astype_integer"):
        ad.gradients((x.astype(int) * 1.5).sum(), x)


def test_a_long_path_is_shortened_in_the_message(g):
    x = ad.variable("x", (3,))
    y = x
    for _ in range(50):
        y = tanh(y)
    z = y.argmax().astype(float)
    for _ in range(50):
        z = tanh(z)
    with pytest.raises(ad.UndefinedDerivativeError, match="more") as caught:
        ad.gradients(z, x)
    assert len(str(caught.value)) < 1000


def test_an_index_carries_nothing(g):
    x = ad.variable("x", (4,))
    a = np.array([1.0, 4.0, 2.0, 3.0])
    found = run([x], [ad.gradients(x[x.argmax()] * 3.0, x)], [a])[0]
    np.testing.assert_array_equal(found, [0, 3, 0, 0])


def test_an_index_carries_nothing_forward_either():
    a, t = np.array([1.0, 4.0, 2.0]), np.array([1.0, 10.0, 100.0])
    assert ad.jvp(lambda x: x[x.argmax()] * 3.0, (a,), (t,)) == (12, 30)
    assert ad.jvp(lambda x: x[(x * x).astype(int)[0]], (a,), (t,)) == (4, 10)
    with pytest.raises(ad.UndefinedDerivativeError, match="derivative of argmax"):
        ad.jvp(lambda x: x.argmax() * 2.0, (a,), (t,))
    found = ad.hvp(lambda x: x[x.argmax()] ** 3)(a, t)
    np.testing.assert_array_equal(found, [0, 240, 0])


def test_a_mask_carries_nothing(g):
    x = ad.variable("x", (4,))
    a = np.array([1.0, -4.0, 2.0, 0.0])
    found = run([x], [ad.gradients(((x > 0) * x * x).sum(), x)], [a])[0]
    np.testing.assert_array_equal(found, [2, 0, 4, 0])


def test_argmax_beside_the_path_is_no_error(g):
    x = ad.variable("x", (4,))
    y = x.argmax().astype(float)
    z = x.sum()
    assert ad.gradients(z, x) is not None
    assert y.consumers() == []


# ---- forward mode ---------------------------------------------------------------------------

def test_a_deep_chain_of_tangents_needs_no_stack(g):
    x = 0.3
    value, tangent = ad.jvp(chain_of_5000, (x,), (1.0,))
    assert (value, tangent) == ad.value_and_grad(chain_of_5000)(x)


def chain_of_5000(x):
    for _ in range(5000):
        x = x * 0.999
    return x
