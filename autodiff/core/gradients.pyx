"""Algorithms 6.5 and 6.6, symbol to symbol: gradients are more nodes of the same graph.

The book's build_grad recurses from a variable to its consumers. Here one loop visits the nodes
from the last to the first and pushes each gradient to the inputs, which makes the same sums
without recursion: when a node is reached, all its consumers have been. Contributions to one
variable are folded left in the order of the visit (last consumer first), each partial sum a
node, so that no schedule can change the order of a sum.
"""

import numpy as np

from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stdint cimport int8_t, int32_t

from ..errors import DTypeError, GraphError, ShapeError, UndefinedDerivativeError

from .constants cimport capture, literal
from .elementwise cimport cast
from .graph cimport Graph
from .operations cimport UNDEFINED, ZERO, Operation, dtype_number, functions, operations
from .variable cimport Variable

cdef extern from *:
    int AUTODIFF_DEBUG            # 1 in the debug build

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

    cdef Graph graph
    cdef int32_t first, last      # the range of nodes between the first target and last output
    cdef int8_t* marks            # by node - first
    cdef int8_t* derivative       # by edge - first edge of the range
    cdef int32_t* table           # the book's grad_table: node - first -> gradient + 1

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
        self.marks = <int8_t*> PyMem_Calloc(self.last - self.first + 1, 1)
        self.derivative = <int8_t*> PyMem_Calloc(n_edges + 1, 1)
        self.table = <int32_t*> PyMem_Calloc(self.last - self.first + 1, sizeof(int32_t))
        if self.marks == NULL or self.derivative == NULL or self.table == NULL:
            raise MemoryError("no memory for the gradient table")
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
            raise GraphError("a bprop rule returned a Variable of another graph")
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
            if contribution is None:
                continue
            if type(contribution) is not Variable:
                raise TypeError(
                    f"the bprop of {op.name} towards argument {j} returned "
                    f"{type(contribution).__name__}, not a Variable or None")
            self.accumulate(source, <Variable> contribution)
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
        op = (<Operation> operations[self.graph.nodes[v].op]).name
        return (f"the derivative of {op} is undefined, and a gradient arrives at it: "
                + " <- ".join(steps) + ". Take the value out of the graph with x.value, or use "
                "it only as an index.")


cdef list variables_of(object given, str what):
    cdef list found = list(given) if isinstance(given, (list, tuple)) else [given]
    if not found:
        raise GraphError(f"gradients: no {what} given")
    for x in found:
        if type(x) is not Variable:
            raise GraphError(
                f"gradients: {what} must be Variables, not {type(x).__name__}; "
                "ad.grad(f) differentiates functions of arrays")
        if (<Variable> x).graph is not (<Variable> found[0]).graph:
            raise GraphError(f"gradients: {what} belong to different graphs")
    return found


def gradients(outputs, targets, seeds=None):
    """Build the gradients of `outputs` with respect to `targets`, as nodes of the same graph.

    For a scalar z it returns dz/dx for each target x; in general sum_i J_i^T seed_i
    (eq. 6.47). The graph is restricted to the ancestors of the outputs that descend from the
    targets; each edge is asked once for its `bprop` (eq. 6.54).

    Parameters
    ----------
    outputs : Variable or list of Variable
        What is differentiated. Without seeds each must be a scalar.
    targets : Variable or list of Variable
        Any Variables of the same graph, intermediates included; float32 or float64.
    seeds : list, optional
        For each output the gradient that arrives there, of its shape; ones by default.

    Returns
    -------
    list of Variable, or one Variable if `targets` is one
        Each of the shape and dtype of its target; zeros where nothing depends on it.

    Raises
    ------
    GraphError
        For something that is not a Variable, or belongs to another graph.
    ShapeError
        For an output that is not a scalar without a seed, or a seed of another shape.
    DTypeError
        For a target or output that is not of floating point, a seed that is not of real numbers.
    UndefinedDerivativeError
        When a gradient arrives at argmax or a conversion to integers.

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> x = ad.variable("x", (3,))
    >>> g = ad.gradients((x * x).sum(), x)
    >>> ad.Program([x], [g])(np.arange(3.0))[0]
    array([0., 2., 4.])

    Source: algorithms 6.5 and 6.6, iterative.
    """
    cdef list ys = variables_of(outputs, "outputs"), xs = variables_of(targets, "targets")
    cdef Graph graph = (<Variable> ys[0]).graph
    cdef Variable x, y
    cdef Sweep sweep = Sweep()
    cdef int32_t v, level, level_before = graph.base_level
    if (<Variable> xs[0]).graph is not graph:
        raise GraphError("gradients: outputs and targets belong to different graphs")
    for what, group in (("target", xs), ("output", ys)):
        for x in group:
            if x.dtype.kind != "f":
                raise DTypeError(
                    f"gradients: the {what} {x!r} is not of floating point; use .astype(float)")
    if seeds is None:
        seeds = [None] * len(ys)
    elif isinstance(outputs, Variable) and not isinstance(seeds, (list, tuple)):
        seeds = [seeds]
    if len(seeds) != len(ys):
        raise ShapeError(f"gradients: {len(seeds)} seeds for {len(ys)} outputs")
    sweep.prepare(graph, xs, ys)
    level = 1 + max([y.level for y in ys])
    code_before, lasti_before = graph.sweep_code, graph.sweep_lasti
    graph.base_level = level
    try:
        for y, seed in zip(ys, seeds):
            sweep.stand_at(y.index)
            seed = seed_of(graph, y, seed)
            if y.index >= sweep.first:
                sweep.accumulate(y.index, seed)
        for v in range(sweep.last, sweep.first - 1, -1):
            if sweep.active(v) and sweep.table[v - sweep.first]:
                sweep.push(v)
        found = []
        for x in xs:
            g = sweep.found(x.index)
            if g is None:
                sweep.stand_at(x.index)
                g = functions["zeros_of"](x)
            found.append(g)
    finally:
        graph.base_level = level_before
        graph.sweep_code, graph.sweep_lasti = code_before, lasti_before
    if AUTODIFF_DEBUG:
        graph.verify()
    return found[0] if isinstance(targets, Variable) else found


