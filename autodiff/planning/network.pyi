"""Types of the problem as compiled searches read it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from autodiff.planning.problem import Problem

class Network:
    n: int
    arrays: dict[str, NDArray[np.generic]]

    def __init__(self, problem: Problem) -> None: ...

def compress(
    rows: Sequence[Sequence[int]],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]: ...
def turn_round(
    start: NDArray[np.int64], index: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]: ...
