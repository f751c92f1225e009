"""Ways to place buffers in time order that move few bytes."""
