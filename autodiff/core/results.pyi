"""The arrays that a run returns."""

from typing import final

@final
class Memory: ...
