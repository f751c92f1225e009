"""A schedule: the steps a planner chose for a problem, with what they hold and cost."""

import copy

import numpy as np

from autodiff.planning.simulate import simulate

_SHOWN = 24     # steps printed from each end of a schedule


class Schedule:
    """Hold the steps of a plan and what simulating them gave; immutable, printable.

    Parameters
    ----------
    problem : Problem
    steps : Steps, or anything `simulate` takes
    method : str
        Who made it.
    lower_bound : int or float, optional
        A proven bound on the cost, sum of costs when not given.
    bound_family : str
        The plans the bound covers: "any order" or "given first-execution order".

    Attributes
    ----------
    steps : Steps
        Sequence of ("compute" | "free", node, option).
    peak_bytes : int
        The most bytes held at any step.
    cost : int or float
    overhead : float
        cost / sum of costs of the needed nodes − 1.
    evaluations : int64 array (n,)
        How often each node is computed.
    lower_bound, bound_family
        As given.
    gap : float
        max(0, cost / lower_bound − 1): how far at most the cost is from the best.
    simulation : Simulation
        With `live_bytes`, the bytes held at each step.

    Raises
    ------
    PlanError
        When the steps are no valid plan of the problem; it names the wrong step.
    """

    def __init__(self, problem, steps, method, lower_bound=None, bound_family="any order"):
        self.problem, self.method, self.bound_family = problem, method, bound_family
        self.simulation = simulate(problem, steps)
        self.steps = self.simulation.steps
        self.peak_bytes = self.simulation.peak_bytes
        self.cost = self.simulation.cost
        self.evaluations = self.simulation.evaluations
        self.lower_bound = problem.total_cost if lower_bound is None else lower_bound
        self.overhead = _ratio(self.cost, problem.total_cost)

    @property
    def gap(self):
        return max(0.0, _ratio(self.cost, self.lower_bound))

    def with_bound(self, lower_bound, bound_family):
        """Copy the schedule with another proven bound on the cost and the plans it covers."""
        other = copy.copy(self)
        other.lower_bound, other.bound_family = lower_bound, bound_family
        return other

    def __repr__(self):
        return (
            f"<Schedule: {self.method}, {len(self.steps)} steps, "
            f"peak {format_bytes(self.peak_bytes)}, overhead {self.overhead:.1%}>"
        )

    def __str__(self):
        problem, evaluations = self.problem, self.evaluations
        again = evaluations.sum() - (evaluations > 0).sum()
        lines = [
            f"schedule   {self.method}: {len(problem)} nodes, {len(self.steps)} steps",
            f"peak       {format_bytes(self.peak_bytes)} at step {self.simulation.peak_step}",
            f"cost       {self.cost:,} (overhead {self.overhead:.1%})",
            f"computes   {evaluations.sum():,}, of them {again:,} again",
            f"bound      cost ≥ {self.lower_bound:,} in {self.bound_family}, gap {self.gap:.1%}",
            "",
            "    step  action        live bytes  node",
        ]
        size, nodes = len(self.steps), self.steps.nodes
        first = np.full(len(problem), size)
        first[nodes[::-1]] = np.arange(size)[::-1]      # the last to write is a node's first step
        tail = max(_SHOWN, size - _SHOWN)
        for i in (*range(min(_SHOWN, size)), *range(tail, size)):
            action, v, _ = self.steps[i]
            word = "recompute" if action == "compute" and i > first[v] else action
            live = int(self.simulation.live_bytes[i])
            line = problem.line(v)
            text = f"{i:8}  {word:<9}{live:>15,}  {problem.name(v)}"
            lines.append(text if line is None else f"{text}  {line}")
            if i == _SHOWN - 1 and size > 2 * _SHOWN:
                lines.append(f"     ...  {size - 2 * _SHOWN:,} more steps")
        return "\n".join(lines)


def format_bytes(nbytes):
    """Write bytes with three or four digits: 812 B, 16.4 kB, 2,495 MB (MB is 10^6).

    Examples
    --------
    >>> from autodiff.planning.schedule import format_bytes
    >>> format_bytes(812), format_bytes(16_384), format_bytes(2_494_562_308)
    ('812 B', '16.4 kB', '2,495 MB')
    """
    if nbytes < 1000:
        return f"{nbytes} B"
    unit, size = ("kB", nbytes / 1e3) if nbytes < 1e6 else ("MB", nbytes / 1e6)
    return f"{size:,.0f} {unit}" if size >= 999.5 else f"{size:.1f} {unit}"


def _ratio(cost, least):
    return cost / least - 1.0 if least else 0.0
