"""Other systems on the same work: what is computed, by whom, and how the times are paired."""
