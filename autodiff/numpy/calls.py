"""How a call written for NumPy becomes a call of the operation's frontend.

NumPy's functions take more than the frontends do: `out=`, `where=`, `dtype=`, `order=` ... A
`Call` knows NumPy's parameters in their order. It passes plain calls straight on, drops an option
that is at its default, carries out `dtype=` where that is a conversion, and refuses the rest with
a remedy.
"""

import sys

import numpy as np

from autodiff.core.making import here
from autodiff.core.variable import Variable
from autodiff.errors import UnsupportedError
from autodiff.ops.elementwise import astype

# NumPy's parameters in order; after "/" what only keywords give. Those in [brackets] the frontends
# do not take; {dtype} is carried out by converting the first argument; min=a_min is a second name.
PARAMETERS = {
    "amax": "a axis [out] keepdims [initial] [where]",
    "amin": "a axis [out] keepdims [initial] [where]",
    "argmax": "a axis [out] / keepdims",
    "astype": "x dtype / [copy] [device]",
    "broadcast_to": "array shape [subok]",
    "clip": "a a_min a_max [out] / min=a_min max=a_max [dtype] [casting] [where]",
    "concatenate": "arrays axis [out] / {dtype} [casting]",
    "copy": "a [order] [subok]",
    "dot": "a b [out]",
    "empty_like": "prototype dtype [order] [subok] shape / [device]",
    "expand_dims": "a axis",
    "full_like": "a fill_value dtype [order] [subok] shape / [device]",
    "iscomplexobj": "x",
    "isrealobj": "x",
    "max": "a axis [out] keepdims [initial] [where]",
    "mean": "a axis {dtype} [out] keepdims / [where]",
    "min": "a axis [out] keepdims [initial] [where]",
    "ndim": "a",
    "ones_like": "a dtype [order] [subok] shape / [device]",
    "outer": "a b [out]",
    "ravel": "a [order]",
    "result_type": "*",
    "reshape": "a shape [order] / [copy]",
    "shape": "a",
    "size": "a axis",
    "squeeze": "a axis",
    "std": "a axis {dtype} [out] ddof keepdims / [where] [mean] correction=ddof",
    "stack": "arrays axis [out] / {dtype} [casting]",
    "sum": "a axis {dtype} [out] keepdims [initial] [where]",
    "swapaxes": "a axis1 axis2",
    "take": "a indices axis [out] mode",
    "transpose": "a axes",
    "var": "a axis {dtype} [out] ddof keepdims / [where] [mean] correction=ddof",
    "where": "condition x y",
    "zeros_like": "a dtype [order] [subok] shape / [device]",
}

# Values of options that change nothing here: a Variable has no memory order, device or subclass.
NEUTRAL = {
    "out": (None,),
    "where": (True,),
    "initial": (),
    "order": ("C", "K", "A", None),
    "subok": (True, False),
    "copy": (True, False, None),
    "device": ("cpu", None),
    "casting": ("same_kind", "safe", "unsafe"),
    "dtype": (None,),
}

REMEDY = {
    "out": "a Variable is a value, not a place: name the result, y = {name}(...)",
    "where": "choose with np.where(mask, ..., ...)",
    "initial": "combine it with the result: initial + x.sum(), np.maximum(initial, x.max())",
    "order": "elements are in C order; transpose first",
    "dtype": "convert with .astype(dtype)",
    "casting": "convert with .astype(dtype)",
}


class Call:
    """One function of NumPy, its parameters, and the frontend that takes its place.

    NumPy itself has checked the number and the names of the arguments before a protocol is asked.
    """

    def __init__(self, name, frontend, parameters):
        words = parameters.split()
        self.name, self.frontend = name, frontend
        self.positional = [w.strip("[]{}") for w in parameters.partition("/")[0].split()]
        self.refused = {w[1:-1] for w in words if w[0] == "["}
        self.converts = "{dtype}" in words
        self.second = dict(w.split("=") for w in words if "=" in w)
        self.keywords = frozenset(w for w in words[1:] if w[0] not in "[{/" and "=" not in w)
        # As many leading arguments as are the frontend's own may be passed on by position.
        own = [w[0] not in "[{" for w in words if w != "/"]
        self.plain = own.index(False) if False in own else len(self.positional)
        if parameters == "*":
            self.plain = sys.maxsize

    def __call__(self, inputs, keywords):
        """Call the frontend with what NumPy was given."""
        if len(inputs) <= self.plain and (not keywords or keywords.keys() <= self.keywords):
            return self.frontend(*inputs, **keywords)
        given = {**dict(zip(self.positional, inputs, strict=False)), **keywords}
        for name in self.second.keys() & given.keys():
            given[self.second[name]] = given.pop(name)
        first = given.pop(self.positional[0])
        dtype = given.pop("dtype", None) if self.converts else None
        if dtype is not None:
            first = converted(first, dtype)
        for option in self.refused & given.keys():
            refuse_option(f"np.{self.name}", option, given.pop(option), inputs, keywords)
        found = self.frontend(first, **given)
        # a sum of small integers is a larger one, and a mean of integers no integer
        return found if dtype is None else astype(found, dtype)


def converted(first, dtype):
    """The first argument, one Variable or a sequence of arrays, in `dtype`."""
    if isinstance(first, (list, tuple)):
        return [astype(x, dtype) for x in first]
    return astype(first, dtype)


def refuse_option(name, option, value, inputs, keywords):
    """Raise UnsupportedError for an option of NumPy's, unless its value changes nothing."""
    if value is np._NoValue or any(value is item for item in NEUTRAL.get(option, ())):
        return
    if isinstance(value, str) and value in NEUTRAL.get(option, ()):
        return
    remedy = REMEDY.get(option, "leave it out").format(name=name)
    raise UnsupportedError(
        f"{name} does not take {option}= on Variables{line_of(inputs, keywords)}: {remedy}")


def line_of(*trees):
    """The user's line, " (file.py:12)", found through the first Variable in nested arguments."""
    pending = list(trees)
    while pending:
        x = pending.pop()
        if isinstance(x, Variable):
            return here(x)
        if isinstance(x, dict):
            pending += x.values()
        elif isinstance(x, (list, tuple)):
            pending += x
    return ""
