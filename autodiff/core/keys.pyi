"""Types of the compiled keys."""

from typing import Any, final

@final
class Unmerged:
    def __init__(self, attrs: tuple[Any, ...] = ()) -> None: ...
    @property
    def attrs(self) -> tuple[Any, ...]: ...
