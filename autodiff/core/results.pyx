"""The arrays that a run returns: new ones, in its block or in memory of their own, or the caller's.
"""

import numpy as np

cimport numpy as cnp
from cpython.ref cimport Py_INCREF
from libc.stdint cimport int64_t

from ..errors import ArgumentError, DTypeError, ShapeError

from .calls cimport array_view
from .code cimport BLOCK
from .operations cimport is_special, type_dtypes
from .pool cimport block_data, give_back_results, lease_results

cnp.import_array()

cdef extern from "numpy/arrayobject.h":
    int PyArray_SetBaseObject(cnp.ndarray, object) except -1


cdef class Memory:
    """A block of results: the arrays in it keep it alive, and the pool has it back after them."""

    def __dealloc__(self):
        if self.block != NULL:
            give_back_results(self.block)


cdef Memory new_memory(int64_t nbytes):
    """Memory for the results of one run that share a block."""
    cdef Memory memory = Memory.__new__(Memory)
    memory.block = lease_results(nbytes)
    return memory


cdef object new_result(const Output* at, Memory memory, char** bases):
    """The array of one result: part of the block, or memory of its own, whose base is noted."""
    cdef cnp.npy_intp shape[32]
    cdef int d
    if at.base == BLOCK:
        array = array_view(at.layout, at.dtype, block_data(memory.block) + at.offset)
        Py_INCREF(memory)
        PyArray_SetBaseObject(array, memory)
        return array
    for d in range(at.layout[0]):
        shape[d] = at.layout[1 + d]
    array = cnp.PyArray_EMPTY(<int> at.layout[0], shape, at.dtype, 0)
    bases[at.base] = cnp.PyArray_BYTES(array)
    return array


cdef int check_results(list out, Py_ssize_t n, const Output* outputs, list arrays,
                       object name_of) except -1:
    """Raise where the n results cannot be written into `out`; `arrays` are the arguments.

    `name_of` the number of a result makes what the error calls the array that is given for it.
    """
    cdef Py_ssize_t k, j
    cdef int64_t low, high, other_low, other_high
    if len(out) != n:
        raise ArgumentError(f"out= takes {n} arrays, {len(out)} were given")
    for k in range(n):
        check_result(out[k], &outputs[k], k, name_of)
        extent_of(<cnp.ndarray> out[k], &low, &high)
        for j in range(k + len(arrays)):
            array = out[j] if j < k else arrays[j - k]
            if not isinstance(array, np.ndarray):
                continue          # numbers and lists become arrays of their own
            extent_of(<cnp.ndarray> array, &other_low, &other_high)
            if low < other_high and other_low < high:
                what = name_of(j) if j < k else f"argument {j - k}"
                raise ArgumentError(
                    f"out=: {name_of(k)} overlaps {what} in memory, which may be read after it "
                    "is written; give it memory of its own")
    return 0


cdef int check_result(object given, const Output* wanted, Py_ssize_t k,
                      object name_of) except -1:
    """Raise where a result cannot be written into the k-th array that was given for it."""
    dtype = type_dtypes[wanted.dtype]
    shape = tuple([wanted.layout[1 + d] for d in range(wanted.layout[0])])
    if not isinstance(given, np.ndarray) or is_special(given):
        raise ArgumentError(
            f"out=: {name_of(k)} is a {type(given).__name__}, an array of {dtype} and shape "
            f"{shape} is needed")
    given = np.asarray(given)     # a subclass may say another shape than its memory has
    if given.dtype is not dtype and given.dtype != dtype:
        raise DTypeError(f"out=: {name_of(k)} is of {given.dtype}, the result of {dtype}")
    if given.shape != shape:
        raise ShapeError(f"out=: {name_of(k)} has shape {given.shape}, the result {shape}")
    flags = cnp.PyArray_FLAGS(<cnp.ndarray> given)
    for flag, name in (
            (cnp.NPY_ARRAY_C_CONTIGUOUS, "in C order"), (cnp.NPY_ARRAY_ALIGNED, "aligned"),
            (cnp.NPY_ARRAY_WRITEABLE, "writable")):
        if not flags & flag:
            raise ArgumentError(
                f"out=: {name_of(k)} is not {name}; give one that is, np.empty(...)")
    return 0


cdef int extent_of(cnp.ndarray array, int64_t* low, int64_t* high) except -1:
    """The addresses of the first byte of an array and past its last one; equal where empty."""
    cdef int d
    low[0] = high[0] = <int64_t> cnp.PyArray_BYTES(array)
    for d in range(cnp.PyArray_NDIM(array)):
        if cnp.PyArray_DIM(array, d) == 0:
            high[0] = low[0]
            return 0
        if cnp.PyArray_STRIDE(array, d) < 0:
            low[0] += (cnp.PyArray_DIM(array, d) - 1) * cnp.PyArray_STRIDE(array, d)
        else:
            high[0] += (cnp.PyArray_DIM(array, d) - 1) * cnp.PyArray_STRIDE(array, d)
    high[0] += cnp.PyArray_ITEMSIZE(array)
    return 0
