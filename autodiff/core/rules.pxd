"""Rules of simplification: when a result is, bit for bit, a value that exists already."""

from libc.stdint cimport int8_t, int32_t

from .graph cimport Graph

cdef enum Number:
    OTHER                         # no literal, or one without a rule
    ZERO                          # 0, and +0.0 of a float
    MINUS_ZERO
    ONE


cdef enum Kind:
    NEUTRAL                       # the operand at `at` is the number: the result is the other one
    UNDONE                        # f(f(x)) = x
    SETTLED                       # f(f(x)) = f(x)
    BOTH_SAME                     # the operands at `at` and after it are one value
    RESHAPED_BACK                 # through reshapes to the shape that x had
    PERMUTED_BACK                 # two permutations of axes that cancel
    SAME_SHAPE                    # nothing is repeated
    CONVERTED_BACK                # to the dtype it has; or widened exactly, and back
    CUT_AGAIN                     # a slice that is one of the arrays joined, or the one embedded
    JOINED_AGAIN                  # all slices of x along one axis, in their order
    ALIAS                         # what a transform calls its argument


cdef struct Rule:
    int kind, at, number, dtypes
    int next                      # the next rule of the same operation, or -1


cdef Rule* rules                  # by row of RULES
cdef int* first_rule              # by operation: its first rule, or -1
cdef int8_t* carries              # by operation: the result of a literal has its number
cdef int embed_index
cdef int8_t dtype_bit[32]         # by NumPy's type number
cdef int8_t exact[32][32]         # from, to: whether each value has its own

cdef int know_rules() except -1
cdef int which_number(Graph graph, int32_t v) except -1
