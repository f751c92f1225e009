"""Minibatches and a training loop. Gradients come from the library, updates from `ad.optim`."""

import numpy as np

from autodiff.compiled import compile
from autodiff.errors import ArgumentError
from autodiff.transforms import value_and_grad


def minibatches(n, size, *, rng=None):
    """Yield index arrays that visit 0 .. n-1 once, shuffled, `size` at a time.

    Examples
    --------
    >>> import autodiff as ad
    >>> [len(batch) for batch in ad.nn.minibatches(10, 4, rng=0)]
    [4, 4, 2]
    """
    if size < 1:
        raise ArgumentError(f"minibatches of {size}: the size is at least 1")
    order = np.random.default_rng(rng).permutation(n)
    for start in range(0, n, size):
        yield order[start : start + size]


def fit(cost, params, X, y, *, optimiser, epochs, batch_size=32, policy=None, rng=None,
        progress=False):
    """Minimise cost(params, X, y) over minibatches; the arguments are not modified.

    Parameters
    ----------
    cost : callable (params, X, y) -> scalar
        Its gradient with respect to `params` is compiled once for each shape of batch.
    params : container of arrays
    X, y : arrays whose first axis counts the examples
    optimiser : such as `ad.optim.SGD(0.1)`
    epochs, batch_size : int
    policy : policy, str or None
        The memory policy of the gradient.
    rng : None, int or numpy.random.Generator
        Shuffles the examples.
    progress : bool
        Show a tqdm bar (extra `progress`).

    Returns
    -------
    params, history
        `history` has the mean cost of each epoch ("loss") and the compiled gradient ("step").

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> X = np.linspace(-1, 1, 64)[:, None]
    >>> params, history = ad.nn.fit(lambda p, X, y: ad.nn.mse(X * p, y), np.zeros(1), X, 3 * X,
    ...                             optimiser=ad.optim.SGD(0.5), epochs=30, rng=0)
    >>> float(params[0].round(3))
    3.0
    """
    rng = np.random.default_rng(rng)
    step = compile(value_and_grad(cost), policy)
    state = optimiser.init(params)
    losses = []
    for _ in _bar(range(epochs), progress):
        total = 0.0
        for batch in minibatches(len(X), batch_size, rng=rng):
            loss, grads = step(params, X[batch], y[batch])
            params, state = optimiser.update(params, grads, state)
            total += float(loss) * len(batch)
        losses.append(total / len(X))
    return params, {"loss": losses, "step": step}


def _bar(epochs, progress):
    if not progress:
        return epochs
    from tqdm import tqdm

    return tqdm(epochs, desc="epochs", unit="epoch")
