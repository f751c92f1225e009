"""Kernels and inner loops, found by name when a program is built.

A ufunc's inner loop can be called without the GIL through PyUFuncObject.functions[i], chosen by
its `types` string; so every ufunc of NumPy and SciPy is an operation for the price of its rule.
BLAS is loaded with the first product (importing scipy.linalg costs 0.2 s).
"""

import os

import numpy as np

from cpython.pycapsule cimport PyCapsule_GetName, PyCapsule_GetPointer
from libc.stdint cimport int64_t
from libc.stdlib cimport free

from autodiff.errors import ArenaError

from . cimport threads
from . import threads as pool

cdef extern from "parallel.h" nogil:
    ctypedef void (*Task)(void*, int64_t) noexcept
    void (*parallel)(Task, void*, int64_t) noexcept

cdef extern from "call.h":
    ctypedef struct PyUFuncObject:
        int nin
        int nout
        int ntypes
        const char* types
        PyUFuncGenericFunction* functions
        void** data

cdef extern from "matmul.h" nogil:
    BlockLoop find_block_loop(const char*, const char*)
    ctypedef struct NamedLoop:
        pass
    ctypedef struct NamedKernel:
        Kernel kernel
        Prepare prepare
    const NamedLoop* own_loops
    const NamedLoop* casts
    PyUFuncGenericFunction find_named(const NamedLoop*, const char*)
    const NamedKernel* c_find_kernel "find_kernel"(const char*)
    const NamedKernel* find_product(const char*)
    int control_blas_threads(const char*)
    int most_in_blas()
    int fits_blas(const int64_t*, int64_t, int)
    ctypedef struct NamedBlock:
        const char* name
        const char* types
    ctypedef struct Blocks:
        const NamedBlock* loops
    Blocks blocks
    const char* blocks_cpu
    void choose_blocks()
    double sum_block_d(const double*, int64_t)
    float sum_block_f(const float*, int64_t)
    double dot_block_d(const double*, const double*, int64_t)
    float dot_block_f(const float*, const float*, int64_t)
    double max_block_d(const double*, int64_t)
    float max_block_f(const float*, int64_t)
    double min_block_d(const double*, int64_t)
    float min_block_f(const float*, int64_t)
    void* sgemm
    void* dgemm
    void* sgemv
    void* dgemv

parallel = <void (*)(Task, void*, int64_t) noexcept nogil> threads.parallel

CAST_LETTERS = ["o", "b", "ub", "h", "uh", "i", "ui", "l", "ul", "q", "uq", "f", "d"]
cdef bint blas_loaded = False


LIBRARY_BYTES = 8_000_000     # OpenBLAS's packing buffer of a thread: at most 6.9 MB measured


def library_bytes():
    """Return the bytes that libraries hold beside any plan: BLAS's packing buffers, once loaded.

    One for each thread that may be in a product at once: those of `num_threads()`, and one more for
    each further Python thread that was seen multiplying at the same time. They stay once they are
    allocated, and are reported apart from `peak_bytes`, which they do not depend on.

    >>> import autodiff as ad
    >>> ad.library_bytes() % 8_000_000
    0
    """
    if not blas_loaded:
        return 0
    return LIBRARY_BYTES * (pool.num_threads() + most_in_blas() - 1)


BLAS = ("sgemm", "dgemm", "sgemv", "dgemv")


def find_blas():
    """Where BLAS is: (library, addresses of BLAS's functions).

    From the wheel scipy-openblas32, where it is installed: SciPy 1.17 has OpenBLAS 0.3.30, whose
    products h.T @ g of float32 take 12 % longer on Zen 4 than those of 0.3.31 and later.
    """
    try:
        import ctypes

        import scipy_openblas32 as wheel

        library = os.path.join(wheel.get_lib_dir(), wheel.get_library(fullname=True))
        found = ctypes.CDLL(library)
        functions = [getattr(found, f"scipy_{name}_") for name in BLAS]
        return library, [ctypes.cast(function, ctypes.c_void_p).value for function in functions]
    except (ImportError, OSError, AttributeError):
        from scipy.linalg import cython_blas

        capsules = [cython_blas.__pyx_capi__[name] for name in BLAS]
        return cython_blas.__file__, [
            <size_t> PyCapsule_GetPointer(capsule, PyCapsule_GetName(capsule))
            for capsule in capsules]


