"""Types of the compiled programs."""

from collections.abc import Callable
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from autodiff.core.record import Record
from autodiff.core.regions import Regions
from autodiff.core.steps import Steps

@final
class Executable:
    def __init__(
        self,
        regions: Regions,
        steps: Steps,
        taken: NDArray[np.int32],
        workspace: NDArray[np.int64],
        given: bool = False,
        record: Record | None = None,
        effort: int = 1,
    ) -> None: ...
    @property
    def record(self) -> Record: ...
    @record.setter
    def record(self, record: Record) -> None: ...
    @property
    def regions(self) -> Regions: ...
    @property
    def arena_bytes(self) -> int: ...
    @property
    def moved_bytes(self) -> int: ...
    @property
    def effort(self) -> int: ...
    @property
    def block_bytes(self) -> int: ...
    @property
    def small_bytes(self) -> int: ...
    @property
    def captured_bytes(self) -> int: ...
    @property
    def peak_bytes(self) -> int: ...
    @property
    def measured_peak_bytes(self) -> int | None: ...
    @property
    def instruction_steps(self) -> NDArray[np.int64]: ...
    def accept(
        self, given: tuple[Any, ...]
    ) -> tuple[list[NDArray[Any]], tuple[tuple[int, ...] | None, ...] | None]: ...
    def __call__(
        self,
        arrays: list[NDArray[Any]],
        constants: list[NDArray[Any]],
        spent: NDArray[np.int64] | None = None,
        out: list[NDArray[Any]] | None = None,
        times: int = 1,
        name_of: Callable[[int], str] = ...,
    ) -> list[NDArray[Any]]: ...
