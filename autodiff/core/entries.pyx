"""Compiled functions called again: arguments are compared with what an entry takes, as they come.

An `Entry` is one trace, compiled. It remembers the containers, dtypes and shapes of its arguments,
so that a call like an earlier one takes nothing apart and hashes nothing: one walk finds the
addresses of the arrays, the program runs, the result is built. What does not fit at once (another
signature, arrays that are not in C order) goes the general way, through the cache.
"""

cimport numpy as cnp
from cpython.dict cimport PyDict_Next
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_CheckExact
from cpython.mem cimport PyMem_Free
from cpython.object cimport PyObject
from libc.stdint cimport int32_t, int64_t

import numpy as np

from .code cimport FIRST
from .containers cimport (
    DATACLASS,
    DICT,
    FIELDS,
    LEAF_SORT,
    LIST,
    NOTHING_SORT,
    TUPLE,
    Structure,
    put_together,
    same_name,
)
from .containers import leaves_like, paths
from .inputs cimport Input, fits
from .program cimport Executable, allocate_addresses
from .room cimport zeros
from .results cimport check_results

from ..errors import ArgumentError

cnp.import_array()

cdef extern from "Python.h":
    int PyContextVar_Get(object variable, PyObject* default, PyObject** value) except -1
    void Py_XDECREF(PyObject*)

cdef enum:
    ARRAY = 0                     # kinds of leaf
    FLOAT = 1
    STATIC = 2
    ROOM = 96                     # addresses and numbers kept on the stack
    LATEST = 4                    # entries that are compared before anything is hashed

cdef object float64 = np.float64
cdef object _double = np.dtype(float64)
cdef void* double_dtype = <void*> _double
cdef object MISS = object()       # what a call returns whose arguments are of another signature


cdef struct Leaf:
    int32_t kind
    int32_t input                 # of the program, for arrays and floats
    PyObject* value               # of a static leaf; borrowed from `statics`


