"""Questions asked of a graph: is it the same as another, what crosses a cut, what is alive."""

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_Free
from libc.stdint cimport int8_t, int32_t, int64_t

from .elementwise cimport Elementwise
from .graph cimport Graph
from .nodes cimport Node
from .operations cimport Operation, operations
from .operations import operation
from .room cimport resize, zeros
from .rules cimport which_number
from .traits cimport is_view
from .variable cimport Variable

cdef enum:
    CUT = 2                       # an input: its own inputs are not looked at
    NEEDED = 1
    SEEN = 4                      # a leaf that is in a list already

cdef Operation _constant = operation("constant"), _argument = operation("argument")


cdef int8_t* needed_nodes(list outputs, list inputs, int32_t last, int32_t* lowest) except NULL:
    """Mark the ancestors of `outputs` up to the `inputs`, by node.

    The walk ends at `lowest`, below which there are only leaves: a short piece at the end of a
    long graph takes the time of the piece.
    """
    cdef Graph graph = (<Variable> outputs[0]).graph
    cdef int8_t* marks = <int8_t*> zeros(last + 1, 1)
    cdef int32_t v, j, source
    cdef int64_t pending = 0
    cdef Node* node
    for x in inputs:
        marks[(<Variable> x).index] = CUT
    for x in outputs:
        v = (<Variable> x).index
        pending += marks[v] == 0 and graph.nodes[v].n_inputs > 0
        marks[v] |= NEEDED
    with nogil:
        v = last + 1
        while pending:
            v -= 1
            node = &graph.nodes[v]
            if marks[v] == NEEDED and node.n_inputs:
                pending -= 1
                for j in range(node.n_inputs):
                    source = graph.sources[node.first_edge + j]
                    pending += marks[source] == 0 and graph.nodes[source].n_inputs > 0
                    marks[source] |= NEEDED
    lowest[0] = v
    return marks


cdef list needed_leaves(Graph graph, list outputs, int8_t* marks, int32_t lowest,
                        int32_t last):
    """The leaves among the marked nodes, inputs left out, in their order; they become SEEN."""
    cdef list found = []
    cdef int32_t v, j, source
    for x in outputs:
        v = (<Variable> x).index
        if marks[v] == NEEDED and graph.nodes[v].n_inputs == 0:
            marks[v] = SEEN
            found.append(v)
    for v in range(lowest, last + 1):
        if marks[v] == NEEDED:
            for j in range(graph.nodes[v].n_inputs):
                source = graph.sources[graph.nodes[v].first_edge + j]
                if marks[source] == NEEDED and graph.nodes[source].n_inputs == 0:
                    marks[source] = SEEN
                    found.append(source)
    found.sort()
    return found


cdef struct Stream:               # int32 numbers, written one after another
    int32_t* at
    int32_t size
    int32_t room


cdef int make_room(Stream* stream, int32_t n) except -1:
    """Make sure that n more numbers fit."""
    if stream.size + n > stream.room:
        stream.room = 2 * stream.room + n
        resize(<void**> &stream.at, stream.room * sizeof(int32_t))
    return 0


cdef inline void put(Stream* stream, int32_t number) noexcept nogil:
    stream.at[stream.size] = number
    stream.size += 1


cdef int number_of(dict known, object key) except -1:
    """The number of a key: how many others were met before it."""
    found = known.get(key)
    if found is None:
        found = known[key] = len(known)
    return found


