"""Products with an addend, a scale or a divisor, cut into tiles: against the definition, on any
number of threads."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import autodiff as ad
from autodiff.core.kernels import run_kernel

FLOATS = [np.float32, np.float64]
INTEGERS = [np.int8, np.uint16, np.int32, np.int64, bool]

# Every shape of operands there is, cut by rows, by columns, not at all, over a batch.
SHAPES = [
    ((3, 4), (4, 5)), ((1, 4), (4, 5)), ((3, 4), (4, 1)), ((1, 1), (1, 1)), ((7,), (7,)),
    ((7,), (7, 3)), ((3, 7), (7,)), ((2, 3, 4), (4, 5)), ((2, 3, 4), (2, 4, 5)),
    ((3, 1, 2, 4), (5, 4, 2)), ((6, 3, 4), (4,)), ((4,), (6, 4, 3)), ((3, 0), (0, 5)),
    ((0, 3), (3, 4)), ((0,), (0,)), ((2, 0, 3), (3, 4)),
]
EMPTY = [
    shapes for m, k, n in itertools.product((0, 1, 2), repeat=3) if m * k * n == 0
    for shapes in (((m, k), (k, n)), ((m, k), (k,)), ((k,), (k, n)), ((2, m, k), (k, n)),
                   ((2, m, k), (2, k, n)), ((0, m, k), (k, n)), ((k,), (2, k, n)))
]
CUT = [
    ((256, 100), (100, 300)), ((300, 100), (100, 256)), ((1100, 60), (60, 70)),
    ((70, 60), (60, 1100)), ((4100, 40), (40, 33)), ((33, 40), (40, 4100)), ((1500, 1500), (1500,)),
    ((1500,), (1500, 1500)), ((129, 2000), (2000, 129)), ((40, 64, 64), (40, 64, 64)),
    ((3, 200, 90), (90, 200)), ((3, 200, 90), (3, 90, 200)), ((17, 1, 33, 80), (5, 80, 40)),
]


@pytest.fixture(autouse=True)
def same_threads():
    before = ad.num_threads()
    yield
    ad.set_num_threads(before)


def operands(shapes, dtype, seed=0):
    """a, b, an addend of the result's shape, a scale: small whole numbers, so sums are exact."""
    rng = np.random.default_rng(seed)
    a, b = (rng.integers(-3, 4, shape).astype(dtype) for shape in shapes)
    c = rng.integers(-9, 10, np.matmul(a, b).shape).astype(dtype)
    return a, b, c, np.array(1 if dtype is bool else 3, dtype)


def transposed(x):
    """The same numbers, the last two axes lying the other way round."""
    return x if x.ndim < 2 else np.ascontiguousarray(x.swapaxes(-1, -2)).swapaxes(-1, -2)


def expected(name, a, b, c, s):
    y = np.matmul(a, b)
    y = np.multiply(y, s, dtype=y.dtype) if "scaled" in name else y
    y = np.divide(y, s, dtype=y.dtype) if "divided" in name else y
    return np.add(y, c, dtype=y.dtype) if "add" in name else y


def compute(name, a, b, c, s, stands):
    """The result of a kernel; where it `stands`, the addend's bytes are the result's."""
    y = np.full(c.shape, 77).astype(c.dtype)
    inputs = [a, b]
    if "add" in name:
        y[...] = c if stands else y
        inputs.append(y if stands else c)
    if "scaled" in name or "divided" in name:
        inputs.append(s)
    run_kernel(name, inputs, y)
    return y


FORMS = [("matmul", False), ("matmul_add", False), ("matmul_add", True), ("matmul_scaled", False),
         ("matmul_scaled_add", False), ("matmul_scaled_add", True)]
DIVIDED = [("matmul_divided", False), ("matmul_divided_add", False), ("matmul_divided_add", True)]


@pytest.mark.parametrize(("name", "stands"), FORMS)
@pytest.mark.parametrize("dtype", FLOATS + INTEGERS)
def test_every_form_is_its_definition(name, stands, dtype):
    for shapes in SHAPES + EMPTY:
        a, b, c, s = operands(shapes, dtype)
        for x, z in itertools.product((a, transposed(a)), (b, transposed(b))):
            before = c.copy()
            np.testing.assert_array_equal(
                compute(name, x, z, c, s, stands), expected(name, a, b, c, s), strict=True)
            np.testing.assert_array_equal(c, before)


@pytest.mark.parametrize(("name", "stands"), DIVIDED)
@pytest.mark.parametrize("dtype", FLOATS)
def test_every_quotient_is_its_definition(name, stands, dtype):
    for shapes in SHAPES:
        a, b, c, _ = operands(shapes, dtype)
        s = np.array(-0.5, dtype)                 # so that quotients of whole numbers are exact
        for x, z in itertools.product((a, transposed(a)), (b, transposed(b))):
            np.testing.assert_array_equal(
                compute(name, x, z, c, s, stands), expected(name, a, b, c, s), strict=True)


def compute_empty_products():
    for shapes, dtype, (name, stands) in itertools.product(EMPTY, FLOATS, FORMS + DIVIDED):
        a, b, c, s = operands(shapes, dtype)
        for x, z in itertools.product((a, transposed(a)), (b, transposed(b))):
            compute(name, x, z, c, s, stands)


