"""Elementwise rows beyond the laws: promotion, literals, what rules read, extremes, placement."""

import enum
import itertools
import math
import warnings

import numpy as np
import pytest

import autodiff as ad
from autodiff import numpy as anp
from autodiff.core.elementwise import run_loop
from autodiff.core.kernels import run_block_loop
from autodiff.core.operations import all_operations, operation
from autodiff.errors import DTypeError, GraphError
from autodiff.ops import elementwise as rows

DTYPES = [np.dtype(character) for character in "?bhilqBHILQfd"]
BY_NUMBER = {dtype.num: dtype for dtype in DTYPES}
SCALARS = [True, 3, 2.5]
COMPARISONS = ("less", "less_equal", "equal", "not_equal", "greater", "greater_equal")
BINARY = ("add", "subtract", "multiply", "divide", "power", "floor_divide", "remainder",
          "maximum", "minimum", *COMPARISONS, "logical_and", "logical_or")
UNARY = ("negative", "abs", "sign", "floor", "square", "sqrt", "exp", "log", "log1p", "expm1",
         "sin", "cos", "tanh", "arctan", "logical_not")


def operation_names(outputs, known=()):
    """The names of the operations that compute `outputs` from `known` and leaves."""
    found, names, stack = set(known), [], list(outputs)
    while stack:
        y = stack.pop()
        if y in found:
            continue
        found.add(y)
        stack += y.inputs
        if y.inputs:
            names.append(y.op.name)
    return sorted(names)


def leaf(*shape, dtype=np.float64):
    return ad.variable("x", shape, dtype)


# ---- promotion: every pair of dtypes and Python scalars ----------------------------------------

def operands(kind):
    """Numbers small enough for every dtype, as an array of it or as a Python scalar."""
    return kind if kind in SCALARS and not isinstance(kind, np.dtype) else \
        np.array([1, 0, 1, 3, 2]).astype(kind)


@pytest.mark.parametrize("name", UNARY + BINARY + ("where",))
def test_promotion_is_numpys(name):
    ufunc, row = getattr(np, name), getattr(rows, name)
    number = 1 if name in UNARY else 2
    condition = [np.array([True, False, True, False, True])] if name == "where" else []
    for kinds in itertools.product([*DTYPES, *SCALARS], repeat=number):
        if not any(isinstance(kind, np.dtype) for kind in kinds):
            continue
        args = [operands(kind) for kind in kinds]
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                expected = ufunc(*condition, *args)
            except TypeError:
                expected = None
        with ad.Graph():
            xs = [ad.variable("x", a.shape, a.dtype) for a in args if isinstance(a, np.ndarray)]
            given = iter(xs)
            mixed = [next(given) if isinstance(a, np.ndarray) else a for a in args]
            if expected is None or expected.dtype not in DTYPES:
                with pytest.raises(DTypeError, match=name):
                    row(*condition, *mixed)
                continue
            y = row(*condition, *mixed)
        assert y.dtype == expected.dtype, kinds
        found = ad.Program(xs, [y])(*[a for a in args if isinstance(a, np.ndarray)])[0]
        if expected.dtype.kind == "f":
            np.testing.assert_array_max_ulp(found, expected, 4, expected.dtype)
        else:
            np.testing.assert_array_equal(found, expected, err_msg=str(kinds))


@pytest.mark.parametrize("source", DTYPES)
@pytest.mark.parametrize("target", DTYPES)
def test_conversions_are_numpys(source, target):
    values = np.array([0, 1, 2, 3, 100, 0.75, 7.9]).astype(source)
    x = leaf(7, dtype=source)
    found = ad.Program([x], [x.astype(target)])(values)[0]
    np.testing.assert_array_equal(found, values.astype(target), strict=True)


def test_python_scalars_are_weak():
    x = leaf(3, dtype=np.float32)
    for y in (x + 1.5, 2 * x, x**2.5, 1 / x, np.pi - x, anp.where(x > 0, x, 0.5),
              anp.maximum(x, 0.5), x.clip(0.1, 0.9), anp.sigmoid(x)):
        assert y.dtype == np.float32
        assert ad.gradients(y.sum(), x).dtype == np.float32
        assert "astype" not in operation_names([ad.gradients(y.sum(), x)])


