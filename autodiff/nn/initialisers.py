"""Initial weights, scaled so that the variance of a layer's output is that of its input."""

import numpy as np


def he_normal(shape, *, rng=None, dtype=np.float32):
    """Draw weights from N(0, 2/n_in), for layers followed by relu.

    Parameters
    ----------
    shape : (n_in, n_out)
    rng : None, int or numpy.random.Generator
        Source of random numbers, as in SPEC 7.
    dtype : float32 or float64

    Examples
    --------
    >>> import autodiff as ad
    >>> ad.nn.he_normal((784, 10), rng=0).shape
    (784, 10)

    Source: He, Zhang, Ren and Sun, "Delving deep into rectifiers", 2015.
    """
    deviation = np.sqrt(2.0 / max(shape[0], 1))
    return (deviation * np.random.default_rng(rng).standard_normal(shape)).astype(dtype)


def glorot_uniform(shape, *, rng=None, dtype=np.float32):
    """Draw weights from U(-b, b), b = sqrt(6 / (n_in + n_out)), for tanh and sigmoid layers.

    Parameters
    ----------
    shape : (n_in, n_out)
    rng : None, int or numpy.random.Generator
        Source of random numbers, as in SPEC 7.
    dtype : float32 or float64

    Examples
    --------
    >>> import autodiff as ad
    >>> bool(abs(ad.nn.glorot_uniform((3, 3), rng=0)).max() <= 1)
    True

    Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", 2010; eq. 8.23 of Goodfellow, Bengio and Courville.
    """
    bound = np.sqrt(6.0 / max(sum(shape), 1))
    return np.random.default_rng(rng).uniform(-bound, bound, shape).astype(dtype)
