"""The registry of operations and of the dtypes they compute with.

An operation is one row of the table in `autodiff.ops`, which registers itself here; so do the
functions that Variable's methods need. The core imports nothing above it.
"""

import numpy as np

from ..errors import DTypeError

cdef list operations = []             # every Operation, by index
cdef dict operation_by_name = {}
cdef dict functions = {}              # what the layers above give to Variable's methods

# Values are booleans, integers of any width, float32 and float64; indexed by NumPy's type number.
type_dtypes = [None] * 32
for _character in "?bhilqBHILQfd":
    type_dtypes[np.dtype(_character).num] = np.dtype(_character)


cdef class Operation:
    """One row of the operation table: what a node computes and how it is differentiated.

    Subclasses in `autodiff.ops` add shapes, kernels and rules; the core knows the name, the
    effect and which argument positions carry a gradient.
    """

    def __init__(self, str name, bytes derivative=b"\x01", str effect="pure", merges=True,
                 views=False):
        if name in operation_by_name:
            raise ValueError(f"an operation named {name!r} exists already")
        self.name = name
        self.effect = effect
        self.merges = merges and effect == "pure"
        self.derivative = derivative
        self.views = views
        self.index = len(operations)
        operations.append(self)
        operation_by_name[name] = self

    def __repr__(self):
        return f"<operation {self.name}>"

    def __reduce__(self):
        return operation, (self.name,)

    cdef object binary(self, object a, object b):
        return NotImplemented

    cdef int derivative_at(self, int position) noexcept:
        cdef Py_ssize_t n = len(self.derivative)
        return self.derivative[position if position < n else n - 1]


def operation(str name):
    """Return the operation registered under `name`."""
    return operation_by_name[name]


def all_operations():
    """Return every registered operation, in the order of registration."""
    return list(operations)


def provide(**given):
    """Give Variable's methods the functions of the layers above (`sum`, `getitem`, ...)."""
    functions.update(given)


class Alias(Operation):
    """An argument of a transform: a leaf, or a fresh alias of an outer Variable."""

    def bprop(self, position, g, y, x):
        return g

    def jvp(self, tangents, y, x):
        return tangents[0]


VARIABLE = Operation("variable", b"\x00", merges=False)   # a leaf the user named
ARGUMENT = Alias("argument", merges=False)
CONSTANT = Operation("constant", b"\x00")                 # a literal or a captured array
cdef Operation _variable = VARIABLE, _argument = ARGUMENT, _constant = CONSTANT


cdef bint is_special(object array) except -1:
    """Whether an array computes otherwise than others do; numpy.ma takes 10 ms to import."""
    return (type(array) is not np.ndarray and isinstance(array, np.ndarray)
            and isinstance(array, (np.ma.MaskedArray, np.matrix)))


cpdef int dtype_number(object dtype, str what) except -1:
    """NumPy's type number of `dtype`; DTypeError if values of it cannot be computed with."""
    try:
        found = np.dtype(dtype)
    except TypeError:
        raise DTypeError(f"{what}: {dtype!r} is no dtype; give one as np.float32") from None
    if found.num >= 32 or type_dtypes[found.num] is None:
        raise DTypeError(
            f"{what} has dtype {found}; autodiff computes with float32, float64, integers and "
            "booleans. Convert it with .astype(float).")
    return found.num
