"""Making nodes: leaves, constants and applications, for the layers above."""

import operator

import numpy as np

from cpython.mem cimport PyMem_Free
from libc.stdint cimport int32_t

from ..errors import ArgumentError, DTypeError, GraphError

from .constants cimport capture
from .graph cimport Graph, current_graph
from .nodes cimport FLAG_WEAK
from .operations cimport Operation, dtype_number
from .operations import operation
from .room cimport resize
from .variable cimport Variable

cdef Operation _variable = operation("variable")


def variable(name, shape=(), dtype=np.float64, graph=None):
    """Make a leaf of the current graph that stands for an array to be given later.

    Parameters
    ----------
    name : str
        Its name in listings; need not be unique.
    shape : int or tuple of int
        Shape of the arrays it stands for.
    dtype : NumPy dtype
        float32, float64, an integer type or bool.
    graph : Graph, optional
        The graph to put it in; the innermost `with ad.Graph():` otherwise, else the context's.

    Raises
    ------
    DTypeError
        For object, string, complex and other dtypes, and for what is no shape.
    ShapeError
        For a negative extent, too many axes or bytes.
    ArgumentError
        For a name that is no string, or a graph that is none.

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> W = ad.variable("W", (784, 10), np.float32)
    >>> W.shape, W.dtype, W.op.name
    ((784, 10), dtype('float32'), 'variable')
    """
    if not isinstance(name, str):
        raise ArgumentError(f"variable: a name is a string, not {name!r}")
    if graph is not None and not isinstance(graph, Graph):
        raise ArgumentError(f"variable {name!r}: graph= takes an ad.Graph, not {graph!r}")
    try:
        extents = (shape,) if isinstance(shape, (int, np.integer)) else shape
        extents = tuple([operator.index(extent) for extent in extents])
    except TypeError:
        raise DTypeError(
            f"variable {name!r}: a shape is an int or a tuple of ints, not {shape!r}") from None
    cdef Graph home = current_graph() if graph is None else graph
    cdef int number = dtype_number(dtype, f"variable {name!r}")
    cdef int32_t index = home.append(_variable, 0, NULL, extents, number, 0, 0)
    home.names[index] = name
    return home.handle(index)


def constant(Graph graph, array):
    """Capture an array or scalar: a constant node that holds a copy."""
    array = np.asarray(array)
    dtype_number(array.dtype, "a captured array")
    return graph.handle(capture(graph, array))


def node(Operation op, inputs, tuple shape, dtype, tuple attrs=(), weak=False):
    """Apply an operation whose shape and dtype are known: a new node, or the equal one."""
    cdef int32_t room[8]
    cdef int32_t* indices = room
    cdef int32_t j, index, n = <int32_t> len(inputs)
    cdef int number
    cdef Graph graph = (<Variable?> inputs[0]).graph
    cdef Variable x
    if n > 8:
        indices = NULL
        resize(<void**> &indices, n * sizeof(int32_t))
    try:
        for j in range(n):
            x = <Variable?> inputs[j]
            if x.graph is not graph:
                raise GraphError(
                    f"{op.name}: its arguments belong to different graphs{graph.here()}; make "
                    "them in one `with ad.Graph():`")
            indices[j] = x.index
        number = dtype.num if isinstance(dtype, np.dtype) else np.dtype(dtype).num
        index = graph.append(op, n, indices, shape, number,
                             graph.intern_attrs(attrs), FLAG_WEAK if weak else 0)
    finally:
        if indices != room:
            PyMem_Free(indices)
    return graph.handle(index)


def here(Variable x):
    """The user's line now, as the tail of a message: " (file.py:12)"."""
    return x.graph.here()
