"""Types of simplification, whose functions are for compiled callers; its rules are data."""

RULES: tuple[tuple[str, str, int, int, int, int], ...]
