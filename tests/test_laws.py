"""The seven laws of the operation table, for every row on every sample of tests/samples."""

import itertools

import numpy as np
import pytest

import autodiff as ad
from autodiff.core.gradients import tangents
from autodiff.core.operations import all_operations
from autodiff.errors import AutodiffError, UndefinedDerivativeError
from autodiff.ops.table import Elementwise, Form
from autodiff.ops.user import UserOperation
from autodiff.planning import Checkpoint, Recompute, Store
from samples import collect, quiet

LEAVES = {"variable", "argument", "constant"}
ROWS = [op for op in all_operations()
        if op.name not in LEAVES and not isinstance(op, (Form, UserOperation))]
BLAMED = {op.name: op.blamed for op in ROWS if hasattr(op, "blamed")}
SAMPLES, ERRORS = collect("SAMPLES"), collect("ERRORS")
POLICIES = (Store(), Recompute(), Checkpoint(), Checkpoint(every=1))


def calls(differentiable=False, order=0, both_dtypes=True):
    """Every (row, sample, dtype) as pytest parameters."""
    for row, group in SAMPLES.items():
        for number, sample in enumerate(group):
            if differentiable and (not sample.wrt or sample.order < order):
                continue
            for dtype in sample.dtypes if both_dtypes else sample.dtypes[:1]:
                yield pytest.param(
                    row, sample, dtype, id=f"{row}-{number}-{np.dtype(dtype).char}")


def every_call(**chosen):
    return pytest.mark.parametrize(("row", "sample", "dtype"), list(calls(**chosen)))


class Traced:
    """A call on Variables: xs are its arguments, y its result, ws those differentiated."""

    def __init__(self, f, arrays, wrt=()):
        self.graph = ad.Graph()
        self.arrays = arrays
        with self.graph:
            self.xs = [ad.variable(f"x{k}", a.shape, a.dtype) for k, a in enumerate(arrays)]
            self.y = f(*self.xs)
        self.ws = [self.xs[k] for k in wrt]

    def leaf(self, name, like):
        """A further leaf, and random numbers of its shape and dtype."""
        rng = np.random.default_rng(len(self.graph))
        with self.graph:
            x = ad.variable(name, like.shape, like.dtype)
        return x, np.asarray(rng.uniform(0.5, 1.5, like.shape)).astype(like.dtype)

    def run(self, outputs, more=(), policy=None):
        """Run on the call's arrays and further pairs (leaf, array)."""
        inputs = [*self.xs, *(x for x, _ in more)]
        return ad.Program(inputs, outputs, policy=policy)(*self.arrays, *(a for _, a in more))


def real(y):
    return y.dtype.kind == "f"


def assert_close(found, expected, sample):
    """Shape and dtype are the same, and values to the sample's tolerance."""
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    if expected.dtype.kind != "f":
        np.testing.assert_array_equal(found, expected)
        return
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(found[~finite], expected[~finite])
    found, expected = found[finite], expected[finite]
    if expected.size == 0:
        return
    unit = np.spacing(np.abs(expected))
    allowed = sample.ulp * unit + sample.ulp_of_largest * unit.max()
    worst = np.max(np.abs(found - expected) / unit)
    assert np.all(np.abs(found - expected) <= allowed), f"{worst} units in the last place"


def same_bits(one, other):
    return (one.dtype == other.dtype and one.shape == other.shape
            and one.tobytes() == other.tobytes())


# ---- 1 and 2: value, shape, dtype -----------------------------------------------------------

def strided(x):
    """The same values read backwards, across, and with gaps."""
    if x.ndim == 0:
        yield x
        return
    yield np.ascontiguousarray(x[::-1])[::-1]
    yield np.asfortranarray(x)
    wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
    wide[..., ::2] = x
    yield wide[..., ::2]


@every_call()
def test_value(row, sample, dtype):
    arrays = sample.arrays(dtype)
    kept = [a.copy() for a in arrays]
    expected = sample.expected(arrays)
    for a in arrays:
        a.flags.writeable = False
    traced = Traced(sample.f, arrays, sample.wrt)
    program = ad.Program(traced.xs, [traced.y])
    assert traced.y.shape == expected.shape
    assert traced.y.dtype == expected.dtype
    assert_close(program(*arrays)[0], expected, sample)
    for views in itertools.zip_longest(*(strided(a) for a in arrays)):
        views = [a if v is None else v for a, v in zip(arrays, views)]
        assert_close(program(*views)[0], expected, sample)
    for a, before in zip(arrays, kept):
        assert same_bits(a, before), "an input was written to"


@every_call()
def test_plain_arrays_give_plain_arrays(row, sample, dtype):
    arrays = sample.arrays(dtype)
    with quiet():
        found = sample.f(*arrays)
    assert isinstance(found, (np.ndarray, np.generic))
    assert_close(np.asarray(found), sample.expected(arrays), sample)


