"""Regions: the part of a graph that outputs need, cut into pieces that run in one pass.

A region is one operation with a kernel of its own, or a pass: elementwise operations that run
block by block, perhaps into a sum (which ones, `fuse` decides), or into a part of a concatenation
(see `pieces`). The policy is not known here.
"""

from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stdint cimport int8_t, int32_t, int64_t

from ..errors import GraphError, IndexRangeError

from .forms cimport Forms
from .fuse cimport APART, INSIDE, PIECE, fuse
from .gather cimport MOST_INNERS, MOST_READ, Inner, Lowering, gather
from .graph cimport Graph
from .layouts cimport Layouts, copy_operation
from .nodes cimport Node
from .operations cimport Operation, operations
from .pieces cimport choose_pieces, nbytes_of, rows_of
from .room cimport zeros
from .simplify cimport simplify
from .sums cimport is_sum
from .traits cimport (
    ALIAS,
    CONSTANT as LITERAL,
    JOINS,
    LEAF,
    MAPS,
    SUMS,
    VIEWS,
    know_traits,
    traits,
)
from .values cimport CONSTANT, Value, grow, itemsizes
from .variable cimport Variable

cdef extern from *:
    int AUTODIFF_DEBUG            # 1 in the debug build


cdef class Regions(Layouts):
    """The regions that compute `outputs` from `inputs`; inputs may be any nodes of the graph.

    `strides` gives for each input the byte strides of the array it will get, or None for a
    C-contiguous one. With `fused` False every operation is a region. `folded` are Variables whose
    values are captured.
    """

    def __cinit__(self):
        self.inside = {}
        self.pieces = {}
        self.outputs = []

    def __dealloc__(self):
        PyMem_Free(self.inners)

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
        if fused:
            self.place(of, outputs, needed, same, last)
        else:
            of.place = <int8_t*> zeros(last + 1, 1)
        for v in range(last + 1):
            if needed[v] and of.place[v] == APART:
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

    cdef int place(self, Lowering* of, list outputs, const int8_t* needed,
                   const int32_t* same, int32_t last) except -1:
        """Choose the Place of every node: outputs and marked values have bytes of their own."""
        cdef int8_t* apart = <int8_t*> zeros(last + 1, 1)
        cdef int32_t v
        try:
            for x in outputs:
                apart[same[(<Variable> x).index]] = True
            for v in self.graph.saved:
                if v <= last:
                    apart[v] = True
            of.place = fuse(self.graph, of.nodes, of.sources, needed, apart, last)
            return choose_pieces(self.graph, of, needed, apart, last)
        finally:
            PyMem_Free(apart)

    # ---- lowering -----------------------------------------------------------------------------

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
        if role == JOINS:
            return self.lower_join(of, v)
        return self.lower_kernel(of, v)

    cdef int32_t lower_kernel(self, const Lowering* of, int32_t v) except -1:
        """A new buffer, computed by a kernel that reads its inputs as they lie, or copies."""
        cdef const Node* node = &of.nodes[v]
        cdef Operation op = <Operation> operations[node.op]
        cdef int32_t j, value
        cdef int32_t* read = <int32_t*> zeros(node.n_inputs + 1, sizeof(int32_t))
        try:
            for j in range(node.n_inputs):
                read[j] = self.readable(op, j, of.value[of.sources[node.first_edge + j]] - 1)
            value = self.compute(v, node.op, node.dtype, node.n_inputs, read, <tuple> node.shape)
            if node.op != self.graph.nodes[v].op:
                self.inside[value] = self.forms.nodes_of(v)
            return value
        finally:
            PyMem_Free(read)

    cdef int32_t lower_pass(self, const Lowering* of, int32_t v, bint piece=False) except -1:
        """A new buffer, computed in one pass with the values that are inside its region.

        Of a piece a value in the buffer of the concatenation that computes it.
        """
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
        value = self.compute(v, node.op, node.dtype, n_read, read, <tuple> node.shape, piece)
        self.values[value].first_inner = self.n_all_inners
        self.values[value].n_inners = n_inners
        self.n_all_inners += n_inners
        return value

    cdef int32_t lower_join(self, const Lowering* of, int32_t v) except -1:
        """A new buffer that its pieces are computed in, by passes that read in a row.

        What is no piece is copied, where there are none by the kernel.
        """
        cdef const Node* node = &of.nodes[v]
        cdef list pieces = [], inside = []
        cdef int32_t first = self.n_inputs, value, piece, j
        for j in range(node.n_inputs):
            if of.place[of.sources[node.first_edge + j]] == PIECE:
                break
        else:
            return self.lower_kernel(of, v)
        self.add_pieces(of, v, 0, pieces, inside)
        value = self.compute(v, node.op, node.dtype, 0, NULL, <tuple> node.shape)
        self.values[value].first_input = first
        self.values[value].n_inputs = self.n_inputs - first
        for piece in pieces:
            self.values[piece].root = value
            self.values[piece].slot = self.values[value].slot
        self.pieces[value] = pieces
        self.inside[value] = inside
        return value

    cdef int add_pieces(self, const Lowering* of, int32_t v, int64_t at, list pieces,
                        list inside) except -1:
        """The passes of a concatenation that begins at byte `at` of the result.

        `inside` gathers the nodes of the concatenations within.
        """
        cdef const Node* node = &of.nodes[v]
        cdef int64_t rows = rows_of(self.graph, v), size = itemsizes[node.dtype]
        cdef int64_t pitch = nbytes_of(node) // rows, n
        cdef int32_t piece, u, j
        for j in range(node.n_inputs):
            u = of.sources[node.first_edge + j]
            n = nbytes_of(&of.nodes[u]) // rows
            while of.place[u] == PIECE and traits[of.nodes[u].op].role == VIEWS:
                u = of.sources[of.nodes[u].first_edge]
            if of.place[u] == PIECE and traits[of.nodes[u].op].role == JOINS:
                self.add_pieces(of, u, at, pieces, inside)
                inside.append(u)
            else:
                piece = (self.lower_pass(of, u, True) if of.place[u] == PIECE
                         else self.copy_of(of.value[u] - 1, True))
                self.values[piece].offset = at
                if rows > 1:
                    self.values[piece].layout = self.add_layout((rows, n // size), (pitch, size))
                pieces.append(piece)
            at += n
        return 0

    cdef bint sums(self, int32_t value) noexcept:
        """Whether a pass ends in a sum over axes."""
        return self.values[value].n_inners >= 0 and traits[self.values[value].op].role == SUMS

    cdef tuple pass_shape(self, int32_t value):
        """The shape a pass goes over."""
        cdef Node* node = &self.graph.nodes[self.values[value].node]
        if self.sums(value):
            node = &self.graph.nodes[self.graph.sources[node.first_edge]]
        return <tuple> node.shape

    # ---- what is asked of them ----------------------------------------------------------------

    cdef int32_t shaped_by(self, int32_t value) except -1:
        """The node whose inputs have the shapes that a region's kernel works on."""
        found = self.inside.get(value)
        return <int32_t> found[0] if found else self.values[value].node

    cdef object axes_of(self, int32_t value):
        """The axes a pass sums."""
        cdef Node* node = &self.graph.nodes[self.values[value].node]
        return self.graph.attrs[node.attrs][0]

    cdef int32_t value_of(self, Py_ssize_t k) except -1:
        """The value of region `k`."""
        if not 0 <= k < self.n_regions:
            raise IndexRangeError(f"region {k} of a program with {self.n_regions} regions")
        return self.computed[k]

    def operations(self, Py_ssize_t k):
        """(operation name, graph node) of all that region `k` computes, its result last."""
        cdef int32_t value = self.value_of(k), piece, j
        cdef Value* x
        cdef list found = list(self.inside.get(value, ()))
        for piece in self.pieces.get(value, (value,)):
            x = &self.values[piece]
            found += [self.inners[x.first_inner + j].node for j in range(max(x.n_inners, 0))]
        if value in self.pieces:
            found = sorted(found) + [self.values[value].node]
        found = [((<Operation> operations[self.graph.nodes[<int32_t> v].op]).name, v)
                 for v in found]
        if not found or self.sums(value):
            found.append(self.describe(k))
        return found

    def bytes_read(self, Py_ssize_t k):
        """Bytes of each operand of region `k`, once where one is read twice.

        Those of its elements; of a repeated one (a broadcast), of what lies in memory.
        """
        cdef Value* x = &self.values[self.value_of(k)]
        cdef Value* u
        cdef int32_t j
        cdef dict found = {}
        for j in range(x.n_inputs):
            u = &self.values[self.inputs[x.first_input + j]]
            found[self.inputs[x.first_input + j]] = min(u.nbytes, u.reach)
        return list(found.values())

    def reads(self, Py_ssize_t k):
        """The graph node of each operand of region `k`."""
        cdef Value* x = &self.values[self.value_of(k)]
        cdef int32_t j
        return [self.values[self.inputs[x.first_input + j]].node for j in range(x.n_inputs)]

    def describe(self, Py_ssize_t k):
        """(operation name, graph node) of region `k`."""
        cdef Value* x = &self.values[self.value_of(k)]
        return (<Operation> operations[x.op]).name, x.node

    @property
    def captured_bytes(self):
        """Bytes of the captured arrays the regions read."""
        cdef int32_t k
        return sum([self.values[k].nbytes for k in range(self.n_values)
                    if self.values[k].base == CONSTANT and self.values[k].root == k])
