"""Results written over dying inputs: only where each element is read before it is written."""

import numpy as np
import pytest

import autodiff as ad

# Each reads the dying value u in a second layout as well; u and the result have equal bytes.
TWO_LAYOUTS = {
    "transposed": (lambda u: u + u.T, lambda u: u + u.T),
    "first row": (lambda u: u - u[0], lambda u: u - u[0]),
    "last column": (lambda u: u / u[:, -1:], lambda u: u / u[:, -1:]),
    "reversed": (lambda u: u * u[::-1], lambda u: u * u[::-1]),
    "reshaped and transposed": (
        lambda u: u + u.reshape(64).reshape(8, 8).T, lambda u: u + u.reshape(64).reshape(8, 8).T),
    "one element": (lambda u: u - u[0, 0], lambda u: u - u[0, 0]),
    "condition": (lambda u: np.where(u.T > 0.5, u, 0), lambda u: np.where(u.T > 0.5, u, 0)),
}


@pytest.mark.parametrize("case", TWO_LAYOUTS)
def test_a_value_that_is_read_in_two_layouts_is_not_overwritten(case):
    ours, numpys = TWO_LAYOUTS[case]
    given = np.random.default_rng(0).uniform(0.1, 1, (8, 8))
    with ad.Graph():
        x = ad.variable("x", (8, 8))
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
