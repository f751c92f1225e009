"""Placement of buffers in time order, where those that stand in the way are moved."""
