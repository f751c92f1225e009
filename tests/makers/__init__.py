"""For each row of the operation table, how a random program comes to use it.

A maker takes a program under construction (`random_graphs.Built`), picks operands, brings them
into the domain of its function and away from kinks, and returns the result's twin. Rows that only
gradients and programs make have none.
"""

from makers import elementwise, structural  # noqa: F401  (register themselves)
from makers.registry import MAKERS

__all__ = ["MAKERS"]
