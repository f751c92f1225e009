"""Types of the compiled regions."""

from collections.abc import Sequence
from typing import final

from autodiff.core.graph import Graph
from autodiff.core.layouts import Layouts
from autodiff.core.variable import Variable

@final
class Regions(Layouts):
    def __init__(
        self,
        graph: Graph,
        outputs: list[Variable],
        inputs: list[Variable],
        strides: tuple[Sequence[int] | None, ...] | None = None,
        fused: bool = True,
        folded: tuple[Variable, ...] = (),
    ) -> None: ...
    @property
    def outputs(self) -> list[int]: ...
    @property
    def captured_bytes(self) -> int: ...
    def __len__(self) -> int: ...
    def operations(self, k: int) -> list[tuple[str, int]]: ...
    def bytes_read(self, k: int) -> list[int]: ...
    def reads(self, k: int) -> list[int]: ...
    def describe(self, k: int) -> tuple[str, int]: ...
