"""compile: one trace and one program for each signature; plan: the plan without a run."""

import threading

import numpy as np
import pytest

import autodiff as ad
from autodiff.numpy import exp, tanh
from transform_cases import PARAMS, POLICIES, RNG, X, Y, cubes, network, same


@pytest.fixture
def traces():
    """A function and the list of the shapes with which it was traced."""
    log = []

    def f(x, rate=1.0, n=2):
        log.append(x.shape)
        for _ in range(n):
            x = tanh(x) * rate
        return x.sum()

    f.log = log
    return f


def test_the_bits_of_the_function_itself():
    step = ad.compile(ad.value_and_grad(network))
    for _ in range(3):
        params = {key: RNG.normal(size=W.shape) for key, W in PARAMS.items()}
        value, g = step(params, X, Y)
        expected_value, expected = ad.value_and_grad(network)(params, X, Y)
        assert same(value, expected_value)
        assert all(same(g[key], expected[key]) for key in params)
    x = np.asarray(X)
    for f in (ad.jacobian(tanh), ad.hessian(cubes), lambda x: ad.hvp(cubes)(x, x),
              lambda x: ad.jvp(tanh, (x,), (x,))[1], lambda x: ad.vjp(tanh, x)[1](x)[0]):
        assert same(ad.compile(f)(x), f(x))


def test_symbol_to_symbol_gives_the_same_bits():
    with ad.Graph():
        x = ad.variable("x", X.shape)
        z = (tanh(x) * exp(x)).sum()
        program = ad.Program([x], [z, ad.gradients(z, x)])
    value, g = program(X)
    def f(x):
        return (tanh(x) * exp(x)).sum()
    for call in (ad.value_and_grad(f), ad.compile(ad.value_and_grad(f))):
        assert same(call(X)[0], value)
        assert same(call(X)[1], g)


# ---- what a signature is --------------------------------------------------------------------

def test_a_signature_is_traced_once(traces):
    f = ad.compile(ad.grad(traces))
    for _ in range(3):
        f(RNG.normal(size=(2, 3)))
    assert traces.log == [(2, 3)]
    assert (f.cache.hits, f.cache.misses) == (2, 1)


@pytest.mark.parametrize(
    "args",
    [(X[:2],), (X.astype(np.float32),), (X, 0.5), (X, 1.0, 3), (X, np.float64(1)), (X, 1),
     (X, np.ones(4)), (X[0],), (X, True)])
def test_what_makes_another_signature(traces, args):
    f = ad.compile(ad.grad(traces))
    assert same(f(X), ad.grad(traces)(X))
    before = len(traces.log)
    found = f(*args)
    assert len(traces.log) == before + 1
    assert same(found, ad.grad(traces)(*args))


def test_floats_and_values_make_none(traces):
    f = ad.compile(ad.grad(traces))
    for rate in (0.1, 0.2, float("nan"), -0.0):
        expected = ad.grad(traces)(X * rate, rate)
        before = len(traces.log)
        assert same(f(X * rate, rate), expected)
        assert len(traces.log) == before + (rate == 0.1)


def test_layouts_make_none_and_are_read_as_they_lie(traces):
    f = ad.compile(ad.grad(traces))
    wide = RNG.normal(size=(6, 8))
    for x in (X, wide[::2, ::2], np.asfortranarray(X), X[::-1], X.astype(">f8"), X[::-1]):
        found = f(x)
        before = len(traces.log)
        assert same(found, ad.grad(traces)(np.array(x, float, order="C")))
    assert before == 1 + 5                    # the compiled one was traced once
    assert len(traces.log) == 1 + 6


def test_ints_bools_and_strings_are_static():
    seen = []

    def f(x, n, flag, text, nothing=None):
        seen.append((n, flag, text, nothing))
        y = x**n if flag else x
        return y.sum() if text == "sum" else y.mean()

    g = ad.compile(ad.grad(f))
    np.testing.assert_allclose(g(X, 3, True, "sum"), 3 * X**2)
    np.testing.assert_allclose(g(X, 2, True, "sum"), 2 * X)
    np.testing.assert_allclose(g(X, 2, False, "mean"), np.full(X.shape, 1 / X.size))
    g(X, 2, False, "mean", nothing=None)
    assert [s[:3] for s in seen] == [
        (3, True, "sum"), (2, True, "sum"), (2, False, "mean"), (2, False, "mean")]
    g(X * 2, 3, True, "sum")
    assert len(seen) == 4
    assert ad.compile(lambda x, n: x * n)(2.0, 1).dtype == np.float64
    h = ad.compile(lambda n, x: x * (n if n is True else 10))
    assert (h(1, 1.0), h(True, 1.0), h(1, 1.0)) == (10, 1, 10)     # 1 and True differ


