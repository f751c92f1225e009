"""Types of the NumPy namespace: a Variable in gives a Variable, arrays alone give arrays."""

from collections.abc import Sequence
from typing import Any, Literal, Protocol, SupportsIndex, TypeAlias, overload, type_check_only

from numpy import (
    arange,
    array,
    asarray,
    bool_,
    dtype,
    e,
    empty,
    eye,
    float32,
    float64,
    full,
    identity,
    inf,
    int8,
    int16,
    int32,
    int64,
    linspace,
    nan,
    ndarray,
    newaxis,
    ones,
    pi,
    uint8,
    uint16,
    uint32,
    uint64,
    zeros,
)
from numpy.typing import ArrayLike, DTypeLike, NDArray

from autodiff.core.variable import Variable

__all__ = [
    "abs",
    "absolute",
    "add",
    "amax",
    "amin",
    "arange",
    "arctan",
    "argmax",
    "array",
    "asarray",
    "astype",
    "bool_",
    "broadcast_to",
    "clip",
    "concat",
    "concatenate",
    "copy",
    "cos",
    "cross_entropy",
    "divide",
    "dot",
    "dtype",
    "e",
    "empty",
    "empty_like",
    "equal",
    "exp",
    "expand_dims",
    "expm1",
    "eye",
    "float32",
    "float64",
    "floor",
    "floor_divide",
    "full",
    "full_like",
    "greater",
    "greater_equal",
    "identity",
    "inf",
    "int16",
    "int32",
    "int64",
    "int8",
    "iscomplexobj",
    "isrealobj",
    "less",
    "less_equal",
    "linspace",
    "log",
    "log1p",
    "log_softmax",
    "logical_and",
    "logical_not",
    "logical_or",
    "logsumexp",
    "matmul",
    "max",
    "maximum",
    "mean",
    "min",
    "minimum",
    "mod",
    "multiply",
    "nan",
    "ndarray",
    "ndim",
    "negative",
    "newaxis",
    "not_equal",
    "one_hot",
    "ones",
    "ones_like",
    "outer",
    "permute_dims",
    "pi",
    "pow",
    "power",
    "ravel",
    "relu",
    "remainder",
    "reshape",
    "result_type",
    "shape",
    "sigmoid",
    "sign",
    "sin",
    "size",
    "softmax",
    "softplus",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "std",
    "subtract",
    "sum",
    "swapaxes",
    "take",
    "tanh",
    "transpose",
    "true_divide",
    "uint16",
    "uint32",
    "uint64",
    "uint8",
    "var",
    "where",
    "zeros",
    "zeros_like",
]

_Value: TypeAlias = ArrayLike | Variable
_Axes: TypeAlias = SupportsIndex | Sequence[SupportsIndex] | None
_Shape: TypeAlias = SupportsIndex | Sequence[SupportsIndex]

@type_check_only
class _Unary(Protocol):
    @overload
    def __call__(self, x: Variable, /) -> Variable: ...
    @overload
    def __call__(self, x: ArrayLike, /) -> Any: ...

@type_check_only
class _Binary(Protocol):
    @overload
    def __call__(self, a: Variable, b: _Value, /) -> Variable: ...
    @overload
    def __call__(self, a: ArrayLike, b: Variable, /) -> Variable: ...
    @overload
    def __call__(self, a: ArrayLike, b: ArrayLike, /) -> Any: ...

abs: _Unary
absolute: _Unary
arctan: _Unary
cos: _Unary
exp: _Unary
expm1: _Unary
floor: _Unary
log: _Unary
log1p: _Unary
logical_not: _Unary
negative: _Unary
relu: _Unary
sigmoid: _Unary
sign: _Unary
sin: _Unary
softplus: _Unary
sqrt: _Unary
square: _Unary
tanh: _Unary

add: _Binary
divide: _Binary
equal: _Binary
floor_divide: _Binary
greater: _Binary
greater_equal: _Binary
less: _Binary
less_equal: _Binary
logical_and: _Binary
logical_or: _Binary
maximum: _Binary
minimum: _Binary
mod: _Binary
multiply: _Binary
not_equal: _Binary
pow: _Binary
power: _Binary
remainder: _Binary
subtract: _Binary
true_divide: _Binary

