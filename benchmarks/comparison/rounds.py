"""The driver's side: a process for each system, results compared first, then times in pairs.

A machine's speed moves by half within seconds, so no time is compared with one of another moment:
in each round every system works for a turn, in an order that rotates, and what is reported are
medians of the ratios within a round.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

WORKER = Path(__file__).parent.parent / "worker.py"
TURN = 0.05         # seconds that a system works in a round, at least one call


class WorkerError(RuntimeError):
    """A worker ended instead of answering; the message is what it printed."""


class Worker:
    """A system with a workload in a process of its own; a context manager that ends it."""

    def __init__(self, system, workload, threads, quick=False):
        self.system = system
        settings = {"system": system, "workload": workload, "quick": quick,
                    "cores": cores()[:threads]}
        self.errors = tempfile.TemporaryFile("w+")      # a pipe that nobody reads would fill
        self.process = subprocess.Popen(
            [sys.executable, WORKER, json.dumps(settings)], text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
            env={**os.environ, **environment(threads)})

    def __enter__(self):
        try:
            self.answer()                               # it is ready
        except WorkerError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()
        self.errors.close()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.errors.seek(0)
            raise WorkerError(f"{self.system}: {self.errors.read().strip()}")
        return json.loads(line)

    def ask(self, command):
        """Send a command of `worker.py` and wait for its answer."""
        self.process.stdin.write(command + "\n")
        return self.answer()

    def seconds(self, calls=1):
        """Seconds of one call, the mean of so many in a row."""
        return self.ask(f"time {calls}")["seconds"] / calls

    def results(self):
        """[value, *gradients] of a run; empty for a floor that computes no gradient."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "results.npz"
            self.ask(f"save {path}")
            with np.load(path) as saved:
                return [saved[f"arr_{k}"] for k in range(len(saved.files))]


def cores():
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count()))


def environment(threads):
    """Variables that give every system the same number of threads, which wait without spinning."""
    counted = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "AUTODIFF_NUM_THREADS")
    flags = ""
    if threads == 1:
        flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    return {**dict.fromkeys(counted, str(threads)), "NPROC": str(threads), "XLA_FLAGS": flags,
            "OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0",
            "OPENBLAS_THREAD_TIMEOUT": "4", "JAX_PLATFORMS": "cpu"}


class DisagreementError(AssertionError):
    """Two systems give other results; a message says how far apart they are."""


def compare(expected, found, rtol, who):
    """Raise DisagreementError unless arrays agree to rtol of the largest element of each."""
    if len(expected) != len(found):
        raise DisagreementError(f"{who}: {len(found)} results instead of {len(expected)}")
    for k, (a, b) in enumerate(zip(expected, found)):
        scale = np.abs(a).max(initial=0)
        apart = np.abs(a - b).max(initial=0) if a.shape == b.shape else np.inf
        if not apart <= rtol * scale:
            raise DisagreementError(
                f"{who}: result {k}, of shapes {a.shape} and {b.shape}, is {apart:g} away where "
                f"elements reach {scale:g}")


@dataclass(frozen=True)
class Paired:
    """Seconds of one call, {system: [one for each round]}."""

    seconds: dict

    def median(self, system):
        return statistics.median(self.seconds[system])

    def ratio(self, system, other):
        """The median over rounds of the ratio of two systems' times within a round."""
        return statistics.median(
            a / b for a, b in zip(self.seconds[system], self.seconds[other]))

    def hardest(self, system, others):
        """(ratio, name) of the one among others beside which the system is slowest."""
        return max((self.ratio(system, other), other) for other in others)


def in_turns(workers, rounds, turn=TURN):
    """Warm workers up, then time them in rounds: `Paired`. The floor may be among them."""
    calls = {}
    for worker in workers:
        once = min(worker.seconds() for _ in range(3))
        once = min(once, worker.seconds(max(1, min(1000, int(turn / 4 / once)))))
        calls[worker] = max(1, round(turn / once))
    found = {worker.system: [] for worker in workers}
    for k in range(rounds):
        k %= len(workers)
        for worker in [*workers[k:], *workers[:k]]:
            worker.seconds(max(1, calls[worker] // 20))     # caches are this system's again
            found[worker.system].append(worker.seconds(calls[worker]))
    return Paired(found)