def signature(list inputs, list outputs):
    """A key that is equal for programs that compute the same, and their constant nodes in order.

    It holds operations, wiring, levels, shapes, dtypes and attributes; captured arrays and
    literals are left out, so that a learning rate does not make another program, but for the
    literals that simplification has rules for; marks are part of it, for they change what is
    stored, and so is which nodes are settled. Of operations that can fail while running it holds
    the user's line, which the error will name; codes are known by their address, and a program
    keeps its graph and so its codes alive.
    """
    cdef Graph graph = (<Variable> outputs[0]).graph
    cdef int32_t last = 0
    cdef int32_t v, j, lowest, count = 1, shape = -1, attr = -1
    cdef int8_t* marks
    cdef int32_t* local = NULL
    cdef Node* node
    cdef void* last_shape = NULL  # of the node before: most have the same
    cdef Operation op
    cdef Stream stream
    cdef dict shapes = {}, attrs = {}, codes = {}, calls = {}
    cdef list marked = [], constants = [], leaves
    cdef bytes numbers
    for x in inputs:
        last = max(last, (<Variable> x).index)
    for x in outputs:
        last = max(last, (<Variable> x).index)
    marks = needed_nodes(outputs, inputs, last, &lowest)
    stream.at = NULL
    stream.size = stream.room = 0
    try:
        resize(<void**> &local, (last + 1) * sizeof(int32_t))
        leaves = needed_leaves(graph, outputs, marks, lowest, last)
        make_room(&stream, <int32_t> (4 * len(inputs) + 5 * len(leaves) + len(outputs) + 1))
        for x in inputs:
            v = (<Variable> x).index
            node = &graph.nodes[v]
            put(&stream, -1)
            put(&stream, node.dtype)
            put(&stream, node.level)
            put(&stream, number_of(shapes, <object> node.shape))
            local[v] = count
            count += 1
        for v in leaves:
            node = &graph.nodes[v]
            if operations[node.op] is _constant:
                constants.append(v)
            put(&stream, -2)
            put(&stream, which_number(graph, v))
            put(&stream, node.dtype)
            put(&stream, node.level)
            put(&stream, number_of(shapes, <object> node.shape))
            local[v] = count
            count += 1
        for v in range(lowest, last + 1):
            node = &graph.nodes[v]
            if marks[v] != NEEDED or node.n_inputs == 0:
                continue
            make_room(&stream, 8 + node.n_inputs + <int32_t> len(outputs))
            op = <Operation> operations[node.op]
            if node.shape != last_shape:
                last_shape = node.shape
                shape = number_of(shapes, <object> node.shape)
            attr = number_of(attrs, graph.attr_keys[node.attrs]) if node.attrs else -1
            put(&stream, node.op if v >= graph.settled else ~node.op)
            put(&stream, node.dtype)
            put(&stream, node.level)
            put(&stream, shape)
            put(&stream, attr)
            if node.code >= 0 and not (op.views or isinstance(op, Elementwise)
                                       or op is _argument):
                put(&stream, number_of(codes, id(graph.codes[node.code])))
                put(&stream, node.lasti)
            put(&stream, node.n_inputs)
            for j in range(node.n_inputs):
                put(&stream, local[graph.sources[node.first_edge + j]])
            local[v] = count
            if graph.calls and v in graph.calls:
                marked.append((count, number_of(calls, graph.calls[v])))
            if graph.saved and v in graph.saved:
                marked.append((count, graph.saved[v]))
            count += 1
        make_room(&stream, <int32_t> len(outputs) + 1)
        put(&stream, -3)
        for x in outputs:
            put(&stream, local[(<Variable> x).index])
        numbers = PyBytes_FromStringAndSize(<char*> stream.at, stream.size * sizeof(int32_t))
    finally:
        PyMem_Free(marks)
        PyMem_Free(local)
        PyMem_Free(stream.at)
    key = (numbers, tuple(shapes), tuple(attrs), tuple(codes), tuple(marked))
    return key, constants


def computed(list inputs, list outputs):
    """The nodes that are computed from inputs for outputs, in order: as many, and each the same, in
    graphs for which `signature` gives one key."""
    cdef Graph graph = (<Variable> outputs[0]).graph
    cdef int32_t last = max([(<Variable> x).index for x in [*inputs, *outputs]])
    cdef int32_t v, lowest
    cdef int8_t* marks = needed_nodes(outputs, inputs, last, &lowest)
    try:
        return [v for v in range(lowest, last + 1)
                if marks[v] == NEEDED and graph.nodes[v].n_inputs]
    finally:
        PyMem_Free(marks)


