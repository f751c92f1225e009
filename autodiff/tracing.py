"""From a Python function to a graph: arguments become Variables, the result is run as a program.

The outermost transform opens a trace with a graph of its own; transforms called meanwhile write
into the same graph and return Variables. Tracing computes nothing. Looking at a value (`if`,
`x.value`, `float(x)`) runs what it depends on as an ordinary program; what was computed becomes
an input of the trace's later programs.
"""

import threading
import warnings
from collections import OrderedDict
from contextvars import ContextVar

import numpy as np

from autodiff.core import graph as core
from autodiff.core.graph import Graph, Variable, argument, constant
from autodiff.core.queries import signature, unrun
from autodiff.errors import (
    ArgumentError,
    ConcretizationError,
    DTypeError,
    GradientWarning,
)
from autodiff.planning import as_policy
from autodiff.programs import Program
from autodiff.trees import flatten, paths, unflatten

_open = ContextVar("autodiff.trace", default=None)  # the Trace being written, or None


class Cache:
    """The most recently used programs, found by the signature of their graph and policy."""

    def __init__(self, size):
        self.size, self.hits, self.misses = size, 0, 0
        self._entries = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self):
        return len(self._entries)

    def get(self, key):
        with self._lock:
            found = self._entries.get(key)
            if found is None:
                self.misses += 1
            else:
                self.hits += 1
                self._entries.move_to_end(key)
            return found

    def put(self, key, value):
        with self._lock:
            self._entries[key] = value
            while len(self._entries) > self.size:
                self._entries.popitem(last=False)

    def clear(self):
        with self._lock:
            self._entries.clear()
            self.hits = self.misses = 0


programs = Cache(256)


def run(inputs, outputs, arrays, policy):
    """Run outputs of a graph on arrays, with a program found by its structure or made now."""
    graph = outputs[0].graph
    key, constants = signature(inputs, outputs)
    payloads = [graph.payloads[node] for node in constants]
    program = programs.get((key, policy))
    if program is None:
        program = Program(inputs, outputs, policy)
        programs.put((key, policy), program)
    return program.run(arrays, payloads)


class Trace:
    """A graph being written by one call of an outermost transform.

    With `concrete`, the arguments have values that may be looked at; without (`ad.compile`,
    `ad.plan`), looking at a value is an error.
    """

    def __init__(self, policy, concrete=True):
        self.policy, self.concrete = policy, concrete
        self.graph = Graph()
        self.inputs, self.arrays = [], []

    def __enter__(self):
        self._token = _open.set(self)
        self.graph.__enter__()
        return self

    def __exit__(self, *exception):
        self.graph.__exit__(*exception)
        _open.reset(self._token)
        return False

    def take(self, args, kwargs):
        """Arguments with array leaves and floats replaced by Variables of this trace.

        Ints, bools, strings and None are static and stay as they are.
        """
        leaves, structure = flatten((args, kwargs))
        names = None
        taken = []
        for k, leaf in enumerate(leaves):
            kind = leaf_kind(leaf)
            if kind == "static":
                taken.append(leaf)
                continue
            if kind == "refused":
                names = names or argument_names(args, kwargs)
                refuse(leaf, names[k])
            array = np.asarray(leaf)
            names = names or argument_names(args, kwargs)
            x = argument(self.graph, array.shape, array.dtype.newbyteorder("="), names[k],
                         weak=kind == "weak")
            if self.concrete:
                self.graph.bindings[x.index] = array
            self.inputs.append(x)
            self.arrays.append(array)
            taken.append(x)
        return unflatten(structure, taken)

    def run(self, tree):
        """The tree with its Variables replaced by arrays."""
        leaves, structure = flatten(tree)
        outputs = [leaf for leaf in leaves if isinstance(leaf, Variable)]
        if outputs:
            inputs, arrays = self.sources()
            results = iter(run(inputs, outputs, arrays, self.policy))
            leaves = [next(results) if isinstance(leaf, Variable) else leaf for leaf in leaves]
        return unflatten(structure, leaves)

    def sources(self):
        """What has values: the arguments, and what was looked at."""
        kept = [self.graph[node] for node in self.graph.bindings
                if self.graph[node].op is not core.ARGUMENT]
        return self.inputs + kept, self.arrays + [self.graph.bindings[x.index] for x in kept]

    def close(self):
        """Let go of the arrays: nothing refers to the caller's arguments afterwards."""
        self.graph.forget()
        self.arrays = []


def leaf_kind(leaf):
    """How an argument enters a trace: "array", "weak" (a Python float), "static", "refused"."""
    kind = type(leaf)
    if kind is np.ndarray:
        return "array" if leaf.dtype.kind in "biuf" and leaf.dtype.itemsize <= 8 else "refused"
    if kind is float:
        return "weak"
    if isinstance(leaf, np.ma.MaskedArray) or kind is np.matrix:
        return "refused"
    if isinstance(leaf, (np.ndarray, np.generic)):
        return "array" if leaf.dtype.kind in "biuf" and leaf.dtype.itemsize <= 8 else "refused"
    return "static"