cdef int load_blas() except -1:
    """Take BLAS from another package, once."""
    global blas_loaded, sgemm, dgemm, sgemv, dgemv
    if blas_loaded:
        return 0
    library, addresses = find_blas()
    if control_blas_threads(os.fsencode(library)) != 0:
        raise ArenaError("cannot get the memory that makes products survive a fork")
    sgemm, dgemm = <void*> <size_t> addresses[0], <void*> <size_t> addresses[1]
    sgemv, dgemv = <void*> <size_t> addresses[2], <void*> <size_t> addresses[3]
    blas_loaded = True
    return 0


cdef bint blas_reads(const int64_t* layout, int64_t itemsize, bint is_first) noexcept nogil:
    """Whether a product can read this operand as it lies, transposed or not."""
    return fits_blas(layout, itemsize, is_first)


cdef int find_kernel(str name, Kernel* kernel, Prepare* prepare) except -1:
    """The kernel registered under `name`."""
    cdef const NamedKernel* found
    prepare[0] = NULL
    if name.startswith("matmul"):
        load_blas()
        found = find_product(name.encode())
    else:
        found = c_find_kernel(name.encode())
    if found == NULL:
        raise LookupError(f"there is no kernel {name!r}")
    kernel[0] = found.kernel
    prepare[0] = found.prepare
    return 0


cdef BlockLoop find_block(str name, tuple numbers, frozenset scalars=frozenset()):
    """The own loop of an elementwise row for these type numbers, or NULL.

    `scalars` are the positions of the operands that are one number each.
    """
    *inputs, out = [type_character(number) for number in numbers]
    for j in scalars:
        inputs[j] = inputs[j].upper() if inputs[j] != "?" else "!"      # no loop has a form for it
    return find_block_loop(name.encode(), f"{''.join(inputs)}>{out}".encode())


cdef int find_loop(object source, tuple numbers, PyUFuncGenericFunction* loop,
                   void** data) except -1:
    """The inner loop of a ufunc, or an own loop by name, for these type numbers."""
    cdef PyUFuncObject* ufunc
    cdef int i, j, width
    data[0] = NULL
    if isinstance(source, np.ufunc):
        ufunc = <PyUFuncObject*> <void*> source
        width = ufunc.nin + ufunc.nout
        for i in range(ufunc.ntypes):
            for j in range(width):
                if ufunc.types[i * width + j] != <int> numbers[j]:
                    break
            else:
                loop[0] = ufunc.functions[i]
                data[0] = ufunc.data[i]
                return 0
        raise LookupError(f"{source} has no loop for type numbers {numbers}")
    if source == "cast":
        letters = [CAST_LETTERS[number] for number in numbers]
        name = ">".join(letters)
        loop[0] = find_named(casts, name.encode())
    elif source in ("copy", "where"):
        size = np.dtype(type_character(numbers[len(numbers) - 1])).itemsize
        loop[0] = find_named(own_loops, f"{source}:{size}".encode())
    elif source in ("sigmoid", "softplus"):
        letter = type_character(numbers[0])
        loop[0] = find_named(own_loops, f"block:{letter}".encode())
        data[0] = <void*> find_block_loop(source.encode(), f"{letter}>{letter}".encode())
    else:
        loop[0] = find_named(own_loops, f"{source}:{type_character(numbers[0])}".encode())
    if loop[0] == NULL:
        raise LookupError(f"there is no loop {source!r} for type numbers {numbers}")
    return 0


