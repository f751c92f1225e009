"""Fusion changes no bit: every elementwise row in a region, beside one region for each operation.

What a region computes is held against the same program with `fuse=False`, on one thread and on
two, and against NumPy within a tolerance, since both programs load operands with the same code.
"""

import warnings
from contextlib import contextmanager
from itertools import combinations

import numpy as np
import pytest

import autodiff as ad
from autodiff.core.elementwise import Elementwise
from autodiff.core.operations import all_operations
from autodiff.core.regions import Regions
from autodiff.errors import ArgumentError

ROWS = {op.name: op for op in all_operations() if isinstance(op, Elementwise)}
FLOATS = (np.float32, np.float64)
BLOCKS = (0, 1, 2, 511, 512, 513)              # around a block of a region,
CHUNKS = (16383, 16385)                        # a part of a dear one, a piece of a sum,
LARGE = (70_000,)                              # and a part of a cheap one


@pytest.fixture(autouse=True)
def same_threads():
    """Each test leaves the number of threads as it was."""
    before = ad.num_threads()
    yield
    ad.set_num_threads(before)


@contextmanager
def quietly():
    """NumPy's warnings about means of nothing and the like."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


def numbers(shape, dtype, seed=0):
    """Numbers between 0.05 and 0.95, where every row is defined; small integers, both booleans."""
    draw = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return draw.uniform(0.05, 0.95, shape).astype(dtype)
    return draw.integers(0, 2 if np.dtype(dtype).kind == "b" else 4, shape).astype(dtype)


def same_bits(f, args, names=None):
    """The results of f, which fusion and threads must not change; f takes Variables or arrays."""
    with ad.Graph():
        xs = [ad.variable(f"x{k}", a.shape, a.dtype) for k, a in enumerate(args)]
        ys = f(*xs)
        plain, fused = (ad.Program(xs, ys, fuse=fuse) for fuse in (False, True))
    ad.set_num_threads(1)
    expected, one_pass = plain(*args), fused(*args)
    for k, (y, z) in enumerate(zip(expected, one_pass, strict=True)):
        assert (y.shape, y.dtype) == (z.shape, z.dtype)
        assert one_nan(y) == one_nan(z), (names, k)
    ad.set_num_threads(2)
    for program, alone in ((plain, expected), (fused, one_pass)):
        for k, (y, z) in enumerate(zip(alone, program(*args), strict=True)):
            assert y.tobytes() == z.tobytes(), (names, k, program is fused)
    assert fused.measured_peak_bytes == fused.peak_bytes
    return expected


def one_nan(y):
    """The bytes of an array in which all NaNs are one: which of two a sum is, fusion may change."""
    return np.where(y == y, y, y.dtype.type(np.nan)).tobytes()


def apply(row, x, y, z):
    """A row on floats x, y, z, made the integers or booleans it asks for, as a float."""
    if row == "where":
        found = ROWS[row](y > 0.5, x, z)
    elif row.startswith("logical"):
        found = ROWS[row](*(x > 0.5, y > 0.5, z > 0.5)[:ROWS[row].n_inputs])
    elif row == "power_integer":
        found = x ** 3
    elif row.startswith("astype"):
        kind = {"astype": np.float32, "astype_integer": np.int32, "astype_boolean": bool}[row]
        found = (x * 3).astype(kind)
    else:
        found = ROWS[row](*(x, y, z)[:ROWS[row].n_inputs])
    return found.astype(x.dtype)


def in_a_chain(row):
    """The row between others: in a result, in a sum, in a mean; operands shared and not."""
    def f(x, y, z):
        first = apply(row, np.sqrt(x), y, z)
        second = apply(row, x * y, np.abs(y), 1 - z)
        third = apply(row, y, np.tanh(x), z)
        return [first * y - z, (second * x + 0.5).sum(), (third - y).mean(), first + third]
    return f


def check_row(row, sizes, dtype):
    for n in sizes:
        args = [numbers(n, dtype, seed) for seed in range(3)]
        found = same_bits(in_a_chain(row), args, (row, n))
        with quietly():
            wanted = in_a_chain(row)(*args)
        steps = 2e-3 if dtype == np.float32 else 1e-9
        for y, z in zip(found, wanted, strict=True):
            np.testing.assert_allclose(y, z, rtol=steps, atol=steps)


@pytest.mark.parametrize("row", ROWS)
def test_a_row_has_the_same_bits_in_a_region_as_alone(row):
    check_row(row, BLOCKS, np.float32)
    check_row(row, (2, *CHUNKS, *LARGE), np.float64)


@pytest.mark.long
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("row", ROWS)
def test_a_row_has_the_same_bits_at_every_size(row, dtype):
    check_row(row, BLOCKS + CHUNKS + LARGE, dtype)


# ---- operands in other layouts ----------------------------------------------------------------

SHAPES = ((1, 1), (0, 3), (3, 0), (2, 255), (171, 3), (513, 1), (1, 513), (33, 513), (260, 270))

# The array that is given, from its shape to a view of it in the shape of the pass.
LAYOUTS = {
    "dense": (lambda n, m: (n, m), lambda a, n, m: a),
    "a number": (lambda n, m: (), lambda a, n, m: a),
    "a row": (lambda n, m: (m,), lambda a, n, m: a),
    "a column": (lambda n, m: (n, 1), lambda a, n, m: a),
    "transposed": (lambda n, m: (m, n), lambda a, n, m: a.T),
    "every other": (lambda n, m: (2 * n, 3 * m), lambda a, n, m: a[::2, 1::3]),
    "a part": (lambda n, m: (n + 1, m + 2), lambda a, n, m: a[1:, 1:-1]),
    "backwards": (lambda n, m: (n, m), lambda a, n, m: a[::-1, ::-1]),
    "repeated columns": (lambda n, m: (n, 1), lambda a, n, m: np.broadcast_to(a, (n, m))),
    "one of many": (lambda n, m: (n, m, 3), lambda a, n, m: a[:, :, 1]),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [bool, np.int8, np.int16, *FLOATS])
def test_operands_are_found_in_any_layout(layout, dtype):
    shape, view = LAYOUTS[layout]
    for n, m in SHAPES if dtype in FLOATS else SHAPES[3:8]:
        def f(x, given, n=n, m=m):
            other = view(given, n, m)
            y = np.where(other > 0.5, x * other, x - other)
            return [np.sqrt(x) + other, y, (np.exp(x) * other).sum(axis=0),
                    (x * x + other).sum(axis=1), (x - other).mean()]

        args = numbers((n, m), np.float64), numbers(shape(n, m), dtype, 1)
        found = same_bits(f, args, (n, m))
        with quietly():
            wanted = f(*args)
        for y, z in zip(found, wanted, strict=True):
            np.testing.assert_allclose(y, z, rtol=1e-5, atol=1e-5)
        given = np.asfortranarray(args[1])         # packed where it is not dense
        with ad.Graph():
            xs = ad.variable("x", (n, m)), ad.variable("given", given.shape, given.dtype)
            program = ad.Program(list(xs), f(*xs))
        for y, z in zip(found, program(args[0], given), strict=True):
            assert y.tobytes() == z.tobytes()


def test_views_of_what_is_computed_are_read_as_they_lie():
    def f(x):
        y = np.tanh(x)
        return [y + y.T, y[::-1] * y, y[::2, 1::2] - y[1::2, ::2], y + y[0] - y[:, -1:],
                (y.T * x).sum(axis=0), (y[::2] + 1).sum(), np.sqrt(y).T - y[3, 5]]

    for n in (6, 24, 130):
        x = numbers((n, n), np.float64)
        for y, z in zip(same_bits(f, [x], n), f(x), strict=True):
            np.testing.assert_allclose(y, z, rtol=1e-12, atol=1e-12)


# ---- sums that end a pass ---------------------------------------------------------------------

SUMMED = (
    (), (1,), (7,), (70_000,), (1, 1, 1), (2, 3, 4), (1, 5, 1), (0, 3), (3, 0), (2, 0, 3),
    (3, 17_000), (17_000, 3), (70, 256), (70, 255), (300, 255), (513, 512), (2, 20_000, 4),
    (40, 30, 50), (3, 257, 2, 5), (1, 300, 1, 600),
)


@pytest.mark.parametrize("shape", SUMMED, ids=str)
def test_sums_over_all_axes_have_the_same_bits(shape):
    subsets = [axes for n in range(len(shape) + 1) for axes in combinations(range(len(shape)), n)]

    def f(x):
        found = []
        for k, axes in enumerate(subsets):
            found.append((x * x - (k + 1)).sum(axis=axes))
            found.append(np.sqrt(x * (k + 1)).mean(axis=axes, keepdims=True))
            found.append(x.sum(axis=axes))
        return found

    for dtype in FLOATS:
        x = numbers(shape, dtype)
        with quietly():
            wanted = f(x.astype(np.float64))
        close = 1e-4 if dtype == np.float32 else 1e-12
        for y, z in zip(same_bits(f, [x], shape), wanted, strict=True):
            np.testing.assert_allclose(y, z, rtol=close, atol=close * max(x.size, 1))


# ---- chains of any rows -----------------------------------------------------------------------

def any_graph(seed, kinds):
    """A function of three arrays: rows on values drawn from those before, some sums among them."""
    def f(*xs):
        draw = np.random.default_rng(seed)
        pool, made = list(xs), []
        for _ in range(draw.integers(5, 60)):
            x, y, z = (pool[draw.integers(max(0, len(pool) - 6), len(pool))] for _ in range(3))
            made.append(apply(kinds[draw.integers(len(kinds))], x, y, z))
            pool.append(made[-1])
            if draw.random() < 0.15:
                pool.append(pool[-1] - made[-1].mean(axis=int(draw.integers(2)), keepdims=True))
        return [made[-1], made[len(made) // 2], *(m.sum(axis=1) for m in made[::7])]
    return f


KIND = [row for row in ROWS if row not in ("power", "divide", "reciprocal", "power_integer")]


def check_graph(seed, shape):
    dtype = FLOATS[seed % 2]
    xs = [numbers(shape, dtype, seed + k) for k in range(3)]
    with quietly():
        same_bits(any_graph(seed, KIND), xs, seed)


@pytest.mark.parametrize("seed", range(30))
def test_chains_of_any_rows_have_the_same_bits(seed):
    check_graph(seed, ((3, 5), (40, 65), (7, 513), (1, 1))[seed % 4])


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 700))
def test_more_chains_of_any_rows_have_the_same_bits(seed):
    check_graph(seed, ((3, 5), (40, 65), (70, 513), (1, 1), (0, 2), (300, 300))[seed % 6])


def test_single_numbers_have_the_same_bits():
    for seed in range(20):
        def f(*xs, seed=seed):
            draw, pool = np.random.default_rng(seed), list(xs)
            for _ in range(120):
                x, y, z = (pool[draw.integers(len(pool))] for _ in range(3))
                pool.append(apply(KIND[draw.integers(len(KIND))], x, y, z))
            return pool[-5:]
        with quietly():
            same_bits(f, [numbers((), FLOATS[seed % 2], seed + k) for k in range(3)], seed)


# ---- bounds, errors, gradients ----------------------------------------------------------------

@pytest.mark.parametrize("shape", [(), (600,), (70_000,)])
def test_a_region_stays_short_where_values_are_computed_twice(shape):
    with ad.Graph() as graph:
        xs = []

        def leaf(n):
            xs.append(ad.variable(f"x{len(xs)}", shape))
            return xs[-1] if n == 0 else np.negative(leaf(n - 1)) + leaf(0)

        f = g = leaf(0)
        for _ in range(40):
            t = leaf(3)
            f, g = f * t, g - t
        h = [leaf(2) for _ in range(4)]
        for _ in range(30):                        # a long region, and then what it shares
            f = f * 2 + 1
        f = f * h[0] * h[1] * h[2] * h[3]
        g = g - h[0] - h[1] - h[2] - h[3]
        regions = Regions(graph, [f, g], xs)
        longest = max(len(regions.operations(k)) for k in range(len(regions)))
        assert 10 < longest <= 25


@pytest.mark.parametrize("threads", [1, 2])
def test_a_negative_power_of_integers_is_found_by_any_thread(threads):
    ad.set_num_threads(threads)
    n = 200_000
    with ad.Graph():
        x, e = ad.variable("x", (n,), np.int64), ad.variable("e", (n,), np.int64)
        program = ad.Program([x, e], [((x + 1) ** (e - 1) * 2.5).sum()])
    exponents = np.full(n, 2)
    assert program(np.full(n, 2), exponents)[0] == 3 * 2.5 * n
    exponents[-1] = 0
    with pytest.raises(ArgumentError, match="negative integer power"):
        program(np.full(n, 2), exponents)
    exponents[-1] = 2
    assert program(np.full(n, 2), exponents)[0] == 3 * 2.5 * n


@pytest.mark.parametrize("policy", [ad.Store(), ad.Recompute(), ad.Checkpoint(every=3)], ids=repr)
def test_gradients_under_marks_and_policies_have_the_same_bits(policy):
    def f(x, w):
        h = x
        for k in range(7):
            h = ad.save(np.tanh(h * w) + h, f"h{k}") * np.exp(-h * h) + w
        return (h * h).mean()

    args = numbers((90, 200), np.float64), numbers((200,), np.float64, 1)
    with ad.Graph():
        x, w = ad.variable("x", (90, 200)), ad.variable("w", (200,))
        y = f(x, w)
        ys = [y, *ad.gradients(y, [x, w])]
        programs = [ad.Program([x, w], ys, policy=p, fuse=fuse)
                    for p in (ad.Store(), policy) for fuse in (False, True)]
    first = programs[0](*args)
    for program in programs[1:]:
        for threads in (1, 2):
            ad.set_num_threads(threads)
            for y, z in zip(first, program(*args), strict=True):
                assert y.tobytes() == z.tobytes()
            assert program.measured_peak_bytes == program.peak_bytes


@pytest.mark.parametrize("n", [10, 511, 2000, 70_000])
def test_bits_do_not_depend_on_addresses(n):
    """Not even which of two NaNs a sum is."""
    first, second = np.full(n, np.nan), np.full(n, -np.nan)
    with ad.Graph():
        a, b = ad.variable("a", n), ad.variable("b", n)
        program = ad.Program([a, b], [a + b, a * b + a])
    room = np.zeros((2, n + 8))
    found = set()
    for k in range(8):
        out = [row[k:k + n] for row in room]
        found.add(b"".join(y.tobytes() for y in program(first, second, out=out)))
    assert len(found) == 1


@pytest.mark.parametrize("shape", [(7,), (512,), (100_003,), (40, 7), (3, 600)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("f", [
    lambda x, z: (x * z).sum(-1),
    lambda x, z: np.square(2 * x + z).sum(-1),
    lambda x, z: (x * z).mean(),
    lambda x, z: (x * z[..., ::-1]).sum(-1),
    lambda x, z: (np.exp(x) * np.exp(x)).sum(),
])
def test_a_product_is_summed_as_it_is_made_with_the_same_bits(f, dtype, shape):
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape).astype(dtype) for _ in "xz"]
    with ad.Graph():
        inputs = [ad.variable(name, shape, dtype) for name in "xz"]
        result = f(*inputs)
        fused = ad.Program(inputs, [result])
        plain = ad.Program(inputs, [result], fuse=False)
    assert fused(*arrays)[0].tobytes() == plain(*arrays)[0].tobytes()
    np.testing.assert_allclose(fused(*arrays)[0], f(*arrays), rtol=2e-4, atol=1e-3)


@pytest.mark.parametrize("begin", [0, 1, 5])
def test_results_beyond_the_caches_are_written_wherever_they_lie(begin):
    extent = (1 << 22) + 13                  # more than 32 MiB, and no whole line at its end
    x = np.random.default_rng(0).standard_normal(extent)
    with ad.Graph():
        v = ad.variable("x", (extent,))
        program = ad.Program([v], [2.0 * v + 1.0])
        reverse = ad.Program([v], [v[::-1]])
    room = np.full(extent + 10, np.nan)
    program(x, out=[room[begin : begin + extent]])
    np.testing.assert_array_equal(room[begin : begin + extent], 2 * x + 1)
    assert np.isnan(room[:begin]).all()
    assert np.isnan(room[begin + extent :]).all()
    np.testing.assert_array_equal(reverse(x)[0], x[::-1])


def test_two_sums_of_what_is_computed_in_both():
    with ad.Graph() as graph:
        x = ad.variable("x", (3, 4))
        y = (x + 1) * x
        outputs = [y.sum(axis=0), y.sum(axis=1)]
        regions = Regions(graph, outputs, [x])
        program = ad.Program([x], outputs)
    assert [[name for name, _ in regions.operations(k)] for k in range(len(regions))] == [
        ["add", "multiply", "sum"]] * 2
    given = np.arange(12.0).reshape(3, 4)
    for axis, found in enumerate(program(given)):
        np.testing.assert_array_equal(found, ((given + 1) * given).sum(axis=axis))


# ---- which values are computed where they are read ----------------------------------------------

def gradient_regions(f, *args):
    """(operations, number of buffers read) of each region of f's value and gradient."""
    regions = ad.plan(ad.value_and_grad(f), *args).regions
    return [([name for name, _ in regions.operations(k)],
             len(set(regions.reads(k)) - set(regions.arguments) - set(regions.constants)))
            for k in range(len(regions))]


