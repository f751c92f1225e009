"""Calls: what each region asks of which kernel, but for the addresses."""

cimport numpy as cnp
from cpython.mem cimport PyMem_Free
from cpython.ref cimport Py_INCREF
from libc.stdint cimport int8_t, int32_t, int64_t
from libc.stdlib cimport free, malloc

from .assembly cimport assemble
from .kernels cimport OK, RAISED, Call, Prepare, Run, find_kernel, find_loop
from .operations cimport Operation, operations, type_dtypes
from .regions cimport Regions
from .room cimport zeros
from .values cimport Value, itemsizes

cnp.import_array()

cdef extern from "numpy/arrayobject.h":
    ctypedef struct PyTypeObject:
        pass
    object PyArray_NewFromDescr(PyTypeObject*, cnp.dtype, int, cnp.npy_intp*, cnp.npy_intp*,
                                void*, int, object)
    int NPY_ARRAY_CARRAY


cdef int callback(const Call* call, char** p, Run* run) noexcept with gil:
    """Ask an operation written in Python for its result, and copy it in."""
    cdef int j
    try:
        op = <object> call.object
        inputs = [readonly_copy(call.layouts[j], call.dtypes[j], p[j])
                  for j in range(call.n_inputs)]
        out = array_view(call.layouts[call.n_inputs], call.out_dtype, p[call.n_inputs])
        op.call_forward(inputs, out)
        return OK
    except BaseException as error:
        Py_INCREF(error)
        run.exception = <void*> error
        return RAISED


cdef object array_view(const int64_t* layout, int dtype, char* data):
    """An array over bytes that somebody else keeps."""
    cdef cnp.npy_intp shape[32]
    cdef cnp.npy_intp strides[32]
    cdef int d
    for d in range(layout[0]):
        shape[d] = layout[1 + d]
        strides[d] = layout[1 + layout[0] + d]
    descr = type_dtypes[dtype]
    Py_INCREF(descr)
    return PyArray_NewFromDescr(<PyTypeObject*> cnp.ndarray, descr, <int> layout[0], shape,
                                strides, data, NPY_ARRAY_CARRAY, None)


cdef object readonly_copy(const int64_t* layout, int dtype, char* data):
    """An input of a callback: it may keep it, and the arena's bytes are gone after the run."""
    array = array_view(layout, dtype, data).copy()
    array.flags.writeable = False
    return array


cdef class Calls:
    """One call for each region that is not scripted: kernel, inner loop, layouts, parameters.

    The passes that compute the pieces of a concatenation have calls behind those of the regions.
    """

    def __dealloc__(self):
        cdef int64_t k
        for k in range(self.n):
            free(self.by_region[k].walk)
            PyMem_Free(<void*> self.by_region[k].layouts)
        PyMem_Free(self.by_region)

    def __init__(self, Regions regions, const int8_t[::1] scripted):
        cdef int64_t k, n = regions.n_regions + sum(map(len, regions.pieces.values()))
        self.by_region = <Call*> zeros(n + 1, sizeof(Call))
        self.n = n
        self.n_built = regions.n_regions
        for k in range(regions.n_regions):
            if not scripted[k]:
                self.build(&self.by_region[k], regions, regions.computed[k])

    cdef int build(self, Call* call, Regions regions, int32_t value) except -1:
        """Fill in the call of a region or of a piece."""
        cdef Value* x = &regions.values[value]
        cdef Value* u
        cdef Operation op = <Operation> operations[x.op]
        cdef Prepare prepare
        cdef int32_t j, n = x.n_inputs
        cdef int64_t* block
        cdef tuple params = ()
        cdef object loop, numbers
        if x.n_inners < 0:
            y = regions.graph.handle(x.node)
            params = op.params(y)
        # one block: pointers to layouts, item sizes, dtypes, parameters
        block = <int64_t*> zeros((n + 1) * 3 + len(params) + 1, sizeof(int64_t))
        call.layouts = <const int64_t**> block
        call.itemsizes = block + n + 1
        call.dtypes = <const int64_t*> block + 2 * (n + 1)
        call.params = block + 3 * (n + 1)
        call.n_inputs = n
        call.n_params = <int32_t> len(params)
        for j in range(n + 1):
            u = &regions.values[regions.inputs[x.first_input + j]] if j < n else x
            block[j] = <int64_t> (regions.pool + u.layout)
            block[n + 1 + j] = itemsizes[u.dtype]
            block[2 * (n + 1) + j] = u.dtype
        for j in range(len(params)):
            block[3 * (n + 1) + j] = params[j]
        call.out_dtype = x.dtype
        call.dtype = <int32_t> call.dtypes[0]
        if x.n_inners >= 0:
            find_kernel("region", &call.kernel, &prepare)
            call.walk = assemble(regions, value)
        elif value in regions.pieces:
            find_kernel("join", &call.kernel, &prepare)
            call.walk = <int64_t*> self.join(regions, value)
        elif op.kernel == "python":
            call.kernel = callback
            call.object = <void*> op
            prepare = NULL
        else:
            find_kernel(op.kernel_for(y), &call.kernel, &prepare)
            loop = op.loop_for(y)
            if loop is not None:
                source, numbers = loop
                find_loop(source, numbers, &call.loop, &call.data)
        if prepare != NULL and prepare(call) != OK:
            raise MemoryError("no memory for a call of a program")
        return 0

    cdef Join* join(self, Regions regions, int32_t value) except NULL:
        """The passes of a concatenation, each with its call."""
        cdef list pieces = regions.pieces[value]
        cdef int64_t k, first = 0
        cdef Call* call
        cdef Join* join = <Join*> malloc(sizeof(Join) + len(pieces) * sizeof(Piece))
        if join == NULL:
            raise MemoryError("no memory for a call of a program")
        join.n, join.widest, join.pieces = len(pieces), 0, <Piece*> (join + 1)
        for k in range(join.n):
            call = &self.by_region[self.n_built]
            self.n_built += 1
            try:
                self.build(call, regions, pieces[k])
            except BaseException:
                free(join)
                raise
            join.pieces[k].call = call
            join.pieces[k].first = first
            join.pieces[k].offset = regions.values[<int32_t> pieces[k]].offset
            join.widest = max(join.widest, call.n_inputs)
            first += call.n_inputs
        return join
