"""From the start of a Python process to the first gradient: what imports and compilers cost.

A process runs a few lines of a user's and prints when the gradient is there; the time is the
driver's, from asking for the process to reading the line.
"""

import json
import subprocess
import sys
import time
from dataclasses import dataclass

from workers import cores, settings
from workloads import Bar

F = {"elementwise": "{np}.sum({np}.tanh(x) * x)", "product": "{np}.sum({np}.tanh(x @ x))"}
MODULE = {"ours": "np", "autograd": "np", "torch": "torch", "torch.compile": "torch", "jax": "np"}

SCRIPTS = {
    "ours": """
import numpy as np
import autodiff as ad
g = ad.grad(lambda x: {f})(np.ones((10, 10)))
""",
    "autograd": """
import autograd.numpy as np
from autograd import grad
g = grad(lambda x: {f})(np.ones((10, 10)))
""",
    "torch": """
import torch
x = torch.ones((10, 10), dtype=torch.float64, requires_grad=True)
({f}).backward()
g = x.grad
""",
    "torch.compile": """
import torch
x = torch.ones((10, 10), dtype=torch.float64, requires_grad=True)
torch.compile(lambda x: {f})(x).backward()
g = x.grad
""",
    "jax": """
import jax
jax.config.update("jax_enable_x64", True)
import jax.numpy as np
g = jax.jit(jax.grad(lambda x: {f}))(np.ones((10, 10)))
""",
    "floor": """
import numpy as np
g = np.ones((10, 10))
""",
}


@dataclass(frozen=True)
class Start:
    """A first gradient: elementwise or with a product; `bars` as of a workload."""

    title: str
    f: str
    bars: tuple
    systems: tuple = tuple(SCRIPTS)
    per: int = 1


STARTS = {
    "start": Start("process start to first gradient, elementwise", "elementwise",
                   (Bar("ours", seconds=0.2, aim=0.15),)),
    "start-product": Start("process start to first gradient, with a product", "product",
                           (Bar("ours", seconds=0.5, aim=0.35),)),
}


def script(start, system):
    """The lines that a process of a system runs."""
    f = F[start.f].format(np=MODULE.get(system, ""))
    return SCRIPTS[system].format(f=f) + "print(float(g[0, 0]))\n"


def first_gradient(start, system, threads):
    """(seconds until the gradient is there, an element of it), in a new process.

    -P: what is installed is started, not the checkout it may be started from.
    """
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", script(start, system)], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, **settings(cores()[:threads]))
    line = process.stdout.readline()
    seconds = time.perf_counter() - begun
    _, errors = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{system}: {errors.strip()}")
    return seconds, json.loads(line)


def starts(start, systems, threads, rounds):
    """Let systems start in turn: {system: [seconds, one for each round]}.

    Raises ValueError when a gradient is another than the first system's.
    """
    seconds = {system: [] for system in systems}
    found = {}
    for k in range(-1, rounds):                 # once uncounted: files come from the disk
        for j in range(len(systems)):
            system = systems[(j + k) % len(systems)]
            taken, found[system] = first_gradient(start, system, threads)
            if k >= 0:
                seconds[system].append(taken)
    gradients = {system: g for system, g in found.items() if system != "floor"}
    expected = next(iter(gradients.values()), None)
    for system, g in gradients.items():
        if not abs(g - expected) <= 1e-10:
            raise ValueError(f"{start.title}: {system} gives {g}, not {expected}")
    return seconds
