"""Packing of buffers with known lifetimes into as few bytes as can be found."""

import numpy as np
from numpy.typing import NDArray

def place(
    nbytes: NDArray[np.int64],
    birth: NDArray[np.int64],
    death: NDArray[np.int64],
    pinned: NDArray[np.int64] | None = None,
    wall: int = 0,
) -> tuple[NDArray[np.int64], int]: ...
def live_peak(
    nbytes: NDArray[np.int64],
    birth: NDArray[np.int64],
    death: NDArray[np.int64],
) -> int: ...
