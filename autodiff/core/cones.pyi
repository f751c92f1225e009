"""Cones: what a value is computed from if all that can be fused is."""
