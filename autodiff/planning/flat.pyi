"""Types of the compiled loops over a problem's flat arrays."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

FAULTS: tuple[str, ...]

def flatten(
    rows: Sequence[Iterable[int]], what: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]: ...
def first_fault(
    input_start: NDArray[np.int64],
    input_index: NDArray[np.int64],
    inplace_start: NDArray[np.int64],
    inplace_index: NDArray[np.int64],
    after_start: NDArray[np.int64],
    after_index: NDArray[np.int64],
    owner: NDArray[np.int64],
) -> tuple[int, int, int]: ...
def find_roots(owner: NDArray[np.int64]) -> NDArray[np.int64]: ...
def find_needed(
    target: NDArray[np.uint8],
    input_start: NDArray[np.int64],
    input_index: NDArray[np.int64],
    after_start: NDArray[np.int64],
    after_index: NDArray[np.int64],
    root: NDArray[np.int64],
) -> NDArray[np.uint8]: ...
def node_bytes(
    nbytes: NDArray[np.int64],
    workspace: NDArray[np.int64],
    input_start: NDArray[np.int64],
    input_index: NDArray[np.int64],
    inplace_start: NDArray[np.int64],
    inplace_index: NDArray[np.int64],
    root: NDArray[np.int64],
    pinned: NDArray[np.uint8],
) -> NDArray[np.int64]: ...
