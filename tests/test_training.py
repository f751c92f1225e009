"""The job: eq. 6.56 on real digits, against scikit-learn, and the same bits under every policy."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import autodiff as ad

EXAMPLE = Path(__file__).parent.parent / "examples" / "train_mlp.py"
SEEDS = range(5)


@pytest.fixture(scope="module")
def example():
    pytest.importorskip("sklearn")
    spec = importlib.util.spec_from_file_location("train_mlp", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_accuracy_on_digits_is_that_of_scikit_learn(example):
    from sklearn.neural_network import MLPClassifier

    X, y, X_test, y_test = example.digits()
    ours, theirs = [], []
    for seed in SEEDS:
        ours.append(example.train(seed=seed)["accuracy"])
        peer = MLPClassifier((64,), solver="sgd", learning_rate_init=0.1, momentum=0.9,
                             nesterovs_momentum=False, batch_size=32, max_iter=60, tol=0,
                             n_iter_no_change=1000, alpha=1e-4 * 2 * 32, random_state=seed)
        with pytest.warns(UserWarning, match="Maximum iterations"):
            peer.fit(X, y)
        theirs.append(100 * peer.score(X_test, y_test))
    assert min(ours) >= 96
    assert abs(np.mean(ours) - np.mean(theirs)) <= 1


def test_final_parameters_are_the_same_bits_under_every_policy(example):
    runs = [example.train(policy=policy, epochs=5)
            for policy in ("store", "recompute", "checkpoint")]
    for run in runs:
        assert run["planned"] == run["measured"]
        for name, W in run["params"].items():
            assert W.tobytes() == runs[0]["params"][name].tobytes(), name


def test_minibatches_visit_every_example_once():
    batches = list(ad.nn.minibatches(103, 10, rng=1))
    assert [len(batch) for batch in batches] == [10] * 10 + [3]
    assert sorted(np.concatenate(batches)) == list(range(103))
    with pytest.raises(ad.ArgumentError, match="at least 1"):
        next(ad.nn.minibatches(3, 0))


def test_fit_modifies_nothing_and_lowers_the_cost():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(64, 5)), rng.integers(0, 3, 64)
    params = ad.nn.init_mlp([5, 8, 3], rng=0, dtype=np.float64)
    kept = {name: W.copy() for name, W in params.items()}

    def cost(params, X, y):
        return ad.nn.cross_entropy(ad.nn.mlp(params, X), y)

    after, history = ad.nn.fit(cost, params, X, y, optimiser=ad.optim.SGD(0.5), epochs=20, rng=0)
    assert history["loss"][-1] < history["loss"][0]
    assert set(after) == set(params)
    for name, W in params.items():
        assert W.tobytes() == kept[name].tobytes()


@pytest.mark.parametrize(("rate", "momentum"), [(0, 0), (-1, 0), (np.nan, 0), (0.1, 1), (0.1, -1)])
def test_impossible_optimisers_are_refused(rate, momentum):
    with pytest.raises(ad.ArgumentError, match="SGD"):
        ad.optim.SGD(rate, momentum)


def test_momentum_is_algorithm_8_2():
    optimiser, W, g = ad.optim.SGD(0.1, momentum=0.5), np.array([1.0]), np.array([2.0])
    state = optimiser.init(W)
    W, state = optimiser.update(W, g, state)
    np.testing.assert_allclose(W, 0.8)
    W, state = optimiser.update(W, g, state)
    np.testing.assert_allclose(W, 0.8 - 0.3)


@pytest.mark.parametrize("init", [ad.nn.he_normal, ad.nn.glorot_uniform])
def test_initialisers_have_the_variance_they_promise(init):
    W = init((400, 300), rng=0, dtype=np.float64)
    expected = 2 / 400 if init is ad.nn.he_normal else 2 / 700
    assert W.var() == pytest.approx(expected, rel=0.02)
    assert init((3, 2), rng=0).dtype == np.float32
    assert np.array_equal(init((3, 2), rng=0), init((3, 2), rng=np.random.default_rng(0)))


def test_an_mlp_with_and_without_biases():
    X = np.ones((2, 3), np.float32)
    with_bias, without = (ad.nn.init_mlp([3, 4, 2], bias=bias, rng=0) for bias in (True, False))
    assert sorted(without) == ["W1", "W2"]
    np.testing.assert_array_equal(ad.nn.mlp(with_bias, X), ad.nn.mlp(without, X))
    with pytest.raises(ad.ArgumentError, match="an input and an output"):
        ad.nn.init_mlp([3])


def test_weight_decay_leaves_biases_alone_unless_asked():
    params = {"W1": np.full((2, 2), 2.0), "b1": np.full(2, 3.0)}
    assert ad.nn.weight_decay(params, 0.5) == 8.0
    assert ad.nn.weight_decay(params, 0.5, biases=True) == 8.0 + 9.0
    assert ad.nn.weight_decay({}, 0.5) == 0.0
