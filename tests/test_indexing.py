"""Indexing against NumPy: any index, its gradient against np.add.at, costs and messages."""

import itertools
import operator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autodiff as ad
from autodiff.errors import AutodiffError, IndexingError, IndexRangeError
from autodiff.ops import indexing, joining, movement, reductions

DTYPES = [np.bool_, np.int8, np.uint16, np.int32, np.uint64, np.float32, np.float64]


def run(y, *pairs, policy=None):
    """Run one output on pairs (leaf, array)."""
    return ad.Program([x for x, _ in pairs], [y], policy=policy)(*(a for _, a in pairs))[0]


@st.composite
def indexed(draw):
    """A shape and any index NumPy may or may not take for it."""
    shape = tuple(draw(st.lists(st.integers(0, 4), max_size=4)))
    common = draw(st.sampled_from([(), (2,), (3,), (2, 3), (1,), (0,)]))
    items, axis, ellipsis = [], 0, False
    while len(items) < 8:
        kind = draw(st.sampled_from(["none", "dots", "bool", "slice", "int", "array", "mask",
                                     "slice", "int", "array", "end"]))
        if kind == "none":
            items.append(None)
            continue
        if kind == "bool":
            items.append(draw(st.booleans()))
            continue
        if kind == "dots" and not ellipsis:
            ellipsis = True
            items.append(...)
            axis += draw(st.integers(0, len(shape) - axis))
            continue
        if kind == "end" or axis >= len(shape):
            break
        n = shape[axis]
        if kind == "slice":
            bound = st.none() | st.integers(-n - 2, n + 2)
            step = st.sampled_from([None, 1, 2, -1, -2, 3])
            items.append(slice(draw(bound), draw(bound), draw(step)))
        elif kind == "int":
            items.append(draw(st.integers(-n - (n == 0), max(n - 1, 0))))
        elif kind == "array":
            extents = list(common)
            if extents and draw(st.booleans()):
                extents[draw(st.integers(0, len(extents) - 1))] = 1
            if draw(st.booleans()):
                extents = extents[1:]
            seed = draw(st.integers(0, 99))
            dtype = draw(st.sampled_from([np.int64, np.int8, np.intp]))
            items.append(np.random.default_rng(seed).integers(-n, max(n, 1), extents, dtype))
        elif kind == "mask":
            axes = draw(st.integers(1, len(shape) - axis))
            seed = draw(st.integers(0, 99))
            items.append(np.random.default_rng(seed).random(shape[axis:axis + axes]) < 0.5)
            axis += axes - 1
        axis += 1
    return shape, tuple(items)


@settings(max_examples=400)
@given(indexed())
def test_every_index_is_numpys(case):
    shape, index = case
    a = np.arange(1.0, 1.0 + np.prod(shape)).reshape(shape)
    try:
        expected = np.asarray(a[index])
    except IndexError:
        expected = None
    with ad.Graph():
        x = ad.variable("x", shape)
        if expected is None:
            with pytest.raises(IndexError) as caught:
                x[index]
            assert isinstance(caught.value, AutodiffError)
            return
        y = x[index]
        assert y.shape == expected.shape
        np.testing.assert_array_equal(run(y, (x, a)), expected, strict=True)
        seed = ad.variable("seed", y.shape)
        g = ad.gradients([y], [x], [seed])[0]
        s = np.random.default_rng(0).integers(1, 9, y.shape).astype(float)
        back = np.zeros(shape)
        np.add.at(back, index, s)
        np.testing.assert_array_equal(run(g, (seed, s)), back, strict=True)


def test_samples_of_the_strategy_reach_both_sides():
    """The index of the property above is not always wrong, and not always basic."""
    a = np.zeros((2, 3, 4))
    for index, shape in [((0, slice(None), [1, 2, 1]), (3, 3)), ((slice(None), 0, [1, 2]), (2, 2)),
                         ((0, ..., 0, [1, 2]), (2,)), ((True, [1]), (1, 3, 4))]:
        assert a[index].shape == shape
        with ad.Graph():
            assert ad.variable("x", a.shape)[index].shape == shape


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_moves_unchanged(dtype):
    a = np.arange(24).reshape(4, 6).astype(dtype)
    i = np.array([3, -1, 0])
    for f in (lambda x: x[i], lambda x: x[:, i], lambda x: x.T[i], lambda x: x[i, i],
              lambda x: x[::-2, 1:], lambda x: x[..., ::-1][1]):
        with ad.Graph():
            x = ad.variable("x", a.shape, dtype)
            np.testing.assert_array_equal(run(f(x), (x, a)), f(a), strict=True)
            two = joining.concatenate([f(x), f(x)])
            np.testing.assert_array_equal(
                run(two, (x, a)), np.concatenate([f(a), f(a)]), strict=True)


