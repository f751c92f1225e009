"""Traits: what an operation is to the stages that look at many nodes at once.

One flat table by operation, so that a loop over a million nodes asks no Python object.
"""

from cpython.mem cimport PyMem_Malloc

from .elementwise cimport Elementwise
from .nodes cimport Node
from .operations cimport Operation, operations

cdef dict roles = {
    "sum": SUMS, "mean": SUMS, "argument": ALIAS, "variable": LEAF, "constant": CONSTANT,
    "concatenate": JOINS}
cdef Py_ssize_t n_known = 0       # operations the table is made for


cdef int know_traits() except -1:
    """Make the table, or add the operations that are new."""
    global traits, n_known
    cdef Py_ssize_t k, n = len(operations)
    cdef Operation op
    cdef Trait* found
    if n_known == n:
        return 0
    # A new table: other threads may be reading the old one, which is small, and stays.
    found = <Trait*> PyMem_Malloc(n * sizeof(Trait))
    if found == NULL:
        raise MemoryError("no memory for the traits of operations")
    for k in range(n):
        op = <Operation> operations[k]
        found[k].role = roles.get(op.name, VIEWS if op.views else KERNEL)
        found[k].may_fail = op.name == "power_integer"
        found[k].cost = 1
        if isinstance(op, Elementwise):
            found[k].role = MAPS
            found[k].cost = (<Elementwise> op).cost_per_element
    traits, n_known = found, n
    return 0


cdef bint is_view(const Node* node) except -1:
    """Whether a node shows what its input has."""
    know_traits()
    return node.n_inputs > 0 and traits[node.op].role in (VIEWS, ALIAS)
