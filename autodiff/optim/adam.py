"""Adam: steps scaled by estimates of the first two moments of each gradient (algorithm 8.7)."""

from dataclasses import dataclass

import numpy as np

from autodiff.core.containers import flatten, unflatten
from autodiff.errors import ArgumentError


@dataclass(frozen=True)
class Adam:
    """Update W <- W - rate ŝ / (√r̂ + delta), ŝ and r̂ the running means of g and g².

    At step t: s <- rho1 s + (1 - rho1) g, r <- rho2 r + (1 - rho2) g²,
    ŝ = s / (1 - rho1^t), r̂ = r / (1 - rho2^t).

    Parameters
    ----------
    rate : float
        Learning rate, above 0.
    rho1, rho2 : float
        Decay of the two means, in [0, 1).
    delta : float
        Added to the denominator, above 0.

    Raises
    ------
    ArgumentError
        When one of them is out of its range.

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> optimiser, W = ad.optim.Adam(0.1), np.array([1.0])
    >>> W, _ = optimiser.update(W, np.array([2.0]), optimiser.init(W))
    >>> W.round(6)
    array([0.9])

    Source: algorithm 8.7 of Goodfellow, Bengio and Courville; Kingma and Ba 2014.
    """

    rate: float = 0.001
    rho1: float = 0.9
    rho2: float = 0.999
    delta: float = 1e-8

    def __post_init__(self):
        for name in ("rate", "delta"):
            if not 0 < getattr(self, name) < np.inf:
                raise ArgumentError(f"Adam: {name} {getattr(self, name)} is not above 0")
        for name in ("rho1", "rho2"):
            if not 0 <= getattr(self, name) < 1:
                raise ArgumentError(f"Adam: {name} {getattr(self, name)} is not in [0, 1)")

    def init(self, params):
        """Make the state: (steps done, first moments, second moments), zeros at first."""
        leaves, _ = flatten(params)
        return 0, [np.zeros_like(leaf) for leaf in leaves], [np.zeros_like(leaf) for leaf in leaves]

    def update(self, params, grads, state):
        """Return (params, state) after one step; nothing given is modified.

        Raises
        ------
        ArgumentError
            When parameters, gradients and state differ in structure or shape.
        """
        leaves, structure = flatten(params)
        gradients, found = flatten(grads)
        t, first, second = state
        shapes = [[np.shape(leaf) for leaf in part] for part in (leaves, gradients, first, second)]
        if found != structure or any(shape != shapes[0] for shape in shapes):
            raise ArgumentError(
                "Adam: parameters, gradients and state differ in structure or shape")
        t += 1
        first = [self.rho1 * s + (1 - self.rho1) * g for s, g in zip(first, gradients, strict=True)]
        second = [self.rho2 * r + (1 - self.rho2) * (g * g)
                  for r, g in zip(second, gradients, strict=True)]
        correct1, correct2 = 1 - self.rho1**t, 1 - self.rho2**t
        moved = [W - self.rate * (s / correct1) / (np.sqrt(r / correct2) + self.delta)
                 for W, s, r in zip(leaves, first, second, strict=True)]
        return unflatten(structure, moved), (t, first, second)