def test_blas_is_not_asked_for_empty_products():
    """It would print that a leading dimension of 0 is an illegal value."""
    code = "import test_matmul_forms; test_matmul_forms.compute_empty_products()"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(("name", "stands"), FORMS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_cut_products_are_whole(name, stands, dtype):
    for shapes in CUT if name == "matmul" else CUT[::3]:
        a, b, c, s = operands(shapes, dtype)
        ad.set_num_threads(3)
        np.testing.assert_array_equal(
            compute(name, a, transposed(b), c, s, stands), expected(name, a, b, c, s))


@pytest.mark.parametrize(("name", "stands"), FORMS + DIVIDED)
@pytest.mark.parametrize("dtype", FLOATS)
def test_bits_do_not_depend_on_the_number_of_threads(name, stands, dtype):
    rng = np.random.default_rng(1)
    for shapes in CUT if name == "matmul" else CUT[::2]:
        a, b = (rng.normal(size=shape).astype(dtype) for shape in shapes)
        c = rng.normal(size=np.matmul(a, b).shape).astype(dtype)
        s = np.array(0.7, dtype)
        found = []
        for n in (1, 2, 5):
            ad.set_num_threads(n)
            found.append(compute(name, a, b, c, s, stands).tobytes())
        assert found[0] == found[1] == found[2], shapes
        np.testing.assert_allclose(
            np.frombuffer(found[0], dtype).reshape(c.shape), expected(name, a, b, c, s),
            rtol=0, atol=2000 * np.finfo(dtype).eps * max(1, a.shape[-1]) ** 0.5)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shapes", [((3, 4), (4, 5)), ((300, 80), (80, 170)), ((3, 4), (4,)),
                                    ((4,), (4, 3)), ((4,), (4,)), ((2, 70, 3), (2, 3, 65))])
def test_a_scale_of_zero_keeps_what_is_not_finite(dtype, shapes):
    a, b, c, _ = operands(shapes, dtype)
    a.flat[0], b.flat[1] = np.inf, np.nan
    for s in (np.array(0, dtype), np.array(-0.0, dtype)):
        with np.errstate(invalid="ignore"):
            whole = s * np.matmul(a, b)
        np.testing.assert_array_equal(compute("matmul_scaled", a, b, c, s, False), whole)
        for stands in (False, True):
            np.testing.assert_array_equal(
                compute("matmul_scaled_add", a, b, c, s, stands), whole + c)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shapes", [((3, 4), (4, 5)), ((3, 0), (0, 5)), ((3, 4), (4,)),
                                    ((4,), (4,)), ((2, 70, 3), (2, 3, 65))])
def test_a_divisor_without_a_reciprocal_divides(dtype, shapes):
    """0, infinity, NaN, and numbers so small or large that 1 / s is no normal number."""
    a, b, c, _ = operands(shapes, dtype)
    limits = np.finfo(dtype)
    for number in (0.0, -0.0, np.inf, np.nan, limits.smallest_subnormal, limits.max):
        s = np.array(number, dtype)
        with np.errstate(all="ignore"):
            whole = np.matmul(a, b) / s
        np.testing.assert_array_equal(compute("matmul_divided", a, b, c, s, False), whole)
        for stands in (False, True):
            with np.errstate(all="ignore"):
                np.testing.assert_array_equal(
                    compute("matmul_divided_add", a, b, c, s, stands), whole + c)


def test_an_addend_that_is_not_finite_stays():
    a, b, c, s = operands(((3, 4), (4, 5)), float)
    c[0, 0], c[1, 1] = np.inf, np.nan
    for name, stands in FORMS:
        np.testing.assert_array_equal(
            compute(name, a, b, c, s, stands), expected(name, a, b, c, s))


def test_without_the_wheel_of_openblas_products_are_scipys(tmp_path):
    """Where the package is missing, broken or of another make; in a process of its own."""
    (tmp_path / "scipy_openblas32.py").write_text(
        "def get_lib_dir(): return '/nowhere'\ndef get_library(fullname): return 'none.so'\n")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "if len(sys.argv) > 2: sys.modules['scipy_openblas32'] = None\n"
        "import numpy as np, autodiff as ad\n"
        "from autodiff.core.kernels import BLAS, find_blas\n"
        "library, addresses = find_blas()\n"
        "assert 'scipy/linalg' in library.replace(chr(92), '/'), library\n"
        "assert len(set(addresses)) == len(BLAS) and all(addresses)\n"
        "a, b = np.random.default_rng(0).normal(size=(2, 60, 60))\n"
        "for dtype in 'fd':\n"
        "    x, y = a.astype(dtype), b.astype(dtype)\n"
        "    for f in (np.matmul, lambda x, y: x[0] @ y, lambda x, y: x.T @ y[:, 0]):\n"
        "        np.testing.assert_allclose(ad.compile(f)(x, y), f(x, y), 1e-4, 1e-4)\n")
    for missing in ([], ["missing"]):
        done = subprocess.run([sys.executable, "-c", code, tmp_path, *missing],
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_products_leave_openblas_as_it_was():
    """One thread while a product of ours runs, and the user's number before and after."""
    threadpoolctl = pytest.importorskip("threadpoolctl")
    a, b, c, s = operands(((300, 300), (300, 300)), float)
    compute("matmul", a, b, c, s, False)
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(2, 300, 300))
    pools = [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
    found = set()
    for n in (2, 1, 2):
        with threadpoolctl.threadpool_limits(n, "blas"):
            found.add(compute("matmul", a, b, c, s, False).tobytes())
            now = threadpoolctl.threadpool_info()
            assert {p["num_threads"] for p in now if p["user_api"] == "blas"} == {n}
    assert len(found) == 1
    assert pools == [p for p in threadpoolctl.threadpool_info() if p["user_api"] == "blas"]
