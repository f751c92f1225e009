"""Gathering: the operations that one pass computes, in order, and the values it reads."""
