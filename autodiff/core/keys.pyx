"""Keys: when the attributes of two nodes are equal, and when two captured arrays are."""

import numpy as np


cdef object tagged(object value):
    """A key in which 1, 1.0 and True differ, and floats differ by bit pattern.

    Ints, strings, None and tuples of such are their own keys; everything else stands behind its
    type, which is no key of its own.
    """
    cdef bint plain = True
    kind = type(value)
    if kind is int or kind is str or value is None:
        return value
    if kind is tuple:
        keys = [tagged(item) for item in <tuple> value]
        for key, item in zip(keys, <tuple> value):
            plain = plain and key is item
        return value if plain else tuple(keys)
    if kind is list:
        return (list, tuple([tagged(item) for item in value]))
    if kind is slice:
        return (slice, tagged((value.start, value.stop, value.step)))
    if kind is float:
        return (float, value.hex())
    if kind is dict:
        return (dict, tuple([(tagged(k), tagged(v)) for k, v in value.items()]))
    return (kind, value)


cdef bint same_bits(object held, object array) except -1:
    """Whether two arrays of one shape and dtype are equal bit by bit."""
    bits = np.dtype(f"u{held.itemsize}")
    return (held.view(bits) == np.asarray(array, held.dtype).view(bits)).all()


cdef class Unmerged:
    """A key that is equal to nothing but itself."""

    def __init__(self, tuple attrs=()):
        self.attrs = attrs

    def __repr__(self):
        return "captured"
