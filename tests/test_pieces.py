"""Concatenation writes its pieces where they belong: same bits, no copies, few bytes that wait."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autodiff as ad
from autodiff.core.regions import Regions

FLOATS = (np.float32, np.float64)


@pytest.fixture(autouse=True)
def same_threads():
    """Each test leaves the number of threads as it was."""
    before = ad.num_threads()
    yield
    ad.set_num_threads(before)


def regions_of(f, *args):
    """The operations of each region that computes f."""
    with ad.Graph() as graph:
        xs = [ad.variable(f"x{k}", a.shape, a.dtype) for k, a in enumerate(args)]
        ys = f(*xs)
        regions = Regions(graph, ys if isinstance(ys, list) else [ys], xs)
    return [[name for name, _ in regions.operations(k)] for k in range(len(regions))]


def check(f, *args):
    """The results of f: as one operation after the other gives them, and close to NumPy's."""
    with ad.Graph():
        xs = [ad.variable(f"x{k}", a.shape, a.dtype) for k, a in enumerate(args)]
        ys = f(*xs)
        ys = ys if isinstance(ys, list) else [ys]
        plain, fused = (ad.Program(xs, ys, fuse=fuse) for fuse in (False, True))
    expected = plain(*args)
    wanted = f(*args)
    for threads in (1, 2):
        ad.set_num_threads(threads)
        for y, z, w in zip(expected, fused(*args),
                           wanted if isinstance(wanted, list) else [wanted], strict=True):
            assert y.tobytes() == z.tobytes()
            np.testing.assert_allclose(z, w, rtol=1e-5, atol=1e-6, strict=True)
        assert fused.measured_peak_bytes == fused.peak_bytes
    return fused, plain


def numbers(*shape, dtype=np.float64, seed=0):
    """Numbers between 0.1 and 1."""
    return np.random.default_rng(seed).uniform(0.1, 1, shape).astype(dtype)


def stencil(x):
    return np.concatenate([x[:1], x[1:-1] + 0.1 * (x[2:] - x[:-2]), x[-1:] * 0.5])


def framed(x):
    """A step on the inner points of a plane; its frame is a boundary."""
    inner = 0.25 * (x[2:, 1:-1] + x[:-2, 1:-1] + x[1:-1, 2:] + x[1:-1, :-2])
    middle = np.concatenate([x[1:-1, :1] * 2, inner, x[1:-1, -1:]], axis=1)
    return np.concatenate([x[:1], middle, x[-1:] * 3])


# ---- what is computed where ----------------------------------------------------------------------

def test_a_stencil_is_one_region_that_has_no_bytes_but_the_result_s():
    fused, _ = check(stencil, numbers(1000))
    found = regions_of(stencil, numbers(1000))
    assert found[-1] == ["subtract", "multiply", "add", "concatenate"]
    assert len(found) == 2                                  # the number at the end is by itself
    assert fused.peak_bytes == 8000 + 8 + 2 * 8             # and two literals


def test_a_concatenation_within_another_one_is_part_of_it():
    fused, plain = check(framed, numbers(50, 40))
    found, = regions_of(framed, numbers(50, 40))
    assert found.count("concatenate") == 2
    assert found[-1] == "concatenate"
    assert fused.peak_bytes == 50 * 40 * 8 + 3 * 8 < plain.peak_bytes


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("shape", [(3, 5, 7), (2, 1, 300), (1, 40, 33), (2, 600, 1), (5, 130, 129)])
def test_pieces_along_every_axis(shape, axis, dtype):
    x, y = numbers(*shape, dtype=dtype), numbers(*shape, dtype=dtype, seed=1)

    def f(x, y):
        return np.concatenate([np.exp(x), y, x * y[:1], np.tanh(y) - x], axis=axis)

    def g(x, y):
        return np.stack([np.exp(x), y, np.tanh(y) - x], axis=axis)

    fused, plain = check(f, x, y)
    assert fused.peak_bytes < plain.peak_bytes
    assert regions_of(g, x, y) == [["exp", "tanh", "subtract", "concatenate"]]
    check(g, x, y)


