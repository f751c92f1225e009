"""What training minimises: losses, means over the batch, and weight decay."""

import numpy as np

from autodiff.core.containers import flatten
from autodiff.ops.softmax import cross_entropy

__all__ = ["cross_entropy", "mse", "weight_decay"]


def mse(prediction, target):
    """Mean squared error, the mean of (prediction - target)^2 over all elements.

    Parameters
    ----------
    prediction, target : arrays or Variables of shapes that broadcast

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> float(ad.nn.mse(np.array([1.0, 3.0]), np.array([1.0, 1.0])))
    2.0
    """
    return ((prediction - target) ** 2).mean()


def weight_decay(params, lam, biases=False):
    """The penalty lam * sum of W^2 over all weights (eq. 6.56).

    Parameters
    ----------
    params : dict, list or tuple of arrays or Variables
        Weights are the arrays of two axes and more.
    lam : float
        Strength of the penalty. scikit-learn's alpha / (2 n) * |W|^2 is lam = alpha / (2 n).
    biases : bool
        Whether arrays of fewer than two axes are penalised too.

    Returns
    -------
    0-d array or Variable; 0.0 where there is nothing to penalise

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> float(ad.nn.weight_decay({"W": np.ones((2, 3)), "b": np.ones(3)}, 0.5))
    3.0
    """
    leaves, _ = flatten(params)
    squares = [np.sum(leaf**2) for leaf in leaves if biases or np.ndim(leaf) >= 2]
    total = 0.0
    for square in squares:
        total = total + square
    return lam * total