class Length(float):
    """A float with a name."""


class Side(enum.IntEnum):
    LEFT = 2


def value_or_overflow(f, args):
    try:
        with np.errstate(all="ignore"):
            return f(*args)
    except OverflowError:                          # NumberError is one
        return OverflowError


def assert_numpys(f, *args):
    """f gives on Variables in the place of the arrays what it gives on these, an OverflowError
    where it does."""
    def traced(*arrays):
        given = iter(arrays)
        return f(*[next(given) if isinstance(arg, np.ndarray) else arg for arg in args])

    arrays = [arg for arg in args if isinstance(arg, np.ndarray)]
    wanted, found = value_or_overflow(f, args), value_or_overflow(ad.compile(traced), arrays)
    if wanted is OverflowError or found is OverflowError:
        assert found is wanted
    else:
        np.testing.assert_array_equal(found, np.asarray(wanted), strict=True)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("number", [Length(2.5), Side.LEFT, np.float64(2.5), np.float32(2)])
def test_numbers_of_other_types_are_numpys(dtype, number):
    """NumPy has only Python's own numbers for weak; heirs of theirs are arrays of no axes."""
    x = np.array([1, 0, 1, 3, 2]).astype(dtype)
    for f in (lambda x: x * number, lambda x: number + x, lambda x: x > number,
              lambda x: np.where(x > 0, x, number), lambda x: np.maximum(x, number)):
        assert_numpys(f, x)
    np.testing.assert_allclose(ad.compile(lambda x: x ** number)(x), x ** number, rtol=1e-6)
    if dtype.kind == "f":
        assert ad.grad(lambda x: (x * number).sum())(x)[0] == number


@pytest.mark.parametrize("dtype", DTYPES)
def test_comparisons_with_numbers_out_of_range_are_numpys(dtype):
    x = np.array([0, 1, 100]).astype(dtype)
    numbers = [-1, 300, -2**15 - 1, 2**16, -2**31 - 1, 2**32]
    for name, number in itertools.product(COMPARISONS, [*numbers, -2**63 - 1, 2**64]):
        if dtype.kind != "b":                      # with those NumPy knows no number beyond int64
            assert_numpys(getattr(np, name), x, number)
            assert_numpys(getattr(np, name), number, x)
    for name, number in itertools.product(
            ("logical_and", "logical_or", "add", "maximum", "floor_divide"), numbers):
        assert_numpys(getattr(np, name), x, number)
        assert_numpys(getattr(np, name), number, x)


@pytest.mark.parametrize("dtype", DTYPES)
def test_powers_by_operator_and_by_function_are_numpys(dtype):
    x = np.array([0, 1, 1]).astype(dtype)
    for exponent in (0, 1, 2, 3, True, 2.0, np.int8(2), np.array(2)):
        assert_numpys(lambda x, k=exponent: x ** k, x)
        assert_numpys(lambda x, k=exponent: np.power(x, k), x)


# ---- clip with one bound -------------------------------------------------------------------------

BOUNDS = [5, -5, 300, 2.5, 1e300, True, np.float64(1.5), np.int16(300), np.array([300, 0, 2]),
          np.array([0.5, 300, 2]), np.array([1, 0, 1], np.uint8), np.array([True, False, True])]


@pytest.mark.parametrize("dtype", DTYPES)
def test_clip_with_one_bound_is_numpys(dtype):
    x = np.array([1, 2, 0]).astype(dtype)
    for bound in BOUNDS:
        assert_numpys(lambda x, bound=bound: np.clip(x, bound, None), x)
        assert_numpys(lambda x, bound=bound: np.clip(x, None, bound), x)
        assert_numpys(lambda x, bound=bound: np.clip(x, bound, 300), x)
    for number in (1, 300, -5, 0.5):
        assert_numpys(lambda x, number=number: np.clip(number, x, None), x)
        assert_numpys(lambda x, number=number: np.clip(number, None, x), x)


def test_one_bound_above_integers_takes_all_of_the_gradient():
    low, small = np.array([300.0, 0.5]), np.array([1, 2], np.uint8)
    value, g = ad.value_and_grad(lambda low: np.clip(small, low, None).sum())(low)
    assert value == 302
    np.testing.assert_array_equal(g, [1, 0])


