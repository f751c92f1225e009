"""Types of the module of source lines, whose functions are for compiled callers only."""
