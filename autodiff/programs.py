"""Programs and their plans: regions, a policy's schedule, addresses, and the run."""

import threading
from collections import Counter
from dataclasses import replace
from functools import cached_property

from autodiff.core.graph import Graph, Variable
from autodiff.core.program import Executable
from autodiff.core.regions import Regions
from autodiff.errors import GraphError
from autodiff.planning import Budget, Problem, as_policy, memory_bound
from autodiff.planning.budget import impossible, not_found
from autodiff.planning.schedule import format_bytes

TIGHTENINGS = 12  # schedules tried for one budget, each with fewer live bytes


class Plan:
    """What a program stores, recomputes and holds, known before it runs.

    Attributes
    ----------
    steps : sequence of ("compute" | "free", region, option)
    problem : autodiff.planning.Problem
        The abstract problem the policy saw: bytes, costs and dependencies of the regions.
    peak_bytes : int
        What a run holds beyond the caller's arrays, after allocation: arena, results, captured
        arrays. The run measures the same number.
    live_bytes : int
        What simulating the steps gives: `peak_bytes` without packing, captured arrays included.
    cost, overhead : int, float
        Cost of all evaluations, and how much more than evaluating everything once.
    evaluations : dict
        Operation name -> how often it is computed.

    `print(plan)` lists the steps by source line.
    """

    def __init__(self, regions, schedule, executable, policy):
        self._regions, self._schedule = regions, schedule
        self.policy = policy
        self.peak_bytes = executable.peak_bytes
        self.live_bytes = schedule.peak_bytes + executable.captured_bytes
        self.arena_bytes = executable.arena_bytes
        self.result_bytes = executable.block_bytes + executable.small_bytes
        self.captured_bytes = executable.captured_bytes

    @property
    def steps(self):
        return self._schedule.steps

    @property
    def problem(self):
        return self._schedule.problem

    @property
    def cost(self):
        return self._schedule.cost

    @property
    def overhead(self):
        return self._schedule.overhead

    @cached_property
    def evaluations(self):
        counts = Counter()
        for region, count in enumerate(self._schedule.evaluations):
            if count:
                counts[self._regions.describe(region)[0]] += int(count)
        return dict(counts)

    def __repr__(self):
        return (
            f"<Plan under {self.policy!r}: {len(self.steps)} steps, "
            f"peak {format_bytes(self.peak_bytes)}, overhead {100 * self.overhead:.1f} %>")

    def __str__(self):
        lines = [
            f"plan under {self.policy!r}",
            f"  peak      {self.peak_bytes:,} bytes = arena {self.arena_bytes:,} + results "
            f"{self.result_bytes:,} + captured {self.captured_bytes:,}",
            f"  live      {self.live_bytes:,} bytes before packing",
            f"  overhead  {100 * self.overhead:.1f} % of the cost of computing everything once",
            "",
            f"{'step':>6}  {'what':<9} {'value':<10} {'operation':<14} {'bytes':>14}  line",
        ]
        graph, seen = self._regions.graph, set()
        shown = self.steps if len(self.steps) <= 400 else self.steps[:200]
        for number, (action, region, _) in enumerate(shown):
            name, node = self._regions.describe(region)
            value = graph[node]
            what = action if action == "free" else "again" if region in seen else "compute"
            if action == "compute":
                seen.add(region)
            lines.append(
                f"{number:>6}  {what:<9} {value.name:<10} {name:<14} "
                f"{int(self.problem.nbytes[region]):>14,}  {value.line}")
        if len(shown) < len(self.steps):
            lines.append(f"   ...  {len(self.steps) - len(shown):,} more steps")
        return "\n".join(lines)


def build(graph, inputs, outputs, policy, strides=None):
    """Carry outputs through the stages: regions, plan, addresses. Returns (executable, plan)."""
    regions = Regions(graph, outputs, inputs, strides)
    arrays = regions.problem_arrays()
    problem = Problem.from_arrays(
        **arrays,
        names=lambda region: regions.describe(region)[0],
        lines=lambda region: graph[regions.describe(region)[1]].line,
    )

    def allocate(schedule):
        return Executable(
            regions, schedule.steps, schedule.simulation.taken, arrays["workspace"])

    if isinstance(policy, Budget):
        schedule, executable = fit(problem, policy, regions.captured_bytes, allocate)
    else:
        schedule = policy.schedule(problem)
        executable = allocate(schedule)
    return executable, Plan(regions, schedule, executable, policy)


