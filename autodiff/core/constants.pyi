"""Constants: literals and captured arrays as nodes of a graph."""
