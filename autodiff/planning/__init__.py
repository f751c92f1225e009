"""What is computed when: abstract problems, policies, schedules, and their judge.

Bytes and costs only; nothing here knows arrays, operations or graphs.
"""

from autodiff.core.steps import Steps
from autodiff.planning.bounds import memory_bound
from autodiff.planning.policies import Checkpoint, Recompute, Store, as_policy, use_policy
from autodiff.planning.problem import Problem
from autodiff.planning.schedule import Schedule
from autodiff.planning.simulate import Simulation, simulate
from autodiff.planning.solve import solve

__all__ = [
    "Checkpoint",
    "Problem",
    "Recompute",
    "Schedule",
    "Simulation",
    "Steps",
    "Store",
    "as_policy",
    "memory_bound",
    "simulate",
    "solve",
    "use_policy",
]
