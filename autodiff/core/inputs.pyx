"""The arrays that a run reads: as they are given, converted, or refused with the name of each."""

import numpy as np

cimport numpy as cnp
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memcmp

from ..errors import ArgumentError, DTypeError, NumberError, ShapeError, brief

from .operations cimport is_special, type_dtypes
from .regions cimport Regions
from .values cimport ARGUMENT
from .variable cimport Variable

cnp.import_array()


cdef bint fits(object given, const Input* wanted) noexcept:
    """Whether an argument can be read as it is: its dtype and shape, aligned, in C order."""
    cdef int dense = cnp.NPY_ARRAY_C_CONTIGUOUS | cnp.NPY_ARRAY_ALIGNED
    if not cnp.PyArray_CheckExact(given):
        return False
    return (<void*> cnp.PyArray_DESCR(<cnp.ndarray> given) == wanted.dtype
            and cnp.PyArray_NDIM(<cnp.ndarray> given) == wanted.ndim
            and cnp.PyArray_FLAGS(<cnp.ndarray> given) & dense == dense
            and memcmp(cnp.PyArray_DIMS(<cnp.ndarray> given), wanted.shape,
                       wanted.ndim * sizeof(int64_t)) == 0)


cdef class Inputs:
    """What a program takes: its arguments in order, and the arrays it has captured."""

    def __dealloc__(self):
        PyMem_Free(self.wanted)
        PyMem_Free(self.extents)

    def __init__(self, Regions regions not None):
        """Note what each argument must be, where a loop without Python looks it up."""
        cdef Py_ssize_t k, d, at = 0
        cdef object shape
        cdef int32_t v, node
        self.regions = regions
        self.dtypes = [type_dtypes[regions.graph.nodes[node].dtype] for node in regions.arguments]
        self.shapes = [<tuple> regions.graph.nodes[node].shape for node in regions.arguments]
        self.strides = [None] * len(self.shapes)
        for v in range(regions.n_values):
            if (regions.values[v].base == ARGUMENT and regions.values[v].root == v
                    and not regions.is_dense(v)):
                self.strides[regions.values[v].slot] = regions.strides_of(v)
        self.n = len(self.shapes)
        self.wanted = <Input*> PyMem_Malloc((self.n + 1) * sizeof(Input))
        self.extents = <int64_t*> PyMem_Malloc(
            (sum(map(len, self.shapes)) + 1) * sizeof(int64_t))
        if self.wanted == NULL or self.extents == NULL:
            raise MemoryError("no memory for the arguments of a program")
        for k in range(self.n):
            shape = self.shapes[k]
            self.wanted[k].dtype = <void*> self.dtypes[k]
            self.wanted[k].ndim = <int32_t> len(shape)
            self.wanted[k].shape = self.extents + at
            for d in range(len(shape)):
                self.extents[at] = shape[d]
                at += 1

    cdef tuple accept(self, tuple given):
        """As `Executable.accept`."""
        cdef Py_ssize_t k, n = self.n
        cdef list arrays = []
        cdef bint dense = True
        if len(given) != n:
            raise ArgumentError(f"the program takes {n} arrays, {len(given)} were given")
        for k in range(n):
            array = given[k]
            if not fits(array, &self.wanted[k]):
                array = self.coerce(k, array)
                dense = dense and cnp.PyArray_IS_C_CONTIGUOUS(<cnp.ndarray> array)
            arrays.append(array)
        if dense:
            return arrays, None
        return arrays, tuple([None if array.flags.c_contiguous else array.strides
                              for array in arrays])

    cdef object coerce(self, Py_ssize_t k, object given):
        """One argument that is not at once what the program takes, or the error about it."""
        cdef object dtype = self.dtypes[k]
        name = self.regions.graph.handle(self.regions.arguments[k]).name
        if type(given) is Variable:
            raise ArgumentError(
                f"input {name!r}: a program runs on arrays, not on Variables")
        if is_special(given):
            raise DTypeError(
                f"input {name!r}: {type(given).__name__} is not supported, pass a plain array")
        if isinstance(given, (bool, int, float, list, tuple)):
            try:
                plain = np.asarray(given)
            except ValueError:                     # a ragged list
                plain = np.asarray(None)
            if plain.dtype.kind in "iu" and dtype.kind in "iu":
                limits = np.iinfo(dtype)
                if plain.size and not limits.min <= plain.min() <= plain.max() <= limits.max:
                    raise NumberError(
                        f"input {name!r} is {dtype}, {brief(given)} does not fit it")
            elif plain.dtype.kind not in "biuf" or not np.can_cast(
                    plain.dtype, dtype, "same_kind"):
                raise DTypeError(f"input {name!r} is {dtype}, {brief(given)} was given")
            array = plain.astype(dtype)
        else:
            array = np.asarray(given)
        if array.dtype != dtype.newbyteorder("=") and array.dtype.newbyteorder("=") != dtype:
            raise DTypeError(
                f"input {name!r} is {dtype}, an array of {array.dtype} was given; convert it "
                f"with .astype(np.{dtype})")
        if array.shape != self.shapes[k]:
            raise ShapeError(
                f"input {name!r} has shape {self.shapes[k]}, an array of shape {array.shape} was "
                "given")
        if not array.dtype.isnative or not array.flags.aligned:
            array = array.astype(dtype)
        return array

    cdef int check(self, list arrays, list constants) except -1:
        """Raise where a run would read other arrays than these, or otherwise than they lie."""
        cdef list nodes = self.regions.constants
        cdef int dense = cnp.NPY_ARRAY_C_CONTIGUOUS | cnp.NPY_ARRAY_ALIGNED
        cdef Py_ssize_t k, n = len(arrays)
        cdef Variable x
        if n != self.n or len(constants) != len(nodes):
            raise ArgumentError(
                f"the program takes {self.n} arrays and {len(nodes)} captured ones, {n} and "
                f"{len(constants)} were given")
        for k in range(n):
            array, strides = arrays[k], self.strides[k]
            if strides is None and fits(array, &self.wanted[k]):
                continue
            if not (cnp.PyArray_CheckExact(array) and array.dtype == self.dtypes[k]
                    and array.shape == self.shapes[k] and array.flags.aligned
                    and (array.flags.c_contiguous if strides is None
                         else array.strides == strides)):
                raise ArgumentError(
                    f"argument {k} of a run is {self.dtypes[k]} of shape {self.shapes[k]}, as "
                    f"`accept` gives it; {brief(array)} was given")
        for k in range(len(nodes)):
            array = constants[k]
            x = self.regions.graph.handle(nodes[k])
            if not (cnp.PyArray_CheckExact(array) and array.shape == x.shape
                    and array.dtype == x.dtype and cnp.PyArray_FLAGS(array) & dense == dense):
                raise ArgumentError(
                    f"the captured array {x.name!r} is {x.dtype} of shape {x.shape} in C order; "
                    f"{brief(array)} was given for it")
        return 0