def fit(problem, policy, captured, allocate):
    """A schedule whose peak after allocation is within the budget, and its Executable.

    The schedule counts live bytes; where packing adds to them, the schedule is made again with
    as many bytes fewer. Raises BudgetError where none is found.
    """
    target = policy.nbytes - captured
    for _ in range(TIGHTENINGS):
        if target <= 0:
            break
        schedule = replace(policy, nbytes=target).schedule(problem)
        executable = allocate(schedule)
        excess = executable.peak_bytes - policy.nbytes
        if excess <= 0:
            return schedule, executable
        target = min(target, schedule.peak_bytes) - excess
    bound = memory_bound(problem)[0] + captured
    if policy.nbytes < bound:
        raise impossible(problem, policy.nbytes - captured, bound - captured,
                         memory_bound(problem)[1])
    raise not_found(problem, policy.nbytes, bound, None)


def as_variables(given, what):
    """A Variable or a sequence of Variables of one graph, as a list."""
    found = [given] if isinstance(given, Variable) else list(given)
    for x in found:
        if not isinstance(x, Variable):
            raise GraphError(f"Program: {what} must be Variables, not {type(x).__name__}")
        if x.graph is not found[0].graph:
            raise GraphError(f"Program: {what} belong to different graphs")
    return found


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

    def __init__(self, inputs, outputs, policy=None):
        self.policy = as_policy(policy)
        self.outputs = as_variables(outputs, "outputs")
        self.inputs = as_variables(inputs, "inputs")
        if not self.outputs:
            raise GraphError("Program: there are no outputs")
        self.graph: Graph = self.outputs[0].graph
        if self.inputs and self.inputs[0].graph is not self.graph:
            raise GraphError("Program: inputs and outputs belong to different graphs")
        self._executable, self.plan = build(self.graph, self.inputs, self.outputs, self.policy)
        self._strided = {}  # argument strides -> (Executable with packed arguments, Plan)
        self._last = threading.local()  # the Executable of each thread's last run

    @property
    def peak_bytes(self):
        return self.plan.peak_bytes

    @property
    def measured_peak_bytes(self):
        return getattr(self._last, "executable", self._executable).measured_peak_bytes

    def __repr__(self):
        return (
            f"<Program of {len(self.inputs)} inputs and {len(self.outputs)} outputs under "
            f"{self.policy!r}, peak {format_bytes(self.peak_bytes)}>")

    def __str__(self):
        return str(self.plan)

    def __call__(self, *arrays):
        """Run on arrays in the order of the inputs; return arrays in the order of the outputs."""
        return self.run(arrays, self.constants())

    def constants(self):
        """The captured arrays of the graph, in the order in which `run` takes them."""
        payloads = self.graph.payloads
        return [payloads[node] for node in self._executable.regions.constants]

    def run(self, arrays, constants):
        """Run on arrays, with these captured arrays in place of the graph's own."""
        arrays, strides = self._executable.accept(tuple(arrays))
        executable, _ = self._for_strides(strides)
        results = executable(arrays, constants)
        self._last.executable = executable
        return results

    def plan_for(self, *arrays):
        """The plan of a call with these arrays: `plan`, or one that packs those not in C order.

        A strided argument is copied into the arena before it is read, so that results are the
        same bits as for a contiguous one; the copy is part of that call's plan and peak.
        """
        _, strides = self._executable.accept(tuple(arrays))
        return self._for_strides(strides)[1]

    def _for_strides(self, strides):
        if strides is None:
            return self._executable, self.plan
        found = self._strided.get(strides)
        if found is None:
            found = build(self.graph, self.inputs, self.outputs, self.policy, strides)
            while len(self._strided) >= 16:
                self._strided.pop(next(iter(self._strided)))
            self._strided[strides] = found
        return found
