"""Forms of products: scales, divisors and sums of products that are one call of BLAS."""

import numpy as np
import pytest

import autodiff as ad
from autodiff.core.arguments import argument
from autodiff.core.operations import all_operations
from autodiff.ops.table import Form
from autodiff.tracing import find_program

RNG = np.random.default_rng(0)
A, B, C = RNG.standard_normal((7, 5)), RNG.standard_normal((5, 6)), RNG.standard_normal((7, 6))
K, V = RNG.standard_normal((3, 5, 6)), RNG.standard_normal(5)
S = np.array(-0.7)

# By form: functions, arrays, and the regions of their programs in order.
FIRES = {
    "matmul_scaled": [
        (lambda a, b: 0.3 * (a @ b), (A, B), ["matmul_scaled"]),
        (lambda a, b: (a @ b) * 0.3, (A, B), ["matmul_scaled"]),
        (lambda a, b, s: s * (a @ b), (A, B, S), ["matmul_scaled"]),
        (lambda a, b: (a @ b) * np.float32(0.3), (A.astype(np.float32), B.astype(np.float32)),
         ["matmul_scaled"]),
        (lambda a, v: 0.3 * (a @ v), (A, V), ["matmul_scaled"]),
        (lambda a, k: 0.3 * (a @ k), (A, K), ["matmul_scaled"]),
        (lambda a, b, s: np.tanh(s) * (a @ b), (A, B, S), ["tanh", "matmul_scaled"]),
        (lambda a, b: np.tanh(0.3 * (a @ b)), (A, B), ["matmul_scaled", "tanh"]),
        (lambda a, b: (0.3 * (a @ b)) @ b.T, (A, B), ["matmul_scaled", "matmul"]),
    ],
    "matmul_divided": [
        (lambda a, b: (a @ b) / 3, (A, B), ["matmul_divided"]),
    ],
    "matmul_add": [
        (lambda a, b: a @ b + a @ (b * b), (A, B), ["matmul", "multiply", "matmul_add"]),
        (lambda a, b, c: a @ b + c @ b + a @ c.T @ a @ b, (A, B, A[::-1]),
         ["matmul", "matmul_add", "matmul", "matmul", "matmul_add"]),
        (lambda v, b: v @ b + (v * v) @ b, (V, B), ["matmul", "multiply", "matmul_add"]),
    ],
    "matmul_scaled_add": [
        (lambda a, b, c: a @ b + 0.3 * (c @ b), (A, B, A * 2), ["matmul", "matmul_scaled_add"]),
    ],
    "matmul_divided_add": [
        (lambda a, b, c: a @ b + (c @ b) / 3, (A, B, A * 2), ["matmul", "matmul_divided_add"]),
    ],
}
CALLS = [pytest.param(*call, id=f"{form}-{k}")
         for form, calls in FIRES.items() for k, call in enumerate(calls)]

# What stays as it is written: the product is read elsewhere, or a pass scales for nothing.
WRITTEN = {
    "the product is read": (lambda a, b: 0.3 * (a @ b) + np.tanh(a @ b), (A, B)),
    "by one": (lambda a, b: 1 * (a @ b), (A, B)),
    "over one": (lambda a, b: (a @ b) / 1, (A, B)),
    "one over": (lambda a, b: 3 / (a @ b), (A, B)),
    "by a vector": (lambda a, b: (a @ b) * b[0], (A, B)),
    "of integers": (lambda a, b: 3 * (a @ b), (np.ones((2, 3), int), np.ones((3, 2), int))),
    "a scalar product": (lambda v: 0.3 * (v @ v), (V,)),
    "a scalar product is the scale": (lambda v, b: (v @ v) * b, (V, B)),
    "an operand": (lambda a, b: (0.3 * a) @ b, (A, B)),
    "an operand that is divided": (lambda a, b: (a / 1e300) @ b, (A * 1e300, B * 1e300)),
    "a sum with an argument": (lambda a, b, c: a @ b + c, (A, B, C)),
    "a sum of which a part is read": (lambda a, b, c: (a @ b + c @ b) * (a @ b), (A, B, A + 1)),
    "twice the same": (lambda a, b: a @ b + a @ b, (A, B)),
    "shapes that broadcast": (lambda a, k: (a @ k) + (a @ k[0]), (A, K)),
}


def regions(program):
    return [program.plan.operation(r) for r in range(len(program.plan.problem))]


