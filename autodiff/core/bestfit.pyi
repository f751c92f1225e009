"""Placement of buffers in a given order: each into the best gap between those already placed."""
