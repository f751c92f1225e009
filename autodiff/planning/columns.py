"""Columns of a problem: what a user gives, as checked read-only arrays."""

import numpy as np

from autodiff.errors import PlanError


def frozen(array):
    """Make an array read-only; return it."""
    array.flags.writeable = False
    return array


def numbers(given, what, n, least=0, floats=False):
    """Copy numbers into a read-only int64 array (or float64), checked; None gives the default."""
    if given is None:
        return frozen(np.full(n, min(least, 0), np.int64))
    try:
        array = np.array(given)
    except (TypeError, ValueError):
        raise PlanError(f"{what} is not a sequence of numbers") from None
    if array.size == 0 and array.ndim == 1:
        array = array.astype(np.int64)
    if array.ndim != 1 or array.dtype.kind not in ("iuf" if floats else "iu"):
        raise PlanError(
            f"{what} must be a sequence of {'numbers' if floats else 'integers (below 2^63)'}, "
            f"not {array.ndim}-d of {array.dtype}"
        )
    if n is not None and len(array) != n:
        raise PlanError(f"{what} has {len(array)} entries for {n} nodes")
    if array.dtype.kind == "f":
        array = array.astype(np.float64, copy=False)
    wrong = ~((array >= least) & (array < (np.inf if array.dtype.kind == "f" else 2**63)))
    for v in np.flatnonzero(wrong):
        raise PlanError(f"{what} of node {v} is {array[v]}; it must be finite and at least {least}")
    return frozen(array if array.dtype.kind == "f" else array.astype(np.int64, copy=False))


def mask(given, what, n):
    """Copy booleans into a read-only uint8 array; None gives none."""
    if given is None:
        return frozen(np.zeros(n, np.uint8))
    try:
        array = np.array(given)
    except (TypeError, ValueError):
        raise PlanError(f"{what} is not a sequence of booleans") from None
    if array.size == 0:
        array = array.astype(bool)
    if array.shape != (n,) or array.dtype.kind not in "biu":
        raise PlanError(f"{what} must be {n} booleans, not {array.dtype} of shape {array.shape}")
    return frozen((array != 0).astype(np.uint8))


def rows(start, index, what, n):
    """Copy compressed rows, checked: start ascends from 0 to len(index); None gives empty rows."""
    if start is None:
        return frozen(np.zeros(n + 1, np.int64)), frozen(np.zeros(0, np.int64))
    start = numbers(start, f"{what}_start", None)
    # An entry below 0 is no number of a node: first_fault says so, and names who reads it.
    index = numbers(index, f"{what}_index", None, least=-(2**63))
    if len(start) != n + 1:
        raise PlanError(f"{what} has {len(start) - 1} rows for {n} nodes")
    if start[0] != 0 or start[-1] != len(index) or (np.diff(start) < 0).any():
        raise PlanError(f"{what}_start does not ascend from 0 to the {len(index)} entries")
    return start, index
