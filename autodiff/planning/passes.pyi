"""Types of the compiled recomputation in passes."""

import numpy as np
from numpy.typing import NDArray

IDLE: int
LOWER: int
ALIAS: int
SWEEP: int

def split(
    level: NDArray[np.int64],
    needed: NDArray[np.uint8],
    special: NDArray[np.uint8],
    input_start: NDArray[np.int64],
    input_index: NDArray[np.int64],
    after_start: NDArray[np.int64],
    after_index: NDArray[np.int64],
    root: NDArray[np.int64],
) -> NDArray[np.uint8]: ...
def order_in_passes(
    input_start: NDArray[np.int64],
    input_index: NDArray[np.int64],
    after_start: NDArray[np.int64],
    after_index: NDArray[np.int64],
    root: NDArray[np.int64],
    part: NDArray[np.uint8],
    sticky: NDArray[np.uint8],
    first: NDArray[np.int64],
    group: NDArray[np.int64] | None = None,
) -> NDArray[np.int32]: ...