def test_containers_are_part_of_the_signature():
    seen = []

    def f(p):
        seen.append(type(p))
        a, b = p.values() if isinstance(p, dict) else p
        return (a * b).sum()

    g = ad.compile(ad.grad(f))
    for p in ({"a": X, "b": Y[0, 0]}, [X, 2.0], (X, 2.0), [X, 3.0], {"a": X, "b": Y[0, 0]}):
        assert type(g(p)) is type(p)
    assert seen == [dict, list, tuple]


def test_keywords_work_and_static_ones_too(traces):
    f = ad.compile(ad.grad(traces))
    assert same(f(X, n=3, rate=0.5), ad.grad(traces)(X, 0.5, 3))
    before = len(traces.log)
    f(X, n=3, rate=0.7)
    assert len(traces.log) == before


def test_what_cannot_be_hashed_is_refused():
    with pytest.raises(ad.ArgumentError, match="hashed"):
        ad.compile(lambda x, s: x)(X, {1, 2})
    with pytest.raises(ad.DTypeError, match="argument 0 has dtype object"):
        ad.compile(lambda x: x)(np.array([None]))


def test_the_cache_is_bounded_and_finds_the_recent(traces):
    f = ad.compile(ad.grad(traces))
    for n in range(1, f.cache.size + 10):
        f(np.ones(n))
    assert len(f.cache) == f.cache.size
    before = len(traces.log)
    f(np.ones(f.cache.size + 9))
    assert len(traces.log) == before
    f(np.ones(1))                             # dropped, and traced again
    assert len(traces.log) == before + 1


def test_an_error_while_tracing_is_not_cached():
    fail = [True]

    def f(x):
        if fail[0]:
            raise RuntimeError("not now")
        return x * 2

    g = ad.compile(f)
    with pytest.raises(RuntimeError):
        g(X)
    fail[0] = False
    np.testing.assert_array_equal(g(X), 2 * X)


# ---- what it returns ------------------------------------------------------------------------

def test_results_of_any_container():
    def f(x, s):
        return {"y": x * s, "n": 3, "rest": (None, "text", x.sum()), "same": x}

    g = ad.compile(f)
    for s in (2.0, 3.0):
        found = g(X, s)
        np.testing.assert_array_equal(found["y"], X * s)
        assert found["n"] == 3
        assert found["rest"][:2] == (None, "text")
        np.testing.assert_array_equal(found["same"], X)
        assert not np.shares_memory(found["same"], X)


def test_a_function_that_computes_nothing():
    assert ad.compile(lambda x: 3)(X) == 3
    assert ad.compile(lambda: (1, None))() == (1, None)
    with pytest.raises(ad.ArgumentError, match="nothing"):
        ad.plan(lambda x: 3, X)


def test_results_of_ten_calls_keep_their_values():
    table = np.arange(3.0)
    f = ad.compile(lambda x: (x * 2, x.sum(), x, table))
    calls = [f(np.full(3, float(k))) for k in range(10)]
    for k, (double, total, itself, rest) in enumerate(calls):
        np.testing.assert_array_equal(double, np.full(3, 2.0 * k))
        assert total == 3 * k
        np.testing.assert_array_equal(itself, np.full(3, float(k)))
        np.testing.assert_array_equal(rest, [0, 1, 2])
        rest[:] = -1                          # the caller's own, like the rest
    np.testing.assert_array_equal(table, [0, 1, 2])


def test_captured_arrays_are_copied_at_the_trace():
    table = np.array([1.0, 2.0])
    f = ad.compile(ad.grad(lambda x: (x * table).sum()))
    np.testing.assert_array_equal(f(np.ones(2)), [1, 2])
    table[:] = 7
    np.testing.assert_array_equal(f(np.ones(2)), [1, 2])
    np.testing.assert_array_equal(f(np.ones((2, 2))), [[7, 7], [7, 7]])


# ---- policies, nesting, threads ---------------------------------------------------------------

@pytest.mark.parametrize("policy", POLICIES)
def test_policies_give_the_same_bits(policy):
    f = ad.compile(ad.grad(network), policy=policy)
    expected = ad.grad(network)(PARAMS, X, Y)
    assert all(same(g, expected[key]) for key, g in f(PARAMS, X, Y).items())


def test_the_policy_around_the_call_counts_where_none_is_given(traces):
    f = ad.compile(ad.grad(traces))
    f(X)
    with ad.use_policy("recompute"):
        f(X)
    f(X)
    assert len(traces.log) == 2
    fixed = ad.compile(ad.grad(traces), policy="store")
    fixed(X)
    with ad.use_policy("recompute"):
        fixed(X)
    assert len(traces.log) == 3
    with pytest.raises(ad.PolicyError):
        ad.compile(traces, policy="everything")


