"""Regions: the part of a graph that outputs need, cut into pieces that run in one pass.

A region is one operation with a kernel of its own, or a pass: elementwise operations that run
block by block, perhaps into a sum (which ones, `fuse` decides). Layouts are fixed at this point,
before any plan: a value is a C-contiguous buffer or a view of one (0 bytes), and where an operation
cannot read a view a copy (`pack`) is a region of its own, visible to the plan. The policy is not
known here.
"""

from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stdint cimport int8_t, int32_t, int64_t

from ..errors import GraphError

from .forms cimport Forms
from .fuse cimport INSIDE, fuse
from .gather cimport MOST_INNERS, MOST_READ, Inner, Lowering, gather
from .graph cimport Graph
from .kernels cimport blas_reads
from .nodes cimport Node
from .operations cimport Operation, operations, type_dtypes
from .simplify cimport simplify
from .sums cimport is_sum
from .traits cimport ALIAS, CONSTANT as LITERAL, LEAF, MAPS, SUMS, VIEWS, know_traits, traits
from .values cimport ARGUMENT, BUFFER, CONSTANT, Value, grow, itemsizes
from .variable cimport Variable

cdef extern from *:
    int AUTODIFF_DEBUG            # 1 in the debug build

cdef Operation copy_operation = None


def set_copy(Operation op):
    """Tell the core which operation copies a view into a contiguous buffer."""
    global copy_operation
    copy_operation = op


