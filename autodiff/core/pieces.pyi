"""Pieces: what a concatenation joins, computed where it belongs in the result."""
