"""Assembly: the pass of a region, as the kernel `region` reads it.

Each operation is given its loop and its registers. A register is a block of one value that stays
in the first cache: it is taken when an operation writes it, and free again after the last one that
reads it, so that a long region needs few.
"""

from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free, malloc

from .elementwise cimport Elementwise
from .operations cimport Operation, operations
from .kernels cimport BlockLoop, PyUFuncGenericFunction, find_block, find_loop
from .gather cimport Inner
from .regions cimport Regions
from .sums cimport sum_kind
from .values cimport Value, itemsizes

cdef extern from "region.h" nogil:
    int CHUNK
    int SOURCE_DENSE, SOURCE_SCALAR, SOURCE_STRIDED, SUM_NONE, SUM_ROWS, SUM_COLUMNS
    ctypedef struct Source:
        int32_t kind, itemsize, n_axes, axes, filled
    ctypedef struct PassOperation "Operation":
        BlockLoop loop
        PyUFuncGenericFunction ufunc
        void* data
        int32_t _in "in"[4]
        int32_t out, n_inputs
        long steps[5]
    ctypedef struct Region:
        int64_t size
        int32_t n_sources, n_operations, n_registers, n_axes, result, itemsize, sum, factor
        int32_t is_double
        int64_t outer, length, inner, divisor, n_chunks, part, row, pitch
        BlockLoop add
        Source* sources
        PassOperation* operations
        int64_t* axes
    int64_t chunks_of_sum(int32_t, int64_t, int64_t)
    void broadcast_strides(const int64_t*, int64_t, const int64_t*, int64_t*)
    int64_t merge_axes(int64_t, int64_t*, int, int64_t (*)[32])

# Loops whose first two operands may change places.
cdef frozenset FACTORS = frozenset([
    "add", "multiply", "multiply_add", "multiply_subtract", "subtract_multiply"])

cdef enum:
    LIGHT_PART = 65536            # elements of one part where arithmetic waits for memory


cdef int64_t* assemble(Regions regions, int32_t value) except NULL:
    """One block of memory with the region and all it points to; freed by `free`."""
    cdef Value* x = &regions.values[value]
    cdef int64_t n = x.n_inputs, m = x.n_inners
    cdef int64_t nbytes = (sizeof(Region) + n * sizeof(Source) + m * sizeof(PassOperation)
                           + n * 2 * 32 * sizeof(int64_t))
    cdef char* block = <char*> malloc(nbytes)
    cdef Region* region = <Region*> block
    if block == NULL:
        raise MemoryError("no memory for a region of a program")
    region.sources = <Source*> (block + sizeof(Region))
    region.operations = <PassOperation*> (region.sources + n)
    region.axes = <int64_t*> (region.operations + m)
    region.n_sources, region.n_operations, region.n_axes = <int32_t> n, <int32_t> m, 0
    region.itemsize = itemsizes[x.dtype]
    region.row, region.pitch = 0, 0
    if not regions.is_dense(value):               # a piece in several runs: rows, columns
        region.row, region.pitch = regions.pool[x.layout + 2], regions.pool[x.layout + 3]
    try:
        set_sources(region, regions, value)
        set_operations(region, regions, value)
        set_sum(region, regions, value)
    except BaseException:
        free(block)
        raise
    return <int64_t*> block


cdef int set_sources(Region* region, Regions regions, int32_t value) except -1:
    """How the elements of each operand are found in the order of the pass."""
    cdef Value* x = &regions.values[value]
    cdef Value* u
    cdef Source* source
    cdef tuple shape = regions.pass_shape(value)
    cdef int64_t ndim = len(shape), d, m, size = 1
    cdef int64_t full[32]
    cdef int64_t extents[32]
    cdef int64_t strides[1][32]
    cdef int32_t k
    for d in range(ndim):
        full[d] = shape[d]
        size *= full[d]
    region.size = size
    for k in range(x.n_inputs):
        u = &regions.values[regions.inputs[x.first_input + k]]
        source = &region.sources[k]
        source.itemsize = itemsizes[u.dtype]
        source.filled = False
        source.axes = region.n_axes
        for d in range(ndim):
            extents[d] = full[d]
        broadcast_strides(regions.pool + u.layout, ndim, full, strides[0])
        m = merge_axes(ndim, extents, 1, strides)
        source.n_axes = <int32_t> m
        if m == 0 or size == 0 or (m == 1 and strides[0][0] == source.itemsize):
            source.kind = SOURCE_DENSE
        elif m == 1 and strides[0][0] == 0:
            source.kind = SOURCE_SCALAR
        else:
            source.kind = SOURCE_STRIDED
            for d in range(m):
                region.axes[region.n_axes + d] = extents[d]
                region.axes[region.n_axes + m + d] = strides[0][d]
            region.n_axes += <int32_t> (2 * m)
    return 0


