"""The arguments of a call as nodes of a graph: arrays taken in, and fresh aliases of Variables.

A function that is traced anew in every call pays for this each time.
"""

import numpy as np

from libc.stdint cimport int32_t

from ..errors import ArgumentError, DTypeError, GraphError

from .constants cimport capture
from .containers cimport Structure, first_leaf, name_leaves, put_together, take_apart
from .graph cimport Graph, current_graph
from .nodes cimport FLAG_WEAK
from .operations cimport Operation, is_special
from .operations import operation
from .variable cimport Variable

cdef Operation _argument = operation("argument")
cdef frozenset computable = frozenset("?bhilqBHILQfd")    # characters of dtypes
cdef object ndarray = np.ndarray, generic = np.generic


cpdef Variable argument(Graph graph, shape, dtype, str name=None, bint weak=False,
                        Variable outer=None):
    """Make an argument of a transform: a fresh leaf, or a fresh alias of an `outer` Variable."""
    cdef int32_t inputs[1]
    cdef int32_t index
    if outer is not None:
        if outer.graph is not graph:
            raise GraphError(
                f"{outer!r} belongs to another graph than the other arguments{graph.here()}; make "
                "them in one `with ad.Graph():`")
        inputs[0] = outer.index
        index = graph.append(_argument, 1, inputs, outer.shape,
                             graph.nodes[outer.index].dtype, 0,
                             graph.nodes[outer.index].flags | (FLAG_WEAK if weak else 0))
    else:
        index = graph.append(_argument, 0, NULL, tuple(shape), np.dtype(dtype).num, 0,
                             FLAG_WEAK if weak else 0)
    if name is not None:
        graph.names[index] = name
    return graph.handle(index)


cpdef str leaf_kind(leaf):
    """How an argument enters a trace: "array", "weak" (a Python float), "static", "refused"."""
    if type(leaf) is ndarray or isinstance(leaf, (ndarray, generic)):
        held = leaf if type(leaf) is ndarray else np.asarray(leaf)   # an heir may say another dtype
        return "array" if held.dtype.char in computable and not is_special(leaf) else "refused"
    return "weak" if isinstance(leaf, float) else "static"


cdef object refuse(object leaf, str name):
    """Raise for an argument that cannot be traced."""
    if is_special(leaf):
        raise DTypeError(f"{name} is a {type(leaf).__name__}: pass a plain array")
    leaf = np.asarray(leaf)
    if leaf.dtype.kind == "c":
        raise DTypeError(
            f"{name} has dtype {leaf.dtype}; autodiff computes with real numbers: pass the real "
            "and the imaginary part as two real arguments, x.real and x.imag")
    raise DTypeError(
        f"{name} has dtype {leaf.dtype}; autodiff computes with float32, float64, integers and "
        "booleans. Convert it with .astype(float).")


def leaf_names(args, dict kwargs not None, names=None):
    """A name for each leaf of a call, for messages and listings; `names` of its positional ones."""
    cdef list found = []
    for k, arg in enumerate(args):
        name_leaves(arg, f"argument {k}" if names is None else names[k], found)
    for name, arg in kwargs.items():
        name_leaves(arg, name, found)
    return found


cdef int same_number(list leaves, list names) except -1:
    """Raise where a container of the user's own type changed between two looks at it."""
    if len(leaves) != len(names):
        raise ArgumentError("a container among the arguments holds something else at each look")
    return 0


cpdef Graph graph_of(args, dict kwargs):
    """The graph of the first Variable among the arguments, or None."""
    found = first_leaf(args, Variable)
    if found is None and kwargs:
        found = first_leaf(kwargs, Variable)
    return None if found is None else (<Variable> found).graph


def take(Graph graph not None, args, kwargs, names, bint bound):
    """Make Variables of this graph for the arrays and floats among the arguments of a call.

    Ints, bools and strings are static and stay as they are. `names` are what to call the positional
    arguments, or None. Where they are `bound`, the arrays are the Variables' values.

    Returns ((args, kwargs) with Variables, list of these).
    """
    cdef list leaves = [], inputs = []
    cdef Structure structure = take_apart((args, kwargs), leaves)
    cdef list called = leaf_names(args, kwargs, names)
    cdef Py_ssize_t k, at = 0
    same_number(leaves, called)
    for k in range(len(leaves)):
        kind = leaf_kind(leaves[k])
        if kind == "static":
            continue
        if kind == "refused":
            refuse(leaves[k], called[k])
        array = np.asarray(leaves[k])
        if not array.dtype.isnative:
            array = array.astype(array.dtype.newbyteorder("="))
        x = argument(graph, array.shape, array.dtype, called[k], kind == "weak")
        if bound:
            graph.bindings[(<Variable> x).index] = array
        inputs.append(x)
        leaves[k] = x
    return put_together(structure, leaves, &at), inputs


def fresh_arguments(args, argnums):
    """The arguments with fresh aliases in the place of those that are differentiated.

    Returns (arguments, list of (structure, Variables) by argnum). Each float leaf of an argument
    in `argnums` becomes an `argument` node that never merges, so that d/dy (y x) at y = x is x.
    """
    cdef list replaced = list(args), groups = [], targets, called
    cdef Graph graph = graph_of(args, None)
    cdef Py_ssize_t k, j, at
    if graph is None:
        graph = current_graph()
    for k in argnums:
        targets, called, at = [], [], 0
        structure = take_apart(replaced[k], targets)
        name_leaves(replaced[k], f"argument {k}", called)
        same_number(targets, called)
        for j in range(len(targets)):
            targets[j] = fresh(graph, targets[j], called[j])
        replaced[k] = put_together(structure, targets, &at)
        groups.append((structure, targets))
    return replaced, groups


cdef Variable fresh(Graph graph, object leaf, str name):
    """A fresh alias of one leaf; a number or array that is no Variable becomes a constant."""
    cdef bint weak = False
    if type(leaf) is not Variable:
        if isinstance(leaf, bool) or not isinstance(leaf, (int, float, ndarray, generic)):
            arraylike = hasattr(leaf, "__array__") or (
                hasattr(leaf, "__getitem__") and not isinstance(leaf, (str, bytes)))
            remedy = "pass np.asarray(x), or leave" if arraylike else "leave"
            raise DTypeError(
                f"{name} is a {type(leaf).__name__} and cannot be differentiated; {remedy} it out "
                "of argnums")
        if leaf_kind(leaf) == "refused":
            refuse(leaf, name)
        weak = not isinstance(leaf, (ndarray, generic))
        leaf = graph.handle(capture(graph, np.asarray(np.float64(leaf) if weak else leaf)))
    if leaf.dtype.kind != "f":
        raise DTypeError(
            f"{name} has dtype {leaf.dtype} and cannot be differentiated; use x.astype(float), "
            "or leave it out of argnums")
    return argument(graph, None, None, None, weak, leaf)


cpdef Variable original(Variable x):
    """What an alias, or an alias of one, stands for; any other Variable itself."""
    cdef Graph graph = x.graph
    cdef int32_t index = x.index
    while graph.nodes[index].op == _argument.index and graph.nodes[index].n_inputs:
        index = graph.sources[graph.nodes[index].first_edge]
    return graph.handle(index)


def positions(args, argnums):
    """`argnums` counted from the front; ArgumentError where there is no such argument."""
    cdef Py_ssize_t n = len(args)
    cdef list found = []
    for k in argnums:                             # of any size
        if not -n <= k < n:
            raise ArgumentError(
                f"argnums={k}, but {n} positional arguments were given: what is "
                "differentiated is passed by position, ad.grad(f)(x)")
        found.append(k + n if k < 0 else k)
    return found
