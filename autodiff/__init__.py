"""Reverse-mode differentiation of NumPy programs under a memory policy."""

__version__ = "0.1.0"
