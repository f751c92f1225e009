"""Types of the compiled code of a program."""

from typing import final

import numpy as np
from numpy.typing import NDArray

from autodiff.core.regions import Regions
from autodiff.core.steps import Steps

SMALL_RESULT: int

@final
class Code:
    def __init__(
        self,
        regions: Regions,
        steps: Steps,
        taken: NDArray[np.int32],
        workspace: NDArray[np.int64],
        given: bool = False,
        effort: int = 1,
    ) -> None: ...
