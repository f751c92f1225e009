"""The steps of a plan as flat arrays: compute a node (for the first time or again), free it.

A step is (action, node, option): 6 bytes, where a tuple would take over a hundred.
"""

from libc.stdint cimport int8_t, int32_t, int64_t
from libc.stdlib cimport free, realloc

cimport numpy as cnp

import operator

import numpy as np

cnp.import_array()

ACTIONS = ("compute", "free")


cdef int grow(StepArray* steps, int64_t capacity) noexcept nogil:
    """Make room for `capacity` steps; 0, or -1 when there is no memory (nothing is lost)."""
    cdef void* block
    if capacity <= steps.capacity:
        return 0
    block = realloc(steps.node, capacity * sizeof(int32_t))
    if block == NULL:
        return -1
    steps.node = <int32_t*>block
    block = realloc(steps.action, capacity)
    if block == NULL:
        return -1
    steps.action = <int8_t*>block
    block = realloc(steps.option, capacity)
    if block == NULL:
        return -1
    steps.option = <int8_t*>block
    steps.capacity = capacity
    return 0


cdef void reverse(StepArray* steps) noexcept nogil:
    """Turn the order of the steps round, for planners that work from the end."""
    cdef int64_t i = 0, j = steps.size - 1
    cdef int32_t node
    cdef int8_t byte
    while i < j:
        node = steps.node[i]
        steps.node[i] = steps.node[j]
        steps.node[j] = node
        byte = steps.action[i]
        steps.action[i] = steps.action[j]
        steps.action[j] = byte
        byte = steps.option[i]
        steps.option[i] = steps.option[j]
        steps.option[j] = byte
        i += 1
        j -= 1


cdef _step(const StepArray* steps, int64_t i):
    return ACTIONS[steps.action[i]], steps.node[i], steps.option[i]


cdef _view(Steps steps, void* data, int typenum):
    """Show one column as a read-only array; it refers to the steps, which may not grow any more."""
    cdef cnp.npy_intp size = steps.c.size
    if size == 0:
        view = np.empty(0, np.int32 if typenum == cnp.NPY_INT32 else np.int8)
    else:
        view = cnp.PyArray_SimpleNewFromData(1, &size, typenum, data)
        cnp.set_array_base(view, steps)
    view.flags.writeable = False
    steps.frozen = True
    return view


cdef _column(given, dtype, str what):
    """Read one column of integers; ValueError where the type of the steps does not hold them."""
    found = np.asarray(given)
    with np.errstate(invalid="ignore"):
        column = np.ascontiguousarray(found, dtype)
    if found.dtype != dtype and (column != found).any():
        raise ValueError(f"{what} are integers of {np.dtype(dtype)}, not all of these")
    return column


cdef class Steps:
    """Hold the ordered steps of a plan: ("compute" | "free", node, option).

    Parameters
    ----------
    steps : iterable of (str, int) or (str, int, int), optional
        The steps in order; the option is 0 where it is left out.

    Raises
    ------
    ValueError
        Naming the step that is not one.

    Examples
    --------
    >>> from autodiff.core.steps import Steps
    >>> steps = Steps([("compute", 0), ("free", 0)])
    >>> len(steps), steps[0]
    (2, ('compute', 0, 0))
    >>> steps.nodes
    array([0, 0], dtype=int32)
    """

    def __init__(self, steps=()):
        for step in steps:
            self.append(*step)

    def __dealloc__(self):
        free(self.c.action)
        free(self.c.node)
        free(self.c.option)

    @staticmethod
    def from_arrays(actions, nodes, options=None):
        """Copy steps from arrays: actions (0 compute, 1 free), nodes, options (0 when left out)."""
        cdef Steps steps = Steps()
        cdef const int8_t[::1] action = _column(actions, np.int8, "actions")
        cdef const int32_t[::1] node = _column(nodes, np.int32, "nodes")
        cdef const int8_t[::1] option
        cdef int64_t i
        if options is None:
            options = np.zeros(node.shape[0], np.int8)
        option = _column(options, np.int8, "options")
        if not action.shape[0] == node.shape[0] == option.shape[0]:
            raise ValueError(
                f"actions, nodes and options differ in length: "
                f"{action.shape[0]}, {node.shape[0]}, {option.shape[0]}"
            )
        if grow(&steps.c, node.shape[0]) < 0:
            raise MemoryError(f"no memory for {node.shape[0]} steps")
        for i in range(node.shape[0]):
            if action[i] != COMPUTE and action[i] != FREE:
                raise ValueError(f"step {i}: action {action[i]} is neither 0 nor 1")
            push(&steps.c, action[i], node[i], option[i])
        return steps

    def append(self, action, node, option=0):
        """Add one step at the end: an action ("compute" or "free"), a node and an option."""
        if self.frozen or self.readers:
            raise ValueError(
                "these steps are complete: they are a plan, or their arrays have been handed out")
        if action not in ACTIONS:
            raise ValueError(
                f"step {self.c.size}: action {action!r} is neither 'compute' nor 'free'"
            )
        try:
            node, option = operator.index(node), operator.index(option)
        except TypeError:
            raise ValueError(
                f"step {self.c.size}: node and option are integers, not {node!r} and {option!r}"
            ) from None
        if not (0 <= node < 1 << 31 and 0 <= option < 128):
            raise ValueError(f"step {self.c.size}: there is no node {node} with option {option}")
        if push(&self.c, ACTIONS.index(action), node, option) < 0:
            raise MemoryError(f"no memory for {self.c.size + 1} steps")

    @property
    def actions(self):
        """View the actions: int8, 0 compute, 1 free. Read-only, as are the steps from then on."""
        return _view(self, self.c.action, cnp.NPY_INT8)

    @property
    def nodes(self):
        """View the nodes: int32, read-only."""
        return _view(self, self.c.node, cnp.NPY_INT32)

    @property
    def options(self):
        """View the options: int8, 0 for the plain way, read-only."""
        return _view(self, self.c.option, cnp.NPY_INT8)

    def __len__(self):
        return self.c.size

    def __getitem__(self, index):
        if isinstance(index, slice):
            return Steps.from_arrays(self.actions[index], self.nodes[index], self.options[index])
        cdef int64_t i = operator.index(index)
        if i < 0:
            i += self.c.size
        if not 0 <= i < self.c.size:
            raise IndexError(f"step {index} of {self.c.size}")
        return _step(&self.c, i)

    def __iter__(self):
        cdef int64_t i
        for i in range(self.c.size):
            yield _step(&self.c, i)

    def __eq__(self, other):
        if isinstance(other, (list, tuple)):
            return len(other) == len(self) and all(a == b for a, b in zip(self, other))
        if not isinstance(other, Steps):
            return NotImplemented
        return (
            np.array_equal(self.actions, other.actions)
            and np.array_equal(self.nodes, other.nodes)
            and np.array_equal(self.options, other.options)
        )

    __hash__ = None

    def __reduce__(self):
        return Steps.from_arrays, (self.actions, self.nodes, self.options)

    def __repr__(self):
        shown = [repr(_step(&self.c, i)) for i in range(min(3, self.c.size))]
        shown += ["..."] * (self.c.size > 3)
        return f"<Steps: {self.c.size}{': ' if shown else ''}{', '.join(shown)}>"
