"""Sums: those that a pass can end with."""
