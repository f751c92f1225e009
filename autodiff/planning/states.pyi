"""Types of the compiled search over sets of held values."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from autodiff.planning.problem import Problem

MOST_NODES: int

def shortest(
    problem: Problem,
    reads: Sequence[Sequence[int]],
    over: Sequence[Sequence[int]],
    budget: int,
    below: float | None = None,
    most: int = 2_000_000,
) -> tuple[NDArray[np.int32] | None, bool]: ...
