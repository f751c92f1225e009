"""Layouts: the buffers, views and copies that the operations of a program read.

They are fixed before any plan: a value is a C-contiguous buffer or a view of one (0 bytes), and
where an operation cannot read a view a copy (`pack`) is a region of its own, visible to the plan.
"""

from cpython.mem cimport PyMem_Free
from libc.stdint cimport int8_t, int32_t, int64_t

from .kernels cimport blas_reads
from .nodes cimport Node
from .operations cimport Operation, operations, type_dtypes
from .values cimport ARGUMENT, BUFFER, CONSTANT, Value, grow, itemsizes
from .variable cimport Variable

cdef Operation copy_operation = None


def set_copy(Operation op):
    """Tell the core which operation copies a view into a contiguous buffer."""
    global copy_operation
    copy_operation = op


cdef class Layouts(Values):
    """The values of a graph, in the order in which they are computed."""

    def __cinit__(self):
        self.packs = {}
        self.given = set()
        self.arguments = []
        self.constants = []

    def __dealloc__(self):
        PyMem_Free(self.computed)

    cdef int32_t add_argument(self, Variable x, object strides) except -1:
        """The value of an input, packed first if its array is not in C order."""
        cdef int dtype = self.graph.nodes[x.index].dtype
        cdef int64_t layout
        cdef int32_t value
        cdef tuple shape = x.shape
        if strides is None:
            layout = self.dense_layout(shape, itemsizes[dtype])
        else:
            layout = self.add_layout(shape, strides)
        value = self.add_value(x.index, self.graph.nodes[x.index].op, ARGUMENT, dtype, layout)
        self.values[value].slot = <int32_t> len(self.arguments)
        self.arguments.append(x.index)
        return value if strides is None else self.pack(value)

    cdef int32_t add_constant(self, int32_t v) except -1:
        """The value of a node that is captured."""
        cdef Node* node = &self.graph.nodes[v]
        cdef int32_t value = self.add_value(
            v, node.op, CONSTANT, node.dtype,
            self.dense_layout(<tuple> node.shape, itemsizes[node.dtype]))
        self.values[value].slot = <int32_t> len(self.constants)
        self.constants.append(v)
        return value

    cdef int32_t readable(self, Operation op, int position, int32_t value) except -1:
        """`value`, or a packed copy where `op` cannot read it as it lies."""
        cdef Value* x = &self.values[value]
        layouts = op.layouts
        if layouts == "matrix" and position > 1:      # the addend, the scale
            layouts = "dense"
        if layouts == "dense" and not self.is_dense(value):
            return self.pack(value)
        if (layouts == "matrix" and type_dtypes[x.dtype].kind == "f"
                and not blas_reads(self.pool + x.layout, itemsizes[x.dtype], position == 0)):
            return self.pack(value)
        return value

    cdef int32_t compute(self, int32_t node, int32_t op, int8_t dtype, int32_t n,
                         const int32_t* sources, tuple shape, bint piece=False) except -1:
        """A new buffer, computed by a region of its own; of a piece only what it reads."""
        cdef int32_t value = self.add_value(
            node, op, BUFFER, dtype, self.dense_layout(shape, itemsizes[dtype]))
        self.read(value, n, sources)
        if piece:
            return value
        grow(<void**> &self.computed, &self.region_room, self.n_regions + 1, sizeof(int32_t))
        self.values[value].slot = self.n_regions
        self.computed[self.n_regions] = value
        self.n_regions += 1
        return value

    cdef int32_t pack(self, int32_t value) except -1:
        """A contiguous copy of a view; one for all who need it."""
        found = self.packs.get(value)
        if found is None:
            found = self.packs[value] = self.copy_of(value)
        return found

    cdef int32_t copy_of(self, int32_t value, bint piece=False) except -1:
        """A new contiguous buffer, or a piece of one, with the elements of `value`."""
        cdef int32_t found = self.compute(
            self.values[value].node, copy_operation.index, self.values[value].dtype, 1, &value,
            self.shape_of(value), piece)
        self.values[found].n_inners = 0
        return found

    cdef int32_t view(self, int32_t node, int32_t source) except -1:
        """The view an operation takes of `source`, of a packed copy where it must be."""
        cdef Variable y = self.graph.handle(node)
        cdef int8_t dtype = self.values[source].dtype
        cdef int32_t value
        op = operations[self.graph.nodes[node].op]
        found = op.view(y, self.shape_of(source), self.strides_of(source))
        if found is None:
            source = self.pack(source)
            found = op.view(y, self.shape_of(source), self.strides_of(source))
        strides, offset = found
        value = self.add_value(node, self.graph.nodes[node].op, self.values[source].base, dtype,
                               self.add_layout(y.shape, tuple(strides)))
        self.values[value].root = self.values[source].root
        self.values[value].slot = self.values[source].slot
        self.values[value].offset = self.values[source].offset + <int64_t> offset
        if any([stride < 0 for stride in strides]):
            return self.pack(value)               # kernels see no negative strides
        return value

    cdef int32_t own_buffer(self, int32_t value) except -1:
        """An output as a buffer of its own: what is an input, a view or given twice is copied."""
        if self.values[value].base == BUFFER and self.values[value].root == value:
            if value not in self.given:
                self.given.add(value)
                return value
        return self.copy_of(value)
