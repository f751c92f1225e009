"""From a Python function to a graph: arguments become Variables, the result is run as a program.

The outermost transform opens a trace with a graph of its own; transforms called meanwhile write
into the same graph and return Variables. Tracing computes nothing. Looking at a value (`if`,
`x.value`, `float(x)`) runs what it depends on as an ordinary program; what was computed becomes
an input of the trace's later programs.
"""

import warnings

from autodiff.caches import Cache
from autodiff.core.arguments import graph_of, original, take
from autodiff.core.containers import flatten, unflatten
from autodiff.core.graph import Graph
from autodiff.core.making import here
from autodiff.core.operations import provide
from autodiff.core.queries import operations_of, signature, unrun
from autodiff.core.variable import Variable
from autodiff.errors import (
    ArgumentError,
    BudgetError,
    ConcretizationError,
    GradientWarning,
    GraphError,
)
from autodiff.kept import Kept
from autodiff.ops.user import UserOperation, open_trace
from autodiff.planning import as_policy
from autodiff.programs import Program, captured_arrays
from autodiff.saved import check_names

programs = Cache(256)


def find_program(inputs, outputs, policy):
    """(a program found by its structure or made now, the captured arrays to run it with)."""
    graph = outputs[0].graph
    key, constants = signature(inputs, outputs)
    program = programs.get((key, policy))
    if isinstance(program, BudgetError):          # refused before: it would be again
        raise BudgetError(*program.args, **vars(program))
    if program is None:
        try:
            program = Program(inputs, outputs, policy)
        except BudgetError as error:              # the copy holds no frames
            programs.put((key, policy), BudgetError(*error.args, **vars(error)))
            raise
        programs.put((key, policy), program)
    return program, captured_arrays(graph, graph.payloads, constants)


class Trace:
    """A graph being written by one call of an outermost transform.

    With `concrete`, the arguments have values that may be looked at; without (`ad.compile`,
    `ad.plan`), looking at a value is an error. Where it `lends`, a pullback reads the arguments
    where they lie.
    """

    def __init__(self, policy, concrete=True, lends=False):
        self.policy, self.concrete, self.lends = policy, concrete, lends
        self.graph = Graph()
        self.inputs = []
        self.kept = Kept(self.graph, policy, find_program)

    def __enter__(self):
        self._token = open_trace.set(self)
        self.graph.__enter__()
        return self

    def __exit__(self, *exception):
        self.graph.__exit__(*exception)
        open_trace.reset(self._token)
        return False

    def take(self, args, kwargs, names=None):
        """Arguments with array leaves and floats replaced by Variables of this trace.

        Ints, bools and strings are static and stay as they are. `names` are what to call the
        positional arguments.
        """
        taken, inputs = take(self.graph, args, kwargs, names, self.concrete)
        self.inputs += inputs
        return taken

    def run(self, tree):
        """The tree with its Variables replaced by arrays."""
        leaves, structure = flatten(tree)
        outputs = variables_of(leaves, self.graph)
        if outputs:
            check_names(self.graph, self.policy)
            if self.kept.nbytes:                             # some values were looked at
                results = iter(self.kept.run(outputs))
            else:
                program, captured = find_program(self.inputs, outputs, self.policy)
                arrays = [self.graph.bindings[x.index] for x in self.inputs]
                results = iter(program.run(arrays, captured))
            leaves = [next(results) if isinstance(leaf, Variable) else leaf for leaf in leaves]
        return unflatten(structure, leaves)

    def run_gradient(self, value, z, targets, differentiate):
        """The values of [*value, *differentiate()], z's gradients, as a list; `value` is [z] or [].

        Where a graph that leads to z like this one, with the same literals, has been differentiated
        before, its program is run and the sweep left out: rules read nothing else. The rules of a
        user's operations may, so those are asked every time.
        """
        variables_of([z], self.graph)
        if self.kept.nbytes:                                 # some values were looked at
            return self.run([*value, *differentiate()])
        payloads = self.graph.payloads
        key, nodes = signature(self.inputs, [z, *targets])
        literals = [payloads[node].tobytes() for node in nodes if payloads[node].ndim == 0]
        key = key, len(value), tuple(literals), self.policy
        found = programs.get_early(key)
        if found is None:
            outputs = [*value, *differentiate()]
            check_names(self.graph, self.policy)
            program, captured = find_program(self.inputs, outputs, self.policy)
            own = {id(payloads[node]): k for k, node in enumerate(nodes)}
            sources = [own.get(id(array), array) for array in captured]
            plain = not any(isinstance(op, UserOperation) for op in operations_of(self.graph))
            if plain and all(type(source) is int or source.ndim == 0 for source in sources):
                programs.put_early(key, (program, sources))
        else:
            program, sources = found
            captured = [payloads[nodes[source]] if type(source) is int else source
                        for source in sources]
        bindings = self.graph.bindings
        return program.run([bindings[x.index] for x in self.inputs], captured)

    def close(self):
        """Let go of the arrays: nothing refers to the caller's arguments afterwards."""
        self.graph.forget()


