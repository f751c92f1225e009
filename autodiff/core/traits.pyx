"""Traits: what an operation is to the stages that look at many nodes at once.

One flat table by operation, so that a loop over a million nodes asks no Python object.
"""

from cpython.mem cimport PyMem_Realloc

from .elementwise cimport Elementwise
from .nodes cimport Node
from .operations cimport Operation, operations

cdef dict roles = {
    "sum": SUMS, "mean": SUMS, "argument": ALIAS, "variable": LEAF, "constant": CONSTANT}
cdef Py_ssize_t n_known = 0       # operations the table is made for


cdef int know_traits() except -1:
    """Make the table, or add the operations that are new."""
    global traits, n_known
    cdef Py_ssize_t k, n = len(operations)
    cdef Operation op
    cdef void* block
    if n_known == n:
        return 0
    block = PyMem_Realloc(traits, n * sizeof(Trait))
    if block == NULL:
        raise MemoryError("no memory for the traits of operations")
    traits = <Trait*> block
    for k in range(n_known, n):
        op = <Operation> operations[k]
        traits[k].role = roles.get(op.name, VIEWS if op.views else KERNEL)
        traits[k].may_fail = op.name == "power_integer"
        traits[k].cost = 1
        if isinstance(op, Elementwise):
            traits[k].role = MAPS
            traits[k].cost = (<Elementwise> op).cost_per_element
    n_known = n
    return 0


cdef bint is_view(const Node* node) except -1:
    """Whether a node shows what its input has."""
    know_traits()
    return node.n_inputs > 0 and traits[node.op].role in (VIEWS, ALIAS)
