"""Stochastic gradient descent with momentum (algorithms 8.1 and 8.2)."""

from dataclasses import dataclass

import numpy as np

from autodiff.core.containers import flatten, unflatten
from autodiff.errors import ArgumentError


@dataclass(frozen=True)
class SGD:
    """Update v <- momentum v - rate g, W <- W + v.

    Parameters
    ----------
    rate : float
        Learning rate, above 0.
    momentum : float
        In [0, 1); 0 is plain gradient descent.

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> optimiser, W = ad.optim.SGD(0.1), np.array([1.0])
    >>> W, _ = optimiser.update(W, np.array([2.0]), optimiser.init(W))
    >>> W
    array([0.8])

    Source: algorithms 8.1 and 8.2 of Goodfellow, Bengio and Courville.
    """

    rate: float
    momentum: float = 0.0

    def __post_init__(self):
        if not self.rate > 0 or not np.isfinite(self.rate):
            raise ArgumentError(f"SGD: the rate {self.rate} is not above 0")
        if not 0 <= self.momentum < 1:
            raise ArgumentError(f"SGD: the momentum {self.momentum} is not in [0, 1)")

    def init(self, params):
        """Make the state: a velocity of zeros for each parameter."""
        return [np.zeros_like(leaf) for leaf in flatten(params)[0]]

    def update(self, params, grads, state):
        """Return (params, state) after one step; nothing given is modified.

        Raises
        ------
        ArgumentError
            When parameters, gradients and state differ in structure or shape.
        """
        leaves, structure = flatten(params)
        gradients, found = flatten(grads)
        shapes = [[np.shape(leaf) for leaf in part] for part in (leaves, gradients, state)]
        if found != structure or not shapes[0] == shapes[1] == shapes[2]:
            raise ArgumentError("SGD: parameters, gradients and state differ in structure or shape")
        velocities = [self.momentum * v - self.rate * g
                      for v, g in zip(state, gradients, strict=True)]
        moved = [W + v for W, v in zip(leaves, velocities, strict=True)]
        return unflatten(structure, moved), velocities