# ---- literals choose shorter rows ----------------------------------------------------------------

@pytest.mark.parametrize(("f", "expected"), [
    (lambda x: x**2, ["square"]),
    (lambda x: x**2.0, ["square"]),
    (lambda x: anp.power(x, 2), ["square"]),
    (lambda x: x**1, []),
    (lambda x: x**0.5, ["sqrt"]),
    (lambda x: x**-1, ["divide"]),
    (lambda x: x**3, ["power"]),
    (lambda x: anp.maximum(x, 0), ["relu"]),
    (lambda x: anp.maximum(0.0, x), ["relu"]),
    (lambda x: anp.maximum(x, -0.0), ["maximum"]),
    (lambda x: anp.maximum(x, 0.5), ["maximum"]),
    (lambda x: anp.clip(x), []),
    (lambda x: x.clip(None, 1), ["clip"]),
    (lambda x: x.astype(np.float64), []),
])
def test_literals(f, expected):
    assert operation_names([f(leaf(3))]) == expected


@pytest.mark.parametrize(("f", "reads_x", "new"), [
    (anp.exp, False, ["multiply"]),
    (anp.tanh, False, ["multiply", "multiply", "subtract"]),
    (anp.sigmoid, False, ["multiply", "multiply", "subtract"]),
    (anp.relu, False, ["greater", "where"]),
    (anp.sqrt, False, ["add", "divide", "equal", "where"]),
    (lambda x: 1 / x, False, ["multiply", "multiply", "negative"]),
    (lambda x: x / 3, False, ["divide"]),
    (lambda x: x**3, True, ["multiply", "multiply", "square"]),
    (lambda x: x**0, False, []),
    (lambda x: 2.0**x, False, ["multiply", "multiply"]),
    (lambda x: anp.maximum(x, 0.5), True, ["share"]),
    (anp.abs, True, ["multiply", "sign"]),
])
def test_what_a_rule_makes_and_reads(f, reads_x, new):
    """Every node is memory, and what is read must be kept."""
    with ad.Graph():
        x = leaf(3)
        y = f(x)
        seed = ad.variable("seed", (3,))
        g = ad.gradients([y], [x], [seed])[0]
    made = operation_names([g], known=[y])
    if not new:
        assert g.op.name == "broadcast_to"     # zeros, 0 bytes of them
        return
    assert made == new
    readers = [c for c in x.consumers() if c.level > 0]
    assert bool(readers) == reads_x


def test_both_sides_of_a_quotient_share_one_division():
    a, b = leaf(3), leaf(3)
    seed = leaf(3)
    y = a / b
    found = operation_names(ad.gradients([y], [a, b], [seed]), known=[y])
    assert found == ["divide", "multiply", "negative"]


# ---- values at the ends of the range -------------------------------------------------------------

ENDS = np.array([-1e308, -1000.0, -50.0, -1e-300, 0.0, 1e-300, 50.0, 1000.0, 1e308])


def sigmoid_exactly(x):
    x = x.astype(np.longdouble)
    with np.errstate(all="ignore"):
        return np.where(x >= 0, 1 / (1 + np.exp(-x)), np.exp(x) / (1 + np.exp(x)))


def softplus_exactly(x):
    x = x.astype(np.longdouble)
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("f", "exactly"), [
    (anp.sigmoid, sigmoid_exactly), (anp.softplus, softplus_exactly)])
def test_own_functions_are_accurate_everywhere(f, exactly, dtype):
    x = np.linspace(-80, 80, 20_001).astype(dtype)
    found = f(x)
    expected = exactly(x)
    unit = np.spacing(expected.astype(dtype))
    assert np.max(np.abs(found - expected) / unit) <= 4


@pytest.mark.parametrize("f", [anp.sigmoid, anp.softplus, anp.tanh, anp.arctan, anp.relu])
def test_derivatives_stay_finite(f):
    x = leaf(ENDS.size)
    with np.errstate(all="raise"):
        g = ad.Program([x], [ad.gradients(f(x).sum(), x)])(ENDS)[0]
    assert np.isfinite(g).all()
    assert np.all((g >= 0) & (g <= 1))


