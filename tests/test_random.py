"""Random numbers: known answers, the same bits everywhere, keys, distributions, dropout."""

import numpy as np
import pytest
from scipy import stats

import autodiff as ad
from autodiff.core.philox import block
from autodiff.errors import ArgumentError, DTypeError, ShapeError

KEY = ad.random.key(2024)
X = np.random.default_rng(0).normal(size=(30, 40))


# kat_vectors of Random123, philox4x32 of 10 rounds: counter, key, block
@pytest.mark.parametrize(("counter", "key", "expected"), [
    ("00000000 00000000 00000000 00000000", "00000000 00000000",
     "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff",
     "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0",
     "d16cfe09 94fdcceb 5001e420 24126ea1"),
])
def test_known_answers(counter, key, expected):
    counter, key, expected = (
        np.array([int(word, 16) for word in text.split()], np.uint32)
        for text in (counter, key, expected))
    assert block(key, counter).tolist() == expected.tolist()


def draws(key):
    a, b = ad.random.split(key)
    c = ad.random.fold_in(key, 7)
    return (ad.random.bits(a, (3, 5)), ad.random.uniform(b, (9,), np.float32),
            ad.random.uniform(c, 11), ad.random.normal(a, (2, 3), np.float32),
            ad.random.normal(b, 5), ad.random.bernoulli(c, 0.3, 50), a, c,
            ad.random.uniform(a, 4, counter=2**61))


def bits(tree):
    return [(a.dtype, a.shape, np.asarray(a).tobytes()) for a in tree]


@pytest.mark.parametrize("policy", ["store", "recompute", ad.Budget("1MB")])
def test_arrays_traces_and_programs_draw_the_same(policy):
    expected = bits(draws(KEY))
    assert bits(ad.compile(draws, policy)(KEY)) == expected
    assert bits(ad.compile(lambda: draws(KEY), policy)()) == expected
    with ad.Graph():
        key = ad.variable("key", (2,), np.uint32)
        outputs = draws(key)
    assert bits(ad.Program([key], outputs, policy)(KEY)) == expected


def test_a_longer_draw_begins_like_a_shorter_one():
    for draw in (ad.random.bits, ad.random.uniform, ad.random.normal):
        long = draw(KEY, 1000)
        for n in (0, 1, 2, 3, 5, 999):
            assert draw(KEY, n).tobytes() == long[:n].tobytes()
        assert draw(KEY, (10, 100)).tobytes() == long.tobytes()


def test_keys_and_counters_give_other_numbers():
    keys = [KEY, *ad.random.split(KEY, 50), *(ad.random.fold_in(KEY, i) for i in range(50))]
    found = [ad.random.bits(key, 40, counter) for key in keys for counter in (0, 1, 2**40)]
    assert len({a.tobytes() for a in found}) == 303
    assert len(set(np.concatenate(found).tolist())) > 0.999 * 303 * 40
    assert ad.random.split(KEY, 50)[:3].tolist() == ad.random.split(KEY, 3).tolist()
    assert ad.random.key(2**64 - 1).tolist() == [2**32 - 1] * 2
    assert ad.random.key(np.int64(5)).tolist() == [5, 0]


def test_distributions():
    n = 200_000
    for dtype in (np.float32, np.float64):
        u = ad.random.uniform(KEY, n, dtype)
        assert u.dtype == dtype
        assert 0 <= u.min() < u.max() < 1
        assert stats.kstest(u.astype(float), "uniform").pvalue > 1e-3
        assert abs(np.corrcoef(u[:-1], u[1:])[0, 1]) < 0.01
        z = ad.random.normal(KEY, n, dtype)
        assert z.dtype == dtype
        assert stats.kstest(z.astype(float), "norm").pvalue > 1e-3
        assert abs(np.corrcoef(z[::2], z[1::2])[0, 1]) < 0.01
        assert np.isfinite(z).all()
    for p in (0.0, 0.2, 1.0):
        assert abs(ad.random.bernoulli(KEY, p, n).mean() - p) < 0.005
    p = np.array([[0.0], [1.0]])
    assert ad.random.bernoulli(KEY, p, (2, 50)).mean(axis=1).tolist() == [0, 1]
    assert ad.random.bernoulli(KEY, p).shape == (2, 1)


def test_a_new_key_is_no_new_program():
    calls = []

    def noisy(x, key, step):
        calls.append(1)
        return (x * ad.random.normal(ad.random.fold_in(key, step), x.shape)).sum()

    step = ad.compile(ad.grad(noisy))
    found = [step(X, ad.random.key(seed), np.int64(t)) for seed in (0, 1) for t in (0, 1)]
    assert len(calls) == 1
    assert len({g.tobytes() for g in found}) == 4
    for (seed, t), g in zip([(0, 0), (0, 1), (1, 0), (1, 1)], found, strict=True):
        key = ad.random.fold_in(ad.random.key(seed), t)
        assert g.tobytes() == ad.random.normal(key, X.shape).tobytes()


