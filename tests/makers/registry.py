"""The makers by row, filled by the other files of this folder."""

MAKERS = {}


def makes(*rows):
    """Register a maker for rows; for several, it is told which."""
    def register(maker):
        for row in rows:
            assert row not in MAKERS, f"{row} has a maker"
            MAKERS[row] = maker if len(rows) == 1 else lambda b, row=row: maker(b, row)
        return maker
    return register