cdef int number_of(Regions regions, Value* x, int32_t ref) noexcept:
    """The type number of an input, as in Inner, of an operation of a region."""
    if ref >= 0:
        return regions.values[regions.inputs[x.first_input + ref]].dtype
    return regions.inners[x.first_inner + ~ref].dtype


cdef tuple steps_of(Regions regions, int32_t value):
    """The operations of a region as it computes them: (steps in order, factors of its sum).

    A step is (row, name of the loop, inputs as in Inner, place).
    A product that only a sum or a difference reads is computed with it: one loop of two roundings,
    which are the same bits. Where both terms are NaN, the compiler's order chooses the sign. A
    comparison that only a selection reads is made with it, and has no mask. A product that only
    the sum over rows reads is summed as it is made: no step, but the two factors.
    """
    cdef Value* x = &regions.values[value]
    cdef Inner* inner
    cdef int32_t k, j, m
    cdef list uses = [0] * x.n_inners, found = [None] * x.n_inners, factors = []
    cdef list refs
    for k in range(x.n_inners):
        inner = &regions.inners[x.first_inner + k]
        for j in range(inner.n_inputs):
            if inner.inputs[j] < 0:
                uses[~inner.inputs[j]] += 1
    for k in range(x.n_inners):
        inner = &regions.inners[x.first_inner + k]
        row = <Elementwise> operations[inner.op]
        refs = [inner.inputs[j] for j in range(inner.n_inputs)]
        name = row.name
        if name == "add" or name == "subtract":
            for j in range(2):
                m = ~<int32_t> refs[j]
                if m < 0 or uses[m] != 1 or found[m] is None or found[m][1] != "multiply":
                    continue
                joint = ("multiply_add" if name == "add"
                         else "subtract_multiply" if j else "multiply_subtract")
                if find_block(joint, (inner.dtype,) * 4) != NULL:
                    name, refs = joint, [*found[m][2], refs[1 - j]]
                    found[m] = None
                    break
        elif name == "where":
            m = ~<int32_t> refs[0]
            if m >= 0 and uses[m] == 1 and found[m] is not None:
                joint = f"where_{found[m][1]}"
                numbers = [number_of(regions, x, ref) for ref in [*found[m][2], *refs[1:]]]
                if (set(numbers) == {inner.dtype}
                        and find_block(joint, (inner.dtype,) * 5) != NULL):
                    name, refs = joint, [*found[m][2], *refs[1:]]
                    found[m] = None
        found[k] = (row, name, refs, k)
    m = x.n_inners - 1
    if m >= 0 and found[m] is not None and uses[m] == 0 and sums_rows(regions, value):
        name, refs = found[m][1:3]
        if name in ("multiply", "square"):
            found[m] = None
            factors = [refs[0], refs[len(refs) - 1]]
    return [step for step in found if step is not None], factors


cdef bint sums_rows(Regions regions, int32_t value) except -1:
    """Whether a pass ends in a sum over the last axes."""
    cdef int64_t extents[3]
    return regions.sums(value) and sum_kind(
        regions.pass_shape(value), regions.axes_of(value), extents) == 1


cdef bint is_scalar(const Region* region, int32_t ref) noexcept:
    """Whether an operand, as in Inner, is one number throughout the pass."""
    return 0 <= ref < region.n_sources and region.sources[ref].kind == SOURCE_SCALAR


