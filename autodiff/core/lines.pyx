"""The user's source line, kept as a code object and an instruction offset.

Looking up the line number takes 85 ns, keeping the offset 1 ns; so the number is looked up when
somebody asks.
"""

import os

import numpy as np

from cpython.object cimport PyObject
from libc.stdint cimport int32_t

cdef extern from "Python.h":
    ctypedef struct PyFrameObject:
        pass
    PyFrameObject* PyEval_GetFrame() noexcept
    PyFrameObject* PyFrame_GetBack(PyFrameObject*) noexcept
    ctypedef struct PyCodeObject:
        pass
    PyCodeObject* PyFrame_GetCode(PyFrameObject*) noexcept
    int PyFrame_GetLasti(PyFrameObject*) noexcept
    void Py_IncRef(PyObject*)
    void Py_DecRef(PyObject*)

# Files below these are not the user's: a line in them is never reported.
cdef tuple NOT_THE_USER = (
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep,
    os.path.dirname(os.path.abspath(np.__file__)) + os.sep,
)

# By address: the code of these files, which is kept. Hashing a code object takes half a
# microsecond, and a call of a transform is six frames deep.
cdef dict ours = {}


cdef int user_line(dict code_index, list codes, Met* met, int32_t* code,
                   int32_t* lasti) except -1:
    """Where the user stands: the innermost frame outside this package and NumPy.

    `codes` collects the code objects met, `code_index` knows each; `met` is the last one.
    `code` is -1 where there is no Python frame.
    """
    cdef PyFrameObject* frame
    cdef PyFrameObject* outer
    cdef PyObject* found
    cdef int32_t index
    code[0] = -1
    lasti[0] = 0
    frame = PyEval_GetFrame()
    if frame == NULL:
        return 0
    Py_IncRef(<PyObject*> frame)
    while frame != NULL:
        found = <PyObject*> PyFrame_GetCode(frame)
        if found == met.code:
            index = met.index
        else:
            index = index_of(<object> found, code_index, codes)
        Py_DecRef(found)
        if index >= 0:
            met.code, met.index = <void*> codes[index], index   # an equal one, that codes keeps
            code[0] = index
            lasti[0] = PyFrame_GetLasti(frame)
            break
        outer = PyFrame_GetBack(frame)
        Py_DecRef(<PyObject*> frame)
        frame = outer
    if frame != NULL:
        Py_DecRef(<PyObject*> frame)
    return 0


cdef int32_t index_of(object code, dict code_index, list codes) except -2:
    """The index of a code object in `codes`; -1 for one of ours."""
    if <size_t> <void*> code in ours:
        return -1
    index = code_index.get(code)
    if index is None:
        if code.co_filename.startswith(NOT_THE_USER):
            ours[<size_t> <void*> code] = code
            return -1
        index = code_index[code] = len(codes)
        codes.append(code)
    return index


cdef object place_of(list codes, int32_t code, int32_t lasti):
    """The (file, line) of an instruction, or None where there was no Python frame."""
    if code < 0:
        return None
    code_object = codes[code]
    for start, end, line in code_object.co_lines():
        if start <= lasti < end and line is not None:
            return code_object.co_filename, line
    return code_object.co_filename, code_object.co_firstlineno


cdef str text_of(object place):
    """A place as people read it, "file.py:12"; "" for None."""
    return f"{os.path.basename(place[0])}:{place[1]}" if place else ""