cdef class Regions(Values):
    """The regions that compute `outputs` from `inputs`; inputs may be any nodes of the graph.

    `strides` gives for each input the byte strides of the array it will get, or None for a
    C-contiguous one. With `fused` False every operation is a region. `folded` are Variables whose
    values are captured.
    """

    def __cinit__(self):
        self.packs = {}
        self.products = {}
        self.given = set()
        self.outputs = []
        self.arguments = []
        self.constants = []

    def __dealloc__(self):
        PyMem_Free(self.inners)
        PyMem_Free(self.computed)

    def __init__(self, Graph graph, list outputs, list inputs, tuple strides=None, fused=True,
                 tuple folded=()):
        cdef int32_t last = max([(<Variable> y).index for y in outputs + inputs])
        cdef Lowering of
        cdef int8_t* needed = <int8_t*> PyMem_Calloc(last + 1, 1)
        cdef int32_t* same = <int32_t*> PyMem_Calloc(last + 1, sizeof(int32_t))
        self.graph = graph
        if AUTODIFF_DEBUG:
            graph.verify()
        of.place = NULL
        of.value = <int32_t*> PyMem_Calloc(last + 1, sizeof(int32_t))
        of.region = <int32_t*> PyMem_Calloc(last + 1, sizeof(int32_t))
        of.register = <int32_t*> PyMem_Calloc(last + 1, sizeof(int32_t))
        of.copy = copy_operation.index
        try:
            if (needed == NULL or same == NULL or of.value == NULL or of.region == NULL
                    or of.register == NULL):
                raise MemoryError("no memory for the regions of a program")
            self.build(&of, outputs, inputs, strides, fused, folded, needed, same, last)
        finally:
            PyMem_Free(needed)
            PyMem_Free(same)
            PyMem_Free(of.place)
            PyMem_Free(of.value)
            PyMem_Free(of.region)
            PyMem_Free(of.register)
            self.forms = None

    def __len__(self):
        return self.n_regions

    cdef int build(self, Lowering* of, list outputs, list inputs, tuple strides, bint fused,
                   tuple folded, int8_t* needed, int32_t* same, int32_t last) except -1:
        """Find what is needed and where it is computed, then give each node its value."""
        cdef Variable x
        cdef int32_t v
        cdef Forms forms = Forms.__new__(Forms)
        know_traits()
        self.trace_back(outputs, inputs + list(folded), needed, last)
        for v in range(last + 1):
            same[v] = v
        forms.graph, forms.needed, forms.last = self.graph, needed, last
        forms.choose(outputs, folded)
        self.forms = forms
        of.nodes, of.sources = forms.own, forms.sources
        if fused:
            simplify(self.graph, of.nodes, outputs, needed, same, of.sources, last)
        for j, x in enumerate(inputs):
            if of.value[x.index]:
                raise GraphError(f"{x!r} is given twice as an input of a program")
            of.value[x.index] = 1 + self.add_argument(x, None if strides is None else strides[j])
        for x in folded:
            of.value[x.index] = 1 + self.add_constant(x.index)
        of.place = (self.places(of, outputs, needed, same, last) if fused
                    else <int8_t*> PyMem_Calloc(last + 1, 1))
        if of.place == NULL:
            raise MemoryError("no memory for the regions of a program")
        for v in range(last + 1):
            if needed[v] and of.place[v] != INSIDE:
                of.value[v] = self.lower(of, v) + 1
        for x in outputs:
            self.outputs.append(self.own_buffer(of.value[same[x.index]] - 1))
        return 0

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

    cdef int8_t* places(self, const Lowering* of, list outputs, const int8_t* needed,
                        const int32_t* same, int32_t last) except NULL:
        """The Place of every node: outputs and marked values have bytes of their own."""
        cdef int8_t* apart = <int8_t*> PyMem_Calloc(last + 1, 1)
        cdef int32_t v
        if apart == NULL:
            raise MemoryError("no memory for the regions of a program")
        try:
            for x in outputs:
                apart[same[(<Variable> x).index]] = True
            for v in self.graph.saved:
                if v <= last:
                    apart[v] = True
            return fuse(self.graph, of.nodes, of.sources, needed, apart, last)
        finally:
            PyMem_Free(apart)

    # ---- lowering -----------------------------------------------------------------------------

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

    cdef int32_t lower(self, const Lowering* of, int32_t v) except -1:
        """The value of a node whose inputs have theirs."""
        cdef const Node* node = &of.nodes[v]
        cdef int role = traits[node.op].role
        if role == MAPS or (role == SUMS and is_sum(self.graph, &self.graph.nodes[v])):
            return self.lower_pass(of, v)
        if role == LITERAL:
            return self.add_constant(v)
        if role == LEAF or (role == ALIAS and node.n_inputs == 0):
            raise GraphError(
                f"the outputs depend on {self.graph.handle(v)!r}, which is not among the inputs "
                "of the program")
        if role == ALIAS:
            return of.value[of.sources[node.first_edge]] - 1
        if role == VIEWS:
            return self.view(v, of.value[of.sources[node.first_edge]] - 1)
        return self.lower_kernel(of, v)

    cdef int32_t lower_kernel(self, const Lowering* of, int32_t v) except -1:
        """A new buffer, computed by a kernel that reads its inputs as they lie, or copies."""
        cdef const Node* node = &of.nodes[v]
        cdef Operation op = <Operation> operations[node.op]
        cdef int32_t j, value
        cdef int32_t* read = <int32_t*> PyMem_Calloc(node.n_inputs + 1, sizeof(int32_t))
        if read == NULL:
            raise MemoryError("no memory for the regions of a program")
        try:
            for j in range(node.n_inputs):
                read[j] = self.readable(op, j, of.value[of.sources[node.first_edge + j]] - 1)
            value = self.compute(v, node.op, node.dtype, node.n_inputs, read, <tuple> node.shape)
            if node.op != self.graph.nodes[v].op:
                self.products[value] = self.forms.nodes_of(v)
            return value
        finally:
            PyMem_Free(read)

    cdef int32_t lower_pass(self, const Lowering* of, int32_t v) except -1:
        """A new buffer, computed in one pass with the values that are inside its region."""
        cdef const Node* node = &of.nodes[v]
        cdef int32_t read[MOST_READ]
        cdef int32_t value, n_read = 1, n_inners = 0, root = v
        grow(<void**> &self.inners, &self.inner_room, self.n_all_inners + MOST_INNERS,
             sizeof(Inner))
        if traits[node.op].role == SUMS:
            root = of.sources[node.first_edge]
        if root != v and of.place[root] != INSIDE:
            read[0] = of.value[root] - 1
        else:
            n_inners = gather(of, v, root, self.inners + self.n_all_inners, read, &n_read)
        value = self.compute(v, node.op, node.dtype, n_read, read, <tuple> node.shape)
        self.values[value].first_inner = self.n_all_inners
        self.values[value].n_inners = n_inners
        self.n_all_inners += n_inners
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
                         const int32_t* sources, tuple shape) except -1:
        """A new buffer, computed by a region of its own."""
        cdef int32_t value = self.add_value(
            node, op, BUFFER, dtype, self.dense_layout(shape, itemsizes[dtype]))
        self.read(value, n, sources)
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

    cdef int32_t copy_of(self, int32_t value) except -1:
        """A new contiguous buffer with the elements of `value`."""
        cdef int32_t found = self.compute(
            self.values[value].node, copy_operation.index, self.values[value].dtype, 1, &value,
            self.shape_of(value))
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

    cdef bint sums(self, int32_t value) noexcept:
        """Whether a pass ends in a sum over axes."""
        return self.values[value].n_inners >= 0 and traits[self.values[value].op].role == SUMS

    cdef tuple pass_shape(self, int32_t value):
        """The shape a pass goes over."""
        cdef Node* node = &self.graph.nodes[self.values[value].node]
        if self.sums(value):
            return <tuple> self.graph.nodes[self.graph.sources[node.first_edge]].shape
        return self.shape_of(value)

    # ---- what is asked of them ----------------------------------------------------------------

    cdef int32_t shaped_by(self, int32_t value) except -1:
        """The node whose inputs have the shapes that a region's kernel works on."""
        found = self.products.get(value)
        return self.values[value].node if found is None else <int32_t> found[0]

    def axes_of(self, int32_t value):
        """The axes a pass sums."""
        cdef Node* node = &self.graph.nodes[self.values[value].node]
        return self.graph.attrs[node.attrs][0]

    def operations(self, int k):
        """(operation name, graph node) of all that region `k` computes, its result last."""
        cdef int32_t value = self.computed[k], j
        cdef Value* x = &self.values[value]
        cdef list found = [
            self.inners[x.first_inner + j].node for j in range(max(x.n_inners, 0))]
        found += self.products.get(value, ())
        found = [((<Operation> operations[self.graph.nodes[<int32_t> v].op]).name, v)
                 for v in found]
        if not found or self.sums(value):
            found.append(self.describe(k))
        return found

    def bytes_read(self, int k):
        """Bytes of each operand of region `k`, once where one is read twice.

        Those of its elements; of a repeated one (a broadcast), of what lies in memory.
        """
        cdef Value* x = &self.values[self.computed[k]]
        cdef Value* u
        cdef int32_t j
        cdef dict found = {}
        for j in range(x.n_inputs):
            u = &self.values[self.inputs[x.first_input + j]]
            found[self.inputs[x.first_input + j]] = min(u.nbytes, u.reach)
        return list(found.values())

    def reads(self, int k):
        """The graph node of each operand of region `k`."""
        cdef Value* x = &self.values[self.computed[k]]
        cdef int32_t j
        return [self.values[self.inputs[x.first_input + j]].node for j in range(x.n_inputs)]

    def describe(self, int k):
        """(operation name, graph node) of region `k`."""
        cdef Value* x = &self.values[self.computed[k]]
        return (<Operation> operations[x.op]).name, x.node

    @property
    def captured_bytes(self):
        """Bytes of the captured arrays the regions read."""
        cdef int32_t k
        return sum([self.values[k].nbytes for k in range(self.n_values)
                    if self.values[k].base == CONSTANT and self.values[k].root == k])
