"""Containers of arrays (dicts, lists, tuples, named tuples, dataclasses), taken apart and rebuilt.

None is a container of nothing: a parameter that is None has None for a gradient. A call of a few
microseconds takes its arguments apart and builds its result, so both are done here.
"""

import dataclasses
from collections import defaultdict

from cpython.object cimport PyObject_GenericSetAttr
from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_New, PyTuple_SET_ITEM

cdef extern from "Python.h":
    int Py_EnterRecursiveCall(const char*)
    void Py_LeaveRecursiveCall()

cdef enum:
    KNOWN = 1024                  # types remembered


cdef inline int enter(const char* where) except -1:
    """Go one level deeper; Python says how deep one may go."""
    return -1 if Py_EnterRecursiveCall(where) else 0    # it returns 1, and has set the error


cdef dict known = {}              # type -> (sort, names of its fields or None)


cdef class Structure:
    """A container without its leaves: hashable, and what `unflatten` rebuilds from.

    Dicts are equal with the same keys, of the same types, in the same order.

    Attributes
    ----------
    n_leaves : int
        How many leaves it takes.
    """

    def __init__(self):
        raise TypeError("a Structure is made by flatten(tree)")

    def __hash__(self):
        if self.hashed == -1:
            self.hashed = hash((self.sort, self.kind, self.factory, self.names, self.items))
        return self.hashed

    def __eq__(self, other):
        return type(other) is Structure and same_structure(self, <Structure> other)

    def __repr__(self):
        return f"<Structure of {self.n_leaves} leaves>"


cdef Structure new_structure(int sort, object kind, object factory, tuple names, tuple items):
    cdef Structure structure = Structure.__new__(Structure)
    cdef object item
    structure.sort = sort
    structure.kind = kind
    structure.factory = factory
    structure.names = names
    structure.items = items
    structure.hashed = -1
    if items is None:
        structure.n_leaves = sort == LEAF_SORT
    else:
        for item in items:
            structure.n_leaves += (<Structure> item).n_leaves
    return structure


LEAF = new_structure(LEAF_SORT, None, None, None, None)
NOTHING = new_structure(NOTHING_SORT, None, None, None, None)
cdef Structure _leaf = LEAF, _nothing = NOTHING


cdef bint same_structure(Structure a, Structure b) except -1:
    cdef Py_ssize_t k
    if a is b:
        return True
    if a.sort != b.sort or a.kind is not b.kind or a.n_leaves != b.n_leaves:
        return False
    if a.items is None or b.items is None:
        return a.items is b.items
    if len(a.items) != len(b.items) or a.factory != b.factory:
        return False
    if a.names is not None and not same_names(a.names, b.names):
        return False
    enter(" while comparing containers")
    try:
        for k in range(len(a.items)):
            if not same_structure(<Structure> a.items[k], <Structure> b.items[k]):
                return False
    finally:
        Py_LeaveRecursiveCall()
    return True


cdef bint same_name(object a, object b) except -1:
    """Whether two keys are the same one: 1, 1.0 and True differ."""
    return a is b or (type(a) is type(b) and a == b)


cdef bint same_names(tuple a, tuple b) except -1:
    cdef Py_ssize_t k
    if a is b:
        return True
    if len(a) != len(b):
        return False
    for k in range(len(a)):
        if not same_name(a[k], b[k]):
            return False
    return True


cdef int sort_of(object kind) except -1:
    """What a type is."""
    if kind is tuple:
        return TUPLE
    if kind is dict:
        return DICT
    if kind is list:
        return LIST
    if kind is type(None):
        return NOTHING_SORT
    return examine(kind)[0]


cdef tuple fields_of(object kind):
    """The names of the fields of a named tuple or dataclass."""
    return <tuple> examine(kind)[1]


cdef tuple examine(object kind):
    """(sort, names of the fields or None), remembered."""
    found = known.get(kind)
    if found is None:
        if len(known) >= KNOWN:   # types made by the thousand are not kept alive
            known.clear()
        found = known[kind] = looked_at(kind)
    return <tuple> found


