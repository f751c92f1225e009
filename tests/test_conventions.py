"""The table of conventions: derivatives at singular points, in both modes and orders."""

import numpy as np
import pytest

import autodiff as ad
from autodiff import numpy as anp
from autodiff.core.gradients import tangents
from autodiff.core.operations import all_operations
from autodiff.errors import UndefinedDerivativeError
from autodiff.ops.conventions import CONVENTIONS


def traced(convention, dtype):
    with ad.Graph():
        xs = [ad.variable(name, (3,), dtype) for name in ("x", "y")[:len(convention.at)]]
        y = eval(convention.expression, {"np": anp} | {x.name: x for x in xs})
        arrays = [np.full(3, value, dtype) for value in convention.at]
        return xs, y, arrays


def every_convention():
    return pytest.mark.parametrize(
        "convention", [pytest.param(c, id=f"{c.expression} at {c.at}") for c in CONVENTIONS])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@every_convention()
def test_derivative(convention, dtype):
    xs, y, arrays = traced(convention, dtype)
    if convention.derivative is None:
        with pytest.raises(UndefinedDerivativeError, match=convention.row):
            ad.gradients(y.sum(), xs)
        return
    found = ad.Program(xs, ad.gradients(y.sum(), xs))(*arrays)
    for g, expected in zip(found, convention.derivative):
        np.testing.assert_array_equal(g, np.full(3, expected, dtype), strict=True)
    for x, expected in zip(xs, convention.derivative):
        with x.graph:
            seed = ad.variable("t", (3,), dtype)
        forward = tangents([y], [x], [seed])[0]
        if forward is None:
            assert expected == 0
        else:
            found = ad.Program([*xs, seed], [forward])(*arrays, np.ones(3, dtype))[0]
            np.testing.assert_array_equal(found, np.full(3, expected, dtype), strict=True)


@every_convention()
def test_second_order_is_finite_where_the_first_is(convention):
    if convention.derivative is None or not np.isfinite(convention.derivative).all():
        return
    xs, y, arrays = traced(convention, np.float64)
    first = ad.gradients(y.sum(), xs)
    second = ad.gradients([g.sum() for g in first], xs)
    for g in ad.Program(xs, second)(*arrays):
        assert np.isfinite(g).all()


def test_rows_exist():
    rows = {op.name for op in all_operations()}
    assert {c.row for c in CONVENTIONS} <= rows
    assert len({(c.expression, c.at) for c in CONVENTIONS}) == len(CONVENTIONS)
