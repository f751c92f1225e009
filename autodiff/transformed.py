"""What a transform returns: a callable that looks like the function it was made of, and pickles."""

from collections.abc import Callable
from functools import update_wrapper
from types import MethodType
from typing import Any

from autodiff.errors import ArgumentError

# What the results of the transforms compute of f.
COMPUTED = {
    "grad": "Return the gradient of {} with respect to argument {}.",
    "value_and_grad": "Return the value of {} and its gradient with respect to argument {}.",
    "jacobian": "Return the Jacobian of {} with respect to argument {}.",
    "hessian": "Return the Hessian of {} with respect to argument {}.",
    "hvp": "Return the Hessian of {} with respect to argument {} times the last argument.",
    "compile": "Compute {}, traced once for each signature of its arguments.",
    "checkpoint": "Compute {}, whose inside is computed again where a gradient reads it.",
}


def documentation(transform, f, options):
    """The docstring of f; a line where it has none of its own, or is NumPy's and its text too."""
    own = getattr(f, "__doc__", None)
    module = None if isinstance(f, Transformed) else getattr(f, "__module__", None)
    numpys = (module or "").partition(".")[0] == "numpy"
    if own and not numpys:
        return own
    name = getattr(f, "__name__", None) or repr(f)
    return COMPUTED[transform.__name__].format(name, options.get("argnums"))


class Transformed:
    """A function made by a transform of another one.

    It has the name, the documentation and the signature of that function (`__wrapped__`), binds
    to instances as functions do, and pickles as the transform, the function and the options. Of a
    function without documentation, and of NumPy's, it says in a line what it computes.
    """

    __wrapped__: Callable[..., Any]
    cache: Any                    # of a compiled function: its programs by signature

    def __init__(self, call, transform, f, **options):
        if not callable(f):
            raise ArgumentError(
                f"a transform takes a function, not {f!r}: write ad.grad(f)(x), not ad.grad(f(x))")
        update_wrapper(self, f, updated=())
        self.__doc__ = documentation(transform, f, options)
        self._call, self._transform, self._options = call, transform, options

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._call(*args, **kwargs)

    def __get__(self, instance, owner=None):
        return self if instance is None else MethodType(self, instance)

    def __reduce__(self):
        return _transform_again, (self._transform, self.__wrapped__, self._options)

    def __repr__(self):
        name = getattr(self.__wrapped__, "__name__", None) or repr(self.__wrapped__)
        return f"<{self._transform.__name__} of {name}>"


def _transform_again(transform, f, options):
    return transform(f, **options)
