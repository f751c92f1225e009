"""Building: outputs are carried through the stages, from a graph to a plan and what runs it."""

from autodiff.core.abstract import holding, problem_arrays
from autodiff.core.program import Executable
from autodiff.core.regions import Regions
from autodiff.fitting import early_results, fit, marginal_overhead
from autodiff.planning import Budget, Problem, Schedule
from autodiff.plans import Plan
from autodiff.saved import saved_nodes

EFFORT = 8        # put into packing a schedule that must keep to a budget


def build(graph, inputs, outputs, policy, strides=None, measured=None, record=None,
          fuse=True, folded=()):
    """Carry outputs through the stages: regions, plan, addresses. Returns (executable, plan)."""
    regions = Regions(graph, outputs, inputs, strides, fuse, tuple(graph[v] for v in folded))
    arrays = problem_arrays(regions)
    if measured is not None:
        arrays["cost"] = measured.costs(regions, arrays["cost"])
    arrays["once"] |= holding(regions, saved_nodes(graph, policy))
    problem = Problem.from_arrays(
        **arrays,
        names=lambda region: described(regions, region),
        lines=lambda region: graph[regions.describe(region)[1]].line,
    )

    effort = EFFORT if isinstance(policy, Budget) else 1

    def allocate(schedule):
        return Executable(
            regions, schedule.steps, schedule.simulation.taken, arrays["workspace"], False, record,
            effort)

    if isinstance(policy, Budget):
        schedule, executable = fit(problem, policy, regions.captured_bytes, allocate,
                                   early_results(problem))
    else:
        schedule = policy.schedule(problem)
        executable = allocate(schedule)

    def marginal():
        return marginal_overhead(problem, policy, regions.captured_bytes, allocate)

    costs = "static" if measured is None else "measured"
    return executable, Plan(regions, schedule, executable, policy, marginal, costs)


def described(regions, region):
    """What messages call a region: its operation, or whose copy it makes."""
    name, node = regions.describe(region)
    if name != "copy":
        return name
    x = regions.graph[node]
    return f"copy of {x.op.name if x.inputs else x.name}"


def reschedule(plan, schedule, record=None):
    """(executable, plan) of another schedule of a plan's problem, under a Budget of its peak."""
    schedule = Schedule(plan.problem, schedule.steps, schedule.method, schedule.lower_bound,
                        schedule.bound_family)
    executable = Executable(
        plan.regions, schedule.steps, schedule.simulation.taken, plan.problem.workspace, False,
        record, EFFORT)
    policy = Budget(max(1, executable.peak_bytes))
    return executable, Plan(plan.regions, schedule, executable, policy, costs=plan.costs)