@pytest.mark.parametrize(
    ("row", "bad"), [pytest.param(row, bad, id=f"{row}-{k}")
                     for row, group in ERRORS.items() for k, bad in enumerate(group)])
def test_errors(row, bad):
    def call():
        traced = Traced(bad.f, [np.asarray(a) for a in bad.args])
        return traced.run([traced.y])

    with pytest.raises(bad.error, match=bad.match or BLAMED.get(row, row)) as caught:
        call()
    assert isinstance(caught.value, AutodiffError)


# ---- 3: gradient against differences, both modes, two orders ----------------------------------

def differences(h, x, step=2e-3):
    """The Jacobian of h: array -> array at x by central differences of fourth order."""
    columns = []
    for k in range(x.size):
        moved = []
        for shift in (-2, -1, 1, 2):
            at = x.copy()
            at.flat[k] += shift * step
            moved.append(np.asarray(h(at), np.float64))
        a, b, c, d = moved
        columns.append(((a - d) / 12 + (c - b) * (2 / 3)) / step)
    return np.stack(columns, axis=-1) if columns else np.zeros((*np.shape(h(x)), 0))


@every_call(differentiable=True, order=1, both_dtypes=False)
def test_gradient(row, sample, dtype):
    arrays = sample.arrays(dtype)
    traced = Traced(sample.f, arrays, sample.wrt)
    if not real(traced.y):
        return
    seed = traced.leaf("seed", traced.y)
    found = traced.run(ad.gradients([traced.y], traced.ws, [seed[0]]), [seed])
    for k, g in zip(sample.wrt, found):
        def h(at, k=k):
            return sample.expected([*arrays[:k], at, *arrays[k + 1:]])
        jacobian = differences(h, arrays[k])
        expected = np.tensordot(seed[1], jacobian, seed[1].ndim).reshape(g.shape)
        np.testing.assert_allclose(g, expected, rtol=1e-7, atol=1e-7)
        t = traced.leaf("t", traced.xs[k])
        forward = tangents([traced.y], [traced.xs[k]], [t[0]])[0]
        along = jacobian @ t[1].ravel()
        if forward is None:
            np.testing.assert_allclose(along, 0, atol=1e-7)
        else:
            np.testing.assert_allclose(traced.run([forward], [t])[0], along,
                                       rtol=1e-7, atol=1e-7)


@every_call(differentiable=True, order=2, both_dtypes=False)
def test_second_order(row, sample, dtype):
    arrays = sample.arrays(dtype)
    traced = Traced(sample.f, arrays, sample.wrt)
    if not real(traced.y):
        return
    seed = traced.leaf("seed", traced.y)
    first = ad.gradients([traced.y], traced.ws, [seed[0]])
    weights = [traced.leaf(f"v{k}", x) for k, x in enumerate(traced.ws)]
    more = [seed, *weights]
    second = traced.run(
        ad.gradients(first, traced.ws, [v for v, _ in weights]), more)
    program = ad.Program([*traced.xs, seed[0]], first)
    for position, k in enumerate(sample.wrt):
        def h(at, k=k):
            parts = program(*[*arrays[:k], at, *arrays[k + 1:]], seed[1])
            return sum(np.sum(g * v) for g, (_, v) in zip(parts, weights))
        expected = differences(h, arrays[k]).reshape(arrays[k].shape)
        np.testing.assert_allclose(second[position], expected, rtol=1e-6, atol=1e-6)
    # forward over reverse: H v, and H is symmetric in all the arguments together
    mixed = tangents(first, traced.ws, [v for v, _ in weights])
    for over, g in zip(second, mixed):
        if g is None:
            np.testing.assert_allclose(over, 0, atol=1e-9)
        else:
            np.testing.assert_allclose(traced.run([g], more)[0], over, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "row", [op.name for op in ROWS if 2 in op.derivative])
def test_undefined_derivatives_raise(row):
    for sample in SAMPLES.get(row, ()):
        traced = Traced(sample.f, sample.arrays())
        ws = [x for x in traced.xs if real(x)]
        if not ws:
            continue
        with traced.graph:
            y = traced.y.astype(np.float64)
        seed, _ = traced.leaf("seed", y)
        with pytest.raises(UndefinedDerivativeError, match=row):
            ad.gradients([y], ws, [seed])
        with pytest.raises(UndefinedDerivativeError, match=row):
            tangents([y], ws, [traced.leaf("t", x)[0] for x in ws])


# ---- 4: the two modes are adjoint -------------------------------------------------------------

