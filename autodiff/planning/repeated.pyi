"""Types of the compiled numbering of repeats."""

import numpy as np
from numpy.typing import NDArray

from autodiff.planning.problem import Problem

def repeat(
    problem: Problem, given_drop: NDArray[np.uint8], given_call: NDArray[np.int64]
) -> tuple[
    NDArray[np.int32],
    NDArray[np.int64],
    NDArray[np.int32],
    dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]],
]: ...
def turns(
    given_level: NDArray[np.int64], again: NDArray[np.int64], needed: NDArray[np.uint8]
) -> NDArray[np.int64]: ...
