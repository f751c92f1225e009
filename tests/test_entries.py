"""A compiled function called again: what fits an earlier call is found at a look, and nothing else.

Every call is made of a function that has seen other signatures, and compared with one that is new.
"""

import dataclasses
import gc
import weakref
from collections import OrderedDict, defaultdict, namedtuple

import numpy as np
import pytest

import autodiff as ad
from transform_cases import RNG, X, same

Pair = namedtuple("Pair", "left right")


@dataclasses.dataclass
class Layer:
    W: object
    b: object = None


def leaves_of(tree):
    """The leaves of nested containers, by hand."""
    if isinstance(tree, dict):
        return [leaf for item in tree.values() for leaf in leaves_of(item)]
    if isinstance(tree, (list, tuple)):
        return [leaf for item in tree for leaf in leaves_of(item)]
    if dataclasses.is_dataclass(tree):
        return [leaf for f in dataclasses.fields(tree) for leaf in leaves_of(getattr(tree, f.name))]
    return [] if tree is None else [tree]


def describe(*args, **kwargs):
    """A result that tells what the function was given: its static leaves, its types, a number."""
    total, static = 0.0, []
    for k, leaf in enumerate(leaves_of((args, kwargs))):
        if isinstance(leaf, (ad.Variable, np.ndarray, float)):
            total = total + (leaf * (k + 1)).sum() if getattr(leaf, "shape", ()) else (
                total + leaf * (k + 1))
        else:
            static.append((type(leaf).__name__, leaf))
    return {"total": total, "static": static, "types": [type(arg).__name__ for arg in args]}


CALLS = [
    ((X,), {}), ((X[:2],), {}), ((X.astype(np.float32),), {}), ((X, 2.0), {}), ((X, 2), {}),
    ((X, True), {}), ((X, "2"), {}), ((X, None), {}), ((None, X), {}), ((X, np.float64(2)), {}),
    ((X, np.float32(2)), {}), ((X, np.array(2.0)), {}), ((X.T,), {}), ((X[::-1],), {}),
    ((X.astype(">f8"),), {}), (([X, 1.0],), {}), (((X, 1.0),), {}), ((Pair(X, 1.0),), {}),
    ((Layer(X, 1.0),), {}), ((Layer(X),), {}), (({"a": X, "b": 1.0},), {}),
    (({"b": 1.0, "a": X},), {}), (({"a": X},), {}), (({1: X},), {}), (({True: X},), {}),
    ((OrderedDict(a=X, b=1.0),), {}), ((defaultdict(list, a=X, b=1.0),), {}),
    ((X,), {"b": 1.0}), ((X,), {"c": 1.0}), ((), {"a": X, "b": 1.0}), ((), {"b": 1.0, "a": X}),
    (([X, [X, 1.0]],), {}), (([X, [X], 1.0],), {}), (([X, X, 1.0],), {}), ((np.zeros(0), 1.0), {}),
    ((X.astype(int), 1.0), {}), ((X > 0, 1.0), {}),
]


def equal(a, b):
    if isinstance(a, dict):
        return list(a) == list(b) and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, (np.ndarray, np.generic)):
        return type(a) is type(b) and same(a, b)
    return a == b


@pytest.mark.parametrize("gap", [1, 2, 3, 7])
def test_a_call_is_what_it_would_be_alone(gap):
    expected = [ad.compile(describe)(*args, **kwargs) for args, kwargs in CALLS]
    step = ad.compile(describe)
    order = [(k * gap) % len(CALLS) for k in range(len(CALLS))]
    for k in [*order, *order, *np.repeat(order, 2)]:
        args, kwargs = CALLS[k]
        assert equal(step(*args, **kwargs), expected[k]), CALLS[k]


def test_each_of_the_last_calls_is_a_hit():
    step = ad.compile(describe)
    for args, kwargs in CALLS[:4]:
        step(*args, **kwargs)
    misses = step.cache.misses
    for _ in range(5):
        for args, kwargs in CALLS[:4]:
            step(*args, **kwargs)
    assert step.cache.misses == misses == 4
    assert step.cache.hits == 20
    assert step.cache.recent.hits == 20


