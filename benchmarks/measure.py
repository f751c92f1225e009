"""Measure one point of a benchmark, in a process of its own.

    python benchmarks/measure.py '{"problem": "mlp", "depth": 4, "width": 64, ...}'

prints the record as JSON. A fresh process, because memory that an earlier point has touched and
returned would be counted for none or for the wrong one.
"""

import json
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass

from budgets import between, extremes
from memory_profiler import memory_usage
from problems import PROBLEMS

import autodiff as ad


@dataclass(frozen=True)
class Point:
    """What is measured: a problem of a size, a policy, and how many runs the median is of.

    A policy like "50%" is a byte budget so far from the smallest known (0 %) to store's peak.
    """

    problem: str
    depth: int
    width: int
    batch: int
    policy: str
    repeats: int = 5


@dataclass(frozen=True)
class Record:
    """What came out: seconds, evaluations, and bytes from three sources.

    `planned` is known before the run, `measured` is what the executor recorded, `process` is how
    much the resident memory grew from before the first call, at its highest.
    """

    seconds: float
    evaluations: int
    counted: int
    overhead: float
    planned: int
    measured: int
    process: int
    library: int


def in_fresh_process(point):
    """Measure a point in a new interpreter: a Record. Raises RuntimeError with what it printed."""
    run = subprocess.run(
        [sys.executable, __file__, json.dumps(asdict(point))], capture_output=True, text=True)
    if run.returncode:
        raise RuntimeError(f"{point}: {run.stderr.strip()}")
    return Record(**json.loads(run.stdout))


def measure(point):
    """Plan and run a point here: value and gradient, as `ad.value_and_grad` gives them."""
    problem = PROBLEMS[point.problem](point.depth, point.width, point.batch)
    with ad.Graph():
        inputs = [ad.variable(f"x{k}", a.shape, a.dtype) for k, a in enumerate(problem.arrays)]
        value = problem.f(*inputs)
        gradients = ad.gradients(value, inputs[: problem.n_targets])
    # All that tracing and planning take is taken before the process is first looked at.
    policy = point.policy
    if policy.endswith("%"):
        f = ad.value_and_grad(problem.f, argnums=tuple(range(problem.n_targets)))
        policy = between(*extremes(f, *problem.arrays), float(policy[:-1]) / 100)
    program = ad.Program(inputs, [value, *gradients], policy=policy)
    process = growth(program, problem.arrays)
    seconds = []
    for _ in range(point.repeats):
        begun = time.perf_counter()
        program(*problem.arrays)
        seconds.append(time.perf_counter() - begun)
    return Record(
        seconds=statistics.median(seconds),
        evaluations=sum(program.plan.evaluations.values()),
        counted=program.plan.evaluations[problem.counted],
        overhead=program.plan.overhead,
        planned=program.peak_bytes,
        measured=program.measured_peak_bytes,
        process=process,
        library=ad.library_bytes(),
    )


def growth(f, args):
    """Bytes by which resident memory grows while f runs for the first time (memory_profiler)."""
    ad.release_memory()     # what measuring the machine for a frontier has left there
    # The profiler's own threads, pipes and modules take memory at their first use.
    memory_usage((float, (0,)), interval=0.001, max_usage=True)
    before = memory_usage(-1, interval=0.001, timeout=0.01, max_usage=True)
    held = []       # the last look comes after the run: it must find the results alive
    # Once: the profiler runs again what is too short for it, and would find more results alive.
    highest = memory_usage((lambda: held.append(f(*args)),), interval=0.001, max_usage=True,
                           max_iterations=1)
    return round((highest - before) * 2**20)


if __name__ == "__main__":
    print(json.dumps(asdict(measure(Point(**json.loads(sys.argv[1]))))))
