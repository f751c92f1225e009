"""Traced values may be looked at: `if`, `while`, `float(x)`, `x.value`; where not, it is said."""

import warnings
import weakref

import numpy as np
import pytest

import autodiff as ad
from autodiff import tracing
from autodiff.numpy import sin, tanh
from transform_cases import POLICIES, RNG, X, cubes, same

A = np.array([1.0, -2.0, 3.0])


@pytest.fixture
def runs(monkeypatch):
    """The programs that run, each as (inputs, evaluations)."""
    found = []
    original = ad.Program.run

    def run(self, *args):
        found.append((len(self.inputs), self.plan.evaluations))
        return original(self, *args)

    monkeypatch.setattr(ad.Program, "run", run)
    tracing.programs.clear()
    return found


def evaluations(runs, name=None):
    return sum(n for _, counts in runs for key, n in counts.items() if name in (None, key))


# ---- control flow ---------------------------------------------------------------------------

@pytest.mark.parametrize(("x", "slope"), [(2.0, 3.0), (-2.0, -5.0), (0.0, -5.0)])
def test_if(x, slope):
    def f(x):
        if x > 0:
            return 3 * x
        return -5 * x

    assert ad.grad(f)(x) == slope
    assert ad.value_and_grad(f)(x)[0] == slope * x
    assert ad.jvp(f, (x,), (1.0,))[1] == slope
    assert ad.vjp(f, x)[1](1.0)[0] == slope


def test_while():
    """Newton's square root; its derivative is 1/(2 sqrt a)."""
    def root(a):
        x = a
        while abs(x * x - a) > 1e-14 * a:
            x = 0.5 * (x + a / x)
        return x

    for a in (2.0, 9.0, 1e-3):
        value, slope = ad.value_and_grad(root)(a)
        np.testing.assert_allclose(value, np.sqrt(a), rtol=1e-13)
        np.testing.assert_allclose(slope, 0.5 / np.sqrt(a), rtol=1e-6)


def test_and_or_not_min_sorted_and_comparison_chains():
    def f(x, y):
        if not x > 1 and (x < 0 or 0 < y < 3):
            return min(x, y) * sorted([x, y, 10.0])[-2]
        return x

    assert ad.grad(f, (0, 1))(0.5, 2.0) == (2.0, 0.5)
    assert ad.grad(f, (0, 1))(1.5, 2.0) == (1.0, 0.0)


def test_ranges_and_indices_of_integers():
    def f(x, n, k):
        for _ in range(n):                    # an integer array is a number here
            x = x * 2
        return x[int(k)] * [10.0, 20.0][k]

    np.testing.assert_array_equal(ad.grad(f)(A, np.array(3), np.array(1)), [0, 160, 0])


def test_values_decide_in_nested_transforms():
    def f(x):
        def inner(y):
            return y * y * x if y > x else y * x

        return ad.grad(inner)(3.0 * x) if x > 0 else ad.grad(inner)(x)

    assert ad.grad(f)(2.0) == 24.0            # 2 (3x) x
    assert ad.grad(f)(-2.0) == 1.0            # y x at y = x
    assert ad.grad(ad.grad(f))(2.0) == 12.0


def test_a_mask_of_values_selects():
    def f(x):
        return (x[x.value > 0] ** 2).sum()

    np.testing.assert_array_equal(ad.grad(f)(A), [2, 0, 6])


# ---- the values -----------------------------------------------------------------------------

def test_value_is_a_read_only_array_of_the_shape_and_dtype():
    seen = []

    def f(x):
        y = tanh(x)
        seen.extend([x.value, y.value, y.value, (y + 1).value, x[0].value])
        return y.sum()

    for dtype in (np.float32, np.float64):
        seen.clear()
        x = A.astype(dtype)
        g = ad.grad(f)(x)
        expected = [x, np.tanh(x), np.tanh(x), np.tanh(x) + 1, x[0]]
        for value, wanted in zip(seen, expected, strict=True):
            assert (value.dtype, value.shape) == (dtype, wanted.shape)
            np.testing.assert_allclose(value, wanted, rtol=1e-6)
            with pytest.raises(ValueError, match="read-only"):
                value[...] = 0
        assert same(g, ad.grad(lambda x: tanh(x).sum())(x))
        assert x.flags.writeable


