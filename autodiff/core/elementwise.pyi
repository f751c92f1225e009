"""Types of the compiled elementwise operations."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import disjoint_base

from autodiff.core.operations import Operation
from autodiff.core.variable import Variable

@disjoint_base
class Elementwise(Operation):
    def __init__(
        self,
        name: str,
        n_inputs: int,
        actions: tuple[Callable[..., Any] | None, ...],
        ufunc: np.ufunc | None = None,
        loop: np.ufunc | str | None = None,
        resolve: Callable[..., Any] | None = None,
        rewrite: Callable[..., Variable | None] | None = None,
        derivative: bytes | None = None,
    ) -> None: ...
    cost_per_element: int
    @property
    def n_inputs(self) -> int: ...
    @property
    def ufunc(self) -> np.ufunc | None: ...
    @property
    def loop(self) -> np.ufunc | str: ...
    @property
    def actions(self) -> tuple[Callable[..., Any] | None, ...]: ...
    def __call__(self, *args: ArrayLike | Variable) -> Any: ...
    def bprop(
        self, position: int, g: Variable, y: Variable, *inputs: Variable
    ) -> Variable | None: ...

def set_cast(op: Operation) -> None: ...
def run_loop(op: Elementwise, arrays: list[NDArray[Any]], out: NDArray[Any]) -> None: ...
def as_operand(value: object) -> NDArray[Any] | None: ...
