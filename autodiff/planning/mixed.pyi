"""Types of compiled mixed checkpointing."""

from autodiff.planning.actions import Actions

class Mixed(Actions):
    def __init__(self) -> None: ...

def mixed(n: int, slots: int) -> tuple[int, Actions]: ...
