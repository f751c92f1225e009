"""Arguments of any layout are read, never written to or kept; results are the caller's."""

import gc
import weakref

import numpy as np
import pytest

import autodiff as ad
from autodiff.numpy import exp, tanh
from transform_cases import PARAMS, POLICIES, RNG, X, Y, cubes, network, same

# ---- layouts, and what is left of the arguments -------------------------------------------------

def misaligned(a):
    raw = np.empty(a.nbytes + 1, np.uint8)
    out = raw[1:].view(a.dtype).reshape(a.shape)
    out[:] = a
    return out


def read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


WIDE = RNG.normal(size=(6, 8))
LAYOUTS = {
    "strided": WIDE[::2, ::2], "fortran": np.asfortranarray(X), "transposed": X.T.copy().T,
    "backwards": X[::-1, ::-1], "swapped": X.astype(X.dtype.newbyteorder()),
    "misaligned": misaligned(X), "read-only": read_only(X),
    "repeated": np.broadcast_to(X[0], (3, 4)), "one column": X[:, 1:2], "empty": X[:0],
    "memory map": X.view(np.ndarray), "0-d": np.array(0.5), "subclass": X.view(np.recarray),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("transform", ["grad", "compile", "vjp", "jvp"])
def test_any_layout_gives_the_bits_of_the_plain_array(layout, transform):
    w = np.array([0.5, -1.0, 2.0, 0.25])

    def f(x):
        return (tanh(x) * x * (w if x.ndim else 1.0)).sum()

    def run(x):
        if transform == "vjp":
            y, pull = ad.vjp(lambda x: tanh(x) * x, x)
            return y, pull(x)[0]
        if transform == "jvp":
            return ad.jvp(lambda x: tanh(x) * x, (x,), (x,))
        g = ad.value_and_grad(f)
        return ad.compile(g)(x) if transform == "compile" else g(x)

    given = LAYOUTS[layout][:, :4] if LAYOUTS[layout].ndim == 2 else LAYOUTS[layout]
    if given.shape[1:] == (1,):
        w = w[:1]
    plain = np.array(given, np.float64, order="C")
    before = given.tobytes()
    flags = given.flags.writeable
    value, g = run(given)
    expected_value, expected = run(plain)
    assert same(value, expected_value)
    assert same(g, expected)
    assert given.tobytes() == before
    assert given.flags.writeable == flags
    assert not np.shares_memory(g, given)


def test_no_argument_is_written_to_or_kept():
    class Array(np.ndarray):
        pass

    args = [PARAMS, X.copy(), Y.copy()]
    before = [a.tobytes() for a in (*PARAMS.values(), *args[1:])]
    for policy in POLICIES:
        ad.value_and_grad(network, (0, 1, 2), policy=policy)(*args)
        ad.vjp(network, *args, policy=policy)[1](1.0)
        ad.jvp(network, args, args, policy=policy)
    assert [a.tobytes() for a in (*PARAMS.values(), *args[1:])] == before
    a = X.copy().view(Array)
    watch = weakref.ref(a)
    _, pullback = ad.vjp(lambda x: x * x, a)
    ad.grad(cubes)(a)
    del a
    gc.collect()
    assert watch() is None                   # not even by a pullback that read it
    np.testing.assert_array_equal(pullback(np.ones(X.shape))[0], 2 * X)


def test_results_of_ten_calls_keep_their_values():
    f = ad.value_and_grad(lambda x: (exp(x) * x).sum())
    big = np.linspace(0, 1, 20_000)          # results of 64 KiB and more share a block
    calls = [(f(big * k), f(X * k)) for k in range(10)]
    frozen = [[r.copy() for pair in call for r in pair] for call in calls]
    for k in range(10):
        f(big + k)
        f(X + k)
    for call, kept in zip(calls, frozen, strict=True):
        assert all(same(a, b) for a, b in zip([r for pair in call for r in pair], kept,
                                              strict=True))
        for result in call[0]:
            result += 1                      # and they are the caller's to write


def test_the_two_results_of_one_call_do_not_share_memory():
    a, b = ad.vjp(lambda x: (x, x), np.zeros(20_000))[0]
    assert not np.shares_memory(a, b)


# ---- booleans whose bytes are not 0 and 1 -------------------------------------------------------

OF_BOOLEANS = {
    **{f"as {letter}": lambda x, c=letter: x.astype(c) for letter in "?bhilqBHILQfd"},
    "product": lambda x: x * 1.5, "float32": lambda x: x + np.float32(0.5), "add": lambda x: x + x,
    "sum": lambda x: x.sum(), "sums of columns": lambda x: x.sum(axis=0),
    "sums of rows": lambda x: x.sum(axis=1), "mean": lambda x: x.mean(),
    "max": lambda x: x.max(axis=0), "min": lambda x: x.min(), "argmax": lambda x: x.argmax(axis=1),
    "equal": lambda x: x == True, "less": lambda x: x < x[::-1],  # noqa: E712
    "and": lambda x: np.logical_and(x, x[::-1]), "or": lambda x: np.logical_or(x, x[::-1]),
    "not": lambda x: np.logical_not(x), "where": lambda x: np.where(x, 2.5, 1.0),
    "where of integers": lambda x: np.where(x, np.int16(2), x), "power": lambda x: x ** 3,
    "product of matrices": lambda x: x @ x.T,
}


@pytest.mark.parametrize("f", OF_BOOLEANS.values(), ids=OF_BOOLEANS.keys())
def test_any_byte_but_0_is_true(f):
    bytes_ = np.random.default_rng(0).choice([0, 0, 1, 2, 128, 255], (40, 50)).astype(np.uint8)
    for x in (bytes_, bytes_.T, bytes_[::2, ::-3], np.where(bytes_ > 1, bytes_, 0)):
        np.testing.assert_array_equal(
            ad.compile(f)(x.view(bool)), np.asarray(f(x != 0)), strict=True)


# ---- captured arrays ----------------------------------------------------------------------------

def test_a_captured_array_that_changes_between_calls():
    buffer = np.array([1.0, 2.0])
    f = ad.grad(lambda x: (x * buffer).sum())
    np.testing.assert_array_equal(f(np.ones(2)), [1, 2])
    buffer[:] = [3, 4]
    np.testing.assert_array_equal(f(np.ones(2)), [3, 4])


def test_a_captured_array_that_changes_in_a_loop():
    def f(x):
        total, buffer = 0.0, np.zeros(2)
        for k in range(1, 4):
            buffer[:] = [k, 10 * k]
            total = total + (x * buffer).sum()
        return total

    np.testing.assert_array_equal(ad.grad(f)(np.ones(2)), [6, 60])


def test_a_captured_number_that_changes():
    for rate in (0.1, 0.2, -0.0, 0.0, np.float64(3), 4):
        g = ad.grad(lambda x, rate=rate: x * rate)(2.0)
        assert np.copysign(1, g) == np.copysign(1, rate)
        assert g == rate


def test_a_captured_array_changed_after_vjp():
    buffer = np.array([1.0, 2.0])
    _, pullback = ad.vjp(lambda x: x * buffer, np.ones(2))
    buffer[:] = 0
    np.testing.assert_array_equal(pullback(np.ones(2))[0], [1, 2])


def test_an_argument_changed_after_vjp():
    x = np.array([1.0, 2.0])
    y, pullback = ad.vjp(lambda x: x * x * x, x)
    x[:] = 0
    y[:] = 0
    np.testing.assert_array_equal(pullback(np.ones(2))[0], [3, 12])
