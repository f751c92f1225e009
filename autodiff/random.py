"""Random numbers that computing again gives again: functions of a key and a counter.

There is no hidden state: the same key gives the same numbers, on plain arrays, in a trace, under
every policy. Make a key from a seed, and derive one key for each use:

>>> import autodiff as ad
>>> layer1, layer2 = ad.random.split(ad.random.key(0))
>>> ad.random.uniform(layer1, (2,)).round(3)
array([0.672, 0.98 ])

Generator: Philox4x32-10 (Salmon, Moraes, Dror and Shaw 2011).
"""

import operator

import numpy as np

from autodiff.core import philox
from autodiff.core.graph import current_graph
from autodiff.core.making import constant
from autodiff.core.variable import Variable
from autodiff.errors import ArgumentError, DTypeError, ShapeError
from autodiff.ops import random as rows
from autodiff.ops.conversion import astype
from autodiff.ops.movement import reshape, shape_tuple
from autodiff.tracing import is_tracing

__all__ = ["bernoulli", "bits", "fold_in", "key", "normal", "split", "uniform"]


def __dir__():
    return __all__


COUNTERS = 2**62        # the highest two bits of a counter say what a block is for


def key(seed):
    """Make a key of a seed: uint32 (2,), its low and its high word.

    Parameters
    ----------
    seed : int, from 0 to 2^64 - 1

    Raises
    ------
    ArgumentError
        For a seed out of range or no integer.

    Examples
    --------
    >>> import autodiff as ad
    >>> ad.random.key(7)
    array([7, 0], dtype=uint32)
    """
    seed = _integer(seed, "key: the seed", 2**64)
    return np.array([seed & 0xFFFFFFFF, seed >> 32], np.uint32)


def split(key, n=2):
    """Derive n keys, uint32 (n, 2), whose numbers are independent of each other and of the key's.

    Parameters
    ----------
    key : uint32 array or Variable (2,)
    n : int

    Examples
    --------
    >>> import autodiff as ad
    >>> ad.random.split(ad.random.key(0), 3).shape
    (3, 2)
    """
    n = _integer(n, "split: the number of keys", 2**62)
    return _derived(key, 0, rows.SPLIT, n, "split")


def fold_in(key, data):
    """Derive the key number `data` of a key, uint32 (2,): one for each step, layer or example.

    Parameters
    ----------
    key : uint32 array or Variable (2,)
    data : int, or 0-d integer array or Variable
        In compiled functions give a NumPy integer: each Python int is another program.

    Examples
    --------
    >>> import autodiff as ad
    >>> base = ad.random.key(0)
    >>> bool((ad.random.fold_in(base, 1) == ad.random.fold_in(base, 2)).all())
    False
    """
    found = _derived(key, data, rows.FOLD, 1, "fold_in")
    return reshape(found, (2,)) if isinstance(found, Variable) else found[0]


def bits(key, shape=(), counter=0):
    """Draw 32 random bits for each element, uint32.

    Parameters
    ----------
    key : uint32 array or Variable (2,)
    shape : int or tuple of int
    counter : int, or 0-d integer array or Variable, below 2^62
        Another counter gives other numbers of the same key.

    Raises
    ------
    DTypeError, ShapeError
        For a key that is none.
    ArgumentError
        For a counter out of range.

    Examples
    --------
    >>> import autodiff as ad
    >>> ad.random.bits(ad.random.key(0), 2)
    array([1713891541, 3781805453], dtype=uint32)
    """
    return _drawn("bits", key, shape, np.uint32, counter)


def uniform(key, shape=(), dtype=np.float64, counter=0):
    """Draw uniform numbers from [0, 1): multiples of 2^-53 (float64) or 2^-24 (float32).

    Parameters
    ----------
    key, shape, counter
        As for `bits`.
    dtype : float32 or float64

    Examples
    --------
    >>> import autodiff as ad
    >>> bool(0 <= ad.random.uniform(ad.random.key(0)) < 1)
    True
    """
    return _drawn("uniform", key, shape, _floating(dtype, "uniform"), counter)


