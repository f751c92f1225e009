"""What calls cost beside their kernels: tracing, gradients, planning, and one call of a program."""

import numpy as np
import pytest

import autodiff as ad


def chain(x, steps):
    for _ in range(steps):
        x = np.tanh(x) * 1.1 + 0.1
    return (x * x).sum()


def mlp_cost(params, X, y):
    return ad.nn.cross_entropy(ad.nn.mlp(params, X), y) + ad.nn.weight_decay(params, 1e-4)


def small_mlp():
    """Parameters, inputs and labels of an MLP 64-32-10 with a batch of 32, float32."""
    rng = np.random.default_rng(0)
    return (ad.nn.init_mlp([64, 32, 10], rng=0), rng.standard_normal((32, 64)).astype(np.float32),
            rng.integers(0, 10, 32))


def traced(steps):
    """The variables of a chain: input and value."""
    x = ad.variable("x", (10,))
    return x, chain(x, steps)


@pytest.mark.parametrize("policy", ["store", "recompute"])
def test_compiled_chain(benchmark, policy):
    step, x = ad.compile(ad.value_and_grad(lambda x: chain(x, 10)), policy), np.linspace(-1, 1, 10)
    value, _ = benchmark(step, x)
    np.testing.assert_allclose(value, chain(x, 10))


def test_compiled_mlp(benchmark):
    step, args = ad.compile(ad.value_and_grad(mlp_cost)), small_mlp()
    value, gradients = benchmark(step, *args)
    assert np.isfinite(value)
    assert set(gradients) == set(args[0])


def test_traced_chain(benchmark):
    step, x = ad.value_and_grad(lambda x: chain(x, 10)), np.linspace(-1, 1, 10)
    value, _ = benchmark(step, x)
    np.testing.assert_allclose(value, chain(x, 10))


def test_trace(benchmark):
    def trace():
        with ad.Graph() as graph:
            traced(333)
        return len(graph)
    assert benchmark(trace) > 1000


def test_gradients(benchmark):
    def trace():
        with ad.Graph():
            x, value = traced(333)
            return ad.gradients(value, [x])
    assert benchmark(trace)[0].shape == (10,)


@pytest.mark.parametrize("policy", ["store", "recompute", "checkpoint"])
def test_program(benchmark, policy):
    with ad.Graph():
        x, value = traced(333)
        outputs = [value, *ad.gradients(value, [x])]
    program = benchmark(ad.Program, [x], outputs, policy=policy)
    assert program.peak_bytes > 0


def test_budget(benchmark):
    with ad.Graph():
        x, value = traced(100)
        outputs = [value, *ad.gradients(value, [x])]
    budget = ad.Program([x], outputs).peak_bytes // 2
    program = benchmark.pedantic(
        ad.Program, ([x], outputs), {"policy": ad.Budget(budget)}, rounds=3)
    assert program.peak_bytes <= budget