def net(x, key, mark=lambda f: f):
    layer = mark(lambda x, key: np.tanh(ad.nn.dropout(np.tanh(x), 0.4, key)))
    for number in range(5):
        x = layer(x, ad.random.fold_in(key, number))
    return (x * x).sum()


@pytest.mark.parametrize(
    "policy", ["recompute", "checkpoint", ad.Checkpoint(every=1), "mark", "budget"])
def test_dropout_has_the_same_bits_under_every_policy(policy):
    mark = ad.checkpoint if policy == "mark" else lambda f: f
    f = ad.value_and_grad(lambda x, key: net(x, key, mark))
    expected = ad.value_and_grad(net)(X, KEY)
    store = ad.plan(ad.value_and_grad(net), X, KEY)
    if policy == "budget":
        policy = ad.Budget(store.peak_bytes * 6 // 10, time_limit=1)
    step = ad.compile(f, "store" if policy == "mark" else policy)
    value, g = step(X, KEY)
    assert (value.tobytes(), g.tobytes()) == (expected[0].tobytes(), expected[1].tobytes())
    assert step.measured_peak_bytes == step.plan(X, KEY).peak_bytes < store.peak_bytes
    assert g.any()
    assert ad.value_and_grad(net)(X, ad.random.key(1))[0] != value


def test_masks_are_computed_again_not_held():
    plan = ad.plan(ad.grad(net), X, KEY, policy="recompute")
    assert plan.evaluations["random_uniform"] > 5


def test_dropout():
    x = np.ones((200, 300))
    y = ad.nn.dropout(x, 0.25, KEY)
    assert set(np.unique(y)) == {0, 1 / 0.75}
    assert abs(y.mean() - 1) < 0.01
    assert ad.nn.dropout(x, 0.0, KEY).tobytes() == x.tobytes()
    assert ad.nn.dropout(x.astype(np.float32), 0.25, KEY).dtype == np.float32
    g = ad.grad(lambda x: (ad.nn.dropout(x, 0.25, KEY) ** 2).sum() / 2)(x)
    np.testing.assert_allclose(g, y / 0.75)
    ad.check_grads(lambda x: (ad.nn.dropout(np.sin(x), 0.5, KEY) ** 2).sum(), (X[:3, :3],))
    ad.grad(lambda x, rate: ad.nn.dropout(x, rate, KEY).sum())(X, 0.5)
    with ad.Graph():
        v = ad.variable("x", X.shape, np.float32)
        masked = ad.nn.dropout(v, 0.5, KEY)
    assert masked.dtype == np.float32
    assert ad.Program([v], [masked])(X.astype(np.float32))[0].tobytes() == ad.nn.dropout(
        X.astype(np.float32), 0.5, KEY).tobytes()
    for rate in (1.0, -0.1, np.nan):
        with pytest.raises(ArgumentError, match="rate"):
            ad.nn.dropout(x, rate, KEY)


def test_bad_arguments():
    for seed in (-1, 2**64, 1.5, "a", None, True):
        with pytest.raises(ArgumentError, match="seed"):
            ad.random.key(seed)
    with pytest.raises(DTypeError, match="uint32"):
        ad.random.uniform(3)
    with pytest.raises(DTypeError, match="uint32"):
        ad.nn.dropout(X, 0.5, 3)
    with pytest.raises(ShapeError, match="split"):
        ad.random.uniform(ad.random.split(KEY))
    for counter in (-1, 2**62, 0.5, True, np.array([1])):
        with pytest.raises(ArgumentError, match="counter"):
            ad.random.bits(KEY, 3, counter)
    with pytest.raises(DTypeError, match="float32 or float64"):
        ad.random.normal(KEY, 3, np.int32)
    for n in (-1, 1.5):
        with pytest.raises(ArgumentError, match="number of keys"):
            ad.random.split(KEY, n)
    with pytest.raises(ShapeError, match="negative"):
        ad.random.uniform(KEY, -3)
    with pytest.raises(ValueError, match="two words"):
        block(KEY[:1], np.zeros(4, np.uint32))


def test_gradients_through_keys_are_refused():
    with pytest.raises(DTypeError, match="cannot be differentiated"):
        ad.grad(lambda key: ad.random.uniform(key))(KEY)


def test_strided_keys():
    wide = np.zeros(4, np.uint32)
    wide[::2] = KEY
    assert bits(draws(wide[::2])) == bits(draws(KEY))
    assert bits(ad.compile(draws)(wide[::2])) == bits(draws(KEY))
