"""Regions: the part of a graph that outputs need, cut into pieces that run in one pass.

A region is one operation with a kernel of its own, or a pass: elementwise operations that run
block by block, perhaps into a sum (which ones, `fuse` decides). Layouts are fixed at this point,
before any plan: a value is a C-contiguous buffer or a view of one (0 bytes), and where an operation
cannot read a view a copy (`pack`) is a region of its own, visible to the plan. The policy is not
known here.
"""

from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Realloc
from libc.stdint cimport int8_t, int32_t, int64_t
from libc.string cimport memcpy

from ..errors import GraphError

from .elementwise cimport Elementwise
from .fuse cimport INSIDE, fuse, is_sum
from .graph cimport Graph, Node
from .operations cimport Operation, operations, type_dtypes
from .simplify cimport simplify
from .variable cimport Variable
from .kernels cimport blas_reads

cdef extern from *:
    int AUTODIFF_DEBUG            # 1 in the debug build

cdef Operation copy_operation = None
for _number, _dtype in enumerate(type_dtypes):
    itemsizes[_number] = _dtype.itemsize if _dtype is not None else 0


def set_copy(Operation op):
    """Tell the core which operation copies a view into a contiguous buffer."""
    global copy_operation
    copy_operation = op


cdef int grow(void** p, int32_t* room, int32_t wanted, size_t size) except -1:
    if wanted <= room[0]:
        return 0
    cdef int32_t more = 2 * room[0] + wanted + 32
    cdef void* new = PyMem_Realloc(p[0], more * size)
    if new == NULL:
        raise MemoryError("no memory for the regions of a program")
    p[0] = new
    room[0] = more
    return 0


