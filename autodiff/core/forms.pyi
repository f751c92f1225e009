"""Types of the compiled forms of products: nothing that Python calls."""

from typing import final

@final
class Forms: ...
