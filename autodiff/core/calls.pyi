"""Types of the compiled calls."""

from typing import final

import numpy as np
from numpy.typing import NDArray

from autodiff.core.regions import Regions

@final
class Calls:
    def __init__(self, regions: Regions, scripted: NDArray[np.int8]) -> None: ...
