"""Traits: what an operation is to the stages that look at many nodes at once."""
