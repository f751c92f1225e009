"""Better orders of placement, by local search."""
