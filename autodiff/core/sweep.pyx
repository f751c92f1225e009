"""Sweeps: which nodes lie between targets and outputs, and the gradient of each so far."""

from cpython.mem cimport PyMem_Free
from libc.stdint cimport int8_t, int32_t

from ..errors import DTypeError, GraphError, UndefinedDerivativeError

from .elementwise cimport cast
from .graph cimport Graph
from .operations cimport UNDEFINED, ZERO, Operation, functions, operations
from .room cimport zeros
from .variable cimport Variable

cdef enum:
    REACHED = 1                   # descends from a target
    NEEDED = 2                    # ... and an output descends from it


cdef int mark(Graph graph, int8_t* marks, int8_t* derivative, int32_t first, int32_t last,
              bint forward) noexcept nogil:
    """Spread REACHED up from the targets (forward) or NEEDED down from the outputs.

    Neither goes along an edge that carries nothing: what is read as an index alone is not asked.
    """
    cdef int32_t v, j, edge
    if forward:
        for v in range(first, last + 1):
            for j in range(graph.nodes[v].n_inputs):
                edge = graph.nodes[v].first_edge + j
                if (graph.sources[edge] >= first and marks[graph.sources[edge] - first] & REACHED
                        and derivative[edge - graph.nodes[first].first_edge] != ZERO):
                    marks[v - first] |= REACHED
                    break
    else:
        for v in range(last, first - 1, -1):
            if marks[v - first] != REACHED | NEEDED:
                continue
            for j in range(graph.nodes[v].n_inputs):
                edge = graph.nodes[v].first_edge + j
                if (graph.sources[edge] >= first and marks[graph.sources[edge] - first] & REACHED
                        and derivative[edge - graph.nodes[first].first_edge] != ZERO):
                    marks[graph.sources[edge] - first] |= NEEDED
    return 0


