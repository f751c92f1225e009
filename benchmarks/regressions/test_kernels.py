"""Small kernels, one program each: what a change of the core makes quicker or slower.

Every program is called as it stands, so a time is that of the kernel and of one run. Each result is
compared with NumPy's first.
"""

import numpy as np
import pytest

import autodiff as ad

N = 10_000
SIDE = 96


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


# Functions of two arrays, which NumPy computes as well.
ELEMENTWISE = {
    "add": lambda x, z: x + z,
    "multiply-add": lambda x, z: x * z + x,
    "divide": lambda x, z: x / z,
    "sqrt": lambda x, z: np.sqrt(x),
    "exp": lambda x, z: np.exp(x),
    "log": lambda x, z: np.log(x),
    "sin": lambda x, z: np.sin(x),
    "cos": lambda x, z: np.cos(x),
    "tanh": lambda x, z: np.tanh(x),
    "power": lambda x, z: x**z,
    "maximum": lambda x, z: np.maximum(x, z),
    "choice": lambda x, z: np.where(x > z, x, z * z),
    "long": lambda x, z: np.tanh(x * z + 0.1) * np.exp(-x) + np.sqrt(z) / (1.0 + x * x),
}
REDUCTIONS = {
    "sum": lambda x, z: np.sum(x),
    "sum of rows": lambda x, z: np.sum(x, axis=1),
    "sum of columns": lambda x, z: np.sum(x, axis=0),
    "sum of squares": lambda x, z: np.sum((x - z) ** 2),
    "max of rows": lambda x, z: np.max(x, axis=1),
    "mean taken off": lambda x, z: x - x.mean(axis=0),
}
PRODUCTS = {
    "matrix by matrix": lambda x, z: x @ z,
    "transposed by matrix": lambda x, z: x.T @ z,
    "matrix by transposed": lambda x, z: x @ z.T,
    "matrix by vector": lambda x, z: x @ z[0],
    "layer": lambda x, z: np.maximum(x @ z + z[0], 0),
}
MOVEMENT = {
    "transpose": lambda x, z: x.T + z,
    "concatenate": lambda x, z: np.concatenate([x, z]),
    "slices": lambda x, z: x[1:] - x[:-1],
    "take": lambda x, z: x[np.arange(0, SIDE, 3)],
}


def measure(benchmark, f, shape, dtype):
    """Time a program of f, and compare its result with f of the arrays."""
    arrays = np.random.default_rng(0).uniform(0.5, 2, (2, *shape)).astype(dtype)
    with ad.Graph():
        inputs = [ad.variable(name, shape, dtype) for name in "xz"]
        program = ad.Program(inputs, [f(*inputs)])
    found = benchmark(program, *arrays)
    rtol = 1e-12 if dtype == np.float64 else 1e-4
    np.testing.assert_allclose(found[0], f(*arrays), rtol=rtol)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise(benchmark, name, dtype):
    measure(benchmark, ELEMENTWISE[name], (N,), dtype)


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(benchmark, name):
    measure(benchmark, REDUCTIONS[name], (SIDE, SIDE), np.float64)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", PRODUCTS)
def test_products(benchmark, name, dtype):
    measure(benchmark, PRODUCTS[name], (SIDE, SIDE), dtype)


@pytest.mark.parametrize("name", MOVEMENT)
def test_movement(benchmark, name):
    measure(benchmark, MOVEMENT[name], (SIDE, SIDE), np.float64)


@pytest.mark.parametrize("n", [16, 4096])
def test_softmax(benchmark, n):
    x = np.random.default_rng(0).standard_normal((32, n))
    program = ad.compile(ad.nn.softmax)
    np.testing.assert_allclose(benchmark(program, x), softmax(x), rtol=1e-12)
