"""Scripts: operations on single numbers, many to one instruction of a program."""
