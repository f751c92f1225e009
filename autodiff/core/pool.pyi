"""The pool of memory that programs work in."""

GUARDED: bool
