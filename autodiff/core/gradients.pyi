"""Types of the compiled sweeps."""

from collections.abc import Sequence
from typing import Any, overload

from numpy.typing import ArrayLike

from autodiff.core.variable import Variable

@overload
def gradients(
    outputs: Variable | Sequence[Variable],
    targets: Variable,
    seeds: ArrayLike | Variable | Sequence[Any] | None = None,
) -> Variable: ...
@overload
def gradients(
    outputs: Variable | Sequence[Variable],
    targets: Sequence[Variable],
    seeds: ArrayLike | Variable | Sequence[Any] | None = None,
) -> list[Variable]: ...
def tangents(
    outputs: Variable | Sequence[Variable],
    sources: Variable | Sequence[Variable],
    given: Sequence[Variable | None],
) -> list[Variable | None]: ...
