"""What compiled planners share: the growing array of steps and how one is added."""

cimport cython
from libc.stdint cimport int8_t, int32_t, int64_t

cdef enum:
    COMPUTE = 0
    FREE = 1

cdef struct StepArray:
    int8_t* action      # COMPUTE or FREE, one per step
    int32_t* node       # the node computed or freed
    int8_t* option      # 0: the plain way
    int64_t size        # steps in use
    int64_t capacity    # steps there is room for


cdef int grow(StepArray* steps, int64_t capacity) noexcept nogil
cdef void reverse(StepArray* steps) noexcept nogil


cdef inline int push(StepArray* steps, int8_t action, int32_t node, int8_t option=0) noexcept nogil:
    """Append one step; 0, or -1 when there is no memory for it (the steps stay as they were)."""
    if steps.size == steps.capacity and grow(steps, 2 * steps.capacity + 64) < 0:
        return -1
    steps.action[steps.size] = action
    steps.node[steps.size] = node
    steps.option[steps.size] = option
    steps.size += 1
    return 0


@cython.final
cdef class Steps:
    cdef StepArray c
    cdef bint frozen    # a plan, or a NumPy view exists: the arrays may not change any more
    cdef int readers    # threads that read the arrays without the interpreter's lock
