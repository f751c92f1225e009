"""Packing of buffers with known lifetimes into as few bytes as can be found."""

import numpy as np
from numpy.typing import NDArray

def place(
    nbytes: NDArray[np.int64],
    birth: NDArray[np.int64],
    death: NDArray[np.int64],
    result: NDArray[np.bool_] | None = None,
    effort: int = 1,
) -> tuple[NDArray[np.int64], NDArray[np.bool_], int, int, NDArray[np.int64]]: ...
def live_peak(
    nbytes: NDArray[np.int64],
    birth: NDArray[np.int64],
    death: NDArray[np.int64],
) -> int: ...
