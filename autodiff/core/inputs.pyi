"""The arrays that a run reads."""

from typing import final

from autodiff.core.regions import Regions

@final
class Inputs:
    def __init__(self, regions: Regions) -> None: ...