def variables_of(leaves, graph):
    """The Variables among the leaves of a result; GraphError for one of another graph."""
    found = [leaf for leaf in leaves if isinstance(leaf, Variable)]
    for x in found:
        if x.graph is not graph:
            raise GraphError(
                f"the function returned {x!r}, which belongs to another graph: it was kept from "
                "an earlier call, or made outside the function")
    return found


# ---- running ---------------------------------------------------------------------------------

def traced(body, args, kwargs, policy, names=None):
    """Run `body(args, kwargs)` in a trace: nested ones return Variables, the outermost arrays."""
    if open_trace.get() is not None:
        return body(args, kwargs)
    graph = graph_of(args, kwargs)
    if graph is not None:
        with graph:
            return body(args, kwargs)
    trace = Trace(as_policy(policy))
    try:
        with trace:
            tree = body(*trace.take(args, kwargs, names))
        return trace.run(tree)
    finally:
        trace.close()


def traced_gradient(forward, assemble, args, kwargs, policy, valued):
    """`assemble(z, gradients, aux)` for the scalar z of `forward`, as arrays where it is outermost.

    `forward(args, kwargs)` gives (z, targets, differentiate, aux); see `Trace.run_gradient`. Unless
    `valued`, z is left out.
    """
    def body(args, kwargs):
        z, _, differentiate, aux = forward(args, kwargs)
        return assemble(z if valued else None, differentiate(), aux)

    if open_trace.get() is not None or graph_of(args, kwargs) is not None:
        return traced(body, args, kwargs, policy)
    trace = Trace(as_policy(policy))
    try:
        with trace:
            z, targets, differentiate, aux = forward(*trace.take(args, kwargs))
            if aux is not None or not targets:               # more is computed than a gradient
                tree = assemble(z if valued else None, differentiate(), aux)
            else:
                value = [z] if valued else []
                found = trace.run_gradient(value, z, targets, differentiate)
                return assemble(found[0] if valued else None, found[len(value):], None)
        return trace.run(tree)
    finally:
        trace.close()


def is_tracing():
    """Whether a transform called now is inside another one."""
    return open_trace.get() is not None


# ---- looking at values ----------------------------------------------------------------------

def evaluate(x):
    """The value of a Variable, as a read-only array; see Variable.value."""
    x = original(x)
    graph = x.graph
    if x.index in graph.payloads:
        return graph.payloads[x.index]
    if x.index not in graph.bindings:
        leaves, alive, _ = unrun([x], graph.bindings)
        if leaves:
            raise ConcretizationError(
                f"the value of {x!r} is looked at{here(x)}, but it depends on "
                f"{leaves[0].name!r}, which has no value here. A symbolic graph and a function "
                "under ad.compile or ad.plan know shapes only: use np.where(mask, x, 0) instead "
                "of `if` and of x[mask] (or a mask that is an array), np.sin instead of math.sin, "
                "run it as an ad.Program, or use ad.grad(f), where values may be looked at")
        trace = open_trace.get()
        inside = trace is not None and trace.graph is graph
        kept = trace.kept if inside else Kept(graph, as_policy(None), find_program)
        kept.look(x, alive)
    value = graph.bindings[x.index]
    # An argument is the caller's array, which may change after the call.
    value = value.view() if x.inputs else value.copy()
    value.flags.writeable = False
    return value


def single_value(x, what, remedy=""):
    """The one element of a Variable as a Python number."""
    if x.size != 1:
        raise ArgumentError(
            f"{what} of {x!r}{here(x)}: it has {x.size} elements, only one has a single value"
            f"{remedy}")
    return evaluate(x).item()


def to_float(x):
    """float(x), with a warning: the number has no gradient."""
    number = float(single_value(x, "float()"))
    # The text names no node: Python shows a warning once for each text and line.
    warnings.warn(
        f"float() takes a value out of the graph{here(x)}, and no gradient flows through "
        "it. Use np.stack or np.concatenate to collect Variables, np.sin instead of math.sin, and "
        "x.value if this is meant",
        GradientWarning, stacklevel=2)
    return number


provide(
    evaluate=evaluate,
    to_bool=lambda x: bool(single_value(
        x, "the truth value", "; choose by element with np.where(condition, a, b)")),
    to_float=to_float,
    to_int=lambda x: int(single_value(x, "int()")),
)