cdef class Sweep:
    """The marks and gradient table of one backward (or forward) pass over a graph."""

    def __dealloc__(self):
        PyMem_Free(self.marks)
        PyMem_Free(self.derivative)
        PyMem_Free(self.table)

    cdef int prepare(self, Graph graph, list sources, list sinks) except -1:
        """Mark what descends from `sources` and leads to `sinks`."""
        cdef int32_t v, j, edge, n_edges, base
        cdef Operation op
        self.graph = graph
        self.first = min([(<Variable> x).index for x in sources])
        self.last = max([(<Variable> x).index for x in sources + sinks])
        base = graph.nodes[self.first].first_edge
        n_edges = graph.nodes[self.last].first_edge + graph.nodes[self.last].n_inputs - base
        self.marks = <int8_t*> zeros(self.last - self.first + 1, 1)
        self.derivative = <int8_t*> zeros(n_edges + 1, 1)
        self.table = <int32_t*> zeros(self.last - self.first + 1, sizeof(int32_t))
        for v in range(self.first, self.last + 1):
            op = <Operation> operations[graph.nodes[v].op]
            for j in range(graph.nodes[v].n_inputs):
                edge = graph.nodes[v].first_edge + j
                self.derivative[edge - base] = op.derivative_at(j)
        for x in sources:
            self.marks[(<Variable> x).index - self.first] |= REACHED
        with nogil:
            mark(graph, self.marks, self.derivative, self.first, self.last, True)
        for x in sinks:
            if (<Variable> x).index >= self.first:
                self.marks[(<Variable> x).index - self.first] |= NEEDED
        with nogil:
            mark(graph, self.marks, self.derivative, self.first, self.last, False)
        return 0

    cdef bint active(self, int32_t v) noexcept:
        return v >= self.first and self.marks[v - self.first] == REACHED | NEEDED

    cdef int derivative_of(self, int32_t edge) noexcept:
        return self.derivative[edge - self.graph.nodes[self.first].first_edge]

    cdef Variable found(self, int32_t v):
        """The gradient of node `v` so far, or None."""
        if v < self.first or v > self.last or self.table[v - self.first] == 0:
            return None
        return self.graph.handle(self.table[v - self.first] - 1)

    cdef int accumulate(self, int32_t v, Variable g) except -1:
        """Add a contribution to the gradient of `v`, in the shape and dtype of `v`."""
        cdef Variable total
        if g.graph is not self.graph:
            raise GraphError(
                f"a rule returned {g!r}, which belongs to another graph{self.graph.here()}")
        if self.graph.nodes[g.index].shape != self.graph.nodes[v].shape:
            g = <Variable> functions["sum_to"](g, <tuple> self.graph.nodes[v].shape)
        if self.graph.nodes[g.index].dtype != self.graph.nodes[v].dtype:
            g = self.graph.handle(cast(self.graph, g.index, self.graph.nodes[v].dtype))
        if self.table[v - self.first]:
            total = self.graph.handle(self.table[v - self.first] - 1)
            self.table[v - self.first] = self.add(total, g).index + 1
        else:
            self.table[v - self.first] = g.index + 1
        return 0

    cdef int contribute(self, int32_t v, object found, Operation op, int32_t j) except -1:
        """Add what a rule returned: `bprop` towards argument j, or with -1 `jvp`."""
        if found is None:
            return 0
        if type(found) is not Variable:
            rule = f"jvp of {op.name}" if j < 0 else f"bprop of {op.name} towards argument {j}"
            raise DTypeError(
                f"the {rule} returned {type(found).__name__}, not a Variable or None"
                f"{self.graph.here()}")
        return self.accumulate(v, <Variable> found)

    cdef Variable add(self, Variable total, Variable g):
        """total + g: in the place of the total where one is a part among zeros.

        So n gradients of n rows cost n rows, not n arrays. What is outside the part is not touched,
        where adding zero would make -0 a +0.
        """
        found = self.add_onto(g, total)
        if found is None:
            found = self.add_onto(total, g)
        return <Variable> (total + g if found is None else found)

    cdef object add_onto(self, Variable one, Variable other):
        """one + other by the operation that computes `one`, or None."""
        add_to = (<Operation> operations[self.graph.nodes[one.index].op]).add_to
        return None if add_to is None else add_to(one, other)

    cdef int stand_at(self, int32_t v) except -1:
        """Let the nodes made now carry the line of node `v`."""
        self.graph.sweep_code = self.graph.nodes[v].code
        self.graph.sweep_lasti = self.graph.nodes[v].lasti
        return 0

    cdef int push(self, int32_t v) except -1:
        """Ask `bprop` once for each edge from `v` towards a target (algorithm 6.6)."""
        cdef Graph graph = self.graph
        cdef Operation op = <Operation> operations[graph.nodes[v].op]
        cdef int32_t j, edge, source, n = graph.nodes[v].n_inputs
        cdef object call = None
        cdef list inputs = None
        cdef Variable y = None, g = self.found(v)
        for j in range(n):
            edge = graph.nodes[v].first_edge + j
            source = graph.sources[edge]
            if not self.active(source) or self.derivative_of(edge) == ZERO:
                continue
            if self.derivative_of(edge) == UNDEFINED:
                raise UndefinedDerivativeError(self.undefined(v, source))
            if call is None:
                self.stand_at(v)
                y = graph.handle(v)
                inputs = graph.inputs_of(v)
                call = op.bprop
            if n == 1:            # without a tuple, which costs as much as a rule
                contribution = call(j, g, y, inputs[0])
            elif n == 2:
                contribution = call(j, g, y, inputs[0], inputs[1])
            else:
                contribution = call(j, g, y, *inputs)
            self.contribute(source, contribution, op, j)
        return 0

    cdef str undefined(self, int32_t v, int32_t source):
        """The message for a gradient that arrives where there is none, with the path."""
        cdef int32_t up = v, down = source, edge, j
        path = [self.graph.handle(v)]
        while True:                                   # towards the output
            edge = self.graph.nodes[up].consumer
            while edge >= 0 and not (self.graph.edges[edge].consumer <= self.last
                                     and self.active(self.graph.edges[edge].consumer)
                                     and self.found(self.graph.edges[edge].consumer) is not None):
                edge = self.graph.edges[edge].next
            if edge < 0:
                break
            up = self.graph.edges[edge].consumer
            path.insert(0, self.graph.handle(up))
        while True:                                   # towards the target
            path.append(self.graph.handle(down))
            for j in range(self.graph.nodes[down].n_inputs):
                if self.active(self.graph.sources[self.graph.nodes[down].first_edge + j]):
                    down = self.graph.sources[self.graph.nodes[down].first_edge + j]
                    break
            else:
                break
        steps = [f"{x.name} = {x.op.name}" + (f" ({x.line})" if x.line else "") for x in path]
        if len(steps) > 8:
            n = len(steps)
            steps = steps[:4] + [f"... {n - 8} more ..."] + steps[n - 4:]
        op = operations[self.graph.nodes[v].op]
        advice = getattr(op, "advice", "Take the value out of the graph with x.value, or use it "
                         "only as an index.")
        return (f"the derivative of {op.name} is undefined, and a gradient arrives at it: "
                + " <- ".join(steps) + ". " + advice)
