"""Types of the random numbers on plain arrays."""

from typing import Any

from numpy.typing import NDArray

def block(key: NDArray[Any], counter: NDArray[Any]) -> NDArray[Any]: ...
def draw(
    kind: str, key: NDArray[Any], counter: int, shape: tuple[int, ...], dtype: Any
) -> NDArray[Any]: ...
def derive(key: NDArray[Any], start: int, use: int, n: int) -> NDArray[Any]: ...