def test_a_call_in_use_is_not_dropped_for_many_others():
    traces = []

    def f(x):
        traces.append(x.shape)
        return x * 2.0

    step = ad.compile(f)
    for n in range(3 * step.cache.size):
        step(np.ones(3))
        step(np.ones(4 + n))
    assert traces.count((3,)) == 1


def test_the_arrays_of_a_call_are_not_kept():
    step = ad.compile(lambda x, table: x * table["a"])
    x = X.copy()
    watch = weakref.ref(x)
    step(x, {"a": np.ones(X.shape)})
    step(x, {"a": np.ones(X.shape)})
    del x
    gc.collect()
    assert watch() is None


def test_a_dict_that_changes_its_keys_is_another_call():
    params = {"a": X, "b": X}
    step = ad.compile(lambda p: sum(p.values()))
    step(params)
    params["c"] = X
    assert same(step(params), X + X + X)
    del params["a"], params["b"]
    assert same(step(params), X)


def test_the_policy_of_the_moment_counts():
    step = ad.compile(ad.grad(lambda x: np.tanh(np.sin(np.tanh(np.sin(x)))).sum()))
    store = step.plan(X)
    step(X)
    for _ in range(2):
        with ad.use_policy("recompute"):
            assert step.plan(X) is not store
            assert step.plan(X).policy == ad.Recompute()
            step(X)
            assert step.measured_peak_bytes == step.plan(X).peak_bytes
        step(X)
        assert step.measured_peak_bytes == store.peak_bytes
    assert step.cache.misses == 2


def test_what_is_returned_without_being_computed_is_the_callers():
    table = np.arange(3.0)
    step = ad.compile(lambda x: (x * 2.0, table, "text", None))
    for _ in range(3):
        y, found, text, nothing = step(X)
        assert same(y, X * 2.0)
        assert (text, nothing) == ("text", None)
        np.testing.assert_array_equal(found, [0, 1, 2])
        found[:] = -1


def test_methods_pickles_and_signatures_still_work():
    import inspect
    import pickle

    class Model:
        scale = 3.0

        @ad.compile
        def __call__(self, x):
            return x * 2.0

    assert same(Model.__call__(Model, X), X * 2.0)
    step = ad.compile(np.tanh)
    assert same(pickle.loads(pickle.dumps(step))(X), step(X))
    assert list(inspect.signature(ad.compile(describe)).parameters) == ["args", "kwargs"]
    assert repr(step) == "<compile of tanh>"


# ---- caches ---------------------------------------------------------------------------------

def test_cache_info_counts_and_clear_cache_drops():
    def f(x):
        return (x * x).sum()

    ad.clear_cache()
    gc.collect()
    limit = ad.cache_info().limit
    step = ad.compile(f)
    assert ad.cache_info() == ad.CacheInfo(0, 0, 0, limit + 64)
    for _ in range(3):
        ad.grad(f)(X)
        step(X)
    assert ad.cache_info() == (4, 2, 2, limit + 64)
    ad.clear_cache()
    assert ad.cache_info() == (0, 0, 0, limit + 64)
    assert len(step.cache) == 0
    assert step(X) == (X * X).sum()
    assert ad.cache_info()[:3] == (0, 1, 1)
    del step
    gc.collect()
    assert ad.cache_info().limit == limit


def test_a_cleared_function_gives_its_programs_back():
    step = ad.compile(lambda x: x * 2.0)
    step(X)
    watch = weakref.ref(step.plan(X))
    gc.collect()
    assert watch() is not None
    ad.clear_cache()
    gc.collect()
    assert watch() is None


# ---- results in arrays of the caller's --------------------------------------------------------

def loss(params, x):
    return (np.tanh(x @ params["W"]) * params["b"]).sum()


def parameters(n):
    return {"W": RNG.normal(size=(n, n)), "b": RNG.normal(size=n)}


