"""Keys: when the attributes of two nodes are equal."""

cdef object tagged(object value)
cdef bint same_bits(object held, object array) except -1


cdef class Unmerged:
    cdef readonly tuple attrs
