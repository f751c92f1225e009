"""What is made simpler while tracing: powers with small exponents, arithmetic on literals."""

import numpy as np
import pytest

import autodiff as ad

SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, -5e-324, 1e-40, 1.7e308, -1.5, 3.0]
# exponent -> the operations that compute it; NumPy's bits in every case
POWERS = {0: [], 1: [], 2: ["square"], 0.5: ["sqrt"], -1: ["divide"], 3: ["power"], -2: ["power"],
          1.5: ["power"]}


def numbers(dtype):
    with np.errstate(over="ignore"):
        drawn = np.random.default_rng(0).uniform(-9, 9, 1000)
        return np.concatenate([SPECIAL, drawn]).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("exponent", POWERS)
def test_powers_have_the_bits_of_numpy(exponent, dtype):
    x = numbers(dtype)
    if POWERS[exponent] == ["power"]:                    # only what is rewritten is exact
        x = np.abs(x[len(SPECIAL):])
    with np.errstate(all="ignore"):
        expected = x**exponent
        assert np.power(x, exponent).tobytes() == expected.tobytes()
    for written in (lambda v: v**exponent, lambda v: np.power(v, exponent),
                    lambda v: v ** dtype(exponent)):
        with ad.Graph():
            v = ad.variable("v", x.shape, dtype)
            y = written(v)
            program = ad.Program([v], [y])
        assert [n for n in program.plan.evaluations if n != "copy"] == POWERS[exponent]
        found = program(x)[0]
        assert found.dtype == expected.dtype
        if POWERS[exponent] == ["power"]:
            np.testing.assert_allclose(found, expected, rtol=4 * np.finfo(dtype).eps)
        else:
            assert same_numbers(found, expected)


def same_numbers(one, other):
    """The same bits, but that a NaN may have either sign."""
    nan = np.isnan(one)
    return np.array_equal(nan, np.isnan(other)) and one[~nan].tobytes() == other[~nan].tobytes()


def test_a_power_of_zero_has_no_slope():
    np.testing.assert_array_equal(
        ad.grad(lambda x: (x**0).sum())(np.array([0.0, np.inf, 2.0])), np.zeros(3))
    np.testing.assert_array_equal(ad.grad(lambda x: x**0 + x)(np.nan), 1)


def test_a_power_of_a_python_number_stays_weak():
    y = ad.value_and_grad(lambda c, x: (c**0 * x).sum())(2.0, np.ones(3, np.float32))[0]
    assert y.dtype == np.float32


def test_literals_are_computed_once_and_for_all():
    with ad.Graph() as graph:
        x = ad.variable("x", (3,))
        y = 0.5 * ((x * 4.0).sum() * 3.0)
        g = ad.gradients(y, x)                           # 1 * 0.5, times 3.0, repeated, times 4.0
        program = ad.Program([x], [g])
    assert sum(v.op.name == "multiply" and v.shape == () for v in graph) == 2
    assert program(np.ones(3))[0].tobytes() == np.full(3, 6.0).tobytes()


@pytest.mark.parametrize(("f", "expected"), [
    (lambda c: c / 3.0, 1 / 3), (lambda c: np.sqrt(c + 1.0), np.sqrt(2.0)),
    (lambda c: -(c - 1.0), -0.0), (lambda c: abs(c * -1e308) * 10, np.inf),
    (lambda c: np.square(c * 1e-200), 0.0), (lambda c: (c - c) / (c - c), np.nan)])
def test_folding_is_exact_and_warns_of_nothing(f, expected, recwarn):
    with ad.Graph():
        x = ad.variable("x")
        one, = ad.gradients([x + 1.0], [x])              # the literal 1
        y = f(one)
        assert y.op.name == "constant"
        found = ad.Program([], [y])()[0]
    assert found.tobytes() == np.float64(expected).tobytes() or np.isnan(expected)
    assert not recwarn.list


def test_what_rounds_differently_elsewhere_is_not_folded():
    with ad.Graph():
        x = ad.variable("x")
        one, = ad.gradients([x + 1.0], [x])
        assert np.exp(one).op.name == "exp"


def test_a_literal_of_another_dtype_is_converted_while_tracing(recwarn):
    with ad.Graph() as graph:
        v = ad.variable("v", (), np.float64)
        for scalar in (np.bool_(True), np.int8(3), np.float32(np.inf), np.uint64(2**63 + 1)):
            y = v * scalar
            assert y.inputs[1].op.name == "constant"
            found = ad.Program([v], [y])(np.float64(1.0))[0]
            assert found.tobytes() == np.float64(scalar).tobytes()
        assert not recwarn.list
        x = ad.variable("x", (3,), np.float32)
        y = x.astype(np.float64).sum()
        ad.gradients(y, x)
        assert not any(v.op.name == "astype" and v.shape == () for v in graph)