def blank(tree):
    return {key: np.full(W.shape, np.nan) for key, W in tree.items()}


@pytest.mark.parametrize("policy", ["store", "recompute", "64MB"])
@pytest.mark.parametrize("n", [3, 150])
def test_out_holds_the_bits_of_the_result(n, policy):
    step = ad.compile(ad.value_and_grad(loss), policy=policy)
    params, x = parameters(n), RNG.normal(size=(n, n))
    value, grads = step(params, x)
    for k in range(4):
        out = (np.full((), np.nan), blank(params))
        found = ad.compile(ad.value_and_grad(loss), policy=policy)(params, x, out=out) if k == 0 \
            else step(params, x, out=out)
        assert found is out
        assert same(out[0], value)
        assert all(same(out[1][key], grads[key]) for key in grads)
        wide = np.ones((n, 2 * n))[:, ::2] * 0 + x           # not in C order: the general way
        step(params, np.asfortranarray(wide), out=out)
        assert same(out[0], value)


@pytest.mark.parametrize("n", [3, 150])
@pytest.mark.parametrize("policy", ["store", "recompute"])
def test_what_a_run_with_out_holds_is_known_and_less(n, policy):
    step = ad.compile(ad.value_and_grad(loss), policy=policy)
    params, x = parameters(n), RNG.normal(size=(n, n))
    plan = step.plan(params, x)
    out = (np.empty(()), blank(params))
    for _ in range(2):
        step(params, x, out=out)
        assert step.measured_peak_bytes == plan.peak_bytes_out
        step(params, x)
        assert step.measured_peak_bytes == plan.peak_bytes
    assert plan.peak_bytes_out <= plan.peak_bytes - 8
    strided = np.asfortranarray(x)
    step(params, strided, out=out)
    assert step.measured_peak_bytes >= plan.peak_bytes_out


def test_a_program_takes_out():
    with ad.Graph():
        x = ad.variable("x", (200, 100))
        y = np.tanh(x) * 2.0
        program = ad.Program([x], [y, y.sum(0), x])
    given = RNG.normal(size=(200, 100))
    expected = program(given)
    out = [np.empty((200, 100)), np.empty(100), np.empty((200, 100))]
    assert program(given, out=out) is out
    assert program.measured_peak_bytes == program.plan.peak_bytes_out
    assert all(same(a, b) for a, b in zip(out, expected, strict=True))
    program(given[::-1][::-1], out=tuple(out))
    program(np.asfortranarray(given), out=out)
    assert program.measured_peak_bytes == program.plan_for(np.asfortranarray(given)).peak_bytes_out
    assert all(same(a, b) for a, b in zip(out, expected, strict=True))


class Pretends(np.ndarray):
    """Says that it is larger, and of another dtype, than its memory."""

    shape, dtype = (4,), np.dtype(np.float64)


def bad_outs(n=4):
    raw = np.zeros(8 * n + 1, np.uint8)
    read_only = np.zeros(n)
    read_only.flags.writeable = False
    return {
        "dtype": (np.zeros(n, np.float32), ad.DTypeError, "float32.*float64"),
        "byte order": (np.zeros(n, ">f8"), ad.DTypeError, ">f8"),
        "shape": (np.zeros(n + 1), ad.ShapeError, r"\(5,\).*\(4,\)"),
        "order": (np.zeros((n, 2))[:, 0], ad.ArgumentError, "C order"),
        "aligned": (raw[1:].view(np.float64), ad.ArgumentError, "aligned"),
        "writable": (read_only, ad.ArgumentError, "writable"),
        "list": ([0.0] * n, ad.ArgumentError, "needs result|is a list"),
        "number": (1.0, ad.ArgumentError, "is a float"),
        "masked": (np.ma.zeros(n), ad.ArgumentError, "MaskedArray"),
        "memory": (np.zeros(1).view(Pretends), ad.ShapeError, r"\(1,\).*\(4,\)"),
        "bytes": (np.zeros(n, np.int8).view(Pretends), ad.DTypeError, "int8.*float64"),
    }


