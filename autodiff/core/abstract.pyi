"""Types of the planning problem of regions."""

from typing import Any

from numpy.typing import NDArray

from autodiff.core.regions import Regions

def problem_arrays(regions: Regions) -> dict[str, NDArray[Any]]: ...
def holding(regions: Regions, nodes: set[int]) -> NDArray[Any]: ...
