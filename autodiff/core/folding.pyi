"""Types of constant folding."""

from autodiff.core.graph import Graph
from autodiff.core.variable import Variable

def foldable(graph: Graph, inputs: list[Variable], outputs: list[Variable]) -> list[int]: ...