@overload
def max(x: Variable, axis: _Axes = None, keepdims: bool = False) -> Variable: ...
@overload
def max(x: ArrayLike, axis: _Axes = None, keepdims: bool = False) -> Any: ...
@overload
def mean(x: Variable, axis: _Axes = None, keepdims: bool = False) -> Variable: ...
@overload
def mean(x: ArrayLike, axis: _Axes = None, keepdims: bool = False) -> Any: ...
@overload
def min(x: Variable, axis: _Axes = None, keepdims: bool = False) -> Variable: ...
@overload
def min(x: ArrayLike, axis: _Axes = None, keepdims: bool = False) -> Any: ...
@overload
def std(
    x: Variable, axis: _Axes = None, ddof: float = 0, keepdims: bool = False
) -> Variable: ...
@overload
def std(x: ArrayLike, axis: _Axes = None, ddof: float = 0, keepdims: bool = False) -> Any: ...
@overload
def var(
    x: Variable, axis: _Axes = None, ddof: float = 0, keepdims: bool = False
) -> Variable: ...
@overload
def var(x: ArrayLike, axis: _Axes = None, ddof: float = 0, keepdims: bool = False) -> Any: ...
@overload
def sum(x: Variable, axis: _Axes = None, keepdims: bool = False) -> Variable: ...
@overload
def sum(x: ArrayLike, axis: _Axes = None, keepdims: bool = False) -> Any: ...
@overload
def amax(x: Variable, axis: _Axes = None, keepdims: bool = False) -> Variable: ...
@overload
def amax(x: ArrayLike, axis: _Axes = None, keepdims: bool = False) -> Any: ...
@overload
def amin(x: Variable, axis: _Axes = None, keepdims: bool = False) -> Variable: ...
@overload
def amin(x: ArrayLike, axis: _Axes = None, keepdims: bool = False) -> Any: ...
@overload
def logsumexp(x: Variable, axis: _Axes = None, keepdims: bool = False) -> Variable: ...
@overload
def logsumexp(x: ArrayLike, axis: _Axes = None, keepdims: bool = False) -> Any: ...
@overload
def argmax(x: Variable, axis: SupportsIndex | None = None, keepdims: bool = False) -> Variable: ...
@overload
def argmax(x: ArrayLike, axis: SupportsIndex | None = None, keepdims: bool = False) -> Any: ...
@overload
def softmax(x: Variable, axis: SupportsIndex = -1) -> Variable: ...
@overload
def softmax(x: ArrayLike, axis: SupportsIndex = -1) -> Any: ...
@overload
def log_softmax(x: Variable, axis: SupportsIndex = -1) -> Variable: ...
@overload
def log_softmax(x: ArrayLike, axis: SupportsIndex = -1) -> Any: ...
@overload
def reshape(x: Variable, shape: _Shape) -> Variable: ...
@overload
def reshape(x: ArrayLike, shape: _Shape) -> NDArray[Any]: ...
@overload
def broadcast_to(x: Variable, shape: _Shape) -> Variable: ...
@overload
def broadcast_to(x: ArrayLike, shape: _Shape) -> NDArray[Any]: ...
@overload
def transpose(x: Variable, axes: Sequence[SupportsIndex] | None = None) -> Variable: ...
@overload
def transpose(x: ArrayLike, axes: Sequence[SupportsIndex] | None = None) -> NDArray[Any]: ...
@overload
def permute_dims(x: Variable, axes: Sequence[SupportsIndex] | None = None) -> Variable: ...
@overload
def permute_dims(x: ArrayLike, axes: Sequence[SupportsIndex] | None = None) -> NDArray[Any]: ...
@overload
def swapaxes(x: Variable, axis1: SupportsIndex, axis2: SupportsIndex) -> Variable: ...
@overload
def swapaxes(x: ArrayLike, axis1: SupportsIndex, axis2: SupportsIndex) -> NDArray[Any]: ...
@overload
def squeeze(x: Variable, axis: _Axes = None) -> Variable: ...
@overload
def squeeze(x: ArrayLike, axis: _Axes = None) -> NDArray[Any]: ...
@overload
def expand_dims(x: Variable, axis: _Shape) -> Variable: ...
@overload
def expand_dims(x: ArrayLike, axis: _Shape) -> NDArray[Any]: ...
@overload
def astype(x: Variable, dtype: DTypeLike) -> Variable: ...
@overload
def astype(x: ArrayLike, dtype: DTypeLike) -> NDArray[Any]: ...
@overload
def matmul(a: Variable, b: _Value) -> Variable: ...
@overload
def matmul(a: ArrayLike, b: Variable) -> Variable: ...
@overload
def matmul(a: ArrayLike, b: ArrayLike) -> Any: ...
@overload
def dot(a: Variable, b: _Value) -> Variable: ...
@overload
def dot(a: ArrayLike, b: Variable) -> Variable: ...
@overload
def dot(a: ArrayLike, b: ArrayLike) -> Any: ...
@overload
def outer(a: Variable, b: _Value) -> Variable: ...
@overload
def outer(a: ArrayLike, b: Variable) -> Variable: ...
@overload
def outer(a: ArrayLike, b: ArrayLike) -> Any: ...
@overload
def take(
    x: Variable,
    indices: _Value,
    axis: SupportsIndex | None = None,
    mode: Literal["raise"] = "raise",
) -> Variable: ...
@overload
def take(
    x: ArrayLike,
    indices: Variable,
    axis: SupportsIndex | None = None,
    mode: Literal["raise"] = "raise",
) -> Variable: ...
@overload
def take(
    x: ArrayLike,
    indices: ArrayLike,
    axis: SupportsIndex | None = None,
    mode: Literal["raise"] = "raise",
) -> Any: ...
@overload
def clip(a: Variable, a_min: _Value | None = None, a_max: _Value | None = None) -> Variable: ...
@overload
def clip(a: ArrayLike, a_min: _Value | None = None, a_max: _Value | None = None) -> Any: ...
def where(condition: _Value, x: _Value | None = None, y: _Value | None = None) -> Any: ...
def concatenate(arrays: Sequence[_Value], axis: SupportsIndex | None = 0) -> Any: ...
def concat(arrays: Sequence[_Value], axis: SupportsIndex | None = 0) -> Any: ...
def stack(arrays: Sequence[_Value], axis: SupportsIndex = 0) -> Any: ...
def cross_entropy(logits: _Value, labels: _Value) -> Any: ...
def one_hot(labels: _Value, n_classes: SupportsIndex, dtype: DTypeLike = ...) -> Any: ...
def shape(a: _Value) -> tuple[int, ...]: ...
def ndim(a: _Value) -> int: ...
def size(a: _Value, axis: int | tuple[int, ...] | None = None) -> int: ...
def iscomplexobj(x: _Value) -> bool: ...
def isrealobj(x: _Value) -> bool: ...
def result_type(*arrays_and_dtypes: _Value | DTypeLike) -> dtype[Any]: ...
@overload
def copy(a: Variable, order: str = "K", subok: bool = False) -> Variable: ...
@overload
def copy(a: ArrayLike, order: str = "K", subok: bool = False) -> NDArray[Any]: ...
@overload
def ravel(a: Variable, order: str = "C") -> Variable: ...
@overload
def ravel(a: ArrayLike, order: str = "C") -> NDArray[Any]: ...
@overload
def empty_like(
    prototype: Variable,
    /,
    dtype: DTypeLike | None = None,
    order: str = "K",
    subok: bool = True,
    shape: _Shape | None = None,
    *,
    device: Literal["cpu"] | None = None,
) -> Variable: ...
@overload
def empty_like(
    prototype: ArrayLike,
    /,
    dtype: DTypeLike | None = None,
    order: str = "K",
    subok: bool = True,
    shape: _Shape | None = None,
    *,
    device: Literal["cpu"] | None = None,
) -> NDArray[Any]: ...
@overload
def ones_like(
    a: Variable,
    dtype: DTypeLike | None = None,
    order: str = "K",
    subok: bool = True,
    shape: _Shape | None = None,
    *,
    device: Literal["cpu"] | None = None,
) -> Variable: ...
@overload
def ones_like(
    a: ArrayLike,
    dtype: DTypeLike | None = None,
    order: str = "K",
    subok: bool = True,
    shape: _Shape | None = None,
    *,
    device: Literal["cpu"] | None = None,
) -> NDArray[Any]: ...
@overload
def zeros_like(
    a: Variable,
    dtype: DTypeLike | None = None,
    order: str = "K",
    subok: bool = True,
    shape: _Shape | None = None,
    *,
    device: Literal["cpu"] | None = None,
) -> Variable: ...
@overload
def zeros_like(
    a: ArrayLike,
    dtype: DTypeLike | None = None,
    order: str = "K",
    subok: bool = True,
    shape: _Shape | None = None,
    *,
    device: Literal["cpu"] | None = None,
) -> NDArray[Any]: ...
@overload
def full_like(
    a: Variable,
    fill_value: _Value,
    dtype: DTypeLike | None = None,
    order: str = "K",
    subok: bool = True,
    shape: _Shape | None = None,
    *,
    device: Literal["cpu"] | None = None,
) -> Variable: ...
@overload
def full_like(
    a: ArrayLike,
    fill_value: _Value,
    dtype: DTypeLike | None = None,
    order: str = "K",
    subok: bool = True,
    shape: _Shape | None = None,
    *,
    device: Literal["cpu"] | None = None,
) -> NDArray[Any]: ...