@every_call(differentiable=True)
def test_adjoint(row, sample, dtype):
    """<g, J t> = <J' g, t> to rounding."""
    traced = Traced(sample.f, sample.arrays(dtype), sample.wrt)
    if not real(traced.y):
        return
    seed = traced.leaf("seed", traced.y)
    ts = [traced.leaf(f"t{k}", x) for k, x in enumerate(traced.ws)]
    forward = tangents([traced.y], traced.ws, [t for t, _ in ts])[0]
    back = traced.run(ad.gradients([traced.y], traced.ws, [seed[0]]), [seed])
    back = np.concatenate([(g.astype(float) * t).ravel() for g, (_, t) in zip(back, ts)])
    if forward is None:
        assert not back.any()
        return
    assert forward.shape == traced.y.shape
    assert forward.dtype == traced.y.dtype
    ahead = (traced.run([forward], ts)[0].astype(float) * seed[1]).ravel()
    if not np.isfinite(ahead).all():
        return
    size = np.abs(ahead).sum() + np.abs(back).sum()
    unit = max(np.finfo(dtype).eps, np.finfo(traced.y.dtype).eps)
    assert abs(ahead.sum() - back.sum()) <= 100 * unit * size


# ---- 5: two uses of one input add ---------------------------------------------------------------

@every_call(differentiable=True)
def test_two_uses_add(row, sample, dtype):
    arrays = sample.arrays(dtype)
    traced = Traced(sample.f, arrays, sample.wrt)
    if not real(traced.y):
        return
    tolerance = {"rtol": 200 * np.finfo(dtype).eps, "atol": 200 * np.finfo(dtype).eps}
    seed = traced.leaf("seed", traced.y)
    alone = traced.run(ad.gradients([traced.y], traced.ws, [seed[0]]), [seed])
    ws = [traced.leaf(f"w{k}", x) for k, x in enumerate(traced.ws)]
    both = traced.run(
        ad.gradients([traced.y, *traced.ws], traced.ws, [seed[0], *(w for w, _ in ws)]),
        [seed, *ws])
    for one, (_, w), two in zip(alone, ws, both):
        np.testing.assert_allclose(two, one + w, **tolerance)
    for k, j in itertools.combinations(sample.wrt, 2):
        if arrays[k].shape != arrays[j].shape:
            continue
        equal = list(arrays)
        equal[j] = equal[k]
        apart = Traced(sample.f, equal)
        seed = apart.leaf("seed", apart.y)
        one, two = apart.run(
            ad.gradients([apart.y], [apart.xs[k], apart.xs[j]], [seed[0]]), [seed])

        def shared(*xs, k=k, j=j):
            return sample.f(*[xs[k] if i == j else x for i, x in enumerate(xs)])

        same = Traced(shared, equal)
        seed = (same.leaf("seed", same.y)[0], seed[1])
        both = same.run(ad.gradients([same.y], [same.xs[k]], [seed[0]]), [seed])[0]
        np.testing.assert_allclose(both, one + two, **tolerance)


# ---- 6: policy-blind ---------------------------------------------------------------------------

@every_call()
def test_policies_agree(row, sample, dtype):
    """Value and gradient have the same bits under every policy; the planned peak is measured."""
    arrays = sample.arrays(dtype)
    traced = Traced(sample.f, arrays, sample.wrt)
    outputs, more = [traced.y], []
    if real(traced.y) and sample.wrt:
        more = [traced.leaf("seed", traced.y)]
        outputs += ad.gradients([traced.y], traced.ws, [more[0][0]])
    first = None
    for policy in POLICIES:
        program = ad.Program([*traced.xs, *(x for x, _ in more)], outputs, policy=policy)
        found = program(*arrays, *(a for _, a in more))
        assert program.measured_peak_bytes == program.peak_bytes
        if first is None:
            first = found
        assert all(same_bits(a, b) for a, b in zip(first, found)), policy


# ---- 7: the table ------------------------------------------------------------------------------

@pytest.mark.parametrize(
    "row", [op.name for op in ROWS])
def test_every_row_is_sampled(row):
    reached = set()
    for sample in SAMPLES.get(row, ()):
        traced = Traced(sample.f, sample.arrays())
        program = ad.Program(traced.xs, [traced.y])
        reached |= {y.op.name for y in traced.graph} | set(program.plan.evaluations)
    assert row in reached, f"give {row} samples in tests/samples that use it"


def test_samples_are_of_rows():
    rows = {op.name for op in ROWS}
    assert set(SAMPLES) <= rows
    assert set(ERRORS) <= rows


def test_every_row_is_documented_once():
    assert len({op.name for op in ROWS}) == len(ROWS)
    for op in ROWS:
        assert op.doc, op
        assert "\n" not in op.doc, op


def test_every_elementwise_row_says_what_an_element_costs():
    dear = {
        2: {"divide"},
        4: {"sqrt"},
        8: {"exp", "expm1", "log", "log1p", "sin", "cos", "arctan", "tanh", "sigmoid"},
        16: {"softplus"},
        20: {"power", "power_integer"},
        60: {"floor_divide", "remainder"},
    }
    costs = {op.name: op.cost_per_element for op in ROWS if isinstance(op, Elementwise)}
    assert all(type(cost) is int for cost in costs.values())
    for cost, names in dear.items():
        assert {name for name in costs if costs[name] == cost} == names
    assert set(costs.values()) == {1, *dear}
