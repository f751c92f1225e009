"""Types of the registry of operations."""

from collections.abc import Callable
from typing import Any

from numpy.typing import DTypeLike
from typing_extensions import disjoint_base

from autodiff.core.variable import Variable

VARIABLE: Operation
ARGUMENT: Operation
CONSTANT: Operation

@disjoint_base
class Operation:
    def __init__(
        self,
        name: str,
        derivative: bytes = b"\x01",
        effect: str = "pure",
        merges: object = True,
        views: object = False,
    ) -> None: ...
    @property
    def name(self) -> str: ...
    @property
    def index(self) -> int: ...
    @property
    def effect(self) -> str: ...
    @property
    def merges(self) -> bool: ...
    @property
    def views(self) -> bool: ...
    add_to: Callable[[Variable, Variable], Variable] | None
    @property
    def derivative(self) -> bytes: ...

class Alias(Operation):
    def bprop(self, position: int, g: Variable, y: Variable, x: Variable) -> Variable: ...
    def jvp(self, tangents: list[Variable | None], y: Variable, x: Variable) -> Variable: ...

def operation(name: str) -> Operation: ...
def all_operations() -> list[Operation]: ...
def provide(**given: Callable[..., Any]) -> None: ...
def dtype_number(dtype: DTypeLike, what: str) -> int: ...
