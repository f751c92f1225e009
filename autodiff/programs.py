"""Programs: a part of a graph, and its plans for the arrays that it is called with."""

import copy
import threading

from autodiff.building import build, reschedule
from autodiff.core.folding import foldable
from autodiff.core.graph import Graph
from autodiff.core.record import Record
from autodiff.core.variable import Variable
from autodiff.errors import ArgumentError, AutodiffError, GraphError, brief
from autodiff.explain.code import disassemble
from autodiff.measured import MeasuredCosts
from autodiff.planning import Budget, Store, as_policy
from autodiff.planning.schedule import format_bytes
from autodiff.saved import check_names


def as_variables(given, what):
    """A Variable or a sequence of Variables of one graph, as a list."""
    if not isinstance(given, Variable) and not hasattr(given, "__iter__"):
        raise GraphError(f"Program: {what} must be Variables, not {brief(given)}")
    found = [given] if isinstance(given, Variable) else list(given)
    for x in found:
        if not isinstance(x, Variable):
            raise GraphError(f"Program: {what} must be Variables, not {type(x).__name__}")
        if x.graph is not found[0].graph:
            raise GraphError(f"Program: {what} belong to different graphs")
    return found


def captured_arrays(graph, known, nodes):
    """The captured arrays of these nodes; GraphError where a graph has let go of them."""
    try:
        return [known[node] for node in nodes]
    except KeyError as gone:
        raise GraphError(
            f"{graph[gone.args[0]]!r} was captured by a call that has ended, and its array is "
            "gone: Variables of a traced function are of use inside it alone") from None