def dependents(list sources):
    """The nodes that are computed from one of the sources, and these, as a set."""
    cdef Graph graph = (<Variable> sources[0]).graph
    cdef set found = {(<Variable> x).index for x in sources}
    cdef int32_t v, j
    for v in range(min(found), graph.n_nodes):
        for j in range(graph.nodes[v].n_inputs):
            if graph.sources[graph.nodes[v].first_edge + j] in found:
                found.add(v)
                break
    return found


def operations_of(Graph graph not None):
    """The operations that occur in a graph, as a set."""
    cdef set found = set()
    cdef int32_t v, last = -1
    for v in range(graph.n_nodes):
        if graph.nodes[v].op != last:
            last = graph.nodes[v].op
            found.add(operations[last])
    return found


def boundary(list outputs, int32_t first, set dropped=None):
    """The nodes before `first` that are read by ancestors of `outputs` from `first` on.

    What a backward pass, made of the nodes from `first` on, reads of the forward pass. In the
    place of `dropped` nodes and of views stands what they are computed from: a view that is kept
    would be a copy, and lie otherwise than one that is taken again.
    """
    cdef Graph graph = (<Variable> outputs[0]).graph
    cdef int32_t last = max([(<Variable> x).index for x in outputs])
    cdef int32_t v, j, source, lowest
    cdef int8_t* marks = needed_nodes(outputs, [], last, &lowest)
    cdef Node* node
    cdef dict found = {}
    cdef list pending
    try:
        for v in range(first, last + 1):
            if marks[v]:
                node = &graph.nodes[v]
                for j in range(node.n_inputs):
                    source = graph.sources[node.first_edge + j]
                    if source < first:
                        found[source] = None
        for x in outputs:
            if (<Variable> x).index < first:
                found[(<Variable> x).index] = None
    finally:
        PyMem_Free(marks)
    if dropped is None:
        dropped = set()
    pending = [v for v in found if v in dropped or is_view(&graph.nodes[v])]
    seen = set(found)
    while pending:
        v = pending.pop()
        del found[v]
        node = &graph.nodes[v]
        for j in range(node.n_inputs):
            source = graph.sources[node.first_edge + j]
            if source not in seen:
                seen.add(source)
                found[source] = None
                if source in dropped or is_view(&graph.nodes[source]):
                    pending.append(source)
    constant = "constant"
    return [graph.handle(v) for v in sorted(found)
            if (<Operation> operations[graph.nodes[v].op]).name != constant]


def unrun(list outputs, dict run):
    """The ancestors of `outputs`, themselves included, that are not in `run` and not constants.

    Returns (leaves among them, those that somebody still refers to or that run only once, the
    nodes of `run` at which the walk ends).
    """
    cdef Graph graph = (<Variable> outputs[0]).graph
    cdef set seen = {(<Variable> x).index for x in outputs}
    cdef list pending = sorted(seen)
    cdef list leaves = [], alive = [], known = []
    cdef int32_t v, j, source
    cdef Node* node
    cdef Operation op
    while pending:
        v = pending.pop()
        if v in run:
            known.append(graph.handle(v))
            continue
        node = &graph.nodes[v]
        op = <Operation> operations[node.op]
        if op.name == "constant":
            continue
        if node.n_inputs == 0:
            leaves.append(graph.handle(v))
            continue
        if op.effect == "callback" or graph.handles[v] != NULL and op.name != "argument":
            alive.append(graph.handle(v))
        for j in range(node.n_inputs):
            source = graph.sources[node.first_edge + j]
            if source not in seen:
                seen.add(source)
                pending.append(source)
    return leaves, alive, known
