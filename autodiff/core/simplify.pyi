"""Types of simplification, whose functions are for compiled callers; its rules are data."""

from typing import final

byteorder: str
RULES: tuple[tuple[str, str, int, int, int, int], ...]

@final
class Simplifier: ...
