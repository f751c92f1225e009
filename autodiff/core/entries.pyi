"""Types of the compiled entries of a function."""

from collections.abc import Hashable
from contextvars import ContextVar
from typing import Any, final

from numpy.typing import NDArray

from autodiff.core.containers import Structure

@final
class Entry:
    def __init__(
        self,
        key: Hashable,
        policy: Any,
        arguments: Structure,
        kinds: list[str],
        statics: list[Any],
        program: Any,
        constants: list[NDArray[Any]],
        result: Structure,
        rest: list[tuple[Any] | None],
    ) -> None: ...
    @property
    def program(self) -> Any: ...
    @property
    def key(self) -> Hashable: ...
    @property
    def constants(self) -> list[NDArray[Any]]: ...
    def run(self, arrays: list[Any], out: Any = None) -> Any: ...
    def name_of(self, k: int) -> str: ...

@final
class Recent:
    @property
    def hits(self) -> int: ...
    def add(self, entry: Entry) -> None: ...
    def keys(self) -> list[Hashable]: ...
    def clear(self) -> None: ...

class Calls:
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...
    def look_in(
        self,
        recent: Recent,
        policy: Any,
        current_policy: ContextVar[Any],
        open_trace: ContextVar[Any],
    ) -> None: ...
