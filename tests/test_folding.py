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
    step, written = [ad.compile(captured(f, *arrays), fuse=fuse) for fuse in (True, False)]
    assert step.plan(X).evaluations == evaluations
    assert step.plan(X).captured_bytes <= written.plan(X).captured_bytes
    for scale in (1, -3):
        found = step(scale * X)
        assert found.tobytes() == written(scale * X).tobytes()
        np.testing.assert_allclose(found, f(scale * X, *arrays), rtol=1e-13)
    assert step(X).tobytes() == ad.vjp(captured(f, *arrays), X)[0].tobytes()
    assert step.measured_peak_bytes == step.plan(X).peak_bytes


def test_a_graph_that_the_caller_has_keeps_its_arrays_and_folds_nothing():
    with ad.Graph():
        x = ad.variable("x", X.shape)
        program = ad.Program([x], [np.tanh(constant(x.graph, K)) @ x])
    assert program.plan.evaluations == {"tanh": 1, "matmul": 1}
    assert program.plan.captured_bytes == K.nbytes


def test_forms_are_the_same_whether_constants_are_folded():
    """A product of constants, scaled by what they do not determine."""
    def f(x, k, m):
        return ((k @ m) / (1 + x.sum())) @ x

    values = {ad.compile(captured(f, K, M), fuse=fuse)(X).tobytes() for fuse in (True, False)}
    values |= {ad.compile(captured(f, K, M), policy)(X).tobytes()
               for policy in ("recompute", ad.Budget(10_000))}
    assert len(values) == 1


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
        slope = ad.Program([x], [ad.gradients(y, k)])(X)[0]
    np.testing.assert_allclose(slope, (1 - np.tanh(K) ** 2) * X, rtol=1e-13)


def test_arguments_of_other_layouts_read_the_same_constants():
    f = captured(lambda x, k: np.tanh(k) @ x, K)
    wide = RNG.standard_normal((6, 8))
    step = ad.compile(f)
    assert step(wide[:, ::2]).tobytes() == step(wide[:, ::2].copy()).tobytes()
    measured = ad.compile(f, costs="measured")
    assert measured(wide[:, ::2]).tobytes() == step(wide[:, ::2]).tobytes()


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


def test_nothing_is_folded_under_a_budget():
    """It would have to hold the arrays and what is made of them at once."""
    f = captured(lambda x, k: np.tanh(k) @ x, K)
    assert ad.plan(f, X, policy="10kB").evaluations == {"tanh": 1, "matmul": 1}
