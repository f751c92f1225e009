"""Programs are found again by the structure of their graph, and the cache is bounded."""

import gc
import weakref

import numpy as np
import pytest

import autodiff as ad
from autodiff.numpy import cos, maximum, tanh
from transform_cases import RNG, X, same


@pytest.fixture
def programs():
    from autodiff.tracing import programs

    programs.clear()
    return programs


def test_a_learning_rate_does_not_replan(programs):
    for rate in (0.1, 0.2, 3, np.float64(0.5)):
        ad.grad(lambda x, rate=rate: (tanh(x) * float(rate)).sum())(X)
    assert (programs.misses, programs.hits) == (1, 3)
    for rate in (0.1, 0.2):
        ad.grad(lambda x, rate: (tanh(x) * rate).sum())(X, rate)
    assert (programs.misses, programs.hits) == (2, 4)


@pytest.mark.parametrize(
    "other",
    [lambda: ad.grad(lambda x: (tanh(x) * 2.0).sum())(X[:2]),
     lambda: ad.grad(lambda x: (tanh(x) * 2.0).sum())(X.astype(np.float32)),
     lambda: ad.grad(lambda x: (cos(x) * 2.0).sum())(X),
     lambda: ad.grad(lambda x: (tanh(x) * 2.0).sum(), policy="recompute")(X),
     lambda: ad.grad(lambda x: (tanh(x) * x).sum())(X),
     lambda: ad.value_and_grad(lambda x: (tanh(x) * 2.0).sum())(X)])
def test_another_structure_is_another_program(programs, other):
    def f(x): return (tanh(x) * 2.0).sum()
    g = ad.grad(f)(X)
    other()
    assert programs.misses == 2
    assert same(ad.grad(f)(X), g)
    assert programs.hits == 1


def test_wiring_and_attributes_are_part_of_the_structure(programs):
    a, b = RNG.normal(size=(3, 3)), RNG.normal(size=(3, 3))
    cases = [lambda a, b: a - b, lambda a, b: b - a, lambda a, b: a - a.T, lambda a, b: a[0] - b,
             lambda a, b: a[1] - b, lambda a, b: a[:, 1] - b, lambda a, b: (a - b).sum(0),
             lambda a, b: (a - b).sum(1), lambda a, b: (a - b).sum(1, keepdims=True)]
    for f in cases:
        value, _ = ad.vjp(f, a, b)
        np.testing.assert_allclose(value, f(a, b))
    for f in reversed(cases):
        value, _ = ad.vjp(f, a, b)
        np.testing.assert_allclose(value, f(a, b))


def test_the_cache_is_bounded(programs):
    for n in range(1, programs.size + 20):
        ad.grad(lambda x, n=n: (x * np.ones(n)).sum())(1.0)
    assert len(programs) == programs.size


def test_a_sweep_that_reads_a_literal_is_made_for_each(programs):
    """Rules may ask for a literal: x**0.5 is guarded, x**3.0 is not."""
    for p in (2.0, 3.0, 0.5, 3.0, -1.0, 0.0, 1.0, 2.0):
        for c in (3.0, 0.0, -2.0, 3.0):
            g = ad.grad(lambda x, p=p, c=c: (x**p + c**x * c).sum())
            x = abs(X[X != 0])
            with np.errstate(all="ignore"):
                found = g(x)
            programs.clear()
            with np.errstate(all="ignore"):
                assert same(found, g(x))


def test_a_program_found_before_the_sweep_is_the_one_found_after(programs):
    table = RNG.normal(size=X.shape)
    def f(x, y, rate):
        return (tanh(x * table) * rate + y).sum()
    for argnums in (0, 1, (0, 1), (1, 0), (0, 1, 2)):
        for transform in (ad.grad, ad.value_and_grad):
            programs.clear()
            call = transform(f, argnums)
            for rate in (0.5, 2.0, 1.0):
                found = call(X * rate, X, rate)
                fresh = ad.compile(call)(X * rate, X, rate)
                assert str(found) == str(fresh)
            assert (programs.hits, programs.misses) == (2, 1)
            table[0, 0] += 1.0                              # captured anew by every call
            assert str(call(X, X, 0.5)) == str(ad.compile(call)(X, X, 0.5))
            assert programs.hits == 3


def test_the_rules_of_a_users_operation_are_asked_every_time(programs):
    scale = [1.0]
    mine = ad.operation(np.tanh, bprop=(lambda g, y, x: g * scale[0],), name="mine_scaled")
    for factor in (1.0, 2.0, 3.0):
        scale[0] = factor
        np.testing.assert_array_equal(ad.grad(lambda x: mine(x).sum())(X), np.full(X.shape, factor))


def test_cached_programs_keep_no_arrays(programs):
    class Array(np.ndarray):
        pass

    a = X.copy().view(Array)
    watch = weakref.ref(a)
    ad.grad(lambda x: (x * x).sum())(a)
    del a
    gc.collect()
    assert len(programs) == 1
    assert watch() is None


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


@pytest.mark.skipif(not __import__("os").path.exists("/proc/self/statm"), reason="needs /proc")
def test_10_000_calls_do_not_grow_the_process():
    f = ad.value_and_grad(lambda x, rate: (maximum(x, 0) * rate).sum())
    compiled = ad.compile(f)

    def call(k):
        f(X, 0.1 * k)
        compiled(X, 0.1 * k)
        if k % 10 == 0:
            ad.vjp(tanh, X)[1](X)

    for k in range(1500):
        call(k)
    gc.collect()
    before = resident()
    for k in range(5000):
        call(k)
    gc.collect()
    assert resident() - before < 2_000_000