def test_equal_parts_are_one_node():
    x = ad.variable("x", (3, 4))
    assert x[:] is x
    assert x[...] is x
    assert x[0:9, ::1] is x
    assert x[:2] is x[0:2:1]
    assert x[-1] is x[2]
    assert x[-1] is x[np.int32(2)]
    assert x[0:1] is not x[0]
    assert x[2:1] is x[5:]
    assert x[0:1:2] is x[:1]
    assert x[1:0:-1] is x[1:2]
    i = np.array([0, 2])
    assert x[i] is x[i]


def test_basic_indexing_costs_no_bytes():
    x = ad.variable("x", (300, 40))
    plan = ad.Program([x], [(x * 2.0)[5:100:3, None, 7].sum()]).plan
    assert "slice" not in plan.evaluations
    assert plan.evaluations == {"multiply": 1, "sum": 1}
    backwards = ad.Program([x], [(x * 2.0)[::-1].sum()]).plan
    assert backwards.evaluations == {"multiply": 1, "copy": 1, "sum": 1}


def test_an_empty_part_touches_nothing():
    x = ad.variable("x", (0, 50))
    f = ad.Program([x], [(x * 2.0)[:, 37] + 1.0])
    assert f(np.zeros((0, 50)))[0].shape == (0,)
    assert f.measured_peak_bytes == f.peak_bytes


def test_a_mask_of_many_axes_holds_one_index():
    x = ad.variable("x", (3, 4))
    y = x[np.eye(3, 4) > 0]
    assert [v.size for v in y.inputs[1:]] == [3]


def test_the_index_may_be_a_variable():
    a = np.array([[1.0, 5.0, 2.0], [7.0, 0.0, 3.0]])
    with ad.Graph():
        x = ad.variable("x", a.shape)
        i = ad.variable("i", (2,), np.int32)
        k = ad.variable("k", (), np.int64)
        best = x[[0, 1], reductions.argmax(x, axis=1)]
        pairs = (x, a), (i, np.array([2, 0], np.int32)), (k, np.asarray(-1))
        outputs = [best, x[k], x[:, k], x[1, i], x[[k, k]], indexing.take(a, i),
                   ad.gradients(best.sum(), x)]
        found = ad.Program([v for v, _ in pairs], outputs)(*(array for _, array in pairs))
    expected = [[5.0, 7.0], a[-1], a[:, -1], a[1, [2, 0]], a[[-1, -1]], [2.0, 1.0],
                [[0, 1, 0], [1, 0, 0]]]
    for y, wanted in zip(found, expected, strict=True):
        np.testing.assert_array_equal(y, wanted)


def test_a_place_out_of_range_at_run_time_names_axis_and_line():
    a = np.arange(12.0).reshape(3, 4)
    with ad.Graph():
        x, i = ad.variable("x", a.shape), ad.variable("i", (2,), np.int64)
        y = x[1:, None, i]
        z = ad.gradients(y.sum(), x)
    f = ad.Program([x, i], [y, z])
    message = r"test_indexing.py:\d+.*4 is out of bounds for axis 1 with size 4"
    with pytest.raises(IndexRangeError, match=message):
        f(a, np.array([0, 4]))
    with pytest.raises(IndexError, match="-5 is out of bounds"):
        f(a, np.array([-5, 0]))
    np.testing.assert_array_equal(f(a, np.array([-4, 3]))[0], a[1:, None, [-4, 3]])
    empty = ad.Program([x, i], [x[:0, i]])
    assert empty(a, np.array([0, 1]))[0].shape == (0, 2)


def test_errors_name_the_line():
    x = ad.variable("x", (3, 4))
    for index in (3, (0, 0, 0), (..., ...), [[0], [1, 2]], 1.5, "a", [True], [7],
                  ([0, 1], [0, 1, 2])):
        with pytest.raises(IndexError, match=r"indexing: .*test_indexing.py:\d+"):
            x[index]
    with pytest.raises(IndexingError, match="not of integers"):
        x[x]


def test_indices_are_copied_when_captured():
    i = np.array([0, 1])
    x = ad.variable("x", (3,))
    y = x[i]
    i[:] = 2
    np.testing.assert_array_equal(run(y, (x, np.arange(3.0))), [0.0, 1.0])
    np.testing.assert_array_equal(run(x[i], (x, np.arange(3.0))), [2.0, 2.0])


