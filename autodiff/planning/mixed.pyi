"""Types of compiled mixed checkpointing."""

from typing import Any

from autodiff.planning.actions import Actions

class Mixed(Actions):
    def __init__(self, n: int, slots: int, choice: Any) -> None: ...

def mixed(n: int, slots: int) -> tuple[int, Actions]: ...