def traced(f, arrays):
    with ad.Graph():
        xs = [ad.variable(f"x{k}", a.shape, a.dtype) for k, a in enumerate(arrays)]
        return xs, f(*xs)


def test_every_form_is_tested():
    assert set(FIRES) == {op.name for op in all_operations() if isinstance(op, Form)}


@pytest.mark.parametrize(("f", "arrays", "expected"), CALLS)
def test_a_form_is_one_call(f, arrays, expected):
    xs, y = traced(f, arrays)
    program = ad.Program(xs, [y])
    assert regions(program) == expected
    given = [a.copy() for a in arrays]
    found = program(*given)[0]
    assert program.measured_peak_bytes == program.peak_bytes
    assert [a.tobytes() for a in given] == [a.tobytes() for a in arrays]
    unit = np.finfo(found.dtype).eps
    np.testing.assert_allclose(found, f(*arrays), rtol=100 * unit, atol=100 * unit)
    apart = ad.Program(xs, [y], fuse=False)
    assert apart(*arrays)[0].tobytes() == found.tobytes()
    listed = str(program)
    assert all(name in listed for name in expected)


@pytest.mark.parametrize("case", WRITTEN)
def test_what_is_no_form_is_computed_as_written(case):
    f, arrays = WRITTEN[case]
    xs, y = traced(f, arrays)
    program = ad.Program(xs, [y])
    assert not any(name.startswith("matmul_") for name in regions(program))
    np.testing.assert_allclose(program(*arrays)[0], f(*arrays), rtol=1e-12)


@pytest.mark.parametrize("s", [0.0, -0.0, np.inf, np.nan, 5e-324, 1.7e308, 1.0, -1.0])
def test_a_scale_that_is_an_argument_may_be_any_number(s):
    """One program for all of them."""
    a, b = A.copy(), B.copy()
    a[0, 0], b[1, 1] = np.inf, np.nan
    with np.errstate(all="ignore"):
        for f in (lambda a, b, s: s * (a @ b), lambda a, b, s: (a @ b) / s):
            np.testing.assert_allclose(ad.compile(f)(a, b, s), f(a, b, s), rtol=1e-13)


@pytest.mark.parametrize("s", [1e37, np.inf, -1e37, 1e-45])
def test_a_large_scale_is_no_partial_sums(s):
    """BLAS multiplies what it has summed so far, which may be more than the whole."""
    a = np.full((2, 4096), 1, np.float32)
    a[:, ::2] = -1
    a[:, 0] = 3
    b = np.ones((4096, 3), np.float32)
    s = np.float32(s)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(ad.compile(lambda a, b, s: s * (a @ b))(a, b, s), s * (a @ b))


# ---- outer products ---------------------------------------------------------------------------

OUTER = [((4, 1), (1, 3)), ((1, 1), (1, 3)), ((4, 1), (1, 1)), ((2, 4, 1), (2, 1, 3)),
         ((2, 1, 4, 1), (5, 1, 3)), ((4, 1), (0, 1, 3))]


@pytest.mark.parametrize(("p", "q"), OUTER)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_an_outer_product_that_a_pass_reads_is_part_of_it(p, q, dtype):
    arrays = [(3 * RNG.standard_normal(shape)).astype(dtype) for shape in (p, q)]
    xs, y = traced(lambda a, b: a @ b, arrays)
    assert regions(ad.Program(xs, [y])) == ["matmul"]      # BLAS writes it once as well
    y = np.maximum(y, dtype(0.5))
    expected = np.maximum(np.multiply(*arrays), dtype(0.5))
    program = ad.Program(xs, [y])
    assert regions(program) == ["maximum"]
    assert program.plan.evaluations == {"matmul": 1, "maximum": 1}
    for fuse in (True, False):
        found = ad.Program(xs, [y], fuse=fuse)(*arrays)[0]
        np.testing.assert_array_equal(found, expected, strict=True)


def test_a_gradient_of_one_example_is_one_pass():
    """The outer product, the weight decay, and nothing between them."""
    def cost(W, x, y):
        return ((x @ W - y) ** 2).sum() + 0.1 * (W**2).sum()

    W, x, y = RNG.standard_normal((40, 30)), RNG.standard_normal((1, 40)), np.ones((1, 30))
    plan = ad.plan(ad.grad(cost), W, x, y)
    assert plan.operation(len(plan.problem) - 1) == "add"
    assert plan.peak_bytes < W.nbytes + 1000
    np.testing.assert_allclose(
        ad.grad(cost)(W, x, y), 2 * x.T @ (x @ W - y) + 0.2 * W, rtol=1e-12)


