"""Regions: what a program computes, each with its bytes, layout and cost."""

from libc.stdint cimport int8_t, int32_t, int64_t

from .graph cimport Graph

cdef enum Base:
    BUFFER = 0                    # bytes of the program, placed by the plan
    ARGUMENT = 1                  # the caller's array
    CONSTANT = 2                  # a captured array


cdef struct Value:
    int32_t node                  # the graph node it stands for
    int32_t op                    # the operation that computes it (of a pack: copy)
    int32_t root                  # the value whose bytes it lives in; itself for a buffer
    int32_t slot                  # which argument or constant, or the region that computes it
    int32_t first_input           # into Regions.inputs
    int32_t n_inputs
    int8_t base                   # of its root
    int8_t dtype
    int64_t offset                # first byte within its root
    int64_t nbytes                # of its elements
    int64_t reach                 # bytes from its first to past its last element
    int64_t layout                # into Regions.pool: ndim, shape, strides
    int32_t first_inner           # of a region that is a pass: its operations, into Regions.inners
    int32_t n_inners              # 0 for a copy or a plain sum; -1 for a kernel of its own


cdef struct Inner:                # an operation inside a region
    int32_t node
    int32_t op
    int32_t n_inputs
    int32_t inputs[3]             # k: input k of the region; ~k: its inner operation k
    int8_t dtype


cdef class Regions:
    cdef readonly Graph graph
    cdef Value* values
    cdef int32_t n_values, value_room
    cdef int32_t* sources         # while lowering, by edge: the node read, simplified
    cdef int32_t* inputs          # value ids read by the values, in rows
    cdef int32_t n_inputs, input_room
    cdef Inner* inners
    cdef int32_t n_all_inners, inner_room
    cdef int64_t* pool            # layouts
    cdef int64_t pool_size, pool_room
    cdef dict contiguous          # (shape, itemsize) -> layout
    cdef dict packs               # value -> its packed copy
    cdef set given                # values that are outputs as they are
    cdef readonly list outputs    # value id of each output: distinct buffers
    cdef readonly list arguments  # graph node of each argument
    cdef readonly list constants  # graph node of each constant
    cdef readonly list regions    # value id of each region, in topological order

    cdef int8_t* places(self, list outputs, const int8_t* needed, int32_t last,
                        bint fused) except NULL
    cdef int trace_back(self, list outputs, list inputs, int8_t* needed, int32_t last) except -1
    cdef int32_t lower(self, int32_t v, int32_t* value_of, const int8_t* place) except -1
    cdef int32_t own_buffer(self, int32_t value) except -1
    cdef int32_t add_value(self, int32_t node, int32_t op, int8_t base, int8_t dtype,
                           int64_t layout) except -1
    cdef int64_t dense_layout(self, tuple shape, int itemsize) except -1
    cdef int64_t add_layout(self, tuple shape, tuple strides) except -1
    cdef int32_t compute(self, int32_t node, int32_t op, int8_t dtype, int32_t n,
                         const int32_t* sources, tuple shape) except -1
    cdef int32_t compute_pass(self, int32_t v, int32_t* value_of, const int8_t* place) except -1
    cdef int take_in(self, int32_t v, const int8_t* place, list found) except -1
    cdef int32_t pack(self, int32_t value) except -1
    cdef int32_t view(self, int32_t node, object op, int32_t source) except -1
    cdef bint is_dense(self, int32_t value) noexcept
    cdef bint sums(self, int32_t value) noexcept
    cdef tuple pass_shape(self, int32_t value)
    cdef tuple shape_of(self, int32_t value)
    cdef tuple strides_of(self, int32_t value)


cdef int itemsizes[32]