cdef tuple looked_at(object kind):
    if issubclass(kind, dict):
        return DEFAULTDICT if issubclass(kind, defaultdict) else DICT, None
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return FIELDS, tuple(kind._fields)
    if dataclasses.is_dataclass(kind):
        return DATACLASS, tuple([field.name for field in dataclasses.fields(kind)])
    return LEAF_SORT, None


# ---- taking apart ---------------------------------------------------------------------------

def flatten(tree):
    """Return (leaves, structure); the structure is hashable and rebuilds the container.

    Examples
    --------
    >>> from autodiff.core.containers import flatten, unflatten
    >>> leaves, structure = flatten({"w": 1.0, "b": [2.0, None, 3.0]})
    >>> leaves
    [1.0, 2.0, 3.0]
    >>> unflatten(structure, leaves)
    {'w': 1.0, 'b': [2.0, None, 3.0]}
    """
    cdef list leaves = []
    structure = take_apart(tree, leaves)
    return leaves, structure


cdef Structure take_apart(object tree, list leaves):
    """The structure of a tree, whose leaves are appended."""
    cdef object kind = type(tree), factory = None, part
    cdef tuple names, parts, items
    cdef Py_ssize_t k
    cdef int sort = sort_of(kind)
    if sort == LEAF_SORT:
        leaves.append(tree)
        return _leaf
    if sort == NOTHING_SORT:
        return _nothing
    if sort == DEFAULTDICT:
        factory = tree.default_factory
    names = names_of(tree, sort)
    parts = parts_of(tree, sort, names)
    enter(" while taking a container apart")
    try:
        items = PyTuple_New(len(parts))
        k = 0
        for part in parts:
            structure = take_apart(part, leaves)
            Py_INCREF(structure)
            PyTuple_SET_ITEM(items, k, structure)
            k += 1
    finally:
        Py_LeaveRecursiveCall()
    return new_structure(sort, kind, factory, names, items)


cdef tuple names_of(object tree, int sort):
    """The keys of a dict, the fields of a dataclass; None for what is counted."""
    if sort == DICT or sort == DEFAULTDICT:
        return tuple(tree)
    return fields_of(type(tree)) if sort == DATACLASS else None


cdef tuple parts_of(object tree, int sort, tuple names):
    """What a container of this sort holds, in the order of its structure: as many as its names.

    Heirs may iterate otherwise: a dict is asked for its keys, a tuple has what lies in it.
    """
    if type(tree) is dict:
        return tuple((<dict> tree).values())
    if sort == DICT or sort == DEFAULTDICT:
        return tuple([tree[name] for name in names])
    if sort == DATACLASS:
        return tuple([getattr(tree, name) for name in names])
    return tuple(tree) if sort == LIST else (<tuple> tree)[:]


cdef object first_leaf(object tree, object kind):
    """The first leaf of this type, or None."""
    cdef int sort = sort_of(type(tree))
    if sort == LEAF_SORT:
        return tree if type(tree) is kind else None
    if sort == NOTHING_SORT:
        return None
    enter(" while looking into a container")
    try:
        for part in parts_of(tree, sort, names_of(tree, sort)):
            found = first_leaf(part, kind)
            if found is not None:
                return found
    finally:
        Py_LeaveRecursiveCall()
    return None


# ---- rebuilding -----------------------------------------------------------------------------

def unflatten(Structure structure not None, leaves):
    """Rebuild a container from its structure and leaves, in the order of `flatten`.

    Raises
    ------
    ValueError
        When the structure takes another number of leaves.
    """
    cdef Py_ssize_t at = 0
    cdef list given = leaves if type(leaves) is list else list(leaves)
    if len(given) != structure.n_leaves:
        raise ValueError(f"{structure.n_leaves} leaves are needed, {len(given)} were given")
    return put_together(structure, given, &at)