@pytest.mark.parametrize("what", bad_outs())
def test_what_cannot_be_written_into_is_refused(what):
    out, error, message = bad_outs()[what]
    x = np.arange(4.0)
    step = ad.compile(lambda x: np.tanh(x))
    with ad.Graph():
        v = ad.variable("v", (4,))
        program = ad.Program([v], [np.tanh(v)])
    expected = ad.compile(np.tanh)(x)
    for _ in range(2):
        with pytest.raises(error, match=message):
            step(x, out=out)
        with pytest.raises(error, match=message):
            program(x, out=[out])
        assert same(step(x), expected)         # and the next call is as if nothing had been


def test_what_overlaps_is_refused():
    room = np.zeros(20)
    step = ad.compile(lambda x, y: (np.sqrt(x) + y, x - y))
    for _ in range(2):
        for x, y, out in [
            (room[:4], np.ones(4), (room[:4], np.zeros(4))),
            (room[:4], np.ones(4), (room[3:7], np.zeros(4))),
            (room[:8:2], np.ones(4), (np.zeros(4), room[6:10])),
            (room[9::-1][:4], np.ones(4), (np.zeros(4), room[6:10])),
        ]:
            with pytest.raises(ad.ArgumentError, match=r"overlaps argument 0"):
                step(x, y, out=out)
        with pytest.raises(ad.ArgumentError, match=r"overlaps the array for result\[0\]"):
            step(room[:4], np.ones(4), out=(room[10:14], room[13:17]))
        step(room[:4], np.ones(4), out=(room[4:8], room[8:12]))
        assert same(step(room[:4], np.ones(4))[0], np.sqrt(room[:4]) + 1)


@pytest.mark.parametrize(
    "out", [np.zeros(4), (np.zeros(4),), [np.zeros(4), np.zeros(4)], {"a": np.zeros(4)},
            (np.zeros(4), (np.zeros(4),))])
def test_what_is_built_otherwise_is_refused(out):
    step = ad.compile(lambda x: (np.tanh(x), x * 2.0))
    for _ in range(2):
        with pytest.raises(ad.ArgumentError, match=r"needs result\[0\], result\[1\]"):
            step(np.ones(4), out=out)


def test_out_wants_arrays_only_and_no_trace():
    step = ad.compile(lambda x: (x * 2.0, "text"))
    for _ in range(2):
        with pytest.raises(ad.ArgumentError, match="something else"):
            step(X, out=(np.empty(X.shape), "text"))
    inner = ad.compile(lambda x: x * 2.0)
    with pytest.raises(ad.ArgumentError, match="trace"):
        ad.grad(lambda x: inner(x, out=np.empty(())))(1.0)


def test_a_parameter_named_out_is_the_functions():
    step = ad.compile(lambda x, out: x * out)
    for _ in range(3):
        assert same(step(X, out=2.0), X * 2.0)
        assert same(step(X, out=X), X * X)


def test_empty_results_and_none():
    step = ad.compile(lambda x: x * 2.0)
    for _ in range(2):
        out = np.empty((0, 3))
        assert step(np.empty((0, 3)), out=out) is out
        assert same(step(X, out=None), X * 2.0)


def test_out_that_was_taken_over_in_place_is_right():
    """A result may be the last of a chain of values that follow each other in its own bytes."""
    def f(x):
        y = x
        for _ in range(5):
            y = np.tanh(y) * 1.5
        return y, (y * y).sum()

    x = RNG.normal(size=20_000)
    step = ad.compile(f)
    expected = step(x)
    out = np.empty(20_000), np.empty(())
    for _ in range(3):
        before = x.copy()
        step(x, out=out)
        assert same(x, before)
        assert all(same(a, b) for a, b in zip(out, expected, strict=True))


def test_a_compiled_function_without_its_making_is_no_crash():
    bare = type(ad.compile(np.tanh))
    with pytest.raises(AttributeError):
        bare.__new__(bare)(np.ones(3))
