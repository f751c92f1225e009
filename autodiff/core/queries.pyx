"""Questions asked of a graph: is it the same as another, what crosses a cut, what is alive."""

from array import array

from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stdint cimport int8_t, int32_t

from .graph cimport Graph, Node, Operation, Variable, operations

cdef enum:
    CUT = 2                       # an input: its own inputs are not looked at
    NEEDED = 1


cdef int8_t* needed_nodes(list outputs, list inputs, int32_t last) except NULL:
    """Mark the ancestors of `outputs` up to the `inputs`, by node."""
    cdef Graph graph = (<Variable> outputs[0]).graph
    cdef int8_t* marks = <int8_t*> PyMem_Calloc(last + 1, 1)
    cdef int32_t v, j
    cdef Node* node
    if marks == NULL:
        raise MemoryError("no memory to walk a graph")
    for x in inputs:
        marks[(<Variable> x).index] = CUT
    for x in outputs:
        marks[(<Variable> x).index] |= NEEDED
    with nogil:
        for v in range(last, -1, -1):
            if marks[v] == NEEDED:
                node = &graph.nodes[v]
                for j in range(node.n_inputs):
                    marks[graph.sources[node.first_edge + j]] |= NEEDED
    return marks


def signature(list inputs, list outputs):
    """A key that is equal for programs that compute the same, and their constant nodes in order.

    It holds operations, wiring, levels, shapes, dtypes and attributes; captured arrays and
    literals are left out, so that a learning rate does not make another program.
    """
    cdef Graph graph = (<Variable> outputs[0]).graph
    cdef int32_t last = max([(<Variable> x).index for x in outputs + inputs])
    cdef int8_t* marks = needed_nodes(outputs, inputs, last)
    cdef int32_t* local = <int32_t*> PyMem_Calloc(last + 1, sizeof(int32_t))
    cdef int32_t v, j, count = 0
    cdef Node* node
    cdef Operation op
    cdef dict shapes = {}, attrs = {}
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
        for v in range(last + 1):
            if marks[v] != NEEDED:
                continue
            node = &graph.nodes[v]
            op = <Operation> operations[node.op]
            shape = <tuple> node.shape
            if op.name == "constant":
                constants.append(v)
                stream.extend((-2, node.dtype, node.level, shapes.setdefault(shape, len(shapes))))
            else:
                stream.append(node.op)
                stream.append(node.dtype)
                stream.append(node.level)
                stream.append(shapes.setdefault(shape, len(shapes)))
                if node.attrs:
                    key = graph.attr_keys[node.attrs]
                    stream.append(attrs.setdefault(key, len(attrs)))
                else:
                    stream.append(-1)
                for j in range(node.n_inputs):
                    stream.append(local[graph.sources[node.first_edge + j]])
            local[v] = count
            count += 1
        stream.append(-3)
        for x in outputs:
            stream.append(local[(<Variable> x).index])
    finally:
        PyMem_Free(marks)
        PyMem_Free(local)
    return (array("i", stream).tobytes(), tuple(shapes), tuple(attrs)), constants


def boundary(list outputs, int32_t first):
    """The nodes before `first` that are read by ancestors of `outputs` from `first` on.

    What a backward pass, made of the nodes from `first` on, reads of the forward pass.
    """
    cdef Graph graph = (<Variable> outputs[0]).graph
    cdef int32_t last = max([(<Variable> x).index for x in outputs])
    cdef int8_t* marks = needed_nodes(outputs, [], last)
    cdef int32_t v, j, source
    cdef Node* node
    cdef dict found = {}
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
    constant = "constant"
    return [graph.handle(v) for v in sorted(found)
            if (<Operation> operations[graph.nodes[v].op]).name != constant]


def unrun(Variable x, dict run):
    """The ancestors of `x`, itself included, that are not in `run` and not constants.

    Returns (leaves among them, those that somebody still refers to).
    """
    cdef Graph graph = x.graph
    cdef set seen = {x.index}
    cdef list pending = [x.index], leaves = [], alive = []
    cdef int32_t v, j, source
    cdef Node* node
    cdef Operation op
    while pending:
        v = pending.pop()
        if v in run:
            continue
        node = &graph.nodes[v]
        op = <Operation> operations[node.op]
        if op.name == "constant":
            continue
        if node.n_inputs == 0:
            leaves.append(graph.handle(v))
            continue
        if graph.handles[v] != NULL and op.name != "argument":
            alive.append(graph.handle(v))
        for j in range(node.n_inputs):
            source = graph.sources[node.first_edge + j]
            if source not in seen:
                seen.add(source)
                pending.append(source)
    return leaves, alive
