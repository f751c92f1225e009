"""`compile`, `plan`, `profile`: a function traced once for each signature of its arguments."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from autodiff.caches import Cache
from autodiff.core.arguments import graph_of, leaf_kind
from autodiff.core.containers import flatten
from autodiff.core.entries import Calls, Entry
from autodiff.core.record import Record
from autodiff.core.variable import Variable
from autodiff.errors import ArgumentError, GraphError
from autodiff.ops.user import open_trace
from autodiff.planning import as_policy
from autodiff.planning.policies import current_policy
from autodiff.plans import Plan
from autodiff.programs import OwnConstants, Program
from autodiff.saved import check_names
from autodiff.tracing import Trace, is_tracing, variables_of
from autodiff.transformed import Transformed

if TYPE_CHECKING:
    from autodiff.profiles import Profile


def compiled_entry(f, args, kwargs, policy, costs, fuse, key, arrays):
    """Trace a function once and make an `Entry` of it."""
    given, structure = flatten((args, kwargs))
    trace = Trace(policy, concrete=False)
    try:
        with trace:
            args, kwargs = trace.take(args, kwargs)
            leaves, result = flatten(f(*args, **kwargs))
        outputs = variables_of(leaves, trace.graph)
        check_names(trace.graph, policy)
        rest = [None if isinstance(leaf, Variable) else (own(leaf),) for leaf in leaves]
        program = OwnConstants(trace.inputs, outputs, policy, fuse=fuse) if outputs else None
        constants = program.constants() if outputs else []
        if costs == "measured" and outputs:
            program = program.with_measured_costs(arrays, constants)
    finally:
        trace.close()
    kinds = [leaf_kind(leaf) for leaf in given]
    return Entry(key, policy, structure, kinds, given, program, constants, result, rest)


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
    f: Callable[..., Any], policy: Any = None, costs: str = "static", fuse: bool = True,
) -> "CompiledFunction":
    """Make a function that is traced once for each signature and then runs its program.

    The signature is the containers, shapes and dtypes of the arguments, and the values of ints,
    bools and strings; floats and arrays may change freely. All that f reads elsewhere is frozen at
    the trace, so that a later change is not seen: arrays of its surroundings, which are copied,
    and likewise lists, numbers, attributes of objects (also of an object that is an argument), and
    what `np.random` draws. Pass what changes as an argument, and draw with `ad.random`. A compiled
    function inside another trace is simply called. The last 64 signatures are kept.
    `step.plan(*args)` gives the plan for such arguments, `step.measured_peak_bytes` what the last
    call held.

    `step(*args, out=arrays)` writes the results into arrays of the caller's and returns them. They
    are built like the result, in C order, writable, and apart from the arguments; such a call holds
    `step.plan(*args).peak_bytes_out`. A parameter of f that is itself named out stays f's.

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
    fuse : bool
        Whether elementwise neighbours are computed in one pass over memory, as in `Program`.

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
    >>> kept = np.empty(2)
    >>> step(np.array([5.0, 6.0]), out=kept) is kept, kept
    (True, array([10., 12.]))
    """
    return CompiledFunction(f, policy, costs, fuse)


class CompiledFunction(Calls, Transformed):
    """What `compile` returns.

    Attributes
    ----------
    measured_peak_bytes : int or None
        Bytes the last call in this thread held beyond its arguments, recorded by the executor.
    cache
        Counts its `hits` and `misses`; one entry for each signature and policy.
    """

    __reduce__ = Transformed.__reduce__

    def __init__(self, f, policy=None, costs="static", fuse=True):
        if costs not in ("static", "measured"):
            raise ArgumentError(f"costs are 'static' or 'measured', not {costs!r}")
        self._costs, self._fuse = costs, bool(fuse)
        self._policy = None if policy is None else as_policy(policy)
        self._record = Record()
        self._takes_out = None
        self.cache = Cache(64)
        self.look_in(self.cache.recent, self._policy, current_policy, open_trace)
        super().__init__(None, compile, f, policy=self._policy, costs=costs,
                         fuse=self._fuse)

    def plan(self, *args: Any, **kwargs: Any) -> Plan:
        """The plan of a call with arguments like these, traced now if it has not been.

        Arrays that are not in C order are packed first; that is part of the plan.
        """
        entry, arrays = self._computing("plan", args, kwargs)
        return entry.program.plan_for(*arrays)

    def profile(self, *args: Any, runs: int = 5, **kwargs: Any) -> "Profile":
        """Run on these arguments and say where the time goes, as `ad.profile` does.

        Parameters
        ----------
        *args, **kwargs
            As for a call.
        runs : int
            Of which the fastest is shown.

        Returns
        -------
        autodiff.profiles.Profile
        """
        entry, arrays = self._computing("profile", args, kwargs)
        return entry.program.run_profiled(arrays, entry.constants, runs)

    def _computing(self, what, args, kwargs):
        """The same as `_entry`, of functions that compute something from arrays."""
        if graph_of(args, kwargs) is not None:
            raise GraphError(
                f"{what} takes arrays; for Variables use ad.Program(inputs, outputs).{what}")
        entry, arrays = self._entry(args, kwargs)
        if entry.program is None:
            raise ArgumentError(
                f"{what}: the function returned nothing that is computed from arrays")
        return entry, arrays

    @property
    def measured_peak_bytes(self) -> int | None:
        return self._record.number

    def takes_out(self):
        """Whether f has a parameter of that name, which then is not ours."""
        if self._takes_out is None:
            self._takes_out = self.takes("out")
        return self._takes_out

    def takes(self, name):
        """Whether f has a parameter of this name."""
        from inspect import signature  # 3 ms, and only such names need it

        try:
            return name in signature(self.__wrapped__).parameters
        except (TypeError, ValueError):            # some built-in functions do not say
            return False

    def general(self, args, kwargs, out):
        """A call that is not like one of the last."""
        entry, arrays = (None, None) if is_tracing() else self._entry(args, kwargs)
        if entry is None:
            if out is not None:
                raise ArgumentError(
                    "out= takes arrays for the results; in a trace the results are Variables")
            return self.__wrapped__(*args, **kwargs)
        if entry.program is None:
            self._record.number = 0
        found = entry.run(arrays, out)
        self.cache.recent.add(entry)
        return found

    def _entry(self, args, kwargs):
        """(the compiled trace for these arguments, their arrays); (None, None) for Variables."""
        key, arrays = signature_of(args, kwargs)
        if key is None:
            return None, None
        policy = self._policy or as_policy(None)
        key = key, policy
        try:
            entry = self.cache.get(key)
        except TypeError:
            raise ArgumentError(
                "compile: a static argument cannot be hashed, so programs for it cannot be "
                "found again: pass arrays, numbers, strings or containers of them") from None
        if entry is None:
            entry = compiled_entry(
                self.__wrapped__, args, kwargs, policy, self._costs, self._fuse, key, arrays)
            if entry.program is not None:
                entry.program.share_record(self._record)
            self.cache.put(key, entry)
        return entry, arrays


def plan(
    f: Callable[..., Any], *args: Any, policy: Any = None, costs: str = "static",
    fuse: bool = True, **kwargs: Any,
) -> Plan:
    """Trace f on arguments like these and return the plan of its program.

    Nothing is run, except to measure costs, and what captured arrays alone determine.

    Parameters
    ----------
    f : callable
        Often a transform: `ad.plan(ad.grad(cost), params, X, y)`.
    *args, **kwargs
        Arguments whose shapes, dtypes and strides matter, not their values.
    policy : policy, str or None
    costs : "static" or "measured"
    fuse : bool
        Both as in `compile`.

    Returns
    -------
    Plan

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> ad.plan(ad.grad(lambda x: np.tanh(x).sum()), np.zeros(100)).evaluations["tanh"]
    1
    """
    return compile(f, policy, costs, fuse).plan(*args, **kwargs)


def profile(f: Callable[..., Any], *args: Any, runs: int = 5, **kwargs: Any) -> "Profile":
    """Run f on these arguments and say where the time goes, by step and by source line.

    `print` shows time, share, GFLOP/s and GB/s by source line and of the slowest steps;
    `.plot(path)` draws the run in time.

    Parameters
    ----------
    f : callable
        A Program, a compiled function, or a function to compile, often a transform.
    *args, **kwargs
        As for a call; the function runs on them, callbacks too.
    runs : int
        Of which the fastest is shown.

    Returns
    -------
    autodiff.profiles.Profile

    Raises
    ------
    ArgumentError
        For fewer than one run, or a function that computes nothing from arrays.

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> step = ad.compile(ad.grad(lambda W, X: np.tanh(X @ W).sum()), policy="recompute")
    >>> found = ad.profile(step, np.ones((20, 10)), np.ones((30, 20)))
    >>> [s.flops for s in found.steps if s.operations == ("matmul",)]
    [12000, 12000]
    >>> round(sum(s.share for s in found.steps), 9), found.seconds > found.outside
    (1.0, True)
    """
    known = f if isinstance(f, (Program, CompiledFunction)) else compile(f)
    return known.profile(*args, runs=runs, **kwargs)
