"""Time systems side by side: each in a process of its own, a driver lets them run in turn.

A machine's speed moves by half within seconds, so two systems are compared by runs that stand next
to each other, never by two sums. The worker's side is a script that ends with `serve(prepare)`; the
driver's side is

    with alternating("worker.py", [{"system": "ours"}, {"system": "torch"}], threads=2) as workers:
        seconds = rounds(workers, 20)       # one list of 20 for each worker

Each worker has the same cores, waits passively, and builds its arrays itself; what it computes is
brought back by `worker.results()`, so that results are compared before times are.
"""

import contextlib
import ctypes
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

# What libraries read of threads; waiting threads sleep, or one system would slow the next.
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "AUTODIFF_NUM_THREADS",
           "NPROC", "TORCHINDUCTOR_COMPILE_THREADS")
PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0",
           "OPENBLAS_THREAD_TIMEOUT": "4", "JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3"}
# Every system takes the kernels of this processor, not those that somebody chose for one of them.
CHOSEN = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS")
XLA = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"     # for one thread


# ------------------------------------------------------------------------- the worker's side


@dataclass
class Task:
    """What a worker does, ready to run.

    `step()` computes everything once and returns arrays (or a tree of them), complete when it
    returns; `shown` takes of that what is compared. `facts()`, asked after the first step, gives a
    dict of numbers and strings. `late` says that the first step also compiles: memory is then seen
    at the second. `repeat(n)` does n steps, where that can be done without Python between them.
    """

    step: Callable
    facts: Callable = dict
    shown: Callable = staticmethod(lambda results: results)
    late: bool = False
    repeat: Callable | None = None


def serve(prepare):
    """Be a worker: `prepare(spec) -> Task` for the spec on the command line, then obey.

    The first step is run at once, its growth in resident memory reported as the fact `process`.
    """
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)                   # what libraries print is no answer
    task = prepare(json.loads(sys.argv[1]))
    if task.late:
        task.step()
    growth = growth_of(task.step)
    print(json.dumps({**task.facts(), "process": growth}), file=answers)
    for line in sys.stdin:
        order = json.loads(line)
        if "results" in order:
            np.savez(order["results"], *flat(task.shown(task.step())))
            print("[]", file=answers)
        elif "many" in order:
            print(json.dumps(together(task, order["many"])), file=answers)
        else:
            print(json.dumps([timed(task.step) for _ in range(order["times"])]), file=answers)


def timed(step):
    """Seconds that one step takes."""
    begun = time.perf_counter()
    step()
    return time.perf_counter() - begun


def together(task, n):
    """Seconds that n steps take, one after the other and without a clock between them."""
    step, repeat = task.step, task.repeat
    begun = time.perf_counter()
    if repeat:
        repeat(n)
    else:
        for _ in range(n):
            step()
    return time.perf_counter() - begun


def growth_of(step):
    """Bytes by which resident memory, at its highest, exceeds during a step what stood before.

    Linux keeps that mark itself; None elsewhere.
    """
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)        # what was freed is given back, not used again
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        step()
        return None
    before = _status("VmRSS")
    held = step()                   # the results are part of the peak
    highest = _status("VmHWM")
    del held
    return highest - before


