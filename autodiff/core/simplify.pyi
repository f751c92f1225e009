"""Types of simplification, whose functions are for compiled callers."""

from typing import final

@final
class Simplifier: ...