def test_large_pieces_are_split_between_threads_and_stored_past_the_caches():
    x = numbers(2**22 + 3)
    check(lambda x: np.concatenate([np.sqrt(x), x[::-1] * 2, x[:5]]), x)
    check(lambda x: np.stack([x[:-3].reshape(-1, 8) * 2, 1 / x[3:].reshape(-1, 8)], axis=1), x)


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64, bool])
def test_pieces_of_other_dtypes(dtype):
    x = np.arange(600).reshape(20, 30) % 2
    for flip in (lambda x: x, lambda x: x.T):
        check(lambda x, flip=flip: flip(np.concatenate(
            [flip(x == x[:1]), flip(x), flip(x != x.T.reshape(20, 30))], axis=1)),
            x.astype(dtype))
    assert len(regions_of(lambda x: np.concatenate([x + x, x]), x)) == 1


def test_pieces_are_converted_to_the_common_dtype_where_they_belong():
    x = numbers(40, dtype=np.float32)
    assert regions_of(lambda x: np.concatenate([x, np.ones(3)]), x) == [["astype", "concatenate"]]
    check(lambda x: np.concatenate([x, np.ones(3)]), x)


def test_steps_that_read_the_inner_part_of_the_last_step_read_it_where_it_was_computed():
    """x[1:-1] is what was joined: were it read there, it would have bytes of its own again."""
    def f(x):
        for _ in range(5):
            x = np.concatenate([x[:1], x[1:-1] + 0.1 * (x[2:] - x[:-2]), x[-1:]])
        return x
    assert len(regions_of(f, numbers(300))) == 5
    check(f, numbers(300))


def test_a_join_of_which_only_the_parts_are_read_is_not_computed():
    def f(x):
        both = np.concatenate([np.tanh(x), np.exp(x)])
        return both[:30] * both[30:]
    assert regions_of(f, numbers(30)) == [["tanh", "exp", "multiply"]]


# ---- what is no piece ----------------------------------------------------------------------------

NOT_PIECES = {
    "read twice": lambda x: np.concatenate([t := np.tanh(x), t]),
    "read elsewhere": lambda x: [np.concatenate([t := np.tanh(x), x]), np.sum(t @ t)],
    "an output": lambda x: [np.concatenate([t := np.tanh(x), x]), t],
    "a sum": lambda x: np.stack([np.sum(x, axis=0, keepdims=True), x[:1]]),
    "one number": lambda x: np.stack([x[0] * x[1], x[2] + x[3]]),
    "a product": lambda x: np.concatenate([x.reshape(5, 6) @ x.reshape(6, 5), x[None, :5]]),
}


@pytest.mark.parametrize("case", NOT_PIECES)
def test_what_has_other_readers_or_another_kernel_is_copied(case):
    f, x = NOT_PIECES[case], numbers(30)
    check(f, x)
    assert ["concatenate"] in regions_of(f, x)


def test_a_marked_value_has_bytes_of_its_own():
    def f(x):
        return np.concatenate([ad.save(np.tanh(x), "t"), np.exp(x)])
    assert regions_of(f, numbers(30)) == [["tanh"], ["exp", "concatenate"]]
    check(lambda x: np.concatenate([np.tanh(x), np.exp(x)]), numbers(30))


def test_pieces_that_read_more_than_they_are_wait_in_their_own_bytes():
    """Each reads two buffers of its size that would all have to wait for the last piece."""
    def f(A):
        return np.concatenate([(A @ A[k]) * (A[:, k] @ A) for k in range(6)])
    args = [numbers(100, 100)]
    fused, plain = check(f, *args)
    assert ["concatenate"] in regions_of(f, *args)
    assert fused.peak_bytes <= plain.peak_bytes


def test_pieces_of_many_states_do_not_keep_them_all():
    """A chain of states, of each of which a piece is observed: few may wait for the pieces."""
    def f(x):
        seen = []
        for _ in range(12):
            x = 0.1 * (x @ x)
            seen.append(np.tanh(x[:1]))
        return np.concatenate(seen).sum()
    fused, plain = check(f, numbers(20, 20))
    assert fused.peak_bytes <= plain.peak_bytes


def test_buffers_that_wait_are_at_most_a_quarter_larger_than_the_pieces():
    """All of y waits for a piece that reads a part of it; less than 0.8 is a value apart."""
    def f(A, part):
        y = A @ A
        return np.concatenate([np.tanh(y[:part]), np.exp(y[:1, ::-1])])
    A = numbers(100, 100)
    for part in (70, 79, 81, 90, 99):
        def g(A, part=part):
            return f(A, part)
        fused, plain = check(g, A)
        assert (["tanh", "exp", "concatenate"] in regions_of(g, A)) == (part > 80)
        assert fused.peak_bytes <= plain.peak_bytes + 800 * part // 4


