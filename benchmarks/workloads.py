"""What every system is asked for: value and gradient of a function, the inputs, and the bar.

A function is written once, in the names of a namespace `xp` that each system fills with its own:
tanh, exp, sin, sum, relu and cross_entropy (mean over the batch, integer labels). Operators and
slices are those of the arrays.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Bar:
    """What a system of ours is held to: seconds on the machine of the tables, or a ratio.

    Exactly one of `seconds` and `of_best` (the ratio to the quickest peer in the same run) is
    given; `aim` is in the same unit.
    """

    system: str
    seconds: float | None = None
    of_best: float | None = None
    aim: float | None = None


@dataclass(frozen=True)
class Workload:
    """A function, its inputs, who computes it, and what it is held to.

    `function(xp)` gives f; `inputs(*size)` gives (params, data): f(params, *data) is differentiated
    with respect to params, an array or a list of arrays. `per` divides the times (operations of a
    chain). With `numpy_io` arrays are NumPy's going in and coming out; otherwise each system keeps
    its own kind of array. `quick` holds the fields that a quick run changes; `rtol` is what
    gradients may differ by, norm over norm; values are closer.
    """

    title: str
    function: Callable
    inputs: Callable
    size: tuple
    quick: dict
    systems: tuple
    bars: tuple
    rtol: float
    per: int = 1
    numpy_io: bool = False
    timed: str = "step"             # or "first call", "planning": what a time is the time of
    build: Bar | None = None        # what tracing, gradient and plan are held to, from one run
    floor: str | None = None        # which of those in floors.py

    def small(self):
        """The same workload in a size that takes no time."""
        return replace(self, **self.quick)

    def make(self):
        """(params, data) of the workload's size, the same in every process."""
        return self.inputs(*self.size)


@dataclass
class Names:
    """The namespace `xp` that a function is written in."""

    tanh: Callable
    exp: Callable
    sin: Callable
    sum: Callable
    relu: Callable
    cross_entropy: Callable


def chain(steps):
    """x ← 1.1 tanh(x) + 0.1, `steps` times, then the sum of squares."""
    def function(xp):
        def f(x):
            for _ in range(steps):
                x = xp.tanh(x) * 1.1 + 0.1
            return xp.sum(x * x)
        return f
    return function


def recurrence(steps, again):
    """y ← again(y), `steps` times, from a scalar: a program of numbers, without arrays."""
    def function(xp):
        def f(y):
            for _ in range(steps):
                y = again(y)
            return y
        return f
    return function


def halved_square(y):
    return y * y * 0.5 + 0.3


def logistic(y):
    return 1.0001 * y + 0.3 * y * y


def rosenbrock(xp):
    def f(x):
        a, b = x[:-1], x[1:]
        return xp.sum(100.0 * (b - a * a) ** 2 + (1.0 - a) ** 2)
    return f


def light_and_heavy(xp):
    def f(x):
        return xp.sum(xp.tanh(x) * xp.exp(-(x * x)) + xp.sin(x))
    return f


def mlp(decay):
    """Layers relu(h W + b), the last linear, cross-entropy, `decay` times the sum of W²."""
    def function(xp):
        def f(params, h, labels):
            for k in range(0, len(params), 2):
                h = (h if k == 0 else xp.relu(h)) @ params[k] + params[k + 1]
            loss = xp.cross_entropy(h, labels)
            if decay:
                for W in params[::2]:
                    loss = loss + decay * xp.sum(W * W)
            return loss
        return f
    return function


def stack(xp):
    """Layers relu(h W) without biases, the last included, then cross-entropy."""
    def f(params, h, labels):
        for W in params:
            h = xp.relu(h @ W)
        return xp.cross_entropy(h, labels)
    return f


def uniform(n):
    """n doubles between -1 and 1."""
    return np.random.default_rng(0).uniform(-1, 1, n), ()


def scalar(y):
    """A number to start from."""
    return np.array(y), ()


def batch_of(rng, batch, n_inputs, n_classes):
    X = rng.standard_normal((batch, n_inputs)).astype(np.float32)
    return X, rng.integers(0, n_classes, batch)


def layers(batch, *widths):
    """Weights and biases between the widths, a batch of inputs and its labels; float32."""
    rng = np.random.default_rng(0)
    params = []
    for n, m in zip(widths, widths[1:]):
        params.append((rng.standard_normal((n, m)) * np.sqrt(2 / n)).astype(np.float32))
        params.append(np.zeros(m, np.float32))
    return params, batch_of(rng, batch, widths[0], widths[-1])


