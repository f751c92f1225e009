"""Types of the compiled chain programme."""

from autodiff.planning.footprints import Footprints

PASS: int
TAPE: int
BOTH: int
REST: int
STAGE: int

class Rotor:
    def __init__(self, footprints: Footprints) -> None: ...
    @property
    def least_bytes(self) -> int: ...
    def fill(self, budget: int, nearest: bool = False) -> bool: ...
    def moves(self) -> tuple[float, list[tuple[int, int, bool]]]: ...