def normal(key, shape=(), dtype=np.float64, counter=0):
    """Draw standard normal numbers, by the formula of Box and Muller (1958).

    Parameters
    ----------
    key, shape, counter
        As for `bits`.
    dtype : float32 or float64

    Examples
    --------
    >>> import autodiff as ad
    >>> bool(abs(ad.random.normal(ad.random.key(0), (10_000,)).mean()) < 0.03)
    True
    """
    return _drawn("normal", key, shape, _floating(dtype, "normal"), counter)


def bernoulli(key, p=0.5, shape=None, counter=0):
    """Draw booleans that are true with probability p, to 24 bits.

    Parameters
    ----------
    key, counter
        As for `bits`.
    p : float, array or Variable
        Carries no gradient.
    shape : int or tuple of int, optional
        That of `p` where it is not given.

    Examples
    --------
    >>> import autodiff as ad
    >>> ad.random.bernoulli(ad.random.key(0), 0.5, 4).tolist()
    [True, False, False, False]
    """
    shape = np.shape(p) if shape is None else shape
    return uniform(key, shape, np.float32, counter) < p


# ---- arguments ------------------------------------------------------------------------------

def _integer(value, what, limit):
    try:
        number = None if isinstance(value, (bool, Variable)) else operator.index(value)
    except TypeError:
        number = None
    if number is None or not 0 <= number < limit:
        raise ArgumentError(f"{what} is {value!r}, not an int from 0 to {limit - 1:,}")
    return number


def _floating(dtype, name):
    dtype = np.dtype(dtype)
    if dtype not in (np.float32, np.float64):
        raise DTypeError(f"{name}: draws are float32 or float64, not {dtype}")
    return dtype


def _checked_key(key, name):
    """The key as a Variable, or as a C-contiguous array where nothing is traced."""
    if not isinstance(key, Variable):
        key = np.asarray(key)
    if key.dtype != np.uint32:
        raise DTypeError(
            f"{name}: a key is uint32, this is {key.dtype}; make it by ad.random.key(seed)")
    if key.shape != (2,):
        raise ShapeError(f"{name}: a key has shape (2,), this has {key.shape}; see ad.random.split")
    if isinstance(key, Variable):
        return key
    return constant(current_graph(), key) if is_tracing() else np.ascontiguousarray(key)


def _checked_counter(counter, name, limit):
    """The counter as an int, or as a uint64 Variable."""
    if not isinstance(counter, Variable):
        if isinstance(counter, np.ndarray) and counter.shape == ():
            counter = counter[()]
        return _integer(counter, f"{name}: the counter", limit)
    if counter.dtype.kind not in "iu" or counter.shape != ():
        raise DTypeError(f"{name}: a counter is a 0-d integer, not {counter!r}")
    return astype(counter, np.uint64)


def _operands(key, counter, name, limit):
    """Key and counter, both Variables or neither."""
    key, counter = _checked_key(key, name), _checked_counter(counter, name, limit)
    if isinstance(key, Variable) and not isinstance(counter, Variable):
        counter = constant(key.graph, np.uint64(counter))
    elif isinstance(counter, Variable) and not isinstance(key, Variable):
        key = constant(counter.graph, key)
    return key, counter


def _drawn(kind, key, shape, dtype, counter):
    key, counter = _operands(key, counter, kind, COUNTERS)
    shape = shape_tuple(shape, kind)
    if any(extent < 0 for extent in shape):
        raise ShapeError(f"{kind}: shape {shape} has a negative extent")
    if isinstance(key, Variable):
        return rows.DRAWS[kind]([key, counter], shape, np.dtype(dtype))
    return philox.draw(kind, key, counter, shape, dtype)


def _derived(key, start, use, n, name):
    key, start = _operands(key, start, name, 2**64)
    if isinstance(key, Variable):
        return rows.keys([key, start], (n, 2), np.dtype(np.uint32), (use,))
    return philox.derive(key, start, use, n)
