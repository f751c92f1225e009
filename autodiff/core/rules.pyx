"""Rules of simplification: when a result is, bit for bit, a value that exists already.

So x*1 is x, but x + 0 is not (-0 + 0 is +0) and x*0 is not (of infinity it is NaN). Signalling
NaNs, which no operation makes, are outside the promise: x*1 would make them quiet.
"""

from sys import byteorder

import numpy as np

from libc.math cimport signbit
from libc.stdint cimport int32_t
from libc.string cimport memcpy

from .graph cimport Graph
from .nodes cimport Node
from .operations cimport Operation, operations, type_dtypes
from .operations import operation
from .room cimport resize

cdef enum:
    FLOATS = 1
    INTEGERS = 2
    ANY = 7

# What is equal, the operation it is the result of, when, `at`, the number, the dtypes.
RULES = (
    ("x * 1", "multiply", NEUTRAL, 1, ONE, FLOATS | INTEGERS),
    ("1 * x", "multiply", NEUTRAL, 0, ONE, FLOATS | INTEGERS),
    ("x / 1", "divide", NEUTRAL, 1, ONE, FLOATS),
    ("x // 1 of integers", "floor_divide", NEUTRAL, 1, ONE, INTEGERS),
    ("x ** 1 of integers", "power_integer", NEUTRAL, 1, ONE, INTEGERS),
    ("x - 0", "subtract", NEUTRAL, 1, ZERO, FLOATS | INTEGERS),
    ("x + -0.0", "add", NEUTRAL, 1, MINUS_ZERO, FLOATS),
    ("-0.0 + x", "add", NEUTRAL, 0, MINUS_ZERO, FLOATS),
    ("x + 0 of integers", "add", NEUTRAL, 1, ZERO, INTEGERS),
    ("0 + x of integers", "add", NEUTRAL, 0, ZERO, INTEGERS),
    ("-(-x)", "negative", UNDONE, 0, OTHER, ANY),
    ("not not x", "logical_not", UNDONE, 0, OTHER, ANY),
    ("abs(abs(x))", "abs", SETTLED, 0, OTHER, ANY),
    ("sign(sign(x))", "sign", SETTLED, 0, OTHER, ANY),
    ("floor(floor(x))", "floor", SETTLED, 0, OTHER, ANY),
    ("relu(relu(x))", "relu", SETTLED, 0, OTHER, ANY),
    ("where(c, x, x)", "where", BOTH_SAME, 1, OTHER, ANY),
    ("maximum(x, x)", "maximum", BOTH_SAME, 0, OTHER, ANY),
    ("minimum(x, x)", "minimum", BOTH_SAME, 0, OTHER, ANY),
    ("x and x", "logical_and", BOTH_SAME, 0, OTHER, ANY),
    ("x or x", "logical_or", BOTH_SAME, 0, OTHER, ANY),
    ("reshape back", "reshape", RESHAPED_BACK, 0, OTHER, ANY),
    ("transpose back", "transpose", PERMUTED_BACK, 0, OTHER, ANY),
    ("broadcast to its shape", "broadcast_to", SAME_SHAPE, 0, OTHER, ANY),
    ("convert back", "astype", CONVERTED_BACK, 0, OTHER, ANY),
    ("convert back to integers", "astype_integer", CONVERTED_BACK, 0, OTHER, ANY),
    ("convert back to booleans", "astype_boolean", CONVERTED_BACK, 0, OTHER, ANY),
    ("slice of a join or an embedding", "slice", CUT_AGAIN, 0, OTHER, ANY),
    ("join of all slices", "concatenate", JOINED_AGAIN, 0, OTHER, ANY),
    ("argument", "argument", ALIAS, 0, OTHER, ANY),
)

cdef Py_ssize_t n_known = 0       # operations the tables are made for

for _i, _a in enumerate(type_dtypes):
    dtype_bit[_i] = 0 if _a is None else {"f": FLOATS, "b": 4}.get(_a.kind, INTEGERS)
    for _j, _b in enumerate(type_dtypes):
        # NumPy calls int64 -> float64 safe, which rounds
        exact[_i][_j] = (_a is not None and _b is not None and np.can_cast(_a, _b)
                         and not (_a.kind in "iu" and _a.itemsize == 8 and _b.kind == "f"))


cdef int know_rules() except -1:
    """Make the tables by operation, again where operations were added."""
    global n_known, embed_index
    cdef Py_ssize_t k, n = len(operations)
    cdef Operation op
    if n_known == n:
        return 0
    resize(<void**> &rules, len(RULES) * sizeof(Rule))
    resize(<void**> &first_rule, n * sizeof(int))
    resize(<void**> &carries, n)
    for k in range(n):
        op = <Operation> operations[k]
        first_rule[k] = -1
        carries[k] = op.views or op.name == "astype" or op.name == "argument"
    for k in range(len(RULES) - 1, -1, -1):
        _, name, rules[k].kind, rules[k].at, rules[k].number, rules[k].dtypes = RULES[k]
        op = operation(name)
        rules[k].next = first_rule[op.index]
        first_rule[op.index] = <int> k
    embed_index = operation("embed").index
    n_known = n
    return 0


cdef int which_number(Graph graph, int32_t v) except -1:
    """The Number of a 0-d literal; OTHER for any other node."""
    cdef Node* node = &graph.nodes[v]
    cdef float single
    cdef double number
    if node.n_inputs or not node.attrs or (<tuple> node.shape):
        return OTHER
    data = (<tuple> graph.attrs[node.attrs])[0]
    if type(data) is not bytes:   # an array
        return OTHER
    if dtype_bit[node.dtype] != FLOATS:
        value = int.from_bytes(data, byteorder)
        return ONE if value == 1 else OTHER if value else ZERO
    if len(<bytes> data) == sizeof(float):
        memcpy(&single, <const char*> <bytes> data, sizeof(float))
        number = single
    else:
        memcpy(&number, <const char*> <bytes> data, sizeof(double))
    if number == 0:
        return MINUS_ZERO if signbit(number) else ZERO
    return ONE if number == 1 else OTHER
