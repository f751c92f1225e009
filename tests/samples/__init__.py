"""Samples of the operation table: calls on which test_laws.py holds every row to the seven laws.

A file of this folder has two dicts by row name: SAMPLES, lists of `Sample`, and ERRORS, lists of
`BadSample`. Every row needs samples; a row without is a failing test.
"""

import warnings
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np


@dataclass
class Sample:
    """One call of the library, and the same call in NumPy.

    Parameters
    ----------
    f : callable
        The call on Variables; on plain arrays it must give plain arrays.
    reference : callable
        The same on arrays with NumPy alone; its shape and dtype are the law.
    args : sequence of arrays
        The arguments, a few dozen elements in all. Floating point ones are float64 and tried as
        float32 too; integers and booleans stay as they are. Static parameters belong in `f`.
    wrt : tuple of int
        The arguments that are differentiated.
    ulp : float
        Tolerance of each element, in units in its last place; 0 asks for the same bits.
    ulp_of_largest : float
        Further tolerance in units in the last place of the result's largest element, for sums.
    order : int
        Derivatives held against differences: 2, 1, or 0 at a singular point. Arguments of order
        1 or 2 stay 0.01 away from singular points.
    dtypes : tuple
        The floating point dtypes it is tried in.
    """

    f: Callable
    reference: Callable
    args: tuple
    wrt: tuple = (0,)
    ulp: float = 0.0
    ulp_of_largest: float = 0.0
    order: int = 2
    dtypes: tuple = (np.float64, np.float32)

    def arrays(self, dtype=np.float64):
        """Fresh copies of the arguments in C order, the floating point ones in `dtype`."""
        arrays = [np.array(x, order="C") for x in self.args]
        with quiet():
            return [x.astype(dtype) if x.dtype.kind == "f" else x for x in arrays]

    def expected(self, arrays):
        """What NumPy makes of these arrays."""
        with quiet():
            return np.asarray(self.reference(*arrays))


@contextmanager
def quiet():
    """Let NumPy compute without warnings: NaN, infinity and empty means are part of the samples."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


@dataclass
class BadSample:
    """A call that must fail, while tracing or when it runs.

    `args` are arrays of any dtype; `match` is a regular expression for the message, the row's
    name where it is None.
    """

    f: Callable
    args: tuple
    error: type
    match: str | None = None


def values(*shape, seed=0, low=-2.0, high=2.0, apart=None):
    """Random float64 numbers of [low, high); `apart`: points that none comes within 0.05 of."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(low, high, shape)
    for point in apart or ():
        while np.any(close := np.abs(x - point) < 0.05):
            x = np.where(close, rng.uniform(low, high, shape), x)
    return x


def collect(name):
    """Merge the dicts called `name` (SAMPLES or ERRORS) of all files of this folder."""
    merged = {}
    for path in sorted(Path(__file__).parent.glob("[!_]*.py")):
        for row, group in getattr(import_module(f"samples.{path.stem}"), name, {}).items():
            merged.setdefault(row, []).extend(group)
    return merged
