"""Algorithms 6.5 and 6.6, symbol to symbol: gradients are more nodes of the same graph.

The book's build_grad recurses from a variable to its consumers. Here one loop visits the nodes
from the last to the first and pushes each gradient to the inputs, which makes the same sums
without recursion: when a node is reached, all its consumers have been. Contributions to one
variable are folded left in the order of the visit (last consumer first), each partial sum a
node, so that no schedule can change the order of a sum.
"""

import numpy as np

from libc.stdint cimport int32_t

from ..errors import DTypeError, GraphError, ShapeError, UndefinedDerivativeError

from .constants cimport capture, literal
from .graph cimport Graph
from .operations cimport UNDEFINED, ZERO, Operation, dtype_number, functions, operations
from .sweep cimport Sweep
from .variable cimport Variable

cdef extern from *:
    int AUTODIFF_DEBUG            # 1 in the debug build


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
    for x in [*xs, *[t for t in given if t is not None]]:
        if x.graph is not graph:
            raise GraphError(f"jvp: the value and {x!r} belong to different graphs{graph.here()}")
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
                sweep.contribute(v, op.jvp(arriving, y, *y.inputs), op, -1)
        return [sweep.found((<Variable> y).index) for y in ys]
    finally:
        graph.base_level = level_before
        graph.sweep_code, graph.sweep_lasti = code_before, lasti_before
