"""Types of the compiled placing of frees."""

import numpy as np
from numpy.typing import NDArray

from autodiff.core.steps import Steps

def free_after_last_use(
    order: NDArray[np.int32],
    input_start: NDArray[np.int64],
    input_index: NDArray[np.int64],
    root: NDArray[np.int64],
    pinned: NDArray[np.uint8],
) -> Steps: ...