def waves(x):
    return (np.tanh(x) * np.exp(-x * x) + np.sin(x)).sum()


def test_a_gradient_of_many_terms_is_one_pass():
    """Its terms are values yet to come when it is looked at, but all of them read the same."""
    large = gradient_regions(waves, np.ones(100_000))
    assert [operations[-1] for operations, _ in large] == ["sum", "add"]
    assert [n for _, n in large] == [0, 0]             # tanh and exp are computed twice
    small = gradient_regions(waves, np.ones(1000))
    assert sorted(operations[-1] for operations, _ in small) == ["add", "exp", "sum", "tanh"]
    assert max(n for _, n in small) == 2               # or stored: memory is near


def test_a_sweep_along_a_chain_reads_few_states_at_once():
    def f(x):
        for k in range(40):
            x = np.sin(x) * (1 + 0.01 * k)
        return x.sum()
    for n in (1000, 100_000):
        assert max(read for _, read in gradient_regions(f, np.ones(n))) <= 4


def test_values_that_are_not_computed_where_they_were_expected_are_few():
    """Thirty sums of what is yet to come: the region is full before all can be computed in it."""
    def f(x):
        parts = [np.tanh(x * k) * np.exp(x - k) + np.sin(x) for k in range(30)]
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total.sum()
    for n in (1000, 100_000):
        assert max(read for _, read in gradient_regions(f, np.ones(n))) <= 8
    # What is cheaper to compute twice than to store is not held: three buffers for each part.
    small, large = (ad.plan(ad.value_and_grad(f), np.ones(n)).peak_bytes for n in (1000, 100_000))
    assert large / 100_000 < 0.5 * small / 1000