def test_repeated_places_add_in_order():
    """The sum at one place is a fold from the left over the index."""
    s = np.random.default_rng(1).random(1000).astype(np.float32)
    places = np.arange(1000) % 3
    with ad.Graph():
        x, seed = ad.variable("x", (3,), np.float32), ad.variable("s", (1000,), np.float32)
        g = ad.gradients([x[places]], [x], [seed])[0]
        found = run(g, (seed, s))
    back = np.zeros(3, np.float32)
    np.add.at(back, places, s)
    assert found.tobytes() == back.tobytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bits_do_not_depend_on_where_operands_lie(dtype):
    rng = np.random.default_rng(0)
    a, i = rng.random((6, 5)).astype(dtype), rng.integers(-6, 6, (7,))
    with ad.Graph():
        x, k = ad.variable("x", a.shape, dtype), ad.variable("i", i.shape, np.int64)
        y = joining.concatenate([x[k], x[::-1] * x, x])
        f = ad.Program([x, k], [y, ad.gradients((y * y).sum(), x)])
    first = [result.tobytes() for result in f(a, i)]
    for shift in range(1, 9):
        room = np.zeros(a.size + i.size * 2 + 32, dtype)
        near = room[shift:shift + a.size].reshape(a.shape)
        near[:] = a
        assert [result.tobytes() for result in f(near, i.copy())] == first
    strided = np.zeros((12, 15), dtype)[::2, ::3]
    strided[:] = a
    assert [result.tobytes() for result in f(strided, i)] == first


def test_thousands_of_parts_join_and_differentiate():
    n = 3000
    with ad.Graph():
        x = ad.variable("x", (n,))
        y = joining.stack([x[k] * float(k) for k in range(n)])
        z = (y * y).sum()
        f = ad.Program([x], [z, ad.gradients(z, [y])[0]])
    total, g = f(np.ones(n))
    assert total == np.sum(np.arange(n, dtype=float) ** 2)
    np.testing.assert_array_equal(g, 2.0 * np.arange(n))


@pytest.mark.parametrize("shape", [
    shape for n in (1, 2, 3) for shape in itertools.product((0, 2), repeat=n) if 0 in shape])
def test_places_of_empty_arrays_are_numpys(shape):
    """NumPy looks at no place where a take goes over none, but at all of an index of places."""
    x = np.ones(shape)
    for axis, place in itertools.product(range(len(shape)), (0, 1, 5, [0], [1, 5], [[-3]], [])):
        k, everything = np.array(place, np.int64), (slice(None),) * axis
        for f in (lambda x, k, axis=axis: np.take(x, k, axis=axis),
                  lambda x, k, before=everything: x[(*before, k)]):
            try:
                wanted = f(x, k)
            except IndexError:
                wanted = None
            for traced, args in ((lambda x, k=k, f=f: f(x, k), (x,)), (f, (x, k))):
                if wanted is None:
                    with pytest.raises(ad.IndexRangeError, match="out of bounds"):
                        ad.compile(traced)(*args)
                else:
                    np.testing.assert_array_equal(ad.compile(traced)(*args), wanted, strict=True)


def test_frontends_on_arrays_are_numpys():
    a = np.arange(6.0).reshape(1, 2, 3)
    for found, expected in [
            (movement.squeeze(a), np.squeeze(a)), (movement.expand_dims(a, 1), a[:, None]),
            (movement.swapaxes(a, 0, 2), a.T), (joining.concatenate([a, a], 1), a.repeat(2, 0)
             .reshape(1, 4, 3)), (joining.stack([a, a]), np.stack([a, a])),
            (indexing.take(a, 3), a.ravel()[3]), (indexing.getitem(a, 0), a[0])]:
        assert not isinstance(found, ad.Variable)
        np.testing.assert_array_equal(found, expected)


def test_joining_promotes_as_numpy():
    a, b = np.ones((2,), np.float32), np.arange(2, dtype=np.int32)
    with ad.Graph():
        x = ad.variable("x", (2,), np.float32)
        for parts, arrays in [([x, b], [a, b]), ([x, [1, 2]], [a, [1, 2]]), ([b, x], [b, a])]:
            expected = np.concatenate(arrays)
            np.testing.assert_array_equal(
                run(joining.concatenate(parts), (x, a)), expected, strict=True)
        scalars = joining.stack([x[0], 2.0])
        np.testing.assert_array_equal(run(scalars, (x, a)), np.stack([a[0], 2.0]), strict=True)


@pytest.mark.parametrize("f", [lambda x: operator.getitem(x, (slice(1, None), [0, 0, 1])),
                               lambda x: joining.concatenate([x.T, x[::-1].T], axis=1)])
def test_recomputing_gives_the_same_bits(f):
    a = np.random.default_rng(3).random((4, 5))
    with ad.Graph():
        x = ad.variable("x", a.shape)
        y = f(x * x)
        g = ad.gradients((y * y * y).sum(), x)
        results = [run(g, (x, a), policy=p).tobytes() for p in ("store", "recompute", "checkpoint")]
    assert results[0] == results[1] == results[2]