def run_kernel(str name, inputs, out, int64_t repeats=1):
    """Run one kernel on arrays, as an instruction of a program does: for tests and benchmarks.

    Parameters
    ----------
    name : str
        The kernel's, of those without parameters, inner loop or workspace.
    inputs : sequence of arrays, at most 4
        With the layouts the kernel reads; nothing is checked.
    out : array
        The result; it may be one of the inputs where the kernel says so.
    repeats : int
        How often it runs, prepared once.

    >>> y = np.empty((2, 2))
    >>> run_kernel("matmul", (np.eye(2), np.eye(2)), y)
    >>> y.tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    cdef Call call
    cdef Run run
    cdef Prepare prepare
    cdef char* p[5]
    cdef const int64_t* layouts[5]
    cdef int64_t[5] sizes, dtypes
    cdef int64_t[5][66] layout
    cdef int status = OK
    arrays = [*inputs, out]
    for j, array in enumerate(arrays):
        p[j] = <char*> <size_t> array.__array_interface__["data"][0]
        for d, number in enumerate([array.ndim, *array.shape, *array.strides]):
            layout[j][d] = number
        layouts[j], sizes[j], dtypes[j] = layout[j], array.itemsize, array.dtype.num
    call.layouts, call.itemsizes, call.dtypes, call.walk = layouts, sizes, dtypes, NULL
    call.n_inputs = <int> len(arrays) - 1
    call.dtype, call.out_dtype = <int> dtypes[0], <int> dtypes[len(arrays) - 1]
    find_kernel(name, &call.kernel, &prepare)
    with nogil:
        if prepare != NULL:
            status = prepare(&call)
        while status == OK and repeats > 0:
            status = call.kernel(&call, p, &run)
            repeats -= 1
        free(call.walk)
    if status != OK:
        raise ArenaError(f"the kernel {name!r} ended with status {status}")


def type_character(int number):
    """NumPy's one-letter code of a type number."""
    return "?bBhHiIlLqQfd"[number]


choose_blocks()


def block_cpu():
    """Return the instruction set of the block loops: "baseline", "avx2" or "avx512"."""
    return (<bytes> blocks_cpu).decode()


def block_loops():
    """Return the block loops of this processor: a list of (name, types), as ("add", "dD>d").

    A capital letter is an operand of one number.
    """
    found = []
    cdef const NamedBlock* row = blocks.loops
    while row.name != NULL:
        found.append(((<bytes> row.name).decode(), (<bytes> row.types).decode()))
        row += 1
    return found


cdef list addresses(str types, tuple arrays):
    """Where the data of contiguous arrays of these types begin, of one length or one number."""
    letters = types.replace(">", "")
    if [array.dtype.char for array in arrays] != list(letters.lower()):
        raise TypeError(f"arrays of {letters}, not of {[array.dtype.str for array in arrays]}")
    size = arrays[len(arrays) - 1].size
    if not all(array.shape == (1 if letter.isupper() else size,)
               and array.strides == (array.itemsize,) or array.size < 2
               for letter, array in zip(letters, arrays)):
        raise ValueError("a block is one-dimensional, contiguous, and as long as the others")
    return [array.ctypes.data for array in arrays]


def run_block_loop(str name, str types, *arrays, int64_t repeats=1):
    """Run a block loop `repeats` times on contiguous arrays: the operands, then the result."""
    cdef BlockLoop loop = find_block_loop(name.encode(), types.encode())
    if loop == NULL:
        raise LookupError(f"there is no block loop {name!r} for {types!r}")
    at = addresses(types, arrays)
    cdef size_t out = at.pop()
    cdef size_t[4] given = [0, 0, 0, 0]
    cdef int64_t n = arrays[len(arrays) - 1].size, _run
    for k, address in enumerate(at):
        given[k] = address
    cdef size_t third = <size_t> &given[2] if len(at) == 4 else given[2]
    with nogil:
        for _run in range(repeats):
            loop(<void*> out, <const void*> given[0], <const void*> given[1],
                 <const void*> third, n)


def fold_block(str name, x, y=None):
    """Return the sum, the dot product with y, the max or the min of a contiguous array."""
    arrays = (x,) if y is None else (x, y)
    at = addresses(x.dtype.char * len(arrays), arrays)
    cdef size_t a = at[0], b = at[len(at) - 1]
    cdef int64_t n = x.size
    if x.dtype.char == "d":
        if name == "dot":
            return dot_block_d(<const double*> a, <const double*> b, n)
        if name == "sum":
            return sum_block_d(<const double*> a, n)
        if name == "max":
            return max_block_d(<const double*> a, n)
        return min_block_d(<const double*> a, n)
    if name == "dot":
        return dot_block_f(<const float*> a, <const float*> b, n)
    if name == "sum":
        return sum_block_f(<const float*> a, n)
    if name == "max":
        return max_block_f(<const float*> a, n)
    return min_block_f(<const float*> a, n)
