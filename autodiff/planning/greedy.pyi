"""Types of the compiled first plan."""

import numpy as np
from numpy.typing import NDArray

from autodiff.planning.network import Network

def evict(
    network: Network,
    sequence: NDArray[np.int64],
    budget: int,
    distance_power: float = 1.0,
    most: int = 0,
) -> tuple[NDArray[np.int32] | None, int]: ...
