"""Types of the questions asked of a graph."""

from typing import Any

from autodiff.core.graph import Graph
from autodiff.core.operations import Operation
from autodiff.core.variable import Variable

def signature(
    inputs: list[Variable], outputs: list[Variable]
) -> tuple[tuple[Any, ...], list[int]]: ...
def computed(inputs: list[Variable], outputs: list[Variable]) -> list[int]: ...
def dependents(sources: list[Variable]) -> set[int]: ...
def operations_of(graph: Graph) -> set[Operation]: ...
def boundary(
    outputs: list[Variable], first: int, dropped: set[int] | None = None
) -> list[Variable]: ...
def unrun(
    outputs: list[Variable], run: dict[int, Any]
) -> tuple[list[Variable], list[Variable], list[Variable]]: ...
