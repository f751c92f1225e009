"""What section 6.5 promises in numbers: evaluations, products and bytes, counted in plans."""

import numpy as np
import pytest

import autodiff as ad

CHAINS = [1, 2, 3, 4, 7, 16, 50]


def sine_chain(n, with_value=False):
    """The gradient of sin(sin(... w)), f applied n times."""
    def f(w):
        for _ in range(n):
            w = np.sin(w)
        return w
    return ad.value_and_grad(f) if with_value else ad.grad(f)


def sines(n, policy, with_value=False):
    plan = ad.plan(sine_chain(n, with_value), 0.5, policy=policy, fuse=False)
    return plan.evaluations.get("sin", 0)


@pytest.mark.parametrize("n", CHAINS)
def test_a_chain_stored_evaluates_each_value_once(n):
    assert sines(n, "store") == n - 1
    assert sines(n, "store", with_value=True) == n


@pytest.mark.parametrize("n", CHAINS)
def test_a_chain_recomputed_evaluates_each_prefix(n):
    assert sines(n, "recompute") == n * (n - 1) // 2
    assert sines(n, "recompute", with_value=True) == n * (n - 1) // 2 + n


@pytest.mark.parametrize("n", [4, 9, 50, 144, 1000])
def test_a_chain_with_root_n_checkpoints_evaluates_less_than_twice(n):
    assert n - 1 <= sines(n, "checkpoint") < 2 * n


def products(y):
    """The matrix products among the ancestors of y, as (m, k, n)."""
    seen, pending, found = set(), list(y), []
    while pending:
        v = pending.pop()
        if v.index in seen:
            continue
        seen.add(v.index)
        if v.op.name == "matmul":
            a, b = v.inputs
            found.append((*a.shape, b.shape[1]))
        pending.extend(v.inputs)
    return found


def weight_decay_mlp(m, d, nh, c, lam=0.5):
    """Eq. 6.56 with one hidden layer, symbolically: (J, J's parts, leaves)."""
    X = ad.variable("X", (m, d), np.float64)
    y = ad.variable("y", (m,), np.int64)
    W1 = ad.variable("W1", (d, nh), np.float64)
    W2 = ad.variable("W2", (nh, c), np.float64)
    H = np.maximum(0, X @ W1)
    decay = lam * ((W1**2).sum() + (W2**2).sum())
    return ad.nn.cross_entropy(H @ W2, y) + decay, decay, (X, y, W1, W2)


def test_equation_6_56_takes_exactly_five_products():
    m, d, nh, c = 32, 7, 5, 3
    with ad.Graph():
        J, _, (_, _, W1, W2) = weight_decay_mlp(m, d, nh, c)
        grads = ad.gradients(J, [W1, W2])
        found = sorted(products([J, *grads]))
    XW1, HW2, HtG, GW2t, XtG = ((m, d, nh), (m, nh, c), (nh, m, c), (m, c, nh), (d, m, nh))
    assert found == sorted([XW1, HW2, HtG, GW2t, XtG])     # none of shape (m, nh, d), towards X
    w = d * nh + nh * c
    forward = sum(a * b * e for a, b, e in (XW1, HW2))
    assert forward == m * w
    assert sum(a * b * e for a, b, e in found) - forward == 2 * m * w - m * d * nh


def test_the_decay_path_adds_exactly_two_lambda_W():
    rng = np.random.default_rng(0)
    with ad.Graph():
        _, decay, (_, _, W1, W2) = weight_decay_mlp(8, 7, 5, 3, lam=0.3)
        program = ad.Program([W1, W2], ad.gradients(decay, [W1, W2]))
    values = rng.standard_normal((7, 5)), rng.standard_normal((5, 3))
    for W, g in zip(values, program(*values), strict=True):
        assert g.tobytes() == (2 * 0.3 * W).tobytes()


def store_peak(m, d=24, nh=32, c=10):
    with ad.Graph():
        J, _, (X, y, W1, W2) = weight_decay_mlp(m, d, nh, c)
        return ad.Program([X, y, W1, W2], [J, *ad.gradients(J, [W1, W2])]).peak_bytes


def test_the_peak_of_store_is_affine_in_the_batch():
    sizes = range(512, 1100, 16)
    peaks = [store_peak(m) for m in sizes]
    steps = set(np.diff(peaks))
    assert len(steps) == 1, f"bytes for 16 more examples: {steps}"


def test_the_peak_of_store_grows_with_the_hidden_width_as_the_book_says():
    """O(w) + O(m n_h): one more hidden unit costs what is stored of it for each example.

    At the peak, as the sweep reaches the hidden layer, there are H and the gradient that arrives
    at it, 8 + 8 bytes an example; the mask never has bytes.
    """
    m, more = 1024, 64
    by_width = [store_peak(m, nh=nh) for nh in (64, 64 + more)]
    assert (by_width[1] - by_width[0]) / (m * more) == pytest.approx(16, abs=0.5)


def deep_mlp(params, X, y):
    return ad.nn.cross_entropy(ad.nn.mlp(params, X), y)


def test_peaks_fall_from_store_to_checkpoint_to_recompute():
    params = ad.nn.init_mlp([32] * 17, rng=0)
    X, y = np.ones((256, 32), np.float32), np.zeros(256, np.int64)
    plans = [ad.plan(ad.value_and_grad(deep_mlp), params, X, y, policy=policy)
             for policy in ("store", "checkpoint", "recompute")]
    peaks = [plan.peak_bytes for plan in plans]
    assert peaks[0] > peaks[1] > peaks[2]
    assert plans[0].cost < plans[1].cost < plans[2].cost
    assert plans[0].overhead == 0


def test_a_hundred_thousand_operations_need_no_recursion():
    n = 100_000
    with ad.Graph():
        x = ad.variable("x")
        y = x
        for _ in range(n // 2):
            y = y * y + 0.1
        g = ad.gradients(y, x)
        for policy in ("store", "checkpoint"):
            program = ad.Program([x], [y, g], policy)
            value, slope = program(0.3)
            assert program.measured_peak_bytes == program.peak_bytes
    u, du = 0.3, 1.0
    for _ in range(n // 2):
        u, du = u * u + 0.1, du * (u + u)
    assert float(value) == u
    np.testing.assert_allclose(float(slope), du, rtol=1e-9, atol=1e-300)
