"""Types of the compiled forms of products: nothing that Python calls."""
