"""Transforms of transforms: to any order, without confusing whose derivative is whose."""

import numpy as np
import pytest

import autodiff as ad
from autodiff.numpy import exp, sin
from transform_cases import cubes


def test_perturbation_confusion():
    """d/dx x d/dy (x + y) is 1, not 2; Siskind and Pearlmutter, 2005."""
    def f(x):
        return x * ad.grad(lambda y: x + y)(1.0)

    assert ad.grad(f)(1.0) == 1
    assert ad.jvp(f, (1.0,), (1.0,))[1] == 1

    def forward(x):
        return x * ad.jvp(lambda y: x + y, (1.0,), (1.0,))[1]

    assert ad.grad(forward)(1.0) == 1
    assert ad.jvp(forward, (1.0,), (1.0,))[1] == 1


def test_an_inner_argument_at_the_value_of_the_outer_one():
    """d/dy (y x) at y = x is x, whose derivative is 1."""
    def f(x):
        return ad.grad(lambda y: y * x)(x)

    assert f(3.0) == 3
    assert ad.grad(f)(3.0) == 1


def test_derivatives_with_respect_to_equal_numbers_are_apart():
    def f(x):
        return ad.grad(lambda y: y * y * x)(2.0) + ad.grad(lambda z: z * x)(2.0)

    assert ad.grad(f)(5.0) == 4 + 1


def test_nested_to_the_fourth_order():
    f = sin
    expected = [np.cos, lambda x: -np.sin(x), lambda x: -np.cos(x), np.sin]
    for derivative in expected:
        f = ad.grad(f)
        np.testing.assert_allclose(f(0.7), derivative(0.7), rtol=1e-14)


@pytest.mark.parametrize("modes", ["rrr", "rrf", "rfr", "frr", "ffr", "frf", "rff", "fff"])
def test_third_order_in_any_mix_of_modes(modes):
    def forward(f):
        return lambda x: ad.jvp(f, (x,), (1.0,))[1]

    def f(x):
        return exp(x * 0.5) * sin(x)

    for mode in modes:
        f = ad.grad(f) if mode == "r" else forward(f)
    z = 0.5 + 1j                              # f = Im exp(z x)
    np.testing.assert_allclose(f(0.3), (z**3 * np.exp(z * 0.3)).imag, rtol=1e-12)


def test_an_inner_transform_returns_variables_even_on_plain_numbers():
    kinds = []

    def f(x):
        inner = ad.grad(lambda y: y * y)(3.0)
        kinds.append(type(inner))
        return x * inner

    assert ad.grad(f)(2.0) == 6
    assert kinds == [ad.Variable]


def test_transforms_of_variables_of_a_graph_give_variables():
    with ad.Graph() as g:
        x = ad.variable("x", (3,))
    dx = ad.grad(cubes)(x)
    assert isinstance(dx, ad.Variable)
    assert dx.graph is g
    second = ad.hvp(cubes)(x, np.ones(3))
    J = ad.jacobian(lambda x: x * x)(x)
    a = np.array([1.0, 2.0, 3.0])
    found = ad.Program([x], [dx, second, J])(a)
    for result, expected in zip(found, (3 * a**2, 6 * a, np.diag(2 * a)), strict=True):
        np.testing.assert_allclose(result, expected)


def test_the_transform_of_a_container_with_a_variable():
    with ad.Graph():
        x = ad.variable("x", (2,))
    g = ad.grad(lambda p: (p["x"] * p["w"]).sum())({"x": x, "w": np.array([1.0, 2.0])})
    assert isinstance(g["w"], ad.Variable)
    assert ad.Program([x], [g["w"]])([5.0, 6.0])[0].tolist() == [5, 6]


def test_an_optimiser_step_inside_is_differentiated():
    """The derivative of a gradient step with respect to its rate."""
    def after_step(rate, x):
        x = x - rate * ad.grad(cubes)(x)
        return (x * x).sum()

    x, rate, h = np.array([0.5, -0.3]), 0.1, 1e-6
    def plain(rate):
        return np.sum((x - rate * 3 * x * x) ** 2)
    expected = (plain(rate + h) - plain(rate - h)) / (2 * h)
    np.testing.assert_allclose(ad.grad(after_step)(rate, x), expected, rtol=1e-8)
