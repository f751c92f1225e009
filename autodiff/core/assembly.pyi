"""Assembly: the pass of a region, as the kernel `region` reads it."""
