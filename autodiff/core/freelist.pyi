"""Placement of buffers in time order: best free segment at a birth, a merge at a death."""
