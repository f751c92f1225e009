"""Types of the compiled simulated annealing."""

import numpy as np
from numpy.typing import NDArray

from autodiff.planning.network import Network

def anneal(
    network: Network,
    order: NDArray[np.int32],
    budget: int,
    moves: int,
    seed: int = 0,
    lower_bound: float = 0.0,
    deadline: float = ...,
    again: bool = True,
) -> tuple[NDArray[np.int32], bool]: ...
def better(
    peak: int, cost: float, than_peak: int, than_cost: float, budget: int
) -> bool: ...