def refuse(leaf, name):
    """Raise for an argument that cannot be traced."""
    if isinstance(leaf, np.ma.MaskedArray) or type(leaf) is np.matrix:
        raise DTypeError(f"{name} is a {type(leaf).__name__}: pass a plain array")
    raise DTypeError(
        f"{name} has dtype {leaf.dtype}; autodiff computes with float32, float64, integers and "
        "booleans. Convert it with .astype(float).")


def argument_names(args, kwargs):
    """A name for each leaf of a call, for messages and listings."""
    found = []
    for k, arg in enumerate(args):
        found += paths(arg, f"argument {k}")
    for key, arg in kwargs.items():
        found += paths(arg, key)
    return found


def has_variables(args, kwargs):
    """The graph of the first Variable among the arguments, or None."""
    leaves, _ = flatten((args, kwargs))
    return next((leaf.graph for leaf in leaves if isinstance(leaf, Variable)), None)


def traced(body, args, kwargs, policy):
    """Run `body(args, kwargs)` in a trace: nested ones return Variables, the outermost arrays."""
    graph = has_variables(args, kwargs)
    if _open.get() is not None:
        return body(args, kwargs)
    if graph is not None:
        with graph:
            return body(args, kwargs)
    trace = Trace(as_policy(policy))
    try:
        with trace:
            tree = body(*trace.take(args, kwargs))
        return trace.run(tree)
    finally:
        trace.close()


def current_target():
    """The graph that a transform called now writes into."""
    return core.current_graph()


def fresh_arguments(args, argnums):
    """The arguments with fresh aliases in the place of those that are differentiated.

    Returns (arguments, list of (structure, Variables) by argnum). Each float leaf of an argument
    in `argnums` becomes an `argument` node that never merges, so that d/dy (y x) at y = x is x.
    """
    args, groups = list(args), []
    graph = has_variables(args, {}) or current_target()
    for k in argnums:
        if not -len(args) <= k < len(args):
            raise ArgumentError(f"argnums={k}, but only {len(args)} positional arguments were given")
        leaves, structure = flatten(args[k])
        names = None
        targets = []
        for position, leaf in enumerate(leaves):
            if not isinstance(leaf, Variable):
                names = names or paths(args[k], f"argument {k}")
                leaf = differentiable_constant(graph, leaf, names[position])
            elif leaf.dtype.kind != "f":
                names = names or paths(args[k], f"argument {k}")
                raise DTypeError(
                    f"{names[position]} has dtype {leaf.dtype} and cannot be differentiated; "
                    "use x.astype(float), or leave it out of argnums")
            targets.append(argument(graph, None, None, outer=leaf))
        args[k] = unflatten(structure, targets)
        groups.append((structure, targets))
    return args, groups


def differentiable_constant(graph, leaf, name):
    """A number or array to be differentiated that is no Variable: a constant of the graph."""
    if isinstance(leaf, (bool, np.bool_)) or not isinstance(
            leaf, (int, float, np.ndarray, np.generic)):
        raise DTypeError(
            f"{name} is a {type(leaf).__name__} and cannot be differentiated; leave it out of "
            "argnums")
    if isinstance(leaf, (int, float)) and not isinstance(leaf, np.generic):
        return constant(graph, np.float64(leaf))
    if leaf.dtype.kind != "f":
        raise DTypeError(
            f"{name} has dtype {leaf.dtype} and cannot be differentiated; use x.astype(float), "
            "or leave it out of argnums")
    return constant(graph, leaf)


# ---- looking at values ----------------------------------------------------------------------

def evaluate(x):
    """The value of a Variable, as a read-only array; see Variable.value."""
    graph = x.graph
    if x.index in graph.payloads:
        return graph.payloads[x.index]
    if x.index not in graph.bindings:
        leaves, alive = unrun(x, graph.bindings)
        if leaves:
            raise ConcretizationError(
                f"the value of {x!r} is looked at{core.here(x)}, but it depends on "
                f"{leaves[0].name!r}, which has no value here. A symbolic graph and a function "
                "under ad.compile or ad.plan know shapes only: use np.where or ad.numpy "
                "functions instead of `if`, run it as an ad.Program, or use ad.grad(f), where "
                "values may be looked at")
        outputs = [x, *(y for y in alive if y is not x)]
        trace = _open.get()
        if trace is not None and trace.graph is graph:
            inputs, arrays = trace.sources()
            policy = trace.policy
        else:
            inputs = [graph[node] for node in graph.bindings]
            arrays, policy = list(graph.bindings.values()), as_policy(None)
        for y, value in zip(outputs, run(inputs, outputs, arrays, policy), strict=True):
            value.flags.writeable = False
            graph.bindings[y.index] = value
    value = graph.bindings[x.index].view()
    value.flags.writeable = False
    return value


def _single(x, what):
    if x.size != 1:
        raise ArgumentError(
            f"{what} of {x!r}: it has {x.size} elements, only one has a single value")
    return evaluate(x).reshape(()).item()


def to_float(x):
    number = float(_single(x, "float()"))
    warnings.warn(
        f"float() takes {x!r} out of the graph{core.here(x)}: no gradient flows through it. Use "
        "np.stack or np.concatenate to collect Variables, x.value if this is meant",
        GradientWarning, stacklevel=3)
    return number


core.provide(
    evaluate=evaluate,
    to_bool=lambda x: bool(_single(x, "the truth value")),
    to_float=to_float,
    to_int=lambda x: int(_single(x, "int()")),
)
