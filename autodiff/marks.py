"""Marks: what the user wants computed again, and what kept. They change no number.

A mark is a note on nodes of a graph, outside what makes two nodes equal; plans read it.
"""

from collections.abc import Callable
from typing import Any

from autodiff.core.arguments import graph_of, original
from autodiff.core.containers import flatten
from autodiff.core.graph import current_graph
from autodiff.core.operations import ARGUMENT
from autodiff.core.variable import Variable
from autodiff.errors import ArgumentError
from autodiff.transformed import Transformed


def checkpoint(f: Callable[..., Any]) -> Transformed:
    """Make a function that computes what f does, and whose inside is computed again backwards.

    Values made inside f are not held from the forward to the backward pass: its inputs and
    results are, and the inside is computed once more from them (for each further order of
    differentiation, once more again). What `ad.save` marks inside f is kept. Marks inside marks
    have no effect of their own: the inside of the outermost is computed again as a whole. Under a
    budget the plan obeys the marks; without any, a budget finds by itself what to compute again,
    how often, and what of that within what else is computed again.

    Parameters
    ----------
    f : callable
        Any function of arrays; what it returns, it computes from its arguments and its
        surroundings.

    Raises
    ------
    ArgumentError
        When f is not callable.

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> layer = ad.checkpoint(lambda W, x: np.tanh(np.tanh(x @ W)))
    >>> cost = ad.grad(lambda W, x: layer(W, x).sum())
    >>> ad.plan(cost, np.ones((3, 3)), np.ones((2, 3))).evaluations["tanh"]
    3

    Source: the segments of Chen et al. 2016, "Training deep nets with sublinear memory cost".
    """

    def call(*args, **kwargs):
        graph = graph_of(args, kwargs) or current_graph()
        first = len(graph)
        result = f(*args, **kwargs)
        note_call(graph, first, result)
        return result

    return Transformed(call, checkpoint, f)


def note_call(graph, first, result):
    """Mark the nodes from `first` on as made by one call that returned `result`."""
    leaves, _ = flatten(result)
    outside = set()
    for y in leaves:
        while isinstance(y, Variable) and y.graph is graph and y.index >= first:
            outside.add(y.index)
            # A result that is a view has its bytes in what it is a view of.
            y = y.inputs[0] if y.inputs and (y.op.views or y.op is ARGUMENT) else None
    number = first + 1                            # one call alone begins with the node `first`
    for v in range(first, len(graph)):
        if graph.can_repeat(v):                   # outer calls end later, and so have their way
            graph.calls[v] = -number if v in outside else number


def save(x: Any, name: str) -> Any:
    """Mark a value to be kept from its computation to its last use, and return it.

    Under `ad.Save(names)` the marks named are kept and all other values are computed again;
    under every other policy all marked values are kept. An array is returned as it is.

    Parameters
    ----------
    x : Variable or array, or a container of them
    name : str
        What `ad.Save` calls it; several values may have one name.

    Raises
    ------
    ArgumentError
        When the name is no string.

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> def f(x):
    ...     h = ad.save(np.exp(np.sin(x)), "h")
    ...     return np.exp(np.sin(h)).sum()
    >>> ad.plan(ad.value_and_grad(f), np.ones(3), policy=ad.Save("h")).evaluations["exp"]
    3
    """
    if not isinstance(name, str):
        raise ArgumentError(f"save: the name of a value is a string, not {name!r}")
    leaves, _ = flatten(x)
    for y in leaves:
        if isinstance(y, Variable):
            y = original(y)                       # an alias has the bytes of what it stands for
            y.graph.saved[y.index] = name
    return x
