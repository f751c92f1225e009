"""Types of the compiled simulator."""

import numpy as np
from numpy.typing import NDArray

from autodiff.core.steps import Steps

FAULTS: tuple[str, ...]

def simulate_steps(
    steps: Steps,
    nbytes: NDArray[np.int64],
    workspace: NDArray[np.int64],
    input_start: NDArray[np.int64],
    input_index: NDArray[np.int64],
    inplace_start: NDArray[np.int64],
    inplace_index: NDArray[np.int64],
    after_start: NDArray[np.int64],
    after_index: NDArray[np.int64],
    root: NDArray[np.int64],
    target: NDArray[np.uint8],
    keep: NDArray[np.uint8],
    once: NDArray[np.uint8],
    profile: bool = False,
) -> tuple[
    int,
    int,
    NDArray[np.int64],
    int,
    int,
    int,
    NDArray[np.int64] | None,
    NDArray[np.int32] | None,
]: ...
