"""Types of the functions that make nodes."""

from collections.abc import Sequence
from typing import Any, SupportsIndex

from numpy.typing import ArrayLike, DTypeLike

from autodiff.core.graph import Graph
from autodiff.core.operations import Operation
from autodiff.core.variable import Variable

def variable(
    name: str,
    shape: SupportsIndex | Sequence[SupportsIndex] = (),
    dtype: DTypeLike = ...,
    graph: Graph | None = None,
) -> Variable: ...
def constant(graph: Graph, array: ArrayLike) -> Variable: ...
def node(
    op: Operation,
    inputs: Sequence[Variable],
    shape: tuple[int, ...],
    dtype: DTypeLike,
    attrs: tuple[Any, ...] = (),
    weak: object = False,
) -> Variable: ...
def here(x: Variable) -> str: ...
