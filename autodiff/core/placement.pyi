"""The best placement of buffers that was found."""

from typing import Any, final

@final
class Placement:
    def __init__(
        self, nbytes: Any, birth: Any, death: Any, result: Any, effort: int
    ) -> None: ...
