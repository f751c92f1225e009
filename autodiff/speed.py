"""How fast this machine is in the units of the cost table: two numbers, measured once."""

import time
from functools import cache

import numpy as np

from autodiff.core.making import variable
from autodiff.planning import Store
from autodiff.programs import Program

SIDE = 512              # of the square matrices that are multiplied
ELEMENTS = 1 << 20      # of what is computed element by element
RUNS = 5                # of which the fastest counts


def estimate_seconds(plan):
    """Estimate how long a run of a plan takes on this machine, when nothing else wants it.

    For measured costs, their sum. Else Σ cost · evaluations · (seconds per unit of cost of
    products, or of all else): the cost table is the same for every machine, so this is an
    estimate, not a measurement.

    Parameters
    ----------
    plan : Plan

    Returns
    -------
    float, seconds
    """
    if plan.costs == "measured":
        return 1e-9 * plan.cost
    product, other = seconds_per_cost()
    problem, evaluations = plan.problem, plan.schedule.evaluations
    is_product = np.array(
        [plan.operation(region).startswith("matmul") for region in range(len(problem))], bool)
    scale = np.where(is_product, product, other)
    return float((problem.cost * evaluations * scale).sum())


@cache
def seconds_per_cost():
    """Measure the seconds per unit of cost of matrix products, and of elementwise operations.

    Of float32, the fastest of a few runs each; tens of milliseconds, once in a process.

    Returns
    -------
    product, other : float, seconds
    """
    A = variable("A", (SIDE, SIDE), np.float32)
    x = variable("x", ELEMENTS, np.float32)
    return _seconds(A, A @ (A @ A)), _seconds(x, np.tanh(x * x) + x)


def _seconds(x, y):
    """The fastest run of a program per unit of its cost."""
    program, array = Program([x], [y], policy=Store()), np.full(x.shape, 1 / SIDE, x.dtype)
    fastest = float("inf")
    for _ in range(1 + RUNS):       # the first run loads libraries and touches the memory
        begun = time.perf_counter()
        program(array)
        fastest = min(fastest, time.perf_counter() - begun)
    return fastest / program.plan.cost
