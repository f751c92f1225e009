"""Types of the compiled timeline."""

import numpy as np
from numpy.typing import NDArray

from autodiff.planning.network import Network

class Timeline:
    network: Network
    order: NDArray[np.int32]
    peak_bytes: int
    cost: float

    def __init__(self, network: Network, order: NDArray[np.int32]) -> None: ...