def vectors(W, h):
    for _ in range(6):
        h = np.tanh(W @ h)
    return (h * h).sum()


def test_outer_products_are_added_in_one_pass():
    """The gradient of a matrix that six vectors meet is written once."""
    W, h = RNG.standard_normal((40, 40)) / 6, RNG.standard_normal(40)
    plan = ad.plan(ad.grad(vectors), W, h)
    large = [r for r in range(len(plan.problem)) if plan.problem.nbytes[r] == W.nbytes]
    assert [plan.operation(r) for r in large] == ["add"]
    assert [name for name, _ in plan.regions.operations(large[0])].count("multiply") == 6
    batched = ad.grad(lambda W, h: vectors(W, h[:, None]))(W, h)
    np.testing.assert_allclose(ad.grad(vectors)(W, h), batched, rtol=1e-12, atol=1e-13)
    expected = ad.grad(vectors)(W, h)
    for policy in ("recompute", "checkpoint"):
        assert ad.grad(vectors, policy=policy)(W, h).tobytes() == expected.tobytes()


# ---- where forms meet the rest ----------------------------------------------------------------

def test_a_product_that_is_asked_for_is_computed_once():
    xs, y = traced(lambda a, b: a @ b, (A, B))
    program = ad.Program(xs, [y, y * 0.3])
    assert regions(program) == ["matmul", "multiply"]
    product, scaled = program(A, B)
    assert scaled.tobytes() == (product * 0.3).tobytes()


def test_a_graph_can_be_cut_at_a_product_that_a_program_scales():
    xs, y = traced(lambda a, b: a @ b, (A, B))
    z = y * 0.3
    assert regions(ad.Program(xs, [z])) == ["matmul_scaled"]
    assert ad.Program([y], [z])(C)[0].tobytes() == (C * 0.3).tobytes()
    assert ad.gradients([z], [y], [np.ones(z.shape)])[0].op.name == "multiply"


def test_a_form_holds_no_operand_for_longer():
    """Between the product and its scale there is a result as large as an operand."""
    def f(a, b):
        y = np.tanh(a) @ b
        return np.exp(b).sum() * 0.1, 0.3 * y

    xs, ys = traced(f, (A, B))
    assert "matmul_scaled" not in regions(ad.Program(xs, list(ys[::-1])))


def test_bytes_of_forms():
    """No buffer for what is scaled, nor for the second product of a sum."""
    n = 64
    x = np.ones((n, n))
    for f in (lambda a, b: (a @ b) / 3, lambda a, b: a @ b + 0.5 * (b @ a),
              lambda a, b: a @ b + b @ a):
        plan = ad.plan(f, x, x)
        assert plan.peak_bytes - plan.captured_bytes == x.nbytes


# ---- gradients, policies, programs that share a trace -----------------------------------------

def attention(Q, K, V):
    return (ad.nn.softmax((Q @ K.T) / np.sqrt(Q.shape[-1])) @ V) * 0.5


def loss(W, U, x):
    h = x
    for _ in range(3):
        h = np.tanh(0.5 * (h @ W) + x @ U)
    return ((0.1 * h @ W) ** 2).sum() + 1e-3 * (W**2).sum()


RECURRENT = RNG.standard_normal((6, 6)), RNG.standard_normal((6, 6)), RNG.standard_normal((4, 6))
VECTOR = RNG.standard_normal((33, 33)), RNG.standard_normal(33)   # alpha rounds otherwise in gemv
QKV = tuple(RNG.standard_normal((5, 4)) for _ in range(3))


def names(f, *args):
    plan = ad.plan(f, *args)
    return {plan.operation(r) for r in range(len(plan.problem))}


def test_gradients_through_forms_are_those_of_the_definition():
    G = RNG.standard_normal(C.shape)
    gradient = ad.grad(lambda s, a, b: (s * (a @ b) * G).sum(), argnums=(0, 1, 2))
    ds, da, db = gradient(S, A, B)
    np.testing.assert_allclose(ds, (A @ B * G).sum(), rtol=1e-13)
    np.testing.assert_allclose(da, S * G @ B.T, rtol=1e-13)
    np.testing.assert_allclose(db, S * A.T @ G, rtol=1e-13)


