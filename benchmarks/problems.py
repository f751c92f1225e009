"""What the benchmarks differentiate: plain NumPy functions and arrays to call them with.

A problem knows nothing of the library, so that another one can be given the same function.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Problem:
    """A scalar function of arrays, and arrays of the shapes it is measured with.

    `f(*arrays)` is differentiated with respect to the first `n_targets` arrays. `counted` is the
    operation whose evaluations say most: products of an MLP, functions of a chain.
    """

    f: Callable
    arrays: list
    n_targets: int
    counted: str


def mlp(depth, width, batch, rng=None):
    """Eq. 6.56 with `depth` weight matrices of `width` hidden units, on 64 inputs and 10 classes.

    float32; `batch` examples; cross-entropy is written out, so that it is plain NumPy.
    """
    rng = np.random.default_rng(0 if rng is None else rng)
    sizes = [64] + [width] * (depth - 1) + [10]
    weights = [
        (rng.standard_normal((n, m)) * np.sqrt(2 / n)).astype(np.float32)
        for n, m in zip(sizes, sizes[1:])]
    X = rng.standard_normal((batch, sizes[0])).astype(np.float32)
    Y = np.eye(sizes[-1], dtype=np.float32)[rng.integers(0, sizes[-1], batch)]

    def cost(*args):
        *W, h, Y = args
        decay = 0.0
        for k, W_k in enumerate(W):
            h = h @ W_k if k == 0 else np.maximum(h, 0) @ W_k
            decay = decay + (W_k**2).sum()
        shifted = h - h.max(axis=1, keepdims=True)
        log_likelihood = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return -(Y * log_likelihood).sum() / batch + 1e-4 * decay

    return Problem(cost, [*weights, X, Y], depth, "matmul")


def chain(depth, width, batch=1, rng=None):
    """z = sum of f(f(... f(w))), f = sin `depth` times; a float64 scalar when `width` is 1."""
    rng = np.random.default_rng(0 if rng is None else rng)
    shape = () if width * batch == 1 else (batch, width)
    w = np.asarray(rng.standard_normal(shape))

    def z(w):
        for _ in range(depth):
            w = np.sin(w)
        return w.sum()

    return Problem(z, [w], 1, "sin")


PROBLEMS = {"mlp": mlp, "chain": chain}