def square_layers(batch, width, depth):
    """`depth` weights of width × width, a batch of inputs and its labels; float32."""
    rng = np.random.default_rng(0)
    params = [(rng.standard_normal((width, width)) * np.sqrt(2 / width)).astype(np.float32)
              for _ in range(depth)]
    return params, batch_of(rng, batch, width, width)


COMPILED = ("ours", "torch.compile", "jax", "floor")
EVERY = ("ours", "ours traced", "autograd", "torch", "torch.compile", "jax", "floor")
NOT_TRACED = ("ours", "autograd", "torch", "torch.compile", "jax", "floor")
DOUBLE, SINGLE = 1e-10, 1e-4
# Among 10^6 values before relu some are so close to 0 that another order of summing turns their
# sign, and with it what all gradients below them get.
FLIPPED = 1e-2

MILLION = 10**6

WORKLOADS = {
    "chain": Workload(
        "chain: 10 × (1.1 tanh(x) + 0.1), sum of squares, 10 doubles",
        chain(10), uniform, (10,), {}, EVERY,
        (Bar("ours", seconds=4e-6, aim=2.5e-6), Bar("ours traced", seconds=40e-6)), DOUBLE,
        floor="chain in C"),
    "rosenbrock": Workload(
        "Rosenbrock, 1,000 doubles, NumPy in and out",
        rosenbrock, uniform, (1000,), {"size": (100,)}, NOT_TRACED,
        (Bar("ours", seconds=8e-6, aim=5e-6),), DOUBLE, numpy_io=True,
        floor="rosenbrock in C"),
    "mlp-small": Workload(
        "MLP 64-32-10, batch 32, float32, weight decay",
        mlp(1e-4), layers, (32, 64, 32, 10), {"size": (8, 16, 8, 10)}, NOT_TRACED,
        (Bar("ours", seconds=14e-6, aim=10e-6),), SINGLE,
        floor="products alone"),
    "mlp-middle": Workload(
        "MLP 784-256-10, batch 128, float32",
        mlp(0.0), layers, (128, 784, 256, 10), {"size": (16, 32, 16, 10)},
        NOT_TRACED,
        (Bar("ours", of_best=1.0, aim=0.9),), SINGLE,
        floor="products alone"),
    "mlp-large": Workload(
        "MLP 784-2048-2048-10, batch 256, float32",
        mlp(0.0), layers, (256, 784, 2048, 2048, 10),
        {"size": (16, 32, 16, 16, 10)}, NOT_TRACED,
        (Bar("ours", of_best=1.1, aim=1.0),), FLIPPED,
        floor="products alone"),
    "elementwise": Workload(
        "sum(tanh x · exp(-x²) + sin x), 2·10^6 doubles",
        light_and_heavy, uniform, (2_000_000,), {"size": (2000,)}, NOT_TRACED,
        (Bar("ours", of_best=0.75, aim=0.6),), DOUBLE, floor="one pass in C"),
    "overhead": Workload(
        "traced and not compiled: a chain of 302 operations, 10 doubles, for each operation",
        chain(100), uniform, (10,), {},
        ("ours traced", "autograd", "torch", "jax eager", "floor"),
        (Bar("ours traced", seconds=1.2e-6, aim=0.8e-6),), DOUBLE, per=302,
        floor="NumPy, forward alone"),
    "first-call": Workload(
        "first call of a program of 1,000 operations: trace, gradient, plan or compile, run",
        chain(333), uniform, (10,), {}, ("ours", "jax"),
        (Bar("ours", seconds=25e-3),), DOUBLE, timed="first call"),
    "scalar": Workload(
        "100,000 unrolled steps of y ← y·y·0.5 + 0.3",
        recurrence(100_000, halved_square), scalar, (0.4,),
        {"function": recurrence(100, halved_square)}, ("ours", "casadi"),
        (Bar("ours", of_best=1.5),), DOUBLE, build=Bar("ours", of_best=0.2)),
    "scalar-logistic": Workload(
        "100,000 unrolled steps of y ← 1.0001·y + 0.3·y·y",
        recurrence(100_000, logistic), scalar, (-0.1,),
        {"function": recurrence(100, logistic)}, ("ours", "casadi"),
        (Bar("ours", of_best=1.5),), DOUBLE, build=Bar("ours", of_best=0.2)),
    "planning": Workload(
        "planning for store of 10^6 nodes of y ← y·y·0.5 + 0.3, for each node",
        # A step has three nodes, and its gradient three.
        recurrence(MILLION // 6, halved_square), scalar, (0.4,),
        {"function": recurrence(1000 // 6, halved_square), "per": 1000}, ("ours",),
        (Bar("ours", seconds=4e-6),), DOUBLE, per=MILLION,
        timed="planning"),
}
