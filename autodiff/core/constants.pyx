"""Constants: literals and captured arrays as nodes of a graph.

Equal literals of one dtype are one node. An array is copied when it is captured; captured again
and unchanged, it is the same node.
"""

from weakref import ref

import numpy as np

from libc.stdint cimport int32_t, uint64_t

from ..errors import DTypeError

from .graph cimport RECENT, Graph
from .keys cimport Unmerged, same_bits, tagged
from .operations cimport Operation, type_dtypes
from .operations import operation

cdef Operation _constant = operation("constant")

cdef enum:
    SCALARS = 1024                # literals remembered: learning rates are many
    SMALL = 1 << 16               # bytes of integers that are compared with those captured before

cdef dict scalars = {}            # (type, scalar, dtype) -> what `make_scalar` returns, if not zero


cdef tuple make_scalar(object scalar, int dtype):
    """(its array, the attributes of its constant node, their key): the same for every graph."""
    value = np.asarray(scalar, type_dtypes[dtype])
    if value.dtype.kind == "b" and not isinstance(scalar, (bool, np.bool_)):
        raise DTypeError(f"{scalar!r} is not a boolean")
    value.flags.writeable = False
    attrs = (value.tobytes(), value.dtype.char)
    return value, attrs, tagged(attrs)


cdef int32_t literal(Graph graph, object scalar, int dtype) except -1:
    """The constant node of a Python or NumPy scalar, converted to `dtype`."""
    cdef uint64_t address = <uint64_t> <void*> scalar
    cdef Py_ssize_t place = (((address >> 4) ^ dtype) * 0x9E3779B1ULL >> 16) % RECENT
    cdef int32_t index = graph.recent_nodes[place]
    if graph.recent[place] is scalar and graph.nodes[index].dtype == dtype:
        return index              # the literals of a loop are the same objects each time
    index = find_literal(graph, scalar, dtype)
    if scalar:
        graph.recent[place], graph.recent_nodes[place] = scalar, index
    return index


cdef int32_t find_literal(Graph graph, object scalar, int dtype) except -1:
    """The same by value. Zeros are not remembered: -0.0 equals 0.0."""
    key = (type(scalar), scalar, dtype)
    known = graph.literals.get(key) if scalar else None
    if known is not None:
        return known
    made = scalars.get(key) if scalar else None
    if made is None:
        made = make_scalar(scalar, dtype)
        if scalar:
            if len(scalars) >= SCALARS:
                scalars.clear()
            scalars[key] = made
    value, attrs, attrs_key = <tuple> made
    cdef int32_t index = graph.append(
        _constant, 0, NULL, (), dtype, graph.intern_key(<tuple> attrs, attrs_key), 0)
    if index not in graph.payloads:
        graph.payloads[index] = value
    if scalar:
        graph.literals[key] = index
    return index


cdef int32_t capture(Graph graph, object array) except -1:
    """The constant node of a copy of `array`; captured again unchanged, it is the same node."""
    if array.ndim == 0:
        return literal(graph, array[()], array.dtype.num)
    # Places and masks carry no gradient, and are known by what they hold.
    key = None
    if array.dtype.kind in "iub" and array.nbytes <= SMALL:
        key = array.shape, array.dtype.str, array.tobytes()
        known = graph.captures.get(key)
        if known is not None:
            return known
    # By address, but not of an array that is gone: the next one may have that by chance.
    known, met = graph.captures.get(id(array), (-1, None))
    if known >= 0 and met() is array:
        held = graph.payloads[known]
        if (held.shape == array.shape and held.dtype == array.dtype
                and same_bits(held, array)):
            return known
    value = array.astype(array.dtype.newbyteorder("="), order="C", copy=True)
    value.flags.writeable = False
    cdef int32_t attrs = graph.intern_attrs((value.dtype.char, Unmerged()))
    cdef int32_t index = graph.append(_constant, 0, NULL, value.shape, value.dtype.num, attrs, 0)
    graph.payloads[index] = value
    if key is None:
        graph.captures[id(array)] = index, ref(array)
    else:
        graph.captures[key] = index
    return index