def _status(name):
    """One entry of this process's status, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name + ":"))


def flat(results):
    """Results as a list of NumPy arrays: lists, tuples and dict values in their order."""
    if isinstance(results, dict):
        results = list(results.values())
    if isinstance(results, (list, tuple)):
        return [array for part in results for array in flat(part)]
    return [np.asarray(results)]


# ------------------------------------------------------------------------- the driver's side


@dataclass
class Worker:
    """A process that has prepared one spec and run it once; `facts` is what it found."""

    spec: dict
    process: subprocess.Popen
    log: object
    facts: dict = field(default_factory=dict)

    def ask(self, **order):
        """Send an order, an empty one for the first answer, and wait for what comes back."""
        if order:
            with contextlib.suppress(BrokenPipeError):      # it has died: its log says of what
                self.process.stdin.write(json.dumps(order) + "\n")
                self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.log.seek(0)
            raise RuntimeError(f"{self.spec}: {self.log.read()[-3000:].strip()}")
        return json.loads(line)

    def seconds(self, times=1):
        """Run so many steps: their seconds."""
        return self.ask(times=times)

    def mean(self, n):
        """Seconds of a step, the mean of n in a row: for steps that a clock would disturb."""
        return self.ask(many=n) / n

    def results(self):
        """Run a step and bring its results: a list of NumPy arrays."""
        with tempfile.TemporaryDirectory() as where:
            path = Path(where) / "results.npz"
            self.ask(results=str(path))
            with np.load(path) as saved:
                return [saved[name] for name in saved.files]

    def close(self):
        """End the process."""
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()
        self.log.close()


def cores():
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count()))


def settings(cores):
    """Arguments of Popen for a process on these cores, with a thread for each that waits passively.
    """
    n = str(len(cores))
    environment = {**os.environ, **PASSIVE, **dict.fromkeys(THREADS, n)}
    for name in CHOSEN:
        environment.pop(name, None)
    if n == "1":
        environment["XLA_FLAGS"] = XLA
    pinned = None
    if hasattr(os, "sched_setaffinity"):
        pinned = partial(os.sched_setaffinity, 0, cores)
    return {"env": environment, "preexec_fn": pinned}


def start(script, spec, threads=None):
    """Start a worker on `threads` cores (all when None) and wait for its first step: a Worker.

    Raises
    ------
    RuntimeError
        With what the process printed, when it ends instead.
    """
    log = tempfile.TemporaryFile("w+")
    worker = Worker(spec, subprocess.Popen(
        [sys.executable, str(script), json.dumps(spec)], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=log, text=True, **settings(cores()[:threads])), log)
    try:
        worker.facts = worker.ask()
    except BaseException:
        worker.process.kill()
        worker.close()
        raise
    return worker


@contextlib.contextmanager
def alternating(script, specs, threads=None):
    """Start a worker for each spec, one after the other, and end all of them: a list."""
    workers = []
    try:
        for spec in specs:
            workers.append(start(script, spec, threads))
        yield workers
    finally:
        for worker in workers:
            worker.close()


def rounds(workers, n, times=1, progress=iter):
    """Let workers run in turn, n rounds: for each a list of n seconds per step.

    Within a round a worker runs `times` steps in a row, and the round counts their median. The
    order rotates, so that none always follows the same one.
    """
    seconds = [[] for _ in workers]
    for k in progress(range(n)):
        for j in range(len(workers)):
            j = (j + k) % len(workers)
            seconds[j].append(statistics.median(workers[j].seconds(times)))
    return seconds


def turns(workers, n, turn=0.05, progress=iter):
    """Let workers run in turn, n rounds, each for about `turn` seconds: seconds per step.

    For steps of any length, of microseconds too. The order rotates, and each turn begins with
    steps that are not counted, so that caches are that worker's again. As `rounds`, a list of n
    for each worker.
    """
    steps = []
    for worker in workers:
        once = min(worker.seconds(3))
        once = min(once, worker.mean(max(1, min(1000, int(turn / 4 / once)))))
        steps.append(max(1, round(turn / once)))
    seconds = [[] for _ in workers]
    for k in progress(range(n)):
        for j in range(len(workers)):
            j = (j + k) % len(workers)
            if steps[j] > 1:
                workers[j].mean(max(1, steps[j] // 20))
            seconds[j].append(workers[j].mean(steps[j]))
    return seconds


def ratio(ours, theirs):
    """Median of the ratios of two systems' seconds, round by round."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def difference(results, expected):
    """Largest distance of a result from what is expected: norm of the difference over the norm.

    Raises
    ------
    ValueError
        When number or shapes differ.
    """
    shapes = [[array.shape for array in arrays] for arrays in (results, expected)]
    if shapes[0] != shapes[1]:
        raise ValueError(f"results of shapes {shapes[0]}, expected {shapes[1]}")
    # NumPy's maximum, as Python's would lose a NaN.
    return float(np.max([
        np.linalg.norm(a - b) / max(np.linalg.norm(b), 1e-300) for a, b in zip(results, expected)]))
