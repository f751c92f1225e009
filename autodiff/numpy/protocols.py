"""NumPy's two protocols: a call of NumPy on a Variable is looked up in a table and traced.

`np.tanh(v)` reaches `array_ufunc`, `np.sum(v)` reaches `array_function`; both end in the frontend
that `autodiff.numpy` has under the same name. What is in no table is an error that names the
function, the line and what to write instead: nothing falls back to computing outside the graph,
where a gradient would be lost.
"""

import numpy as np

from autodiff.core.operations import provide
from autodiff.core.variable import set_ufuncs
from autodiff.errors import UnsupportedError
from autodiff.numpy.calls import PARAMETERS, Call, line_of, refuse_option
from autodiff.numpy.forms import FORMS
from autodiff.ops.conversion import astype
from autodiff.ops.movement import reshape

UFUNCS: dict = {}                 # numpy.ufunc -> frontend
FUNCTIONS: dict = {}              # function of NumPy -> Call
REDUCTIONS: dict = {}             # numpy.ufunc -> Call of the reduction that ufunc.reduce is
BY_NAME: dict = {}                # names of further ufuncs (scipy.special) -> frontend

REDUCE = {np.add: "sum", np.maximum: "max", np.minimum: "min", np.logaddexp: "logsumexp"}
FURTHER = {"expit": "sigmoid"}

# What Python's in-place operators on an array call, with out= that array.
IN_PLACE = {
    np.add: "+", np.subtract: "-", np.multiply: "*", np.divide: "/", np.power: "**",
    np.matmul: "@", np.floor_divide: "//", np.remainder: "%",
}

METHODS = {
    "accumulate": "collect the partial results with np.stack",
    "reduceat": "reduce slices and collect them with np.stack",
    "at": "a Variable is a value, not a place: build the result with np.where or np.concatenate",
}
ADVICE = {
    "copyto": "a Variable cannot be written into an array: use np.where, np.stack, "
              "np.broadcast_to or np.full_like(v, w) on Variables",
    "nonzero": "how many there are depends on the values: use x.value",
    "bitwise_and": "np.logical_and, for booleans",
    "bitwise_or": "np.logical_or, for booleans",
    "bitwise_xor": "p != q, for booleans",
    "invert": "np.logical_not, for booleans",
    "left_shift": "x * 2**n",
    "right_shift": "x // 2**n",
    "divmod": "x // y and x % y",
    "round": "np.floor(x + 0.5), whose gradient is zero",
    "rint": "np.floor(x + 0.5), whose gradient is zero",
    "vstack": "np.concatenate, or np.stack for 1-d values",
    "hstack": "np.concatenate",
    "append": "np.concatenate",
    "column_stack": "np.stack(columns, axis=1)",
    "einsum": "@, np.outer, transpose and .sum()",
}
# What to write, in x (and y, and an int k), of one axis where it speaks of places.
RECIPES = {
    "argmin": "np.argmax(-x)",
    "cosh": "(np.exp(x) + np.exp(-x)) / 2",
    "diff": "x[1:] - x[:-1]",
    "exp2": "2.0 ** x",
    "flip": "x[::-1]",
    "float_power": "x ** y",
    "hypot": "np.sqrt(x**2 + y**2)",
    "log10": "np.log(x) / np.log(10)",
    "log2": "np.log(x) / np.log(2)",
    "logical_xor": "x.astype(bool) != y.astype(bool)",
    "norm": "np.sqrt(np.square(x).sum())",
    "ptp": "x.max() - x.min()",
    "reciprocal": "1 / x",
    "roll": "np.concatenate([x[-k:], x[:-k]])",
    "sinh": "(np.exp(x) - np.exp(-x)) / 2",
    "tan": "np.sin(x) / np.cos(x)",
    "vdot": "(x * y).sum()",
}


