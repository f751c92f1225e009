"""What NumPy's functions about form mean on Variables: shape, dtype, zeros of the same form.

They are reached through NumPy's own functions when an argument is a Variable. No row of the table
is involved but those that move elements, because nothing here depends on the numbers.
"""

import numpy as np

from autodiff.core.making import constant, here
from autodiff.core.variable import Variable
from autodiff.errors import ShapeError
from autodiff.ops.elementwise import astype
from autodiff.ops.movement import broadcast_to, normal_axis, reshape, shape_tuple


def shape(a):
    """The shape of `a`; see numpy.shape."""
    return a.shape


def ndim(a):
    """The number of axes of `a`; see numpy.ndim."""
    return a.ndim


def size(a, axis=None):
    """The number of elements of `a`, all or along `axis`; see numpy.size."""
    if axis is None:
        return a.size
    axes = axis if isinstance(axis, tuple) else (axis,)
    extents = [a.shape[normal_axis(k, a.ndim, "size", a)] for k in axes]
    return int(np.prod(extents))


def iscomplexobj(x):
    """False: Variables are real; see numpy.iscomplexobj."""
    return False


def isrealobj(x):
    """True: Variables are real; see numpy.isrealobj."""
    return True


def result_type(*arrays_and_dtypes):
    """The dtype of these together; a weak Variable counts as a Python float."""
    return np.result_type(*(
        x if not isinstance(x, Variable) else 1.0 if x.weak else x.dtype
        for x in arrays_and_dtypes))


def copy(a):
    """`a` itself, which nothing can change; see numpy.copy."""
    return a


def ravel(a):
    """The elements of `a` in C order along one axis; see numpy.ravel."""
    return reshape(a, (-1,))


def full_like(a, fill_value, dtype=None, shape=None):
    """`fill_value` in the shape and dtype of `a`; a Variable of 0 bytes, a repeated scalar.

    A Variable as `fill_value` keeps its gradient.
    """
    dtype = np.dtype(a.dtype if dtype is None else dtype)
    if isinstance(fill_value, Variable):
        x = astype(fill_value, dtype)
    else:
        x = constant(a.graph, np.asarray(fill_value).astype(dtype))
    shape = np.shape(a) if shape is None else shape_tuple(shape, "full_like", x)
    if x.ndim > len(shape):
        raise ShapeError(f"full_like: shape {x.shape} does not fill {shape}{here(x)}")
    return broadcast_to(x, shape)


def zeros_like(a, dtype=None, shape=None):
    """Zeros in the shape and dtype of `a`; a Variable of 0 bytes."""
    return full_like(a, 0, dtype, shape)


def ones_like(a, dtype=None, shape=None):
    """Ones in the shape and dtype of `a`; a Variable of 0 bytes."""
    return full_like(a, 1, dtype, shape)


def empty_like(prototype, dtype=None, shape=None):
    """Zeros in the form of `prototype`: a Variable has no memory to be left as it was."""
    return full_like(prototype, 0, dtype, shape)


FORMS = {f.__name__: f for f in (
    copy, empty_like, full_like, iscomplexobj, isrealobj, ndim, ones_like, ravel, result_type,
    shape, size, zeros_like)}