@pytest.mark.parametrize("f", [
    anp.exp, anp.log, anp.sqrt, anp.tanh, anp.sigmoid, anp.softplus, anp.sin, anp.square,
    lambda x: 1 / x, lambda x: x**3, lambda x: x * 2])
def test_nan_stays_nan_in_the_gradient(f):
    x = leaf(2)
    g = ad.Program([x], [ad.gradients(f(x).sum(), x)])(np.array([np.nan, 1.0]))[0]
    assert np.isnan(g[0]) or f(x).op.name == "multiply"
    assert np.isfinite(g[1])


def test_where_cuts_what_is_not_selected():
    x = leaf(3)
    y = anp.where(x > 0, anp.log(anp.where(x > 0, x, 1)), 0)
    value, g = ad.Program([x], [y, ad.gradients(y.sum(), x)])(np.array([-1.0, 0.0, 2.0]))
    np.testing.assert_allclose(value, [0, 0, math.log(2)])
    np.testing.assert_array_equal(g, [0, 0, 0.5])


def test_an_infinite_seed_meets_no_zero_factor():
    """Actions select: where a factor of 0 would turn inf into NaN, the gradient is 0."""
    x, seed = leaf(3), leaf(3)
    for f in (anp.relu, lambda x: anp.maximum(x, 1e-9), lambda x: anp.clip(x, 1e-9, 3)):
        g = ad.Program([x, seed], ad.gradients([f(x)], [x], [seed]))(
            np.array([-1.0, -2.0, 1.0]), np.full(3, np.inf))[0]
        np.testing.assert_array_equal(g, [0, 0, np.inf])


# ---- errors ------------------------------------------------------------------------------------

def test_powers_with_a_modulus_are_refused_as_of_arrays():
    x = ad.variable("x", (3,))
    for base, exponent in ((x, 2), (2, x), (x, x)):
        with pytest.raises(TypeError, match="unsupported"):
            pow(base, exponent, 3)


def test_a_rule_is_asked_of_arguments_that_are_there():
    y = np.tanh(ad.variable("x", (3,)))
    for position in (-1, 1, 100):
        with pytest.raises(ad.IndexRangeError, match="tanh has no argument"):
            y.op.bprop(position, y, y, *y.inputs)


def test_errors_name_the_operation_and_the_users_line():
    x = leaf(3)
    with pytest.raises(ad.ShapeError, match=r"add: shapes \(3,\) and \(4,\).*test_elementwise"):
        x + np.ones(4)
    with pytest.raises(DTypeError, match=r"negative is not defined for bool.*test_elementwise"):
        anp.negative(x > 0)
    with pytest.raises(TypeError, match="exp takes 1 arguments, 2 were given"):
        anp.exp(x, x)
    with ad.Graph():
        other = leaf(3)
    with pytest.raises(GraphError, match="multiply: its arguments belong to different graphs"):
        x * other


def test_a_failed_integer_power_leaves_the_program_usable():
    k, e = leaf(3, dtype=np.int64), leaf(3, dtype=np.int64)
    program = ad.Program([k, e], [k**e])
    for _ in range(3):
        with pytest.raises(ValueError, match="negative integer power"):
            program(np.arange(3), np.array([1, 2, -1]))
        np.testing.assert_array_equal(program(np.arange(3), np.arange(3))[0], [1, 1, 4])


# ---- own loops, of any steps, and block loops are one function -----------------------------------

@pytest.mark.parametrize("types", ["fff>f", "ddd>d"])
def test_own_loops_are_block_loops(types):
    edges = [-np.inf, -1, -0.0, 0.0, 0.5, 1, np.inf, np.nan]
    g, p, q = (np.array(column, types[0]) for column in zip(*itertools.product(edges, repeat=3)))
    given = {"share": (g, p, q), "relu": (g,), "where": (p > 0, g, q)}
    for name, arrays in given.items():
        block, own = np.empty((2, len(g)), types[0])
        letters = "".join(a.dtype.char for a in arrays)
        run_block_loop(name, f"{letters}>{types[0]}", *arrays, block)
        run_loop(operation(name), list(arrays), own)
        np.testing.assert_array_equal(own, block)
        np.testing.assert_array_equal(np.signbit(own), np.signbit(block))


