"""Functions, arrays and policies that the tests of the transforms share."""

import numpy as np

import autodiff as ad
from autodiff.numpy import tanh

RNG = np.random.default_rng(1)
X = RNG.normal(size=(3, 4))
POLICIES = ["store", "recompute", "checkpoint", ad.Checkpoint(every=1)]


def cubes(x):
    return (x * x * x).sum()


def network(params, X, y):
    H = tanh(X @ params["W1"] + params["b1"])
    return ((H @ params["W2"] - y) ** 2).mean()


PARAMS = {"W1": RNG.normal(size=(4, 5)), "b1": RNG.normal(size=5), "W2": RNG.normal(size=(5, 2))}
Y = RNG.normal(size=(3, 2))


def same(a, b):
    """The same dtype, shape and bits."""
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def rosenbrock(x):
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()
