"""Buffers: which steps of a plan fill the same bytes, and from when to when these are held."""

import numpy as np
from numpy.typing import NDArray

from autodiff.core.steps import Steps

def buffers(
    steps: Steps,
    taken: NDArray[np.int32],
    nbytes: NDArray[np.int64],
    workspace: NDArray[np.int64],
) -> tuple[NDArray[np.int64], ...]: ...
