"""Types of the search for kernels."""

CAST_LETTERS: list[str]
LIBRARY_BYTES: int

def library_bytes() -> int: ...
def type_character(number: int) -> str: ...
