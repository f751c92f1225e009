"""Results written over dying inputs: only where each element is read before it is written."""

import numpy as np
import pytest

import autodiff as ad
from autodiff.ops.slicing import embed

# Each reads the dying value u in a second layout as well; u and the result have equal bytes, and
# are several blocks of a pass: one block is read as a whole before it is written.
TWO_LAYOUTS = {
    "transposed": (lambda u: u + u.T, lambda u: u + u.T),
    "first row": (lambda u: u - u[0], lambda u: u - u[0]),
    "last column": (lambda u: u / u[:, -1:], lambda u: u / u[:, -1:]),
    "reversed": (lambda u: u * u[::-1], lambda u: u * u[::-1]),
    "reshaped and transposed": (
        lambda u: u + u.reshape(-1).reshape(u.shape).T,
        lambda u: u + u.reshape(-1).reshape(u.shape).T),
    "one element": (lambda u: u - u[0, 0], lambda u: u - u[0, 0]),
    "condition": (lambda u: np.where(u.T > 0.5, u, 0), lambda u: np.where(u.T > 0.5, u, 0)),
}


@pytest.mark.parametrize("case", TWO_LAYOUTS)
def test_a_value_that_is_read_in_two_layouts_is_not_overwritten(case):
    ours, numpys = TWO_LAYOUTS[case]
    given = np.random.default_rng(0).uniform(0.1, 1, (70, 70))
    with ad.Graph():
        x = ad.variable("x", (70, 70))
        program = ad.Program([x], [ours(np.sqrt(x)) * 2])
    np.testing.assert_array_equal(program(given)[0], numpys(np.sqrt(given)) * 2)


def test_a_chain_of_elementwise_results_shares_one_buffer():
    n = 10_000
    with ad.Graph():
        x = ad.variable("x", (n,))
        y = x
        for _ in range(10):
            y = np.tanh(y) * 2 + 1
        program = ad.Program([x], [y])
    assert program.peak_bytes <= 8 * n + 100
    program(np.ones(n))
    assert program.measured_peak_bytes == program.peak_bytes


def test_the_caller_s_arrays_are_never_overwritten():
    given = np.random.default_rng(0).uniform(size=(50, 50))
    kept = given.copy()
    with ad.Graph():
        x = ad.variable("x", (50, 50))
        program = ad.Program([x], [np.tanh(x), x * 2, -x])
    program(given)
    assert given.tobytes() == kept.tobytes()


# ---- gradients of parts are added where they belong ------------------------------------------

def rows_read(n):
    """The plan of the gradient of a function that reads each row of an array once."""
    def f(x):
        return sum(np.tanh(x[k]).sum() for k in range(n))
    return ad.plan(ad.grad(f), np.ones((n, 4)))


def test_reading_every_row_costs_rows_and_not_arrays():
    plans = {n: rows_read(n) for n in (100, 200, 400)}
    for n, plan in plans.items():
        assert plan.evaluations["embed"] == 1
        assert plan.evaluations["embed_add"] == n - 1
    per_row = {n: plan.cost / n for n, plan in plans.items()}
    assert per_row[400] < 1.05 * per_row[100]
    # tanh of each row, and one array of gradients, accumulated where it stands
    assert plans[400].peak_bytes < 2.1 * 400 * 4 * 8


@pytest.mark.parametrize("policy", ["store", "recompute", "checkpoint"])
def test_rows_looked_up_are_added_in_the_order_of_the_sweep(policy):
    index = [np.array([k, 0, k]) for k in range(5)]

    def f(x):
        return sum((x[i] * (1 + x[k])).sum() for k, i in enumerate(index))

    x = np.random.default_rng(0).standard_normal((5, 3))
    expected = np.zeros_like(x)
    for k, i in reversed(list(enumerate(index))):
        np.add.at(expected, i, np.broadcast_to(1 + x[k], (3, 3)))
        expected[k] += x[i].sum(axis=0)
    np.testing.assert_allclose(ad.grad(f, policy=policy)(x), expected, rtol=1e-13)
    evaluations = ad.plan(ad.grad(f), x).evaluations
    assert evaluations.get("scatter_add", 0) + evaluations.get("embed", 0) == 1


