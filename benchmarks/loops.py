"""Elementwise expressions of two arrays, by the library and by a C loop of one's own: a worker.

A spec is {"system": "ours" or "C", "expression": ..., "n": ...}.
"""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from native import load, pointer
from workers import Task, serve


@dataclass(frozen=True)
class Expression:
    """What is computed of x and z, n doubles each; its name is that of the function in loops.h.

    `moved` is how many doubles an element moves between memory and processor: read, written, and
    read before it is written (write-allocate).
    """

    f: Callable
    moved: int


EXPRESSIONS = {
    "light": Expression(lambda x, z: (x * z + 0.5) * x - z, 4),
    "choice": Expression(lambda x, z: np.where(x > 0, x * z + 0.5, z), 4),
    "transcendental": Expression(
        lambda x, z: np.tanh(x) * np.exp(-(x * x)) + np.sin(z), 4),
    "axpy": Expression(lambda x, z: 2.0 * x + z, 4),
    "squares": Expression(lambda x, z: np.sum((2.0 * x + z) ** 2), 2),
    "copy": Expression(lambda x, z: x.copy(), 3),
}


def ours(expression, x, z):
    """A program of the expression, run over and over by compiled code, as the C loop is."""
    import autodiff as ad

    with ad.Graph():
        inputs = ad.variable("x", x.shape), ad.variable("z", z.shape)
        result = EXPRESSIONS[expression].f(*inputs)
        program = ad.Program(inputs, [result])
    out = [np.zeros(result.shape)]
    executable, constants = program.plan.executable_out, program.constants()
    return Task(lambda: program(x, z, out=out),
                repeat=lambda calls: executable([x, z], constants, None, out, calls))


def by_hand(expression, x, z):
    """The loop of loops.h, which writes to the same array each time."""
    compute = getattr(load("loops.h"), expression)
    y = np.zeros(() if expression == "squares" else x.shape)

    def repeat(calls):
        compute(ctypes.c_long(calls), ctypes.c_long(x.size), *map(pointer, (x, z, y)))

    def step():
        repeat(1)
        return [y]
    return Task(step, repeat=repeat)


def prepare(spec):
    """Make the task of a spec; the arrays are the same for all."""
    x, z = np.random.default_rng(0).uniform(-1, 1, (2, spec["n"]))
    return {"ours": ours, "C": by_hand}[spec["system"]](spec["expression"], x, z)


if __name__ == "__main__":
    serve(prepare)
