"""Types of the rules of simplification, whose functions are for compiled callers."""

byteorder: str
RULES: tuple[tuple[str, str, int, int, int, int], ...]