def test_a_compiled_function_inside_a_transform_is_called():
    inner = ad.compile(lambda x: x**3)
    assert ad.grad(inner)(2.0) == 12
    assert ad.grad(lambda x: ad.grad(inner)(x) * x)(2.0) == 36
    assert ad.compile(ad.grad(ad.compile(inner)))(2.0) == 12
    assert len(inner.cache) == 0
    x = ad.variable("x", graph=ad.Graph())
    assert isinstance(inner(x), ad.Variable)


def test_two_threads_run_one_program():
    f = ad.compile(ad.value_and_grad(lambda x: (tanh(x) * exp(x)).sum()))
    xs = [RNG.normal(size=(40, 50)) for _ in range(2)]
    expected = [f(x) for x in xs]
    wrong = []

    def work(k):
        for _ in range(200):
            value, g = f(xs[k])
            if not (same(value, expected[k][0]) and same(g, expected[k][1])):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in (0, 1, 0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert f.cache.misses == 1


# ---- plan -----------------------------------------------------------------------------------

def test_plan_is_of_the_program_that_would_run():
    f = ad.value_and_grad(network)
    for policy in POLICIES:
        plan = ad.plan(f, PARAMS, X, Y, policy=policy)
        with ad.Graph():
            inputs = [ad.variable(key, W.shape) for key, W in PARAMS.items()]
            inputs += [ad.variable("X", X.shape), ad.variable("Y", Y.shape)]
            params = dict(zip(PARAMS, inputs, strict=False))
            z = network(params, *inputs[3:])
            program = ad.Program(inputs, [z, *ad.gradients(z, inputs[:3])], policy)
        program(*PARAMS.values(), X, Y)
        assert plan.peak_bytes == program.peak_bytes == program.measured_peak_bytes
        assert plan.evaluations == program.plan.evaluations


def test_plan_runs_nothing_and_names_lines(traces):
    huge = np.broadcast_to(1.0, (10**6, 10**5))                         # 800 GB if it were dense
    plan = ad.plan(ad.grad(traces), huge, n=1)
    assert plan.peak_bytes > 8e11
    assert "test_compile.py:" in str(plan)
    assert plan.evaluations["tanh"] == 1


def test_plan_wants_arrays():
    x = ad.variable("x", graph=ad.Graph())
    with pytest.raises(ad.GraphError, match=r"Program\(inputs, outputs\)\.plan"):
        ad.plan(cubes, x)


LAYOUTS = {
    "C": lambda a: a,
    "Fortran": np.asfortranarray,
    "strided": lambda a: np.repeat(a, 2, axis=1)[:, ::2],
    "reversed": lambda a: a[::-1, ::-1],
    "swapped": lambda a: a.astype(a.dtype.newbyteorder()),
    "swapped Fortran": lambda a: np.asfortranarray(a.astype(a.dtype.newbyteorder())),
    "transposed": lambda a: np.ascontiguousarray(a.T).T,
}
POLICIES = [None, "recompute", "checkpoint", ad.Checkpoint(every=2), ad.Budget("200kB")]


@pytest.mark.parametrize("policy", POLICIES, ids=repr)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_plan_is_of_the_call_whatever_the_layout(layout, policy):
    W = np.ones((50, 50))

    def f(x):
        for _ in range(4):
            x = np.tanh(x @ W)
        return x.sum()

    x = LAYOUTS[layout](np.random.default_rng(0).normal(size=(100, 50)))
    step = ad.compile(ad.grad(f), policy=policy)
    plan = step.plan(x)
    assert ad.plan(ad.grad(f), x, policy=policy).peak_bytes == plan.peak_bytes
    found = step(x)
    assert step.measured_peak_bytes == plan.peak_bytes
    step(x, out=np.empty((100, 50)))
    assert step.measured_peak_bytes == plan.peak_bytes_out
    assert found.tobytes() == step(np.ascontiguousarray(x, float)).tobytes()
    assert step.plan(np.ascontiguousarray(x, float)).peak_bytes == step.measured_peak_bytes


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_frontier_is_of_the_call_whatever_the_layout(layout):
    def f(x):
        return np.tanh(np.sin(x @ np.ones((50, 50)))).sum()

    x = LAYOUTS[layout](np.random.default_rng(0).normal(size=(100, 50)))
    found = ad.frontier(ad.grad(f), x, points=4)
    store = ad.compile(ad.grad(f))
    store(x)
    assert found[-1].peak_bytes <= store.measured_peak_bytes
    for point in found:
        step = ad.compile(ad.grad(f), policy=ad.Budget(point.peak_bytes))
        step(x)
        assert step.measured_peak_bytes == step.plan(x).peak_bytes <= point.peak_bytes
