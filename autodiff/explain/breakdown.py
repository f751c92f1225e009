"""A plan by source line: what is held at the peak instant, and what is computed more than once."""

from collections import defaultdict
from typing import NamedTuple

import numpy as np

from autodiff.core.variable import Variable


class Held(NamedTuple):
    """What one source line holds at the peak instant."""

    line: str
    what: str                       # "value", "workspace" or "captured"
    nbytes: int
    values: tuple[Variable, ...]    # the largest first; for a workspace, what is being computed
    operations: dict[str, int]      # operation -> how many of the values


class Recomputed(NamedTuple):
    """What one operation at one source line computes again."""

    line: str
    operation: str
    values: tuple[Variable, ...]    # the most often recomputed first
    again: int                      # evaluations beyond the first of each
    cost: int                       # of these
    share: float                    # of the plan's cost


def held_at_peak(plan):
    """List what is held at the peak instant, by line, most bytes first.

    The instant is the first step of the highest live bytes: inputs, output and workspace of what
    is computed, and all that is needed later. Where the output takes over an input's bytes they
    are counted once, as the output.

    Returns
    -------
    tuple of Held
        Their bytes add up to `plan.live_bytes` and `plan.captured_bytes`.
    """
    problem, simulation = plan.problem, plan.schedule.simulation
    parts = defaultdict(list)       # (line, what) -> [(bytes, variable, operation)]
    for x in plan.captured:
        parts[x.line, "captured"].append((x.nbytes, x, "captured"))
    if len(plan.steps):
        peak = simulation.peak_step
        for region in held_regions(plan.steps, simulation.taken, peak):
            x, operation = plan.variable(region), plan.operation(region)
            nbytes = int(problem.nbytes[region])
            if nbytes:
                parts[x.line, "value"].append((nbytes, x, operation))
        _, region, _ = plan.steps[peak]
        if problem.workspace[region]:
            x, operation = plan.variable(region), plan.operation(region)
            parts[x.line, "workspace"].append((int(problem.workspace[region]), x, operation))
    found = []
    for (line, what), held in parts.items():
        held.sort(key=lambda entry: -entry[0])
        operations = defaultdict(int)
        for _, _, operation in held:
            operations[operation] += 1
        found.append(Held(line, what, sum(nbytes for nbytes, _, _ in held),
                          tuple(x for _, x, _ in held), dict(operations)))
    return tuple(sorted(found, key=lambda part: -part.nbytes))


def held_regions(steps, taken, step):
    """Find the regions held during a computation, without the one whose bytes it takes over."""
    nodes, computes = steps.nodes[:step], steps.actions[:step] == 0
    held = np.zeros(int(steps.nodes.max()) + 1, np.int64)
    np.add.at(held, nodes, np.where(computes, 1, -1))
    held[steps.nodes[step]] = 1
    if taken[step] >= 0:
        held[taken[step]] = 0
    return np.flatnonzero(held).tolist()


def recomputed_by_line(plan):
    """List what is computed more than once, by line and operation, the most expensive first.

    Returns
    -------
    tuple of Recomputed
        Their `again` add up to the evaluations less the number of values.
    """
    again = plan.schedule.evaluations - (plan.schedule.evaluations > 0)
    parts = defaultdict(list)       # (line, operation) -> [(again, region)]
    for region in np.flatnonzero(again).tolist():
        key = plan.variable(region).line, plan.operation(region)
        parts[key].append((int(again[region]), region))
    found = []
    for (line, operation), entries in parts.items():
        entries.sort(key=lambda entry: -entry[0])
        cost = sum(times * plan.problem.cost[region].item() for times, region in entries)
        found.append(Recomputed(
            line, operation, tuple(plan.variable(region) for _, region in entries),
            sum(times for times, _ in entries), cost, cost / plan.cost if plan.cost else 0.0))
    return tuple(sorted(found, key=lambda part: -part.cost))
