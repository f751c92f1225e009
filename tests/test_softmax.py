"""Rows of a softmax: accuracy at the edges, labels out of range, and what a gradient costs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

import autodiff as ad
from autodiff.errors import IndexRangeError
from autodiff.ops import softmax as sm


def evaluate(f, *arrays):
    with ad.Graph():
        xs = [ad.variable(f"x{k}", a.shape, a.dtype) for k, a in enumerate(arrays)]
        return ad.Program(xs, [f(*xs)])(*arrays)[0]


@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 16, 33, 341, 1023, 1024, 1025, 2500])
@pytest.mark.parametrize("m", [1, 3, 130])
def test_rows_shorter_and_longer_than_a_block(m, n):
    x = np.random.default_rng(n).normal(size=(m, n)) * 5
    labels = np.arange(m) % n
    np.testing.assert_allclose(evaluate(sm.softmax, x), special.softmax(x, axis=1), rtol=1e-13)
    logs = special.log_softmax(x, axis=1)
    np.testing.assert_allclose(evaluate(sm.log_softmax, x), logs, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(
        evaluate(lambda v: sm.logsumexp(v, axis=1), x), special.logsumexp(x, axis=1), rtol=1e-13)
    np.testing.assert_allclose(
        evaluate(sm.cross_entropy, x, labels), -logs[np.arange(m), labels].mean(), rtol=1e-12,
        atol=1e-14)


@given(st.lists(st.floats(-1e3, 1e3, width=32) | st.sampled_from([np.inf, -np.inf, np.nan]),
                min_size=1, max_size=30), st.booleans())
def test_special_values_follow_scipy(row, single):
    x = np.array([row], np.float32 if single else np.float64)
    tolerance = {"rtol": 1e-5 if single else 1e-12, "atol": 1e-5 if single else 1e-12}
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(
            evaluate(sm.softmax, x), special.softmax(x, axis=1), **tolerance)
        np.testing.assert_allclose(
            evaluate(sm.log_softmax, x), special.log_softmax(x, axis=1), **tolerance)
        if not np.isnan(x).any():
            np.testing.assert_allclose(evaluate(lambda v: sm.logsumexp(v, axis=1), x),
                                       np.logaddexp.reduce(x, axis=1), **tolerance)


def test_a_row_does_not_depend_on_its_neighbours():
    """Rows are taken together in blocks; each has the bits it has alone."""
    x = np.random.default_rng(0).normal(size=(257, 13)) * 9
    for f in (sm.softmax, sm.log_softmax, lambda v: sm.logsumexp(v, axis=1)):
        together = evaluate(f, x)
        for k in (0, 1, 78, 79, 256):
            np.testing.assert_allclose(
                evaluate(f, x[k:k + 1].copy()), together[k:k + 1], rtol=1e-15)


def test_cross_entropy_of_saturated_logits_is_exact():
    x = np.array([[1000.0, 0.0], [0.0, -np.inf]])
    assert evaluate(sm.cross_entropy, x, np.array([1, 0])) == 500.0
    assert evaluate(sm.cross_entropy, x, np.array([0, 0])) == 0.0
    assert evaluate(sm.cross_entropy, x, np.array([0, 1])) == np.inf


def test_the_gradient_of_cross_entropy_is_one_array():
    """(softmax - one_hot)/m: one row of the table and a product in its place."""
    m, c = 500, 300
    with ad.Graph():
        x, t = ad.variable("x", (m, c)), ad.variable("t", (m,), np.int64)
        program = ad.Program([x, t], [ad.gradients(sm.cross_entropy(x, t), x)])
    assert set(program.plan.evaluations) <= {"softmax_error", "multiply", "divide"}
    assert program.peak_bytes <= 8 * m * c + 256
    a = np.random.default_rng(0).normal(size=(m, c))
    labels = np.arange(m) % c
    expected = (special.softmax(a, axis=1) - np.eye(c)[labels]) / m
    np.testing.assert_allclose(program(a, labels)[0], expected, rtol=1e-11, atol=1e-17)


def test_hessian_of_cross_entropy():
    """d2L/dx2 = (diag(p) - p p')/m for each row, by nothing but repeated gradients."""
    a, labels = np.random.default_rng(1).normal(size=(2, 3)), np.array([2, 0])
    with ad.Graph():
        x, t = ad.variable("x", (2, 3)), ad.variable("t", (2,), np.int64)
        g = ad.gradients(sm.cross_entropy(x, t), x)
        seeds = np.eye(6).reshape(6, 2, 3)
        rows = [ad.gradients([g], x, [seed]) for seed in seeds]
        found = np.array(ad.Program([x, t], rows)(a, labels)).reshape(6, 6)
    p = special.softmax(a, axis=1)
    expected = np.zeros((6, 6))
    for k in range(2):
        expected[3*k:3*k + 3, 3*k:3*k + 3] = (np.diag(p[k]) - np.outer(p[k], p[k])) / 2
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize("f", [sm.cross_entropy, sm.softmax_error])
@pytest.mark.parametrize("wrong", [-1, 3, 2**40])
def test_a_label_out_of_range_ends_the_run_and_the_next_run_is_right(f, wrong):
    with ad.Graph():
        x, t = ad.variable("x", (2, 3)), ad.variable("t", (2,), np.int64)
        program = ad.Program([x, t], [f(x, t)])
    a = np.zeros((2, 3))
    with pytest.raises(IndexRangeError, match=rf"label {wrong} .*3 classes"):
        program(a, np.array([0, wrong]))
    with pytest.raises(IndexRangeError, match=rf"label {wrong} .*3 classes"):
        f(a, np.array([0, wrong]))
    y = program(a, np.array([0, 2]))[0]
    np.testing.assert_allclose(y, f(a, np.array([0, 2])), rtol=1e-15)