@pytest.mark.parametrize(("f", "args"), [(lambda *a: (attention(*a) ** 2).sum(), QKV),
                                         (loss, RECURRENT)], ids=["attention", "recurrent"])
def test_gradients_agree_with_differences(f, args):
    assert any(name.startswith("matmul_") for name in names(ad.grad(f), *args))
    ad.testing.check_grads(f, args)
    step = 1e-6
    for k in range(len(args)):
        found = ad.grad(f, argnums=k)(*args)
        direction = RNG.standard_normal(args[k].shape)
        low, high = (f(*args[:k], args[k] + sign * step * direction, *args[k + 1:])
                     for sign in (-1, 1))
        np.testing.assert_allclose((found * direction).sum(), (high - low) / (2 * step), rtol=1e-6)


@pytest.mark.parametrize(("f", "args"), [(lambda *a: (attention(*a) ** 2).sum(), QKV),
                                         (loss, RECURRENT)], ids=["attention", "recurrent"])
def test_forms_are_the_same_bits_under_every_policy(f, args):
    gradient = ad.value_and_grad(f, argnums=(0, 1, 2))
    store = ad.compile(gradient, "store")
    value, slopes = store(*args)
    bits = [value.tobytes(), *(g.tobytes() for g in slopes)]
    peak = store.plan(*args).peak_bytes
    smallest = ad.compile(gradient, "recompute").plan(*args).peak_bytes
    for policy in ("recompute", "checkpoint", ad.Checkpoint(every=1), ad.Budget(peak),
                   ad.Budget(max(smallest, (peak + smallest) // 2))):
        for fuse in (True, False) if not isinstance(policy, ad.Budget) else (True,):
            step = ad.compile(gradient, policy, fuse=fuse)
            value, slopes = step(*args)
            assert [value.tobytes(), *(g.tobytes() for g in slopes)] == bits, policy
            assert step.measured_peak_bytes == step.plan(*args).peak_bytes


def marked(s, W, x):
    """Scaled products that the sweep reads for the gradient towards the scale, some marked."""
    def layer(h):
        return ad.save(np.tanh(s * (h @ W)), "layer") + 0.1 * (h @ W.T)
    return (ad.checkpoint(layer)(layer(x)) ** 2).sum()


def test_pullbacks_are_the_same_bits_under_every_policy():
    """A pullback keeps what the policy lets it keep, so its trace is cut at other places."""
    args = S, *VECTOR
    found = set()
    for policy in ("store", "recompute", "checkpoint", ad.Save(["layer"]), ad.Save([])):
        value, pull = ad.vjp(marked, *args, policy=policy)
        found.add((value.tobytes(), *(g.tobytes() for g in pull(1.0))))
    assert len(found) == 1


def test_values_looked_at_are_the_same_bits_under_every_budget():
    """A product that is alive is kept where there is room, and then read by more than its scale."""
    seen = set()

    def f(s, W, x):
        large = np.tanh(x)
        y = large @ W
        scaled = 0.3 * y
        seen.add(scaled.value.tobytes())
        return (np.tanh(s * y) * scaled).sum() + large[0, 0]

    # alpha rounds otherwise where an inner extent is as long as this
    args = S, RNG.standard_normal((3000, 30)), RNG.standard_normal((40, 3000))
    for policy in ("store", "recompute", ad.Budget(1_000_000), ad.Budget(975_000)):
        ad.value_and_grad(f, policy=policy)(*args)
    assert len(seen) == 1


def test_a_graph_that_is_settled_has_programs_of_its_own():
    found = []
    for settled in (False, True, False):
        with ad.Graph() as graph:
            xs = [argument(graph, x.shape, x.dtype) for x in (A, B)]
            y = 0.3 * (xs[0] @ xs[1])
            graph.settled = len(graph) if settled else 0
            found.append(find_program(xs, [y], ad.Store())[0])
    assert found[0] is found[2] is not found[1]
    assert [regions(program) for program in found[:2]] == [["matmul_scaled"],
                                                           ["matmul", "multiply"]]


def test_forms_differentiate_twice():
    def f(W):
        return (np.tanh(0.5 * (A[:, :5] @ W) + A @ (W / 3)) ** 2).sum()

    W, v, h = B[:, :5], RNG.standard_normal((5, 5)), 1e-6
    expected = (ad.grad(f)(W + h * v) - ad.grad(f)(W - h * v)) / (2 * h)
    _, found = ad.jvp(ad.grad(f), (W,), (v,))
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)
