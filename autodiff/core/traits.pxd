"""Traits: what an operation is to the stages that look at many nodes at once."""

from libc.stdint cimport int8_t, int32_t

from .nodes cimport Node

cdef enum Role:
    KERNEL = 0                    # a kernel of its own
    MAPS = 1                      # elementwise
    SUMS = 2                      # a sum or mean; a pass can end with some of them
    VIEWS = 3                     # what its first input holds, seen otherwise
    ALIAS = 4                     # its input, or a leaf where it has none
    LEAF = 5
    CONSTANT = 6
    JOINS = 7                     # a concatenation; its pieces can be computed where they belong


cdef struct Trait:
    int8_t role
    int8_t may_fail               # on integers: they have no negative powers
    int32_t cost                  # per element, where it maps or sums


cdef Trait* traits                # by operation
cdef int know_traits() except -1
cdef bint is_view(const Node* node) except -1