def test_a_value_that_is_kept_does_not_change_with_the_argument():
    kept, x = [], A.copy()

    def f(x):
        kept.append(x.value)
        return (x * x).sum()

    ad.grad(f)(x)
    ad.grad(lambda x: ad.grad(f)(x).sum())(x)
    x[:] = 7
    np.testing.assert_array_equal(kept, [A, A])
    assert not kept[0].flags.writeable


def test_constants_have_values_where_nothing_is_bound():
    seen = []

    def f(x):
        c = ad.grad(sin)(0.0)
        seen.append(c.value)
        return x * c if c > 0.5 else x

    assert ad.grad(f)(3.0) == 1
    assert ad.compile(ad.grad(f))(3.0) == 1   # nothing of the arguments is looked at
    assert seen[0] == 1


def test_float_gives_the_value_and_warns_with_the_line():
    def f(x):
        return x * float(x[0])                # the marked line

    with pytest.warns(ad.GradientWarning, match=r"test_values.py:\d+.*x\.value") as caught:
        value, g = ad.value_and_grad(lambda x: f(x).sum())(A)
    line = f.__code__.co_firstlineno + 1
    assert f"test_values.py:{line}" in str(caught[0].message)
    assert (caught[0].filename, caught[0].lineno) == (__file__, line)
    np.testing.assert_array_equal(g, np.ones(3))
    assert value == 2


def test_a_warning_in_a_loop_is_shown_once():
    def f(x):
        for _ in range(5):
            x = x * (1 + 0 * float(x))
        return x

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        ad.grad(f)(2.0)
    assert len(caught) == 1


def test_value_bool_and_int_do_not_warn():
    def f(x):
        return x * x.value * int(x) if bool(x) else x

    assert ad.grad(f)(2.0) == 4               # warnings are errors here


def test_a_number_that_slips_into_an_array_is_warned_of():
    def f(x):
        b = np.zeros(3)
        b[0] = x[0]                           # NumPy calls float(x[0])
        return (b * x).sum()

    line = f.__code__.co_firstlineno + 2
    with pytest.warns(ad.GradientWarning, match=rf"test_values.py:{line}.*np\.stack"):
        ad.grad(f)(A)


@pytest.mark.parametrize("make", [lambda x: np.array([x[0], x[1]]), np.asarray, np.array])
def test_a_variable_becomes_no_array(make):
    with pytest.raises(ad.ConcretizationError, match=r"gradient would be lost.*np\.stack"):
        ad.grad(lambda x: make(x).sum())(A)


@pytest.mark.parametrize("look", [bool, float, int])
def test_only_one_element_has_a_single_value(look):
    with pytest.raises(ad.ArgumentError, match=r"3 elements.*single value") as caught:
        ad.grad(lambda x: x.sum() if look(x) else x.sum())(A)
    assert isinstance(caught.value, ValueError)
    assert "test_values.py:" in str(caught.value)


def test_one_element_of_any_shape_has_a_value():
    assert ad.grad(lambda x: x.sum() if x else 0 * x.sum())(np.ones((1, 1))) == 1


# ---- what looking costs and changes -----------------------------------------------------------

@pytest.mark.parametrize("policy", POLICIES)
def test_looking_changes_no_bit(policy):
    def f(x, look):
        for _ in range(6):
            x = tanh(x) * 1.5 + sin(x).T.sum(1)
            if look and x.sum() > 1e9:
                return x.sum()
        return (x * x).sum()

    x = RNG.normal(size=(5, 5))
    value, g = ad.value_and_grad(f, policy=policy)(x, True)
    expected_value, expected = ad.value_and_grad(f, policy="store")(x, False)
    assert same(value, expected_value)
    assert same(g, expected)


def test_looking_computes_what_it_needs_and_once(runs):
    def f(x):
        y = tanh(x)
        other = sin(x)                        # not looked at: not computed now
        assert y.sum() < 10
        assert evaluations(runs, "sin") == 0
        assert evaluations(runs, "tanh") == 1
        assert y.sum() < 20                   # the sum is known: nothing runs but a comparison
        assert evaluations(runs, "sum") == 1
        return (y * other).sum()

    g = ad.grad(f)(A)
    assert evaluations(runs, "tanh") == 1     # y was kept: someone held it when it was looked at
    assert runs[-1][0] == 2                   # the gradient reads x and y, no sum and comparison
    np.testing.assert_allclose(g, (1 - np.tanh(A) ** 2) * np.sin(A) + np.tanh(A) * np.cos(A))


