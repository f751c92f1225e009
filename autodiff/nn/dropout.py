"""Dropout: units left out at random while training (section 7.12)."""

import numpy as np

from autodiff import random
from autodiff.core.making import constant
from autodiff.core.variable import Variable
from autodiff.errors import ArgumentError
from autodiff.numpy.calls import line_of
from autodiff.ops.elementwise import where


def dropout(x, rate, key):
    """Set each element to 0 with probability `rate`, else divide it by 1 - rate.

    The mean of the result is x. Which elements are left out is a function of the key: computing
    again leaves out the same ones.

    Parameters
    ----------
    x : array or Variable
    rate : float
        In [0, 1).
    key : uint32 array or Variable (2,), of `ad.random`
        Another one for each layer and each step; see `ad.random.fold_in`.

    Raises
    ------
    ArgumentError
        When the rate is out of range.

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> ad.nn.dropout(np.ones(6), 0.5, ad.random.key(0))
    array([2., 0., 0., 0., 0., 2.])

    Source: Srivastava et al. 2014, in the form that needs no change after training.
    """
    if not isinstance(rate, Variable) and not 0 <= rate < 1:
        raise ArgumentError(f"dropout: the rate {rate} is not in [0, 1){line_of((x, key))}")
    if isinstance(x, Variable) and not isinstance(key, Variable):
        key = constant(x.graph, key)
    keep = 1 - rate
    kept = random.bernoulli(key, keep, np.shape(x))
    if isinstance(kept, Variable) or isinstance(x, Variable):
        return where(kept, x / keep, 0)
    return np.where(kept, x / keep, 0)
