"""The multilayer perceptron: h(k) = f(h(k-1) W(k) + b(k)), linear at the end (algorithm 6.3)."""

import numpy as np

from autodiff.errors import ArgumentError
from autodiff.nn.initialisers import he_normal


def init_mlp(sizes, *, bias=True, init=he_normal, rng=None, dtype=np.float32):
    """Make the parameters of an MLP, {"W1": (n0, n1), "b1": (n1,), "W2": ...}.

    Parameters
    ----------
    sizes : sequence of int
        Widths of the layers, input first.
    bias : bool
        Whether layers have biases, zeros at first.
    init : callable (shape, rng=, dtype=) -> array
        `he_normal` or `glorot_uniform`.
    rng : None, int or numpy.random.Generator
    dtype : float32 or float64

    Examples
    --------
    >>> import autodiff as ad
    >>> sorted(ad.nn.init_mlp([64, 32, 10], rng=0))
    ['W1', 'W2', 'b1', 'b2']
    """
    if len(sizes) < 2:
        raise ArgumentError(f"init_mlp: {len(sizes)} sizes; an MLP has an input and an output")
    rng = np.random.default_rng(rng)
    params = {}
    for k in range(1, len(sizes)):
        params[f"W{k}"] = init((sizes[k - 1], sizes[k]), rng=rng, dtype=dtype)
        if bias:
            params[f"b{k}"] = np.zeros(sizes[k], dtype)
    return params


def mlp(params, X, activation=None):
    """Evaluate an MLP on a batch: logits of shape (m, n_out).

    Parameters
    ----------
    params : dict
        As made by `init_mlp`; a layer without "bk" has no bias.
    X : array or Variable, (m, n_in)
    activation : callable or None
        Applied after each layer but the last; None means relu, max(0, a).

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> params = ad.nn.init_mlp([4, 8, 3], rng=0)
    >>> ad.nn.mlp(params, np.ones((2, 4), np.float32)).shape
    (2, 3)

    Source: algorithm 6.3; eq. 6.56 with one hidden layer and no biases.
    """
    depth = sum(name.startswith("W") for name in params)
    h = X
    for k in range(1, depth + 1):
        h = h @ params[f"W{k}"]
        if f"b{k}" in params:
            h = h + params[f"b{k}"]
        if k < depth:
            h = np.maximum(h, 0) if activation is None else activation(h)
    return h
