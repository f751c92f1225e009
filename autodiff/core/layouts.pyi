"""Types of the compiled layouts."""

from autodiff.core.graph import Graph
from autodiff.core.operations import Operation
from autodiff.core.values import Values

class Layouts(Values):
    @property
    def graph(self) -> Graph: ...
    @property
    def arguments(self) -> list[int]: ...
    @property
    def constants(self) -> list[int]: ...

def set_copy(op: Operation) -> None: ...