# ---- placement: the loops themselves, at exact distances -----------------------------------------

LOOPS = [
    pytest.param(op, numbers, id=f"{op.name}-{''.join(BY_NUMBER[n].char for n in numbers)}")
    for op in all_operations() if hasattr(op, "loop") and op.name != "power_integer"
    for numbers in (
        [tuple(np.dtype(c).num for c in signature.replace("->", ""))
         for signature in op.ufunc.types if set(signature) <= set("?lfd->")]
        if op.ufunc is not None else
        [(np.dtype(a).num, np.dtype(b).num) for a, b in ("df", "fd", "dl", "ld", "?d", "d?")]
        if op.loop == "cast" else
        [(0, n, n, n) if op.name == "where" else (n,) * (op.n_inputs + 1)
         for n in (np.dtype(np.float32).num, np.dtype(np.float64).num)])
]


class Room:
    """A piece of memory in which arrays are laid at chosen bytes."""

    def __init__(self):
        self.bytes = np.zeros(1 << 17, np.uint8)
        self.start = -self.bytes.ctypes.data % 4096

    def array(self, at, size, dtype, step=1):
        nbytes = size * step * dtype.itemsize
        piece = self.bytes[self.start + at:self.start + at + nbytes]
        return piece.view(dtype)[::step]


def layouts(sizes, out_size):
    """Byte offsets of the inputs and of the result: apart, aligned and not, adjacent, in place."""
    far = [8192 * k for k in range(len(sizes))]
    end = 8192 * len(sizes)
    yield far, end
    for shift in (1, 2, 3, 5, 8, 9, 15):
        yield far, end + shift * out_size
        for k in range(len(sizes)):
            yield [at + shift * 8 * (j == k) for j, at in enumerate(far)], end
    for k in range(len(sizes)):
        after = far[k] + sizes[k]
        yield far, after + -after % out_size                    # the result just behind an input
        before = far[k] - LENGTH * out_size
        if before >= (far[k - 1] + sizes[k - 1] if k else 0):
            yield far, before                                   # ... or just before it
        if k:                                                   # two inputs side by side
            near = list(far)
            near[k] = far[k - 1] + sizes[k - 1]
            yield near, end
            yield near, near[k] + sizes[k] + -(near[k] + sizes[k]) % out_size


LENGTH = 77                   # no multiple of a register


@pytest.mark.parametrize(("op", "numbers"), LOOPS)
def test_loops_are_blind_to_placement(op, numbers):
    dtypes = [BY_NUMBER[n] for n in numbers]
    rng = np.random.default_rng(len(dtypes))
    given = [rng.uniform(0.5, 20, LENGTH).astype(dtype) for dtype in dtypes[:-1]]
    if dtypes[0].kind == "b":
        given[0] = rng.random(LENGTH) < 0.5
    room, out = Room(), dtypes[-1]
    for steps in itertools.product((1, 2), repeat=len(given)):
        expected = None
        sizes = [LENGTH * step * dtype.itemsize for step, dtype in zip(steps, dtypes)]
        places = list(layouts(sizes, out.itemsize))
        for k, step in enumerate(steps):
            if step == 1 and dtypes[k] == out:                  # in place over an input
                places.append((places[0][0], places[0][0][k]))
        for at, result in places:
            if any(a % dtype.itemsize for a, dtype in zip(at, dtypes)):
                continue
            inputs = [room.array(a, LENGTH, dtype, step)
                      for a, dtype, step in zip(at, dtypes, steps)]
            y = room.array(result, LENGTH, out)
            for x, values in zip(inputs, given):
                x[...] = values
            run_loop(op, inputs, y)
            if expected is None:
                expected = y.copy()
            assert y.tobytes() == expected.tobytes(), (steps, at, result)


def test_every_elementwise_row_is_placed():
    placed = {param.values[0].name for param in LOOPS}
    assert placed == {op.name for op in all_operations() if hasattr(op, "loop")} - {"power_integer"}
    assert operation("power_integer").loop == "power"          # plain C on integers