cdef class Regions:
    """The regions that compute `outputs` from `inputs`; inputs may be any nodes of the graph.

    `strides` gives for each input the byte strides of the array it will get, or None for a
    C-contiguous one. With `fused` False every operation is a region.
    """

    def __cinit__(self):
        self.contiguous = {}
        self.packs = {}
        self.given = set()
        self.outputs = []
        self.arguments = []
        self.constants = []
        self.regions = []

    def __dealloc__(self):
        PyMem_Free(self.values)
        PyMem_Free(self.inputs)
        PyMem_Free(self.inners)
        PyMem_Free(self.pool)

    def __init__(self, Graph graph, list outputs, list inputs, tuple strides=None, fused=True):
        cdef Variable x
        cdef int32_t v, value, j, last, n_edges
        cdef int32_t* value_of = NULL
        cdef int32_t* same = NULL
        cdef int8_t* needed = NULL
        cdef int8_t* place = NULL
        self.graph = graph
        if AUTODIFF_DEBUG:
            graph.verify()
        last = max([(<Variable> y).index for y in outputs + inputs])
        needed = <int8_t*> PyMem_Calloc(last + 1, 1)
        value_of = <int32_t*> PyMem_Calloc(last + 1, sizeof(int32_t))
        same = <int32_t*> PyMem_Calloc(last + 1, sizeof(int32_t))
        n_edges = graph.nodes[last].first_edge + graph.nodes[last].n_inputs
        self.sources = <int32_t*> PyMem_Calloc(n_edges + 1, sizeof(int32_t))
        try:
            if needed == NULL or value_of == NULL or same == NULL or self.sources == NULL:
                raise MemoryError("no memory for the regions of a program")
            self.trace_back(outputs, inputs, needed, last)
            for v in range(last + 1):
                same[v] = v
            memcpy(self.sources, graph.sources, n_edges * sizeof(int32_t))
            if fused:
                simplify(graph, outputs, needed, same, self.sources, last)
            for j, x in enumerate(inputs):
                if value_of[x.index]:
                    raise GraphError(f"{x!r} is given twice as an input of a program")
                value = self.add_argument(x, None if strides is None else strides[j])
                value_of[x.index] = value + 1
            place = self.places([same[(<Variable> x).index] for x in outputs], needed, last, fused)
            for v in range(last + 1):
                if needed[v] and place[v] != INSIDE:
                    value_of[v] = self.lower(v, value_of, place) + 1
            for x in outputs:
                self.outputs.append(self.own_buffer(value_of[same[x.index]] - 1))
        finally:
            PyMem_Free(needed)
            PyMem_Free(value_of)
            PyMem_Free(same)
            PyMem_Free(place)
            PyMem_Free(self.sources)
            self.sources = NULL

    cdef int8_t* places(self, list outputs, const int8_t* needed, int32_t last,
                        bint fused) except NULL:
        """The Place of every node: outputs (nodes) and marked values have bytes of their own."""
        cdef int8_t* apart = <int8_t*> PyMem_Calloc(last + 1, 1)
        cdef int32_t v
        if apart == NULL:
            raise MemoryError("no memory for the regions of a program")
        if not fused:
            return apart
        try:
            for v in outputs:
                apart[v] = True
            for v in self.graph.saved:
                if v <= last:
                    apart[v] = True
            return fuse(self.graph, self.sources, needed, apart, last)
        finally:
            PyMem_Free(apart)

    cdef int trace_back(self, list outputs, list inputs, int8_t* needed, int32_t last) except -1:
        """Mark the ancestors of the outputs, not beyond the inputs."""
        cdef int32_t v, j
        cdef Node* node
        for x in outputs:
            needed[(<Variable> x).index] = 1
        for x in inputs:
            needed[(<Variable> x).index] |= 2
        for v in range(last, -1, -1):
            if needed[v] == 1:
                node = &self.graph.nodes[v]
                for j in range(node.n_inputs):
                    needed[self.graph.sources[node.first_edge + j]] |= 1
        for v in range(last + 1):
            needed[v] = needed[v] == 1
        return 0

    # ---- values -------------------------------------------------------------------------------

    cdef int32_t add_value(self, int32_t node, int32_t op, int8_t base, int8_t dtype,
                           int64_t layout) except -1:
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
        value.first_inner = self.n_all_inners
        value.n_inners = -1
        for d in range(at[0]):
            n *= at[1 + d]
            reach += (at[1 + d] - 1) * at[1 + at[0] + d] if at[1 + d] else 0
        value.nbytes = n * itemsizes[dtype]
        value.reach = reach + itemsizes[dtype] if n else 0
        self.n_values += 1
        return self.n_values - 1

    cdef int64_t add_layout(self, tuple shape, tuple strides) except -1:
        cdef int64_t start = self.pool_size, n = len(shape), d
        cdef int64_t room
        cdef void* new
        if start + 1 + 2 * n > self.pool_room:
            room = 2 * self.pool_room + 2 * n + 64
            new = PyMem_Realloc(self.pool, room * sizeof(int64_t))
            if new == NULL:
                raise MemoryError("no memory for the layouts of a program")
            self.pool = <int64_t*> new
            self.pool_room = room
        self.pool[start] = n
        for d in range(n):
            self.pool[start + 1 + d] = shape[d]
            self.pool[start + 1 + n + d] = strides[d]
        self.pool_size += 1 + 2 * n
        return start

    cdef int64_t dense_layout(self, tuple shape, int itemsize) except -1:
        key = (shape, itemsize)
        found = self.contiguous.get(key)
        if found is None:
            found = self.add_layout(shape, dense_strides(shape, itemsize))
            self.contiguous[key] = found
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

    # ---- lowering -----------------------------------------------------------------------------

    def add_argument(self, Variable x, strides):
        """The value of an input, packed first if its array is not in C order."""
        cdef int dtype = self.graph.nodes[x.index].dtype
        cdef int64_t layout
        cdef int32_t value
        cdef tuple shape = x.shape
        if strides is None:
            layout = self.dense_layout(shape, itemsizes[dtype])
        else:
            layout = self.add_layout(shape, strides)
        value = self.add_value(x.index, x.op.index, ARGUMENT, dtype, layout)
        self.values[value].slot = len(self.arguments)
        self.arguments.append(x.index)
        return value if strides is None else self.pack(value)

    cdef int32_t lower(self, int32_t v, int32_t* value_of, const int8_t* place) except -1:
        """The value of a node whose inputs have theirs."""
        cdef Node* node = &self.graph.nodes[v]
        cdef Operation op = <Operation> operations[node.op]
        cdef int32_t sources[64]
        cdef int32_t* room = sources
        cdef int32_t j, value
        cdef tuple shape = <tuple> node.shape
        if node.n_inputs == 0 and op.name == "constant":
            value = self.add_value(v, node.op, CONSTANT, node.dtype,
                                   self.dense_layout(shape, itemsizes[node.dtype]))
            self.values[value].slot = len(self.constants)
            self.constants.append(v)
            return value
        if node.n_inputs == 0 and op.name in ("variable", "argument"):
            raise GraphError(
                f"the outputs depend on {self.graph.handle(v)!r}, which is not among the inputs "
                "of the program")
        if op.name == "argument":
            return value_of[self.sources[node.first_edge]] - 1
        if op.views:
            return self.view(v, op, value_of[self.sources[node.first_edge]] - 1)
        if isinstance(op, Elementwise) or (
                op.name in ("sum", "mean") and is_sum(self.graph, node)):
            return self.compute_pass(v, value_of, place)
        if node.n_inputs > 64:
            room = <int32_t*> PyMem_Calloc(node.n_inputs, sizeof(int32_t))
            if room == NULL:
                raise MemoryError("no memory for the regions of a program")
        try:
            for j in range(node.n_inputs):
                value = value_of[self.sources[node.first_edge + j]] - 1
                room[j] = self.readable(op, j, value)
            return self.compute(v, node.op, node.dtype, node.n_inputs, room, shape)
        finally:
            if room != sources:
                PyMem_Free(room)

    def readable(self, Operation op, int position, int32_t value):
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
                         const int32_t* sources, tuple shape) except -1:
        """A new buffer, computed by a region of its own."""
        cdef int32_t j, value
        cdef int64_t layout = self.dense_layout(shape, itemsizes[dtype])
        value = self.add_value(node, op, BUFFER, dtype, layout)
        grow(<void**> &self.inputs, &self.input_room, self.n_inputs + n, sizeof(int32_t))
        for j in range(n):
            self.inputs[self.n_inputs + j] = sources[j]
        self.values[value].n_inputs = n
        self.values[value].slot = len(self.regions)
        self.n_inputs += n
        self.regions.append(value)
        return value

    cdef int32_t compute_pass(self, int32_t v, int32_t* value_of, const int8_t* place) except -1:
        """A new buffer, computed in one pass with the values that are inside its region."""
        cdef Graph graph = self.graph
        cdef Node* node = &graph.nodes[v]
        cdef Inner* inner
        cdef list inside = [], sources = []
        cdef dict register_of = {}                # node -> as in Inner.inputs
        cdef int32_t u, w, j, value, root = v
        cdef int32_t found[1 + 3 * 32]
        cdef bint sums = not isinstance(<Operation> operations[node.op], Elementwise)
        if sums:
            root = self.sources[node.first_edge]
        if not sums or place[root] == INSIDE:
            self.take_in(root, place, inside)
        inside.sort()
        grow(<void**> &self.inners, &self.inner_room, self.n_all_inners + <int> len(inside),
             sizeof(Inner))
        cdef int32_t first = self.n_all_inners, n_inners = 0
        for w in inside if inside else [root]:
            if not inside:
                register_of[w] = self.source_of(value_of[w] - 1, sources)
                break
            node = &graph.nodes[w]
            inner = &self.inners[first + n_inners]
            for j in range(node.n_inputs):
                u = self.sources[node.first_edge + j]
                if u not in register_of:
                    register_of[u] = self.source_of(value_of[u] - 1, sources)
                inner.inputs[j] = register_of[u]
            if node.op == copy_operation.index:   # the copy is made by the pass
                register_of[w] = inner.inputs[0]
                continue
            inner.node, inner.op, inner.dtype, inner.n_inputs = (
                w, node.op, node.dtype, node.n_inputs)
            register_of[w] = ~n_inners
            n_inners += 1
        self.n_all_inners = first + n_inners
        for j in range(<int> len(sources)):
            found[j] = sources[j]
        node = &graph.nodes[v]
        value = self.compute(v, node.op, node.dtype, <int> len(sources), found,
                             <tuple> node.shape)
        self.values[value].first_inner = first
        self.values[value].n_inners = n_inners
        return value

    cdef int take_in(self, int32_t v, const int8_t* place, list found) except -1:
        """Collect `v` and the nodes computed inside its region, in no order."""
        cdef Node* node
        cdef int32_t j, u
        cdef list pending = [v]
        cdef set met = {v}
        while pending:
            v = pending.pop()
            found.append(v)
            node = &self.graph.nodes[v]
            for j in range(node.n_inputs):
                u = self.sources[node.first_edge + j]
                if place[u] == INSIDE and u not in met:
                    met.add(u)
                    pending.append(u)
        return 0

    def source_of(self, int32_t value, list sources):
        """The position of `value` among the inputs of a region, added where it is new."""
        if value not in sources:
            sources.append(value)
        return sources.index(value)

    cdef bint sums(self, int32_t value) noexcept:
        """Whether a pass ends in a sum over axes."""
        cdef Value* x = &self.values[value]
        return x.n_inners >= 0 and not isinstance(<Operation> operations[x.op], Elementwise)

    cdef tuple pass_shape(self, int32_t value):
        """The shape a pass goes over."""
        cdef Node* node = &self.graph.nodes[self.values[value].node]
        if self.sums(value):
            return <tuple> self.graph.nodes[self.graph.sources[node.first_edge]].shape
        return self.shape_of(value)

    cdef int32_t pack(self, int32_t value) except -1:
        """A contiguous copy of a view; one for all who need it."""
        found = self.packs.get(value)
        if found is None:
            found = self.copy_of(value)
            self.packs[value] = found
        return found

    def copy_of(self, int32_t value):
        """A new contiguous buffer with the elements of `value`."""
        cdef int32_t found = self.compute(
            self.values[value].node, copy_operation.index, self.values[value].dtype, 1, &value,
            self.shape_of(value))
        self.values[found].n_inners = 0
        return found

    cdef int32_t view(self, int32_t node, object op, int32_t source) except -1:
        """The view an operation takes of `source`, of a packed copy where it must be."""
        cdef Variable y = self.graph.handle(node)
        cdef int8_t dtype = self.values[source].dtype
        cdef int32_t value
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

    # ---- what is asked of them ----------------------------------------------------------------

    def axes_of(self, int32_t value):
        """The axes a pass sums."""
        cdef Node* node = &self.graph.nodes[self.values[value].node]
        return self.graph.attrs[node.attrs][0]

    def operations(self, int k):
        """(operation name, graph node) of all that region `k` computes, its result last."""
        cdef int32_t value = self.regions[k], j
        cdef Value* x = &self.values[value]
        cdef list found = [
            ((<Operation> operations[self.inners[x.first_inner + j].op]).name,
             self.inners[x.first_inner + j].node) for j in range(max(x.n_inners, 0))]
        if not found or self.sums(value):
            found.append(self.describe(k))
        return found

    def bytes_read(self, int k):
        """Bytes of each operand of region `k`, once where one is read twice.

        Those of its elements; of a repeated one (a broadcast), of what lies in memory.
        """
        cdef Value* x = &self.values[<int> self.regions[k]]
        cdef Value* u
        cdef int32_t j
        cdef dict found = {}
        for j in range(x.n_inputs):
            u = &self.values[self.inputs[x.first_input + j]]
            found[self.inputs[x.first_input + j]] = min(u.nbytes, u.reach)
        return list(found.values())

    def describe(self, int k):
        """(operation name, graph node) of region `k`."""
        cdef Value* x = &self.values[<int> self.regions[k]]
        return (<Operation> operations[x.op]).name, x.node

    @property
    def captured_bytes(self):
        """Bytes of the captured arrays the regions read."""
        cdef int32_t k
        return sum([self.values[k].nbytes for k in range(self.n_values)
                    if self.values[k].base == CONSTANT and self.values[k].root == k])


cdef tuple dense_strides(tuple shape, int itemsize):
    cdef list strides = [0] * len(shape)
    cdef int64_t step = itemsize, d
    for d in range(len(shape) - 1, -1, -1):
        strides[d] = step
        step *= max(shape[d], 1)
    return tuple(strides)