cdef int fill_scalars(Region* region, refs) except -1:
    """Have those of the operands that are one number filled into a register."""
    for ref in refs:
        if is_scalar(region, ref):
            region.sources[<int> ref].filled = True
    return 0


cdef BlockLoop loop_of(Region* region, str name, list refs, tuple numbers):
    """The own loop of an operation, or NULL: one for its scalars, else they are filled."""
    cdef BlockLoop loop
    scalars = frozenset([j for j, ref in enumerate(refs) if is_scalar(region, ref)])
    for taken in [scalars, *[scalars - {j} for j in scalars]] if scalars else []:
        loop = find_block(name, numbers, taken)
        if taken and loop != NULL:
            fill_scalars(region, [refs[j] for j in scalars - taken])
            return loop
    fill_scalars(region, refs)
    return find_block(name, numbers)


cdef int set_operations(Region* region, Regions regions, int32_t value) except -1:
    """The loop and the registers of each operation."""
    cdef Value* x = &regions.values[value]
    cdef PassOperation* op
    cdef Elementwise row
    cdef int32_t at, k, j, ref, dtype, heaviest = 1, n_registers = x.n_inputs
    cdef list steps, factors, refs, numbers
    cdef list last = [0] * x.n_inners, register = [0] * x.n_inners, free_registers = []
    steps, factors = steps_of(regions, value)
    for at, (_, _, refs, k) in enumerate([*steps, (None, "", factors, 0)]):
        for ref in refs:
            if ref < 0:
                last[~ref] = at
    region.result, region.factor = 0, -1
    region.n_operations = <int32_t> len(steps)
    for at, (row, name, refs, k) in enumerate(steps):
        op = &region.operations[at]
        if name in FACTORS and is_scalar(region, refs[0]):
            refs[0], refs[1] = refs[1], refs[0]
        op.n_inputs = <int32_t> len(refs)
        op._in[0] = op._in[1] = op._in[2] = op._in[3] = 0
        numbers = []
        for j, ref in enumerate(refs):
            op._in[j] = ref if ref >= 0 else register[~ref]
            dtype = number_of(regions, x, ref)
            numbers.append(dtype)
            op.steps[j] = itemsizes[dtype]
        dtype = regions.inners[x.first_inner + k].dtype
        numbers.append(dtype)
        op.steps[op.n_inputs] = itemsizes[dtype]
        op.loop = loop_of(region, name, refs, tuple(numbers))
        if op.loop == NULL:
            find_loop(row.loop, tuple(numbers), &op.ufunc, &op.data)
        if at == len(steps) - 1 or not free_registers:   # the result keeps a register of its own
            op.out = n_registers
            n_registers += 1
        else:
            op.out = free_registers.pop()
        register[k] = op.out
        for ref in refs:
            if ref < 0 and last[~ref] == at:
                last[~ref] = -1
                free_registers.append(register[~ref])
        region.result = op.out
        heaviest = max(heaviest, row.cost_per_element)
    if factors:
        region.result, region.factor = [
            ref if ref >= 0 else <int> register[~ref] for ref in factors]
    fill_scalars(region, [region.result, region.factor])
    region.n_registers = n_registers
    region.part = CHUNK if heaviest > 1 else LIGHT_PART
    return 0


cdef int set_sum(Region* region, Regions regions, int32_t value) except -1:
    """The sum that ends the pass."""
    cdef Value* x = &regions.values[value]
    cdef int64_t extents[3]
    cdef int kind
    region.sum = SUM_NONE
    if not regions.sums(value):
        return 0
    kind = sum_kind(regions.pass_shape(value), regions.axes_of(value), extents)
    region.sum = SUM_ROWS if kind == 1 else SUM_COLUMNS
    region.outer, region.length, region.inner = extents[0], extents[1], extents[2]
    region.is_double = region.itemsize == 8
    region.n_chunks = chunks_of_sum(region.sum, region.length, region.inner)
    region.add = find_block("add", (x.dtype,) * 3)
    region.divisor = -1
    if (<Operation> operations[x.op]).name == "mean":
        region.divisor = region.length
    return 0
