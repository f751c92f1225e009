"""Floors: the least that a workload must compute, by hand, beside which every system is seen."""

import ctypes

import numpy as np
from native import blas, load, pointer
from workers import Task


def floor_of(workload):
    """The floor that a workload names, as a `Task`; it knows how to repeat itself in C."""
    return FLOORS[workload.floor](*workload.make())


def nothing(results):
    """What a floor that computes no gradient shows of its results."""
    return []


def written_in_c(name, *extents):
    """Value and gradient of one array of doubles, from the function of `floors.h`."""
    def build(x, data):
        compute = getattr(load("floors.h"), name)
        g, value = np.empty_like(x), np.zeros(())

        def repeat(calls):
            compute(ctypes.c_long(calls), *map(ctypes.c_long, (*extents, x.size)),
                    pointer(x), pointer(g), pointer(value))

        def run():
            repeat(1)
            return value, g
        return Task(run, repeat=repeat)
    return build


class Product(ctypes.Structure):
    """The `product` of `floors.h`."""

    _fields_ = [("m", ctypes.c_int), ("n", ctypes.c_int), ("k", ctypes.c_int),
                ("ta", ctypes.c_char), ("tb", ctypes.c_char),
                ("a", ctypes.c_void_p), ("b", ctypes.c_void_p), ("c", ctypes.c_void_p)]


def products(params, data):
    """The matrix products of an MLP's value and gradients, in a row, with nothing between."""
    weights = [W for W in params if W.ndim == 2]
    layers = [data[0], *(np.ones((len(data[0]), W.shape[1]), np.float32) for W in weights)]
    slopes = [np.ones_like(h) for h in layers]
    gradients = [np.empty_like(W) for W in weights]
    wanted = []

    def product(a, ta, b, tb, c):
        k = a.shape[0] if ta == b"T" else a.shape[1]
        wanted.append(Product(*c.shape, k, ta, tb, a.ctypes.data, b.ctypes.data, c.ctypes.data))

    for k, W in enumerate(weights):
        product(layers[k], b"N", W, b"N", layers[k + 1])
    for k in reversed(range(len(weights))):
        product(layers[k], b"T", slopes[k + 1], b"N", gradients[k])
        if k:                           # none towards the data
            product(slopes[k + 1], b"N", weights[k], b"T", slopes[k])
    table = (Product * len(wanted))(*wanted)
    compute, sgemm = load("floors.h").products, blas("sgemm")
    held = weights, layers, slopes, gradients       # C has their addresses

    def repeat(calls):
        compute(ctypes.c_long(calls), sgemm, table, ctypes.c_long(len(held and wanted)))
    return Task(lambda: repeat(1), shown=nothing, repeat=repeat)


def forward_alone(steps):
    """The forward pass of the chain by NumPy: what its own dispatch costs."""
    def build(x, data):
        def run():
            y = x
            for _ in range(steps):
                y = np.tanh(y) * 1.1 + 0.1
            return np.sum(y * y)
        return Task(run, shown=nothing)
    return build


FLOORS = {
    "chain in C": written_in_c("chain", 10),
    "rosenbrock in C": written_in_c("rosenbrock"),
    "one pass in C": written_in_c("elementwise"),
    "products alone": products,
    "NumPy, forward alone": forward_alone(100),
}