def test_a_total_that_is_still_needed_is_not_written_over():
    x = np.arange(6.0).reshape(3, 2)
    with ad.Graph():
        v = ad.variable("v", (3, 2))
        whole = np.tanh(v)
        part = embed(whole[1], (3, 2), (1, (0, 1, 2)))
        program = ad.Program([v], [part.op.add_to(part, whole), whole * 2])
    y = np.tanh(x)
    results = program(x)
    np.testing.assert_allclose(results[1], y * 2, rtol=1e-15)
    y[1] *= 2
    np.testing.assert_allclose(results[0], y, rtol=1e-15)


def test_a_part_of_the_total_itself_is_read_before_it_is_written():
    x = np.arange(4.0)
    with ad.Graph():
        v = ad.variable("v", (4,))
        whole = np.sin(v)
        mirrored = embed(whole, (4,), ((3, -1, 4),))       # the parts lie across each other
        program = ad.Program([v], [mirrored.op.add_to(mirrored, whole)])
    np.testing.assert_allclose(program(x)[0], np.sin(x) + np.sin(x)[::-1], rtol=1e-15)


def test_what_is_outside_a_part_keeps_its_bits():
    with ad.Graph():
        v = ad.variable("v", (3,))
        part = embed(v[0], (3,), (0,))
        program = ad.Program([v], [part.op.add_to(part, v)])
    found = program(np.array([1.0, -0.0, np.nan]))[0]
    assert found.tobytes() == np.array([2.0, -0.0, np.nan]).tobytes()


def test_relu_masks_the_gradient_where_it_stands():
    n = 10_000

    def f(x):
        return np.tanh(np.maximum(0, np.tanh(x))).sum()

    plan = ad.plan(ad.grad(f), np.ones(n))
    step = ad.compile(ad.grad(f))
    step(np.ones(n))
    # tanh(x), its relu, tanh of that; then the gradient in one of their places, and one mask
    assert plan.peak_bytes <= 8 * n * 3 + n + 1000
    assert step.measured_peak_bytes == plan.peak_bytes


def recurrent(W, x, n=6):
    """One matrix that is used n times: its gradient is a sum of n products."""
    for _ in range(n):
        x = np.tanh(x @ W)
    return (x * x).sum()


def test_products_are_added_where_the_gradient_stands():
    rng = np.random.default_rng(0)
    W, x = rng.standard_normal((40, 40)) / 6, rng.standard_normal((2, 40))
    plan = ad.plan(ad.grad(recurrent), W, x)
    operations = [plan.operation(region) for region in range(len(plan.problem))]
    assert operations.count("matmul_add") == 5
    assert operations.count("matmul") == 6 + 5 + 1     # forwards, towards x, and the first total
    assert plan.peak_bytes < 2 * W.nbytes              # one buffer, no temporary
    apart = ad.grad(lambda *copies: recurrent_with(copies, x), argnums=tuple(range(6)))(*[W] * 6)
    plain = sum(apart)
    np.testing.assert_allclose(ad.grad(recurrent)(W, x), plain, rtol=1e-12)


def recurrent_with(copies, x):
    for W in copies:
        x = np.tanh(x @ W)
    return (x * x).sum()


def test_second_derivatives_of_products_that_are_added():
    rng = np.random.default_rng(1)
    W, x, v = rng.standard_normal((4, 4)), rng.standard_normal((3, 4)), rng.standard_normal((4, 4))

    def slope(W):
        return ad.grad(recurrent)(W, x)

    h = 1e-5
    expected = (slope(W + h * v) - slope(W - h * v)) / (2 * h)
    _, found = ad.jvp(slope, (W,), (v,))
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)
    again = ad.grad(lambda W: (ad.grad(recurrent)(W, x) * v).sum())(W)
    np.testing.assert_allclose(again, found, rtol=1e-9)


@pytest.mark.parametrize("policy", ["recompute", "checkpoint"])
def test_added_products_are_the_same_bits_under_every_policy(policy):
    rng = np.random.default_rng(2)
    W, x = rng.standard_normal((16, 16)) / 4, rng.standard_normal((8, 16))
    expected = ad.grad(recurrent)(W, x)
    assert ad.grad(recurrent, policy=policy)(W, x).tobytes() == expected.tobytes()
