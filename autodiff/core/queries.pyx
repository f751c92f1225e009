"""Questions asked of a graph: is it the same as another, what crosses a cut, what is alive."""

from array import array

from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stdint cimport int8_t, int32_t, int64_t

from .elementwise cimport Elementwise
from .graph cimport Graph, Node
from .operations cimport Operation, operations
from .variable cimport Variable

cdef enum:
    CUT = 2                       # an input: its own inputs are not looked at
    NEEDED = 1


cdef int8_t* needed_nodes(list outputs, list inputs, int32_t last, int32_t* lowest) except NULL:
    """Mark the ancestors of `outputs` up to the `inputs`, by node.

    The walk ends at `lowest`, below which there are only leaves: a short piece at the end of a
    long graph takes the time of the piece.
    """
    cdef Graph graph = (<Variable> outputs[0]).graph
    cdef int8_t* marks = <int8_t*> PyMem_Calloc(last + 1, 1)
    cdef int32_t v, j, source
    cdef int64_t pending = 0
    cdef Node* node
    if marks == NULL:
        raise MemoryError("no memory to walk a graph")
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


cdef list needed_leaves(Graph graph, list outputs, const int8_t* marks, int32_t lowest,
                        int32_t last):
    """The leaves among the marked nodes, inputs left out, in their order."""
    cdef set found = set()
    cdef int32_t v, j, source
    for x in outputs:
        v = (<Variable> x).index
        if marks[v] == NEEDED and graph.nodes[v].n_inputs == 0:
            found.add(v)
    for v in range(lowest, last + 1):
        if marks[v] == NEEDED:
            for j in range(graph.nodes[v].n_inputs):
                source = graph.sources[graph.nodes[v].first_edge + j]
                if marks[source] == NEEDED and graph.nodes[source].n_inputs == 0:
                    found.add(source)
    return sorted(found)


def signature(list inputs, list outputs):
    """A key that is equal for programs that compute the same, and their constant nodes in order.

    It holds operations, wiring, levels, shapes, dtypes and attributes; captured arrays and
    literals are left out, so that a learning rate does not make another program; marks are part of
    it, for they change what is stored. Of operations
    that can fail while running it holds the user's line, which the error will name; codes are
    known by their address, and a program keeps its graph and so its codes alive.
    """
    cdef Graph graph = (<Variable> outputs[0]).graph
    cdef int32_t last = max([(<Variable> x).index for x in outputs + inputs])
    cdef int32_t v, j, lowest, count = 1
    cdef int8_t* marks = needed_nodes(outputs, inputs, last, &lowest)
    cdef int32_t* local = <int32_t*> PyMem_Calloc(last + 1, sizeof(int32_t))
    cdef Node* node
    cdef Operation op
    cdef dict shapes = {}, attrs = {}, codes = {}, calls = {}
    cdef list marked = []
    cdef list constants = [], stream = []
    try:
        if local == NULL:
            raise MemoryError("no memory to walk a graph")
        for x in inputs:
            v = (<Variable> x).index
            node = &graph.nodes[v]
            shape = <tuple> node.shape
            stream.extend((-1, node.dtype, node.level, shapes.setdefault(shape, len(shapes))))
            local[v] = count
            count += 1
        for v in needed_leaves(graph, outputs, marks, lowest, last):
            node = &graph.nodes[v]
            shape = <tuple> node.shape
            if (<Operation> operations[node.op]).name == "constant":
                constants.append(v)
            stream.extend((-2, node.dtype, node.level, shapes.setdefault(shape, len(shapes))))
            local[v] = count
            count += 1
        for v in range(lowest, last + 1):
            node = &graph.nodes[v]
            if marks[v] != NEEDED or node.n_inputs == 0:
                continue
            op = <Operation> operations[node.op]
            shape = <tuple> node.shape
            stream.append(node.op)
            stream.append(node.dtype)
            stream.append(node.level)
            stream.append(shapes.setdefault(shape, len(shapes)))
            if node.attrs:
                key = graph.attr_keys[node.attrs]
                stream.append(attrs.setdefault(key, len(attrs)))
            else:
                stream.append(-1)
            if node.code >= 0 and not (op.views or op.name == "argument"
                                       or isinstance(op, Elementwise)):
                code = id(graph.codes[node.code])
                stream.append(codes.setdefault(code, len(codes)))
                stream.append(node.lasti)
            stream.append(node.n_inputs)
            for j in range(node.n_inputs):
                stream.append(local[graph.sources[node.first_edge + j]])
            local[v] = count
            if graph.calls and v in graph.calls:
                marked.append((count, calls.setdefault(graph.calls[v], len(calls))))
            if graph.saved and v in graph.saved:
                marked.append((count, graph.saved[v]))
            count += 1
        stream.append(-3)
        for x in outputs:
            stream.append(local[(<Variable> x).index])
    finally:
        PyMem_Free(marks)
        PyMem_Free(local)
    key = (array("i", stream).tobytes(), tuple(shapes), tuple(attrs), tuple(codes), tuple(marked))
    return key, constants


def boundary(list outputs, int32_t first, set dropped=None):
    """The nodes before `first` that are read by ancestors of `outputs` from `first` on.

    What a backward pass, made of the nodes from `first` on, reads of the forward pass. In the
    place of `dropped` nodes stands what they are computed from.
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
    pending = [v for v in found if v in dropped] if dropped else []
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
                if source in dropped:
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
