"""`compile` and `plan`: a function traced once for each signature of its arguments."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from autodiff.core.containers import flatten, unflatten
from autodiff.core.variable import Variable
from autodiff.errors import ArgumentError, GraphError
from autodiff.planning import as_policy
from autodiff.plans import Plan
from autodiff.programs import Program, check_names
from autodiff.tracing import Cache, Trace, graph_of, is_tracing, leaf_kind, variables_of
from autodiff.transformed import Transformed


class Compiled:
    """One trace of a function, compiled: arrays in, containers of arrays out."""

    def __init__(self, f, args, kwargs, policy, costs, arrays):
        trace = Trace(policy, concrete=False)
        try:
            with trace:
                args, kwargs = trace.take(args, kwargs)
                leaves, self.structure = flatten(f(*args, **kwargs))
            outputs = variables_of(leaves, trace.graph)
            check_names(trace.graph, policy)
            self.where = [isinstance(leaf, Variable) for leaf in leaves]
            self.rest = [None if computed else own(leaf)
                         for computed, leaf in zip(self.where, leaves, strict=True)]
            self.program = Program(trace.inputs, outputs, policy) if outputs else None
            self.constants = self.program.constants() if outputs else []
            if costs == "measured" and outputs:
                self.program = self.program.with_measured_costs(arrays, self.constants)
        finally:
            trace.close()

    def __call__(self, arrays):
        results = self.program.run(arrays, self.constants) if self.program else []
        if len(results) < len(self.rest):
            computed = iter(results)
            results = [next(computed) if taken else own(leaf)
                       for taken, leaf in zip(self.where, self.rest, strict=True)]
        return unflatten(self.structure, results)


def own(leaf):
    """What is no Variable in a result; arrays are copied, so that no call changes another's."""
    return leaf.copy() if isinstance(leaf, np.ndarray) else leaf


def signature_of(args, kwargs):
    """(key, arrays): what a trace depends on, and the arrays that fill it.

    (None, None) where a Variable is among the arguments.
    """
    leaves, structure = flatten((args, kwargs))
    key, arrays = [structure], []
    for leaf in leaves:
        kind = leaf_kind(leaf)
        if kind == "array":
            key.append((leaf.shape, leaf.dtype.num))
            arrays.append(leaf)
        elif kind == "weak":
            key.append(float)
            arrays.append(leaf)
        elif kind == "refused":
            key.append(None)                      # the trace will say what is wrong with it
        elif type(leaf) is Variable:
            return None, None
        else:
            key.append((type(leaf), leaf))
    return tuple(key), arrays


def compile(
    f: Callable[..., Any], policy: Any = None, costs: str = "static",
) -> "CompiledFunction":
    """Make a function that is traced once for each signature and then runs its program.

    The signature is the containers, shapes and dtypes of the arguments, and the values of ints,
    bools and strings; floats and arrays may change freely. Arrays that f takes from its
    surroundings are copied at the trace. A compiled function inside another trace is simply
    called. The last 64 signatures are kept. `step.plan(*args)` gives the plan for such arguments,
    `step.measured_peak_bytes` what the last call held.

    Parameters
    ----------
    f : callable
        Often a transform, `ad.compile(ad.value_and_grad(cost))`.
    policy : policy, str or None
        What is stored and what recomputed; None means the `ad.use_policy` around each call.
    costs : "static" or "measured"
        What plans take for the cost of an operation: a number from a table, or the time it takes
        on the arguments of the first call with a signature, for which the function is then run
        three times more (callbacks too).

    Raises
    ------
    ArgumentError
        For other costs.
    ConcretizationError
        When f looks at a traced value (`if x > 0`, `float(x)`); the message names the line.

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> step = ad.compile(ad.grad(lambda x: (x**2).sum()))
    >>> step(np.array([1.0, 2.0])), step(np.array([3.0, 4.0]))
    (array([2., 4.]), array([6., 8.]))
    """
    return CompiledFunction(f, policy, costs)


class CompiledFunction(Transformed):
    """What `compile` returns.

    Attributes
    ----------
    measured_peak_bytes : int or None
        Bytes the last call in this thread held beyond its arguments, recorded by the executor.
    cache
        Counts its `hits` and `misses`; one entry for each signature and policy.
    """

    def __init__(self, f, policy=None, costs="static"):
        if costs not in ("static", "measured"):
            raise ArgumentError(f"costs are 'static' or 'measured', not {costs!r}")
        self._costs = costs
        self._policy = None if policy is None else as_policy(policy)
        self.cache = Cache(64)
        self._last = threading.local()
        super().__init__(self._run, compile, f, policy=self._policy, costs=costs)

    def plan(self, *args: Any, **kwargs: Any) -> Plan:
        """The plan of the program for arguments like these, traced now if it has not been."""
        if graph_of(args, kwargs) is not None:
            raise GraphError(
                "plan takes arrays; for Variables use ad.Program(inputs, outputs).plan")
        entry, _ = self._entry(args, kwargs)
        if entry.program is None:
            raise ArgumentError("plan: the function returned nothing that is computed from arrays")
        return entry.program.plan

    @property
    def measured_peak_bytes(self) -> int | None:
        program = getattr(self._last, "program", None)
        return None if program is None else program.measured_peak_bytes

    def _entry(self, args, kwargs):
        """(the compiled trace for these arguments, their arrays); (None, None) for Variables."""
        key, arrays = signature_of(args, kwargs)
        if key is None:
            return None, None
        policy = self._policy or as_policy(None)
        try:
            entry = self.cache.get((key, policy))
        except TypeError:
            raise ArgumentError(
                "compile: a static argument cannot be hashed, so programs for it cannot be "
                "found again: pass arrays, numbers, strings or containers of them") from None
        if entry is None:
            entry = Compiled(self.__wrapped__, args, kwargs, policy, self._costs, arrays)
            self.cache.put((key, policy), entry)
        return entry, arrays

    def _run(self, *args, **kwargs):
        entry, arrays = (None, None) if is_tracing() else self._entry(args, kwargs)
        if entry is None:
            return self.__wrapped__(*args, **kwargs)
        results = entry(arrays)
        self._last.program = entry.program
        return results


def plan(
    f: Callable[..., Any], *args: Any, policy: Any = None, costs: str = "static", **kwargs: Any,
) -> Plan:
    """Trace f on arguments like these and return the plan of its program.

    Nothing is run, except to measure costs.

    Parameters
    ----------
    f : callable
        Often a transform: `ad.plan(ad.grad(cost), params, X, y)`.
    *args, **kwargs
        Arguments whose shapes and dtypes matter, not their values.
    policy : policy, str or None
    costs : "static" or "measured"
        As in `compile`.

    Returns
    -------
    Plan

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> ad.plan(ad.grad(lambda x: np.tanh(x).sum()), np.zeros(100)).evaluations["tanh"]
    1
    """
    return compile(f, policy, costs).plan(*args, **kwargs)