cdef object put_together(Structure structure, list leaves, Py_ssize_t* at):
    """The container whose leaves are leaves[at[0]], ...; `at` moves past them."""
    cdef int sort = structure.sort
    cdef Py_ssize_t k, n
    cdef object value, built
    cdef tuple values
    if sort == LEAF_SORT:
        at[0] += 1
        return leaves[at[0] - 1]
    if sort == NOTHING_SORT:
        return None
    n = len(structure.items)
    values = PyTuple_New(n)
    enter(" while building a container")
    try:
        for k in range(n):
            value = put_together(<Structure> structure.items[k], leaves, at)
            Py_INCREF(value)
            PyTuple_SET_ITEM(values, k, value)
    finally:
        Py_LeaveRecursiveCall()
    if sort == TUPLE:
        return values
    if sort == LIST:
        return list(values)
    if sort == DICT:
        built = {}
        for k in range(n):
            (<dict> built)[structure.names[k]] = values[k]
        return built if structure.kind is dict else structure.kind(built)
    if sort == DEFAULTDICT:
        return structure.kind(structure.factory, zip(structure.names, values))
    if sort == FIELDS:
        return structure.kind(*values)
    # A dataclass without its __init__, which may check or convert the fields.
    built = object.__new__(structure.kind)
    for k in range(n):
        PyObject_GenericSetAttr(built, structure.names[k], values[k])   # frozen ones refuse setattr
    return built


# ---- following ------------------------------------------------------------------------------

def leaves_like(Structure structure not None, tree):
    """The leaves of `tree` in the order of `structure`, or None where it is built otherwise.

    Dicts may hold their keys in another order.

    Examples
    --------
    >>> from autodiff.core.containers import flatten, leaves_like
    >>> _, structure = flatten({"w": 1.0, "b": 2.0})
    >>> leaves_like(structure, {"b": 20.0, "w": 10.0})
    [10.0, 20.0]
    """
    cdef list leaves = []
    return leaves if follow(structure, tree, leaves) else None


cdef bint follow(Structure structure, object tree, list leaves) except -1:
    """Collect the leaves of `tree` along `structure`; False where they part."""
    cdef tuple parts
    cdef Py_ssize_t k
    cdef int sort = structure.sort
    if sort == LEAF_SORT:
        leaves.append(tree)
        return sort_of(type(tree)) == LEAF_SORT
    if sort == NOTHING_SORT:
        return tree is None
    if sort == DICT or sort == DEFAULTDICT:
        if not isinstance(tree, dict) or len(tree) != len(structure.names):
            return False
        for name in structure.names:
            if name not in tree:
                return False
        parts = tuple([tree[name] for name in structure.names])
    elif type(tree) is not structure.kind:
        return False
    elif sort == DATACLASS:
        parts = tuple([getattr(tree, name) for name in structure.names])
    else:
        parts = parts_of(tree, sort, None)
    if len(parts) != len(structure.items):
        return False
    enter(" while taking a container apart")
    try:
        for k in range(len(parts)):
            if not follow(<Structure> structure.items[k], parts[k], leaves):
                return False
    finally:
        Py_LeaveRecursiveCall()
    return True


def paths(tree, str name):
    """The way to each leaf, "params['W1']", in the order of `flatten`, for messages."""
    cdef list found = []
    name_leaves(tree, name, found)
    return found


cdef int name_leaves(object tree, str name, list found) except -1:
    cdef int sort = sort_of(type(tree))
    cdef tuple names, parts, fields = None
    cdef Py_ssize_t k
    if sort == LEAF_SORT:
        found.append(name)
        return 0
    if sort == NOTHING_SORT:
        return 0
    names = names_of(tree, sort)
    parts = parts_of(tree, sort, names)
    if sort == FIELDS or sort == DATACLASS:
        fields = fields_of(type(tree))
    enter(" while naming the leaves of a container")
    try:
        for k in range(len(parts)):
            if fields is not None and len(fields) == len(parts):
                name_leaves(parts[k], f"{name}.{fields[k]}", found)
            elif names is None:
                name_leaves(parts[k], f"{name}[{k}]", found)
            else:
                name_leaves(parts[k], f"{name}[{names[k]!r}]", found)
    finally:
        Py_LeaveRecursiveCall()
    return 0
