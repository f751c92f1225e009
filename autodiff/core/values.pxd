"""Values: what bytes each has, where they begin and how its elements lie in them."""

from libc.stdint cimport int8_t, int32_t, int64_t

cdef enum Base:
    BUFFER = 0                    # bytes of the program, placed by the plan
    ARGUMENT = 1                  # the caller's array
    CONSTANT = 2                  # a captured array


cdef struct Value:
    int32_t node                  # the graph node it stands for
    int32_t op                    # the operation that computes it (of a pack: copy)
    int32_t root                  # the value whose bytes it lives in; itself for a buffer
    int32_t slot                  # which argument or constant, or the region that computes it
    int32_t first_input           # into Values.inputs
    int32_t n_inputs
    int8_t base                   # of its root
    int8_t dtype
    int64_t offset                # first byte within its root
    int64_t nbytes                # of its elements
    int64_t reach                 # bytes from its first to past its last element
    int64_t layout                # into Values.pool: ndim, shape, strides
    int32_t first_inner           # of a region that is a pass: its operations, into Regions.inners
    int32_t n_inners              # 0 for a copy or a plain sum; -1 for a kernel of its own


cdef class Values:
    cdef Value* values
    cdef int32_t n_values, value_room
    cdef int32_t* inputs          # value ids read by the values, in rows
    cdef int32_t n_inputs, input_room
    cdef int64_t* pool            # layouts
    cdef int64_t pool_size, pool_room
    cdef dict dense               # (shape, itemsize) -> layout
    cdef tuple last_shape         # of the dense layout asked for last: mostly the next one too
    cdef int64_t last_layout
    cdef int last_itemsize

    cdef int32_t add_value(self, int32_t node, int32_t op, int8_t base, int8_t dtype,
                           int64_t layout) except -1
    cdef int read(self, int32_t value, int32_t n, const int32_t* inputs) except -1
    cdef int64_t add_layout(self, tuple shape, tuple strides) except -1
    cdef int64_t dense_layout(self, tuple shape, int itemsize) except -1
    cdef tuple shape_of(self, int32_t value)
    cdef tuple strides_of(self, int32_t value)
    cdef bint is_dense(self, int32_t value) noexcept


cdef int itemsizes[32]            # by NumPy's type number
cdef int grow(void** p, int32_t* room, int32_t wanted, size_t size) except -1
