"""Operations by index and name, and the dtypes they compute with."""

cdef enum Derivative:
    ZERO = 0                      # carries nothing back: index, mask, sign, floor
    RULE = 1                      # bprop gives the vector-Jacobian product
    UNDEFINED = 2                 # a gradient that arrives here is an error


cdef class Operation:
    cdef readonly str name
    cdef readonly int index       # its place in the table of operations
    cdef readonly str effect      # "pure", "counter" or "callback"
    cdef readonly bint merges     # equal nodes are one
    cdef readonly bint views      # its result may be a view of its input
    cdef public object add_to     # (y, total) -> total + y without making y first, or None
    cdef readonly bytes derivative  # Derivative by argument position; the last one repeats
    cdef object binary(self, object a, object b)
    cdef int derivative_at(self, int position) noexcept


cdef list operations
cdef dict functions
cdef object type_dtypes           # by NumPy's type number: the dtype, or None
cpdef int dtype_number(object dtype, str what) except -1
cdef bint is_special(object array) except -1
