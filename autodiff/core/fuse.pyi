"""Fusion: which values are computed inside the regions that read them."""
