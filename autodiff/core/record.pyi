"""A number for each thread."""

from typing import final

@final
class Record:
    @property
    def number(self) -> int | None: ...
    @number.setter
    def number(self, number: int) -> None: ...
