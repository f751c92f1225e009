"""The best placement of buffers that was found."""