def looped(n):
    def f(x):
        y = x
        for _ in range(n):
            y = y * 1.001
            if y > 2:
                y = y * 0.5
        return y

    return f


def test_a_loop_that_looks_a_thousand_times_is_linear(runs):
    counts = []
    for n in (500, 1000):
        runs.clear()
        tracing.programs.clear()
        value, slope = ad.value_and_grad(looped(n))(1.5)
        np.testing.assert_allclose(slope, value / 1.5, rtol=1e-12)
        counts.append(evaluations(runs))
        assert len(runs) == n + 1
        assert max(inputs for inputs, _ in runs[:-1]) <= 2
        assert tracing.programs.misses < 10   # every round finds the program of the one before
    assert counts[1] < 2.2 * counts[0]


def test_values_that_were_looked_at_are_let_go():
    seen = []

    def f(x):
        y = tanh(x)
        seen.append(weakref.ref(y.value.base))
        return y.sum()

    ad.grad(f)(A)
    assert seen[0]() is None


def test_an_error_while_looking_leaves_nothing_behind():
    def f(x, k):
        y = x[k]
        return y.sum() if y.sum() > 0 else x.sum()

    with pytest.raises(ad.IndexRangeError, match="test_values.py"):
        ad.grad(f)(A, np.array([0, 7]))
    np.testing.assert_array_equal(ad.grad(f)(A, np.array([0, 2])), [1, 0, 1])


def test_looking_inside_vjp_keeps_the_pullback_right():
    def f(x):
        y = tanh(x)
        return y * y if y.sum() > 0 else y

    for x in (A, -A):
        y, pullback = ad.vjp(f, x)
        t = np.tanh(x)
        np.testing.assert_allclose(y, t * t if t.sum() > 0 else t)
        slope = (2 * t if t.sum() > 0 else 1) * (1 - t * t)
        np.testing.assert_allclose(pullback(np.ones(3))[0], slope)


@pytest.mark.parametrize("spec", [".3f", "e", ">12.1f", "g", "", "d"])
@pytest.mark.parametrize("value", [1.23456, np.float32(2.5), 7])
def test_formats_are_those_of_the_number(value, spec):
    found = []

    def f(x, k):
        found.extend([format(k, spec), f"{x.sum():.2e}", str(k)])
        return x.sum()

    if spec == "d" and value != 7:
        with pytest.raises(ValueError, match="format code 'd'"):
            ad.grad(f)(A, value)
        return
    ad.grad(f)(A, value)
    assert found[1] == f"{A.sum():.2e}"
    assert found[0] == (format(np.asarray(value), spec) if spec else found[2])


# ---- where there are no values --------------------------------------------------------------

LOOKS = {
    "if": lambda x: x if x.sum() > 0 else -x,
    "value": lambda x: x * x.value,
    "float": lambda x: x * float(x[0]),
    "int": lambda x: x * int(x[0]),
    "format": lambda x: f"{x[0]:.3f}" and x,
    "range": lambda x: sum(x * k for k in range(x.argmax())),
    "list": lambda x: [x, -x][x.argmax()],
    "nested": lambda x: ad.grad(lambda y: y * y if y > 0 else y)(x.sum()) * x,
}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("where", ["compile", "plan", "graph"])
def test_looking_where_there_is_no_value(look, where):
    f = LOOKS[look]
    line = f"test_values.py:{f.__code__.co_firstlineno}"
    calls = {
        "compile": lambda: ad.compile(ad.grad(lambda x: f(x).sum()))(A),
        "plan": lambda: ad.plan(f, A),
        "graph": lambda: f(ad.variable("x", (3,), graph=ad.Graph())),
    }
    with pytest.raises(ad.ConcretizationError, match=r"np\.where") as caught:
        calls[where]()
    assert line in str(caught.value)
    assert isinstance(caught.value, TypeError)
    assert isinstance(ad.compile(ad.grad(cubes))(X), np.ndarray)      # the next call works


def test_a_value_of_a_symbolic_graph_names_the_leaf():
    with ad.Graph():
        w = ad.variable("weights", (3,))
        with pytest.raises(ad.ConcretizationError, match="'weights', which has no value"):
            tanh(w).value  # noqa: B018
