"""Values: what bytes each has, where they begin and how its elements lie in them.

A value is a C-contiguous buffer, an array of the caller's, or a view of one (0 bytes).
"""

from cpython.mem cimport PyMem_Free
from libc.stdint cimport int8_t, int32_t, int64_t
from libc.string cimport memcpy

from .operations cimport type_dtypes
from .room cimport resize

for _number, _dtype in enumerate(type_dtypes):
    itemsizes[_number] = _dtype.itemsize if _dtype is not None else 0


cdef int grow(void** p, int32_t* room, int32_t wanted, size_t size) except -1:
    """Make room for `wanted` entries of so many bytes."""
    if wanted <= room[0]:
        return 0
    cdef int32_t more = 2 * room[0] + wanted + 32
    resize(p, more * size)
    room[0] = more
    return 0


cdef class Values:
    """The values of a program, in flat arrays."""

    def __cinit__(self):
        self.dense = {}
        self.last_itemsize = 0

    def __dealloc__(self):
        PyMem_Free(self.values)
        PyMem_Free(self.inputs)
        PyMem_Free(self.pool)

    cdef int32_t add_value(self, int32_t node, int32_t op, int8_t base, int8_t dtype,
                           int64_t layout) except -1:
        """A value that reads nothing and that no pass computes, at the beginning of its root."""
        cdef Value* value
        cdef int64_t d, n = 1, reach = 0
        cdef int64_t* at = self.pool + layout
        grow(<void**> &self.values, &self.value_room, self.n_values + 1, sizeof(Value))
        value = &self.values[self.n_values]
        value.node = node
        value.op = op
        value.root = self.n_values
        value.slot = -1
        value.first_input = self.n_inputs
        value.n_inputs = 0
        value.base = base
        value.dtype = dtype
        value.offset = 0
        value.layout = layout
        value.first_inner = 0
        value.n_inners = -1
        for d in range(at[0]):
            n *= at[1 + d]
            reach += (at[1 + d] - 1) * at[1 + at[0] + d] if at[1 + d] else 0
        value.nbytes = n * itemsizes[dtype]
        value.reach = reach + itemsizes[dtype] if n else 0
        self.n_values += 1
        return self.n_values - 1

    cdef int read(self, int32_t value, int32_t n, const int32_t* inputs) except -1:
        """Let the value that was added last read these."""
        grow(<void**> &self.inputs, &self.input_room, self.n_inputs + n, sizeof(int32_t))
        memcpy(self.inputs + self.n_inputs, inputs, n * sizeof(int32_t))
        self.values[value].n_inputs = n
        self.n_inputs += n
        return 0

    cdef int64_t add_layout(self, tuple shape, tuple strides) except -1:
        cdef int64_t start = self.pool_size, n = len(shape), d
        cdef int64_t room
        if start + 1 + 2 * n > self.pool_room:
            room = 2 * self.pool_room + 2 * n + 64
            resize(<void**> &self.pool, room * sizeof(int64_t))
            self.pool_room = room
        self.pool[start] = n
        for d in range(n):
            self.pool[start + 1 + d] = shape[d]
            self.pool[start + 1 + n + d] = strides[d]
        self.pool_size += 1 + 2 * n
        return start

    cdef int64_t dense_layout(self, tuple shape, int itemsize) except -1:
        """The one layout of this shape in C order without gaps."""
        if shape is self.last_shape and itemsize == self.last_itemsize:
            return self.last_layout
        key = (shape, itemsize)
        found = self.dense.get(key)
        if found is None:
            found = self.add_layout(shape, dense_strides(shape, itemsize))
            self.dense[key] = found
        self.last_shape, self.last_itemsize, self.last_layout = shape, itemsize, found
        return found

    cdef tuple shape_of(self, int32_t value):
        cdef int64_t* at = self.pool + self.values[value].layout
        return tuple([at[1 + d] for d in range(at[0])])

    cdef tuple strides_of(self, int32_t value):
        cdef int64_t* at = self.pool + self.values[value].layout
        return tuple([at[1 + at[0] + d] for d in range(at[0])])

    cdef bint is_dense(self, int32_t value) noexcept:
        """Whether the elements lie in C order without gaps."""
        cdef int64_t* at = self.pool + self.values[value].layout
        cdef int64_t n = at[0], d, expected = itemsizes[self.values[value].dtype]
        if self.values[value].nbytes == 0:
            return True
        for d in range(n - 1, -1, -1):
            if at[1 + d] != 1 and at[1 + n + d] != expected:
                return False
            expected *= at[1 + d]
        return True


cdef tuple dense_strides(tuple shape, int itemsize):
    cdef list strides = [0] * len(shape)
    cdef int64_t step = itemsize, d
    for d in range(len(shape) - 1, -1, -1):
        strides[d] = step
        step *= max(shape[d], 1)
    return tuple(strides)