def connect(frontends):
    """Fill the tables: each frontend takes the place of NumPy's function of the same name."""
    for name, frontend in {**FORMS, **frontends}.items():
        original = getattr(np, name, None)
        if isinstance(original, np.ufunc):
            UFUNCS[original] = frontend
        elif original is not None:
            own = original.__name__      # np.concat is np.concatenate
            FUNCTIONS[original] = Call(own, frontend, PARAMETERS[own])
    for ufunc, name in REDUCE.items():
        REDUCTIONS[ufunc] = Call(
            f"{ufunc.__name__}.reduce", frontends[name],
            "a axis {dtype} [out] keepdims [initial] [where]")
    for name, ours in FURTHER.items():
        BY_NAME[name] = frontends[ours]


def array_function(function, types, inputs, keywords):
    """Trace a function of NumPy that was called with a Variable among its arguments."""
    call = FUNCTIONS.get(function)
    if call is None:
        raise unknown(full_name(function), inputs, keywords)
    return call(inputs, keywords)


def array_ufunc(ufunc, method, inputs, keywords):
    """Trace a ufunc of NumPy or SciPy that was called with a Variable among its arguments."""
    if method == "__call__":
        frontend = UFUNCS.get(ufunc) or BY_NAME.get(ufunc.__name__)
        if frontend is None:
            raise unknown(full_name(ufunc), inputs, keywords)
        if ufunc in IN_PLACE and keywords.keys() == {"out"} and keywords["out"][0] is inputs[0]:
            sign = IN_PLACE[ufunc]
            raise UnsupportedError(
                f"an array takes no traced values{line_of(inputs)}: where total is an array and x "
                f"a Variable, write `total = total {sign} x` for `total {sign}= x`")
        for option, value in keywords.items():
            refuse_option(full_name(ufunc), option, value, inputs, keywords)
        return frontend(*inputs)
    if method == "reduce" and ufunc in REDUCTIONS:
        return reduce(REDUCTIONS[ufunc], inputs[0], keywords)
    if method == "outer" and ufunc in UFUNCS:
        return outer(UFUNCS[ufunc], *inputs, **keywords)
    name = f"{full_name(ufunc)}.{method}"
    remedy = METHODS.get(method)
    if remedy is None:
        raise unknown(name, inputs, keywords)
    raise UnsupportedError(
        f"{name} does not take Variables{line_of(inputs, keywords)}: {remedy}")


def reduce(call, x, keywords):
    """`ufunc.reduce`: its axis is the first where NumPy's functions take all."""
    axis = keywords.get("axis", 0 if x.ndim else None)
    return call((x,), {**keywords, "axis": axis})


def outer(frontend, a, b):
    """`ufunc.outer`: every element of `a` with every element of `b`."""
    return frontend(reshape(a, np.shape(a) + (1,) * np.ndim(b)), b)


def astype_with(x, dtype, keywords):
    """`x.astype(dtype)` with further options of NumPy's."""
    for option, value in keywords.items():
        refuse_option("astype", option, value, (x,), {})
    return astype(x, dtype)


def full_name(function):
    """`np.linalg.norm`, as the user writes it."""
    if not isinstance(function, np.ufunc):
        return f"{function.__module__.replace('numpy', 'np', 1)}.{function.__name__}"
    if getattr(np, function.__name__, None) is function:
        return f"np.{function.__name__}"
    return function.__name__      # SciPy's ufuncs and the user's own do not say where they live


def unknown(name, inputs, keywords):
    """The error about a function that autodiff has no rule for."""
    last = name.rpartition(".")[2]
    advice = ADVICE.get(last)
    if advice is None:
        recipe = RECIPES.get(last, "it with functions that ad.numpy has")
        advice = f"write {recipe}, or add it by ad.operation({name}, bprop=...)"
    return UnsupportedError(
        f"autodiff has no rule for {name}{line_of(inputs, keywords)}: {advice}")


provide(array_ufunc=array_ufunc, array_function=array_function, astype_with=astype_with)
set_ufuncs(UFUNCS)                # a plain call of one is not worth a frame of Python