cdef Variable seed_of(Graph graph, Variable y, object seed):
    """The gradient that arrives at output `y`: a Variable of its shape and dtype."""
    if seed is None:
        if y.shape != ():
            raise ShapeError(
                f"gradients: the output {y!r} has shape {y.shape}, not a scalar; give seeds, "
                "or differentiate its .sum()")
        return graph.handle(literal(graph, 1, graph.nodes[y.index].dtype))
    cdef Variable g
    if isinstance(seed, Variable):
        g = <Variable> seed
        if g.graph is not graph:
            raise GraphError(f"gradients: the seed {g!r} belongs to another graph")
    else:
        array = np.asarray(seed)
        dtype_number(array.dtype, f"gradients: the seed for {y!r}")
        g = graph.handle(capture(graph, array.astype(y.dtype, copy=False)))
    if g.shape != y.shape:
        raise ShapeError(f"gradients: a seed of shape {g.shape} for {y!r} of shape {y.shape}")
    return g


def tangents(outputs, sources, given):
    """Build the tangents of `outputs`, J t: forward mode over the same graph.

    `given` holds the tangent of each source, a Variable of its shape, or None for zero. A node's
    tangent is asked of its operation's `jvp(tangents, y, *inputs)`. Returns a list with a
    Variable, or None where an output does not depend on the sources.
    """
    cdef list ys = variables_of(outputs, "outputs"), xs = variables_of(sources, "sources")
    cdef Graph graph = (<Variable> ys[0]).graph
    cdef Sweep sweep = Sweep()
    cdef Operation op
    cdef Variable x, t
    cdef int32_t v, j, edge, source, level_before = graph.base_level
    sweep.prepare(graph, xs, ys)
    code_before, lasti_before = graph.sweep_code, graph.sweep_lasti
    graph.base_level = 1 + max([y.level for y in ys])
    try:
        for x, t in zip(xs, given):
            if t is not None:
                sweep.table[x.index - sweep.first] = t.index + 1
        for v in range(sweep.first, sweep.last + 1):
            if not sweep.active(v) or sweep.table[v - sweep.first]:
                continue
            op = <Operation> operations[graph.nodes[v].op]
            arriving = []
            for j in range(graph.nodes[v].n_inputs):
                edge = graph.nodes[v].first_edge + j
                source = graph.sources[edge]
                t = None
                if sweep.active(source) and sweep.derivative_of(edge) != ZERO:
                    t = sweep.found(source)
                    if t is not None and sweep.derivative_of(edge) == UNDEFINED:
                        raise UndefinedDerivativeError(sweep.undefined(v, source))
                arriving.append(t)
            if any([t is not None for t in arriving]):
                sweep.stand_at(v)
                y = graph.handle(v)
                found = op.jvp(arriving, y, *y.inputs)
                if found is not None:
                    sweep.accumulate(v, <Variable> found)
        return [sweep.found((<Variable> y).index) for y in ys]
    finally:
        graph.base_level = level_before
        graph.sweep_code, graph.sweep_lasti = code_before, lasti_before
