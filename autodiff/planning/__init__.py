"""What is computed when: abstract problems, policies, schedules, and their judge.

Bytes and costs only; nothing here knows arrays, operations or graphs.
"""

from autodiff.core.steps import Steps
from autodiff.planning.actions import replay
from autodiff.planning.binomial import binomial
from autodiff.planning.bounds import memory_bound
from autodiff.planning.costbound import cost_bound
from autodiff.planning.frontier import Frontier, frontier
from autodiff.planning.mixed import mixed
from autodiff.planning.policies import (
    Budget,
    Checkpoint,
    Recompute,
    Save,
    Store,
    as_policy,
    use_policy,
)
from autodiff.planning.problem import Problem
from autodiff.planning.schedule import Schedule
from autodiff.planning.simulate import Simulation, simulate
from autodiff.planning.smallest import smallest_budget
from autodiff.planning.solve import solve

__all__ = [
    "Budget",
    "Checkpoint",
    "Frontier",
    "Problem",
    "Recompute",
    "Save",
    "Schedule",
    "Simulation",
    "Steps",
    "Store",
    "as_policy",
    "binomial",
    "cost_bound",
    "frontier",
    "memory_bound",
    "mixed",
    "replay",
    "simulate",
    "smallest_budget",
    "solve",
    "use_policy",
]