def test_a_marked_call_computes_its_own_pieces_only():
    @ad.checkpoint
    def inside(x):
        return np.tanh(x) * 2

    marked = ad.value_and_grad(lambda x: np.sum(np.concatenate([inside(x), np.exp(x)]) ** 2))
    plain = ad.value_and_grad(
        lambda x: np.sum(np.concatenate([np.tanh(x) * 2, np.exp(x)]) ** 2))
    for f, joined in ((marked, ["concatenate"]), (plain, ["multiply", "concatenate"])):
        regions = ad.plan(f, numbers(50)).regions
        assert joined in [[name for name, _ in regions.operations(k)]
                          for k in range(len(regions))]
    for found, wanted in zip(marked(numbers(50)), plain(numbers(50)), strict=True):
        assert np.asarray(found).tobytes() == np.asarray(wanted).tobytes()


def test_an_array_that_grows_in_a_loop_nests_no_deeper_than_one():
    def f(x):
        for k in range(3000):
            x = np.concatenate([x, x[:2] * k])[-40:] if k % 500 == 499 else (
                np.concatenate([x, np.ones(2)]))
        return x
    check(f, numbers(4))

    def g(x):
        for _ in range(3000):
            x = np.concatenate([x, np.ones(1)])
        return x
    assert max(map(len, regions_of(g, numbers(4)))) <= 2


def test_an_error_names_the_operation_of_the_piece():
    with ad.Graph():
        x, k = ad.variable("x", 5, np.int64), ad.variable("k", 5, np.int64)
        program = ad.Program([x, k], [np.concatenate([x ** k, x])])
    with pytest.raises(ad.ArgumentError, match="negative integer power"):
        program(np.arange(5), np.full(5, -1))
    np.testing.assert_array_equal(
        program(np.arange(5), np.full(5, 2))[0], [*np.arange(5) ** 2, *range(5)])


# ---- under every policy --------------------------------------------------------------------------

@pytest.mark.parametrize("f", [stencil, framed])
def test_gradients_have_the_same_bits_under_every_policy(f):
    x = numbers(30, 30) if f is framed else numbers(900)

    def steps(x):
        for _ in range(12):
            x = np.sin(f(x))
        return (x ** 2).sum()

    store = ad.value_and_grad(steps)
    y, dx = store(x)
    peaks = [ad.plan(ad.value_and_grad(steps, policy=policy), x).peak_bytes
             for policy in ("store", "recompute")]
    for policy in ("recompute", "checkpoint", ad.Budget(sum(peaks) // 2)):
        value, gradient = ad.value_and_grad(steps, policy=policy)(x)
        assert (value, gradient.tobytes()) == (y, dx.tobytes())
    step = 1e-6 * np.random.default_rng(1).standard_normal(x.shape)
    np.testing.assert_allclose(
        steps(x + step) - steps(x - step), 2 * (dx * step).sum(), rtol=1e-6)


@st.composite
def planes(draw, depth=0):
    """A function of two square planes that gives one, and joins parts of it along the way."""
    kind = draw(st.integers(0, 3 if depth < 3 else 1))
    if kind == 0:
        return lambda x, y: x
    if kind == 1:
        return draw(st.sampled_from([
            lambda x, y: x * y, lambda x, y: x - y.T, lambda x, y: x + y[:1],
            lambda x, y: np.sqrt(y) + 1, lambda x, y: x.copy(), lambda x, y: (x * 2).T]))
    parts = [draw(planes(depth + 1)) for _ in range(draw(st.integers(2, 3)))]
    if kind == 2:
        return lambda x, y: parts[0](x, y) - parts[1](y, x)
    axis, cut = draw(st.integers(0, 1)), draw(st.booleans())

    def joined(x, y):
        n = len(x)
        both = np.concatenate([part(x, y) for part in parts], axis=axis)
        return both[-n:, -n:] if cut else both.reshape(-1)[:n * n].reshape(n, n)
    return joined


@settings(max_examples=60, deadline=None)
@given(planes(), planes(), st.sampled_from([2, 6, 40]), st.integers(0, 1))
def test_random_joins(f, g, n, axis):
    def joined(x, y):
        return np.concatenate([f(x, y) + 1, g(x, y), g(y, x) * 3], axis=axis)
    check(joined, numbers(n, n), numbers(n, n, seed=1))