cdef class Entry:
    """One trace of a function, compiled: arrays in, containers of arrays out.

    Parameters
    ----------
    arguments : Structure
        Of the pair (args, kwargs).
    kinds : list of str
        "array", "weak" (a Python float) or "static", by leaf of the arguments.
    statics : list
        The leaves; of those that are not static anything.
    program : Program or None
        Takes the arrays and floats in their order. None: nothing is computed.
    constants : list of arrays
        What it captured.
    result : Structure
    rest : list
        By leaf of the result: None where it is computed, else (leaf,), a value the trace found.
    """

    cdef readonly object program
    cdef readonly object key      # in the cache
    cdef readonly list constants
    cdef object policy
    cdef Structure arguments, result
    cdef list rest
    cdef bint whole               # every leaf of the result is computed
    cdef list statics
    cdef Leaf* leaves
    cdef Executable executable    # for arrays in C order
    cdef Executable into          # likewise, results in arrays of the caller's; made when asked

    def __dealloc__(self):
        PyMem_Free(self.leaves)

    def __init__(self, key, policy, Structure arguments, list kinds, list statics, program,
                 list constants, Structure result, list rest):
        cdef Py_ssize_t k
        cdef int32_t at = 0
        self.key, self.policy = key, policy
        self.arguments, self.result = arguments, result
        self.program, self.constants, self.statics = program, constants, statics
        self.executable = None if program is None else program.executable
        self.rest = rest
        self.whole = all([leaf is None for leaf in rest])
        self.leaves = <Leaf*> zeros(len(kinds) + 1, sizeof(Leaf))
        for k in range(len(kinds)):
            if kinds[k] == "static":
                self.leaves[k].kind = STATIC
                self.leaves[k].value = <PyObject*> statics[k]
                continue
            self.leaves[k].kind = ARRAY if kinds[k] == "array" else FLOAT
            self.leaves[k].input = at
            statics[k] = None         # the caller's arrays are not kept
            at += 1

    def run(self, list arrays, out=None):
        """The result for arrays in any layout, written into `out` where it is given."""
        into = self.out_leaves(out)
        results = []
        if self.program is not None:
            results = self.program.run(arrays, self.constants, into, self.name_of)
        return self.build(results) if out is None else out

    cdef object call(self, tuple args, dict kwargs, object out):
        """The result for these arguments, or MISS where they are not of this signature."""
        cdef Executable executable = self.executable
        cdef Structure both = self.arguments
        cdef char* room[ROOM]
        cdef char** bases = room
        cdef Py_ssize_t k, at = 0, n
        cdef list held = []           # another thread may take the arrays out of their containers
        cdef list into = None
        if out is not None:
            into = self.out_leaves(out)
            if self.into is None:
                self.into = self.program.plan.executable_out
            executable = self.into
        n = executable.n_addresses()
        if n + executable.inputs.n > ROOM:
            bases = allocate_addresses(n + executable.inputs.n)
        try:
            if not (self.match(<Structure> both.items[0], args, &at, bases, bases + n, held)
                    and self.match(<Structure> both.items[1], kwargs, &at, bases, bases + n, held)):
                return MISS
            if out is not None:
                check_results(into, executable.n_outputs, executable.outputs, held, self.name_of)
            for k in range(len(self.constants)):
                bases[FIRST + executable.inputs.n + k] = cnp.PyArray_BYTES(
                    <cnp.ndarray> self.constants[k])
            results = executable.run(bases, NULL, into)
        finally:
            if bases != room:
                PyMem_Free(bases)
        return self.build(results) if out is None else out

    cdef bint match(self, Structure structure, object tree, Py_ssize_t* at, char** bases,
                    char** numbers, list held) except -1:
        """Note the addresses of the leaves of `tree`; False where it is not what was traced."""
        cdef Py_ssize_t k = 0, n, place = 0
        cdef PyObject* key = NULL
        cdef PyObject* value = NULL
        cdef int sort = structure.sort
        cdef object item
        if sort == LEAF_SORT:
            at[0] += 1
            return self.match_leaf(&self.leaves[at[0] - 1], tree, bases, numbers, held)
        if sort == NOTHING_SORT:
            return tree is None
        if type(tree) is not structure.kind:
            return False
        n = len(structure.items)
        if sort == DICT and type(tree) is dict:
            if len(<dict> tree) != n:
                return False
            while k < n and PyDict_Next(tree, &place, &key, &value):
                item = <object> value
                if not (same_name(<object> key, structure.names[k]) and self.match(
                        <Structure> structure.items[k], item, at, bases, numbers, held)):
                    return False
                k += 1
            return k == n
        if sort == DATACLASS:
            for k in range(n):
                item = getattr(tree, structure.names[k])
                if not self.match(<Structure> structure.items[k], item, at, bases, numbers, held):
                    return False
            return True
        if sort == TUPLE or sort == FIELDS:
            if len(<tuple> tree) != n:
                return False
            for k in range(n):
                if not self.match(<Structure> structure.items[k], (<tuple> tree)[k], at, bases,
                                  numbers, held):
                    return False
            return True
        if sort == LIST:
            for k in range(n):        # a list may change its length at any comparison
                if k >= len(<list> tree):
                    return False
                item = (<list> tree)[k]
                if not self.match(<Structure> structure.items[k], item, at, bases, numbers, held):
                    return False
            return len(<list> tree) == n
        return False                  # dicts of other types say themselves what they hold

    cdef bint match_leaf(self, const Leaf* leaf, object given, char** bases, char** numbers,
                         list held) except -1:
        cdef const Input* wanted
        cdef int32_t k = leaf.input
        if leaf.kind == STATIC:
            if <PyObject*> given == leaf.value:
                return True
            return (type(given) is type(<object> leaf.value)
                    and type(given) in (int, bool, str) and given == <object> leaf.value)
        wanted = &self.executable.inputs.wanted[k]
        if leaf.kind == ARRAY:
            if fits(given, wanted):
                bases[FIRST + k] = cnp.PyArray_BYTES(<cnp.ndarray> given)
                held.append(given)
                return True
            if wanted.ndim or wanted.dtype != double_dtype or type(given) is not float64:
                return False          # a float64 scalar is a float as well
        elif not PyFloat_CheckExact(given):
            return False
        (<double*> (numbers + k))[0] = PyFloat_AS_DOUBLE(given)
        bases[FIRST + k] = <char*> (numbers + k)
        return True

    cdef list out_leaves(self, object out):
        """The arrays of `out` in the order of the results."""
        if out is None:
            return None
        if not self.whole:
            raise ArgumentError(
                "out= takes functions that return arrays only, computed from their arguments; "
                "this one also returns something else")
        leaves = leaves_like(self.result, out)
        if leaves is None:
            names = ", ".join(self.names()) or "None"
            raise ArgumentError(f"out= is not built like the result; it needs {names}")
        return leaves

    cdef list names(self):
        """The paths of the leaves of the result: result['W'], ..."""
        cdef Py_ssize_t at = 0
        return paths(put_together(self.result, [0] * self.result.n_leaves, &at), "result")

    def name_of(self, k):
        """What errors about out= call the array for the k-th leaf of the result."""
        return f"the array for {self.names()[k]}"

    cdef object build(self, list results):
        """The result of the function, of the arrays of the program."""
        cdef Py_ssize_t at = 0
        cdef list leaves = results
        if not self.whole:
            computed = iter(results)
            leaves = [next(computed) if leaf is None else own((<tuple> leaf)[0])
                      for leaf in self.rest]
        return put_together(self.result, leaves, &at)


