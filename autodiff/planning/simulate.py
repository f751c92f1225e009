"""The judge of plans: what steps hold and cost on a problem, or which step is wrong.

It runs the byte model alone and shares no code with any policy.
"""

from functools import cached_property

from autodiff.core.steps import Steps
from autodiff.errors import PlanError
from autodiff.planning import simulator
from autodiff.planning.columns import frozen
from autodiff.planning.problem import require_problem


class Simulation:
    """What a valid plan does on a problem.

    Attributes
    ----------
    problem : Problem
    steps : Steps
    peak_bytes : int
        The most bytes held at any step.
    peak_step : int
        The first step at which they are held.
    cost : int or float
        Sum of the costs of all computes.
    evaluations : int64 array (n,)
        How often each node is computed.
    live_bytes : int64 array (steps,)
        Bytes held at each step: while it is computed (workspace included), or after it is freed.
    taken : int32 array (steps,)
        The input whose bytes the result of a compute takes over, -1 for none.
    """

    def __init__(self, problem, steps):
        self.problem, self.steps = problem, steps
        result = _run(problem, steps, profile=False)
        self.peak_bytes, self.peak_step, self.evaluations, step, fault, other, _, _ = result
        if fault:
            raise PlanError(_wrong_step(problem, steps, step, fault, other))
        self.evaluations.flags.writeable = False
        self.cost = problem.cost_of(self.evaluations)

    @cached_property
    def _profile(self):
        live_bytes, taken = _run(self.problem, self.steps, profile=True)[-2:]
        return frozen(live_bytes), frozen(taken)

    @property
    def live_bytes(self):
        return self._profile[0]

    @property
    def taken(self):
        return self._profile[1]

    def __repr__(self):
        return (
            f"<Simulation: {len(self.steps)} steps, peak {self.peak_bytes} bytes "
            f"at step {self.peak_step}, cost {self.cost}>"
        )


def simulate(problem, steps):
    """Run steps through the byte model: peak bytes, cost, evaluations, bytes at each step.

    While v is computed, everything held and v's output and workspace count, less the output where
    it takes over an input (see `Problem.inplace`) that is among the frees directly following.
    Targets are held from their computation to the end.

    Parameters
    ----------
    problem : Problem
    steps : Steps, or iterable of ("compute" | "free", node) or (…, node, option)

    Returns
    -------
    Simulation

    Raises
    ------
    PlanError
        Naming the first wrong step and what is wrong with it.

    Examples
    --------
    >>> from autodiff.planning import Problem, simulate
    >>> problem = Problem([8, 8], [1, 1], [[], [0]], [1])
    >>> simulate(problem, [("compute", 0), ("compute", 1), ("free", 0)]).peak_bytes
    16
    """
    require_problem(problem)
    if not isinstance(steps, Steps):
        try:
            steps = Steps(steps)
        except (TypeError, ValueError) as error:
            raise PlanError(f"not steps of a plan: {error}") from None
    return Simulation(problem, steps)


def _run(problem, steps, profile):
    return simulator.simulate_steps(
        steps,
        problem.nbytes,
        problem.workspace,
        problem.input_start,
        problem.input_index,
        problem.inplace_start,
        problem.inplace_index,
        problem.after_start,
        problem.after_index,
        problem.owner,
        problem.target,
        problem.keep,
        problem.once,
        profile,
    )


def _wrong_step(problem, steps, step, fault, other):
    why = simulator.FAULTS[fault].format(other=problem.name(other) if other >= 0 else "")
    if step == len(steps):
        return f"after the last step: {why}"
    action, v, option = steps[step]
    what = problem.name(v) if v < len(problem) else f"node {v}"
    if option:
        what += f" with option {option}"
    return f"step {step}, {action} {what}: {why}"
