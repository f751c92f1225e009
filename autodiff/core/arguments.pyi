"""Types of the functions that take a call's arguments into a graph."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from numpy.typing import DTypeLike

from autodiff.core.containers import Structure
from autodiff.core.graph import Graph
from autodiff.core.variable import Variable

def argument(
    graph: Graph,
    shape: Sequence[int] | None,
    dtype: DTypeLike,
    name: str | None = None,
    weak: object = False,
    outer: Variable | None = None,
) -> Variable: ...
def leaf_kind(leaf: object) -> Literal["array", "weak", "static", "refused"]: ...
def leaf_names(
    args: Sequence[Any], kwargs: dict[str, Any], names: Sequence[str] | None = None,
) -> list[str]: ...
def graph_of(args: object, kwargs: dict[str, Any] | None) -> Graph | None: ...
def take(
    graph: Graph, args: Any, kwargs: dict[str, Any], names: Sequence[str] | None, bound: object,
) -> tuple[tuple[Any, dict[str, Any]], list[Variable]]: ...
def fresh_arguments(
    args: Iterable[Any], argnums: Iterable[int],
) -> tuple[list[Any], list[tuple[Structure, list[Variable]]]]: ...
def original(x: Variable) -> Variable: ...
def positions(args: Sequence[Any], argnums: Iterable[int]) -> list[int]: ...