cdef object own(object leaf):
    """What was not computed; arrays are copied, so that no call changes another's."""
    return leaf.copy() if isinstance(leaf, np.ndarray) else leaf


cdef class Recent:
    """The entries used last, compared first, and how often one of them was meant.

    Attributes
    ----------
    hits : int
    """

    cdef readonly int64_t hits
    cdef tuple entries

    def __init__(self):
        self.entries = ()

    def add(self, Entry entry not None):
        """Compare this entry first from now on."""
        if entry.executable is not None:
            others = [other for other in self.entries if other is not entry]
            self.entries = (entry, *others[:LATEST - 1])

    def keys(self):
        """The keys of the entries, the first one last."""
        return [(<Entry> entry).key for entry in self.entries[::-1]]

    def clear(self):
        self.entries = ()
        self.hits = 0


cdef class Calls:
    """A function that is called with arrays and knows its last entries; base of what compiles.

    A subclass has `general(args, kwargs, out)` for calls that fit none, and `takes_out()`: whether
    the function has a parameter of its own that is named out.
    """

    cdef Recent recent
    cdef object policy            # of this function, or None
    cdef object current_policy    # context variable: what None means
    cdef object open_trace        # context variable: the trace being written

    def __cinit__(self):
        self.recent = Recent()

    def __call__(self, *args, **kwargs):
        cdef dict given = kwargs
        cdef object out = None, policy = self.policy, found
        cdef tuple entries = self.recent.entries
        cdef Py_ssize_t k
        cdef Entry entry
        if "out" in given and not self.takes_out():
            out = given.pop("out")
        if len(entries) and value_of(self.open_trace) is None:
            if policy is None:
                policy = value_of(self.current_policy)
            for k in range(len(entries)):
                entry = <Entry> entries[k]
                if entry.policy is policy or entry.policy == policy:
                    found = entry.call(args, given, out)
                    if found is not MISS:
                        self.recent.hits += 1
                        return found
        return self.general(args, given, out)

    def look_in(self, Recent recent not None, policy, current_policy, open_trace):
        """Say where entries are found, and which context variables say the rest."""
        self.recent, self.policy = recent, policy
        self.current_policy, self.open_trace = current_policy, open_trace


cdef object value_of(object variable):
    """The value of a context variable that has a default."""
    cdef PyObject* found = NULL
    PyContextVar_Get(variable, NULL, &found)
    value = <object> found
    Py_XDECREF(found)
    return value
