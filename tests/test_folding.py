"""Constant folding: what captured arrays alone determine is computed when a program is made."""

import numpy as np
import pytest

import autodiff as ad
from autodiff.core.making import constant

RNG = np.random.default_rng(0)
K, M = RNG.standard_normal((6, 6)), RNG.standard_normal((6, 6))
X = RNG.standard_normal(6)


def captured(f, *arrays):
    """A function of x alone that captures arrays, as Variables."""
    return lambda x: f(x, *(constant(x.graph, a) for a in arrays))


# Functions of x and of captured arrays; what is left to compute at each run.
FOLDS = {
    "elementwise": (lambda x, k: np.tanh(k) @ x, [K], {"matmul": 1}),
    "products": (lambda x, k: (k @ k.T) @ x, [K], {"matmul": 1}),
    "a chain": (lambda x, k: np.exp(np.tanh(k) * 2 - k) @ x, [K], {"matmul": 1}),
    "a sum": (lambda x, k: x * k.sum(), [K], {"multiply": 1}),
    "two arrays": (lambda x, k, m: (k * m) @ x, [K, M], {"matmul": 1}),
    "two readers": (lambda x, k: np.tanh(k) @ x + np.tanh(k).sum(axis=0), [K],
                    {"matmul": 1, "sum": 1, "add": 1}),
    "a conversion": (lambda x, k: x * k, [np.arange(6)], {"multiply": 1}),
    "below a view": (lambda x, k: np.tanh(k).T @ x, [K], {"matmul": 1}),
    "a look-up": (lambda x, k: k[np.array([3, 1, 0, 5, 2, 4])] @ x, [K], {"matmul": 1}),
    "a result": (lambda x, k: np.tanh(k) + 0, [K], {"copy": 1}),
}
STAYS = {
    "the array is read too": (lambda x, k: np.tanh(k) @ x + k @ x, [K], "tanh"),
    "the result is larger": (lambda x, k: (k[:, None] * k) @ x, [K[0]], "multiply"),
    "a conversion to more bytes": (lambda x, k: x * k, [np.arange(6, dtype=np.int8)], "astype"),
    "it depends on the argument": (lambda x, k: np.tanh(k + x) @ x, [K], "tanh"),
    "random numbers": (
        lambda x, k: x + ad.random.uniform(k[0], (6,)), [np.zeros((1, 2), np.uint32)],
        "random_uniform"),
    "it is saved": (lambda x, k: ad.save(np.tanh(k), "k") @ x, [K], "tanh"),
    "it is inside a marked call": (lambda x, k: ad.checkpoint(np.tanh)(k) @ x, [K], "tanh"),
    "it fails": (lambda x, k: x * (k ** np.array([-1, 1, 1, 1, 1, 1])), [np.arange(1, 7)],
                 "power_integer"),
}


@pytest.mark.parametrize("case", FOLDS)
def test_constants_are_folded_and_change_no_bit(case):
    f, arrays, evaluations = FOLDS[case]
    with ad.Graph():
        x = ad.variable("x", X.shape)
        y = captured(f, *arrays)(x)
        program, written = ad.Program([x], [y]), ad.Program([x], [y], fuse=False)
    assert program.plan.evaluations == evaluations
    assert program.plan.captured_bytes <= written.plan.captured_bytes
    for scale in (1, -3):
        found = program(scale * X)[0]
        assert found.tobytes() == written(scale * X)[0].tobytes()
        np.testing.assert_allclose(found, f(scale * X, *arrays), rtol=1e-13)
    assert program.measured_peak_bytes == program.peak_bytes
    step = ad.compile(captured(f, *arrays))
    assert step(X).tobytes() == program(X)[0].tobytes() == ad.vjp(
        captured(f, *arrays), X)[0].tobytes()
    assert step.plan(X).evaluations == evaluations
    assert step.measured_peak_bytes == step.plan(X).peak_bytes


@pytest.mark.parametrize("case", STAYS)
def test_what_is_not_folded(case):
    f, arrays, name = STAYS[case]
    plan = ad.plan(captured(f, *arrays), X)
    assert plan.evaluations[name] == 1


def test_an_error_of_a_constant_is_one_of_the_run():
    step = ad.compile(captured(lambda x, k: x * k ** -np.arange(6), np.arange(6)))
    assert step.plan(X).evaluations["power_integer"] == 1
    for _ in range(2):
        with pytest.raises(ValueError, match="power"):
            step(X)


def test_a_program_found_again_has_the_arrays_of_the_call():
    for k in (K, M, K):
        value, slope = ad.value_and_grad(captured(lambda x, k: (np.tanh(k) @ x).sum(), k))(X)
        np.testing.assert_allclose(value, (np.tanh(k) @ X).sum(), rtol=1e-13)
        np.testing.assert_allclose(slope, np.tanh(k).sum(axis=0), rtol=1e-13)


def test_the_gradient_of_a_linear_function_is_a_constant():
    step = ad.compile(ad.grad(lambda x: (np.tanh(K) @ x).sum()))
    assert step.plan(X).evaluations == {"copy": 1}
    np.testing.assert_allclose(step(X), np.tanh(K).sum(axis=0), rtol=1e-13)
    one, two = step(X), step(X)
    one[:] = 0
    assert two.tobytes() == step(X).tobytes()


def test_a_folded_value_is_still_differentiated():
    with ad.Graph():
        x = ad.variable("x", X.shape)
        k = constant(x.graph, K)
        y = (np.tanh(k) @ x).sum()
        program = ad.Program([x], [y])
        g = ad.gradients(y, k)
        slope = ad.Program([x], [g])(X)[0]
    assert program.plan.evaluations == {"matmul": 1, "sum": 1}
    np.testing.assert_allclose(slope, (1 - np.tanh(K) ** 2) * X, rtol=1e-13)


def test_arguments_of_other_layouts_read_the_same_constants():
    with ad.Graph():
        x = ad.variable("x", (6, 4))
        program = ad.Program([x], [np.tanh(constant(x.graph, K)) @ x])
    wide = RNG.standard_normal((6, 8))
    assert program(wide[:, ::2])[0].tobytes() == program(wide[:, ::2].copy())[0].tobytes()
    measured = program.with_measured_costs([wide[:, ::2].copy()], program.constants())
    assert measured(wide[:, ::2])[0].tobytes() == program(wide[:, ::2])[0].tobytes()


@pytest.mark.parametrize("case", FOLDS)
def test_folding_breaks_no_budget_and_no_policy(case):
    f, arrays, _ = FOLDS[case]

    def loss(x):
        return (captured(f, *arrays)(np.tanh(x)) ** 2).sum()

    written = ad.compile(ad.value_and_grad(loss), fuse=False)
    value, slope = written(X)
    for policy in ("store", "recompute", "checkpoint",
                   ad.Budget(written.plan(X).peak_bytes)):
        step = ad.compile(ad.value_and_grad(loss), policy)
        found = step(X)
        assert found[0].tobytes() == value.tobytes()
        assert found[1].tobytes() == slope.tobytes()
        assert step.measured_peak_bytes == step.plan(X).peak_bytes


def test_folding_takes_no_more_than_the_budget():
    """K K K' needs a temporary array; a budget without room for it leaves it to the run."""
    def f(x):
        k = constant(x.graph, K)
        return (np.tanh(k @ k).sum() * x).sum()

    needs = ad.plan(f, X, fuse=False).peak_bytes
    with pytest.raises(ad.BudgetError):
        ad.plan(f, X, policy=ad.Budget(K.nbytes + 100))
    assert ad.plan(f, X, policy=ad.Budget(needs)).peak_bytes <= needs