class Program:
    """Compile part of a graph: a function of arrays that runs inside its plan.

    Parameters
    ----------
    inputs : list of Variable
        What the call's arrays stand for, in order; any Variables, intermediates included (the
        graph is cut there). Inputs that no output needs are accepted.
    outputs : list of Variable
        What the call returns, in order.
    policy : policy, str or None
        `ad.Store()`, `ad.Recompute()`, `ad.Checkpoint(every=k)` or their names; None means the
        enclosing `ad.use_policy`, else Store.
    costs : "static" or list of arrays
        What the plan takes for the cost of an operation: a number from a table, or the time it
        takes on these arrays, one for each input, as `with_measured_costs` finds it.
    fuse : bool
        Whether elementwise neighbours are computed in one pass over memory, so that what lies
        between them has no bytes; with False every operation stores its result, as in chapter
        6.5, but a product that is scaled, or added to another. The numbers are the same bits, which
        of two NaNs a sum is apart.

    Attributes
    ----------
    plan : Plan
    peak_bytes : int
        Bytes a run holds beyond the caller's arrays, known now; for arrays that are not in C
        order see `plan_for`.
    measured_peak_bytes : int or None
        The same, recorded by the last run that ended in this thread.

    Raises
    ------
    GraphError
        For something that is not a Variable, belongs to another graph, or an output that depends
        on a leaf which is not among the inputs.
    PolicyError
        When `ad.Save` names what nothing in the graph is marked with.
    ShapeError, DTypeError
        When called with an array of another shape or dtype.

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> x = ad.variable("x", (3,))
    >>> f = ad.Program([x], [np.tanh(x), x.sum()])
    >>> f(np.zeros(3))
    [array([0., 0., 0.]), array(0.)]
    """

    folds = False                 # the graph's captured arrays stay with it, and count

    def __init__(self, inputs, outputs, policy=None, costs="static", fuse=True):
        self.policy, self.fuse = as_policy(policy), bool(fuse)
        self.outputs = as_variables(outputs, "outputs")
        self.inputs = as_variables(inputs, "inputs")
        if not self.outputs:
            raise GraphError("Program: there are no outputs")
        self.graph: Graph = self.outputs[0].graph
        if self.inputs and self.inputs[0].graph is not self.graph:
            raise GraphError("Program: inputs and outputs belong to different graphs")
        if costs != "static" if isinstance(costs, str) else not hasattr(costs, "__iter__"):
            raise ArgumentError(
                f"Program: costs are 'static', or arrays to measure them on, not {brief(costs)}")
        check_names(self.graph, self.policy)
        self._measured = None
        self._record = Record()  # of what each thread's last run measured
        self._folded = self._fold()
        self._executable, self.plan = build(
            self.graph, self.inputs, self.outputs, self.policy, record=self._record,
            fuse=self.fuse, folded=self._folded)
        self._strided = {}  # argument strides -> (Executable with packed arguments, Plan)
        self._lock = threading.Lock()
        if not isinstance(costs, str):
            self._measure_costs(costs, self.constants())

    @property
    def peak_bytes(self):
        return self.plan.peak_bytes

    @property
    def measured_peak_bytes(self):
        return self._record.number

    @property
    def executable(self):
        """What runs on arrays in C order."""
        return self._executable

    def share_record(self, record):
        """Let a function that runs several programs keep one record of what was measured."""
        self._executable.record = self._record = record

    def __repr__(self):
        return (
            f"<Program of {len(self.inputs)} inputs and {len(self.outputs)} outputs under "
            f"{self.policy!r}, peak {format_bytes(self.peak_bytes)}>")

    def __str__(self):
        return disassemble(self.plan)

    def __call__(self, *arrays, out=None):
        """Run on arrays in the order of the inputs; return arrays in the order of the outputs.

        Parameters
        ----------
        *arrays : arrays, or numbers for 0-d inputs
        out : list of arrays, optional
            Where the outputs are written, then returned: one each, of its shape and dtype, in C
            order, writable, apart from the inputs and from each other. They are the caller's bytes:
            such a run holds `plan.peak_bytes_out`. After an error they hold anything.

        Raises
        ------
        ShapeError, DTypeError, ArgumentError
            For arrays of another shape or dtype, or that cannot be written into.
        """
        return self.run(arrays, self.constants(), out)

    def constants(self):
        """The captured arrays of the graph, in the order in which `run` takes them."""
        known = {**self.graph.payloads, **self._folded}
        return captured_arrays(self.graph, known, self._executable.regions.constants)

    def _fold(self):
        """The values of what captured arrays alone determine: {node: array}."""
        if not self.fuse or not self.folds or isinstance(self.policy, Budget):
            return {}
        nodes = foldable(self.graph, self.inputs, self.outputs)
        try:
            made = [self.graph[v] for v in nodes]
            found = Program([], made, Store())() if made else []
            return dict(zip(nodes, found, strict=True))
        except AutodiffError:
            return {}                             # each run will say what is wrong

    def run(self, arrays, constants, out=None, name_of="array {}".format):
        """Run on arrays, with these captured arrays in place of the graph's own.

        `name_of` the number of a result makes what an error calls the array that is given for it.
        """
        arrays, strides = self._executable.accept(tuple(arrays))
        executable, plan = self._for_strides(strides)
        if out is None:
            return executable(arrays, constants)
        if not isinstance(out, (list, tuple)):
            raise ArgumentError(f"out= takes a list of arrays, not a {type(out).__name__}")
        plan.executable_out(arrays, constants, None, list(out), 1, name_of)
        return out

    def plan_for(self, *arrays):
        """The plan of a call with these arrays: `plan`, or one that packs those not in C order.

        A strided argument is copied into the arena before it is read, so that results are the
        same bits as for a contiguous one; the copy is part of that call's plan and peak.
        """
        _, strides = self._executable.accept(tuple(arrays))
        return self._for_strides(strides)[1]

    def profile(self, *arrays, runs=5):
        """Run on arrays and say where the time goes, as `ad.profile` does.

        Parameters
        ----------
        *arrays
            As for a call; those not in C order are packed, and profiled so.
        runs : int
            Of which the fastest is shown.

        Returns
        -------
        autodiff.profiles.Profile

        Examples
        --------
        >>> import numpy as np, autodiff as ad
        >>> A = ad.variable("A", (30, 20))
        >>> step, = ad.Program([A], [A.T @ A]).profile(np.ones((30, 20))).steps
        >>> step.operations, step.flops, step.share
        (('matmul',), 24000, 1.0)
        """
        return self.run_profiled(arrays, self.constants(), runs)

    def run_profiled(self, arrays, constants, runs):
        """Profile as `run` runs, with these captured arrays in place of the graph's own."""
        from autodiff.profiles import Profile  # for who asks

        arrays, strides = self._executable.accept(tuple(arrays))
        return Profile(*self._for_strides(strides), arrays, constants, runs)

    def with_measured_costs(self, arrays, constants):
        """Make a program whose plan counts the time each region takes on these arrays.

        They are measured by running this program three times, within its own plan; callbacks run
        as often. Costs are nanoseconds, rounded to about 3 %, so that plans do not flip with noise.

        Parameters
        ----------
        arrays, constants
            As for `run`.

        Returns
        -------
        Program

        Examples
        --------
        >>> import numpy as np, autodiff as ad
        >>> x = ad.variable("x", 100)
        >>> f = ad.Program([x], [np.tanh(x).sum()]).with_measured_costs([np.ones(100)], [])
        >>> f.plan.costs
        'measured'
        """
        other = copy.copy(self)
        other._measure_costs(arrays, constants)
        return other

    def _measure_costs(self, arrays, constants):
        """Plan anew, by the time each region of the plan so far takes on these arrays."""
        arrays, strides = self._executable.accept(tuple(arrays))
        executable, plan = self._for_strides(strides)
        self._measured = MeasuredCosts(executable, plan.steps, arrays, constants)
        self._strided, self._record = {}, Record()
        self._executable, self.plan = build(
            self.graph, self.inputs, self.outputs, self.policy, measured=self._measured,
            record=self._record, fuse=self.fuse, folded=self._folded)

    def with_schedule(self, schedule):
        """Make a program of the same inputs and outputs that runs a schedule of `plan.problem`.

        Parameters
        ----------
        schedule : Schedule
            As `autodiff.planning.solve` and `frontier` make them, by any method.

        Returns
        -------
        Program
            Its policy is a Budget of its own peak.

        Raises
        ------
        PlanError
            When the steps are no valid plan of the problem; it names the wrong step.

        Examples
        --------
        >>> import numpy as np, autodiff as ad
        >>> from autodiff.planning import solve
        >>> x = ad.variable("x", 100)
        >>> f = ad.Program([x], [np.tanh(np.sin(x)).sum()])
        >>> f.with_schedule(solve(f.plan.problem, method="recompute")).plan.evaluations["sin"]
        1
        """
        other = copy.copy(self)
        other._strided, other._record = {}, Record()
        other._executable, other.plan = reschedule(self.plan, schedule, other._record)
        other.policy = other.plan.policy
        return other

    def _for_strides(self, strides):
        if strides is None:
            return self._executable, self.plan
        with self._lock:
            found = self._strided.get(strides)
            if found is None:
                found = build(
                    self.graph, self.inputs, self.outputs, self.policy, strides, self._measured,
                    self._record, self.fuse, self._folded)
                while len(self._strided) >= 16:
                    self._strided.pop(next(iter(self._strided)))
                self._strided[strides] = found
            return found


class OwnConstants(Program):
    """A program whose graph nobody else has: what captured arrays alone determine is folded.

    Not under a budget, which would have to hold those arrays and what is made of them at once.
    """

    folds = True
