"""Plain NumPy on Variables: what is dispatched, with which options, and what is refused."""

import inspect
import operator
import re

import numpy as np
import pytest
from scipy import special

import autodiff as ad
import autodiff.numpy as anp
from autodiff.core.arguments import argument
from autodiff.numpy import calls, protocols
from autodiff.numpy.forms import FORMS

RNG = np.random.default_rng(0)
A, B = RNG.uniform(0.2, 0.8, (3, 4)), RNG.uniform(0.2, 0.8, (3, 4))
UFUNCS = {name: f for name, f in vars(np).items() if isinstance(f, np.ufunc)}
FUNCTIONS = {
    f"{module.__name__}.{name}".replace("numpy", "np", 1): f
    for module in (np, np.linalg, np.fft)
    for name, f in vars(module).items() if hasattr(f, "_implementation")
}
OURS = [name for name in anp.__all__ if getattr(anp, name) is not getattr(np, name, None)]


@pytest.fixture
def x():
    with ad.Graph():
        yield ad.variable("x", A.shape)


def run(f, *arrays):
    """f on Variables of these arrays, computed."""
    with ad.Graph():
        xs = [ad.variable(f"x{k}", a.shape, a.dtype) for k, a in enumerate(map(np.asarray, arrays))]
        y = f(*xs)
    assert isinstance(y, ad.Variable)
    return ad.Program(xs, [y])(*arrays)[0]


def same(f, *arrays):
    """Assert that f on Variables is f on arrays, in value, shape and dtype."""
    found, expected = run(f, *arrays), np.asarray(f(*arrays))
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    rtol = 1e-14 if expected.dtype == np.float64 else 1e-6
    np.testing.assert_allclose(found, expected, rtol=rtol)


# ---- the tables -----------------------------------------------------------------------------

def test_the_namespace_exports_what_it_has():
    assert sorted(set(anp.__all__)) == list(anp.__all__)
    for name in anp.__all__:
        assert hasattr(anp, name)
    assert anp.pi == np.pi
    assert anp.float32 is np.float32
    assert ad.numpy is anp


@pytest.mark.parametrize("name", OURS)
def test_each_name_of_numpy_is_dispatched_to_ours(name):
    original = getattr(np, name, None)
    if isinstance(original, np.ufunc):
        assert protocols.UFUNCS[original] is getattr(anp, name)
    elif original is not None:
        assert protocols.FUNCTIONS[original].frontend is getattr(anp, name)


@pytest.mark.parametrize("call", protocols.FUNCTIONS.values(), ids=lambda call: call.name)
def test_the_parameters_are_numpys(call):
    words = [word.partition("=")[0] for word in calls.PARAMETERS[call.name].split()]
    if words == ["*"]:
        return
    known = [word.strip("[]{}") for word in words]
    try:
        signature = inspect.signature(getattr(np, call.name))
    except ValueError:                            # written in C: their signatures do not tell
        assert call.name in ("where", "concatenate")
        return
    for kind, names in (
            ("positional", known[:known.index("/")] if "/" in known else known),
            ("keyword", known[known.index("/") + 1:] if "/" in known else [])):
        theirs = [
            name for name, p in signature.parameters.items()
            if (p.kind == p.KEYWORD_ONLY) == (kind == "keyword") and p.kind != p.VAR_KEYWORD]
        if kind == "keyword" and call.name == "clip":
            assert set(theirs) <= set(names)
        else:
            assert names == theirs[:len(names)]
            assert set(theirs) - set(names) <= {"like"}


@pytest.mark.parametrize("call", protocols.FUNCTIONS.values(), ids=lambda call: call.name)
def test_frontends_take_the_parameters_that_are_theirs(call):
    words = calls.PARAMETERS[call.name].split()
    own = [word for word in words[1:] if word[0] not in "[{/" and "=" not in word]
    taken = inspect.signature(call.frontend).parameters
    assert set(own) <= set(taken)


# ---- dispatch -------------------------------------------------------------------------------

@pytest.mark.parametrize("name", [
    name for name in OURS if isinstance(getattr(np, name, None), np.ufunc)])
def test_a_ufunc_traces_what_the_namespace_traces(name, x):
    numpys, ours = getattr(np, name), getattr(anp, name)
    xs = [np.swapaxes(x, 0, 1), x][:numpys.nin] if name == "matmul" else [x, x + 1.0][:numpys.nin]
    y = numpys(*xs)
    assert isinstance(y, ad.Variable)
    assert y is ours(*xs)
    assert y.dtype == numpys(*(np.ones(v.shape) for v in xs)).dtype
    assert y.line.startswith("test_numpy.py")


@pytest.mark.parametrize("f", [
    lambda a: np.sum(a), lambda a: np.sum(a, 0), lambda a: np.sum(a, axis=(0, 1)),
    lambda a: np.sum(a, 1, None, None, True), lambda a: np.sum(a, dtype=np.float32),
    lambda a: np.sum(a, 1, np.float32), lambda a: np.sum(a=a, axis=0, keepdims=True, where=True),
    lambda a: np.mean(a, -1), lambda a: np.mean(a, 0, None, None, True), lambda a: np.max(a, 1),
    lambda a: np.amax(a, 1, keepdims=True), lambda a: np.min(a), lambda a: np.amin(a, 0),
    lambda a: np.argmax(a, 1), lambda a: np.argmax(a, keepdims=True),
    lambda a: np.reshape(a, (4, 3)), lambda a: np.reshape(a, shape=-1, order="C"),
    lambda a: np.reshape(a, (2, 6), "C"), lambda a: np.ravel(a), lambda a: np.ravel(a, "C"),
    lambda a: np.transpose(a), lambda a: np.transpose(a, axes=(1, 0)),
    lambda a: np.permute_dims(a, (1, 0)), lambda a: np.swapaxes(a, 0, -1),
    lambda a: np.expand_dims(a, 1), lambda a: np.squeeze(np.expand_dims(a, axis=0), axis=0),
    lambda a: np.broadcast_to(a, (2, 3, 4)), lambda a: np.broadcast_to(a, shape=(2, 3, 4)),
    lambda a: np.concatenate([a, a]), lambda a: np.concatenate((a, np.ones((3, 1))), axis=1),
    lambda a: np.concat([a, a], 1), lambda a: np.concatenate([a, a], 1, dtype=np.float32),
    lambda a: np.stack([a, a], 1), lambda a: np.stack([a, np.zeros((3, 4))], axis=-1),
    lambda a: np.take(a, [0, 2]), lambda a: np.take(a, [[2], [0]], 0), lambda a: np.take(a, 1, 1),
    lambda a: np.take(a, [0], axis=0, mode="raise"),
    lambda a: np.clip(a, 0.3, 0.6), lambda a: np.clip(a, min=0.3), lambda a: np.clip(a, max=0.6),
    lambda a: np.clip(a, a_min=0.3, a_max=None), lambda a: np.clip(a, min=0.3, max=0.5),
    lambda a: np.where(a > 0.5, a, 0), lambda a: np.where(a > 0.5, 1.0, a),
    lambda a: np.dot(a, np.ones(4)), lambda a: np.outer(a[0], a[1]), lambda a: np.astype(a, int),
    lambda a: np.add.reduce(a), lambda a: np.add.reduce(a, axis=None),
    lambda a: np.add.reduce(a, -1, None, None, True), lambda a: np.maximum.reduce(a),
    lambda a: np.minimum.reduce(a, axis=(0, 1)), lambda a: np.logaddexp.reduce(a, axis=1),
    lambda a: np.add.reduce(a, dtype=np.float32),
    lambda a: np.multiply.outer(a, np.arange(2.0)), lambda a: np.subtract.outer(a[0], a[1]),
    lambda a: np.subtract.outer(np.ones((2, 1)), a), lambda a: np.copy(a) + 0,
    lambda a: np.full_like(a, 2.5) * a, lambda a: np.zeros_like(a) + a,
    lambda a: np.ones_like(a, dtype=np.float32), lambda a: np.zeros_like(a, shape=(2, 2)),
    lambda a: np.full_like(a, 7, np.int64), lambda a: np.full_like(a, a.sum()),
    lambda a: np.full_like(a, [1.0, 2.0, 3.0, 4.0]), lambda a: special.expit(a),
])
def test_calls_mean_what_they_mean_on_arrays(f):
    same(f, A)
    same(f, A.astype(np.float32))


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint8, np.uint16, np.int64, np.float32])
def test_a_sum_has_the_dtype_that_was_asked_for(dtype):
    for x in (np.arange(90, 102).reshape(3, 4), np.full((2, 3), 100, np.int8), np.eye(3) > 0):
        same(lambda a: np.sum(a, dtype=dtype), x)
        same(lambda a: np.add.reduce(a, dtype=dtype), x)
        same(lambda a: a.sum(0, dtype=dtype, keepdims=True), x)
    same(lambda a: np.mean(a, 0, np.int64), np.arange(12).reshape(3, 4) ** 2)


def test_a_scalar_is_reduced_by_a_ufunc():
    same(lambda a: np.add.reduce(a, axis=None), np.float64(3.0))


@pytest.mark.parametrize("f", [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.floordiv,
    operator.mod, operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne,
    lambda a, b: a @ b.T, np.add, np.maximum, np.minimum, np.power,
])
def test_arrays_meet_variables_on_either_side(f):
    same(lambda a: f(a, B), A)
    same(lambda a: f(B, a), A)


@pytest.mark.parametrize("other", [
    2, 2.5, True, np.True_, np.float32(0.5), np.float64(0.5), np.int8(3), np.asarray(1.5),
    np.asarray(2, np.int16), [1.0, 2.0, 3.0, 4.0], (1, 2, 3, 4), np.arange(4),
    np.arange(4, dtype=np.float32), B[:, ::-1], np.asfortranarray(B), np.empty((0, 3, 4))])
def test_numbers_lists_and_arrays_of_any_layout(other):
    for dtype in (np.float64, np.float32):
        a = A.astype(dtype)
        same(lambda v: v * other, a)
        same(lambda v: other + v, a)
        same(lambda v: np.multiply(other, v), a)


# ---- arrays alone ---------------------------------------------------------------------------

@pytest.mark.parametrize("name", [
    name for name in OURS if isinstance(getattr(np, name, None), np.ufunc)])
def test_on_arrays_a_ufunc_is_numpys(name):
    numpys = getattr(np, name)
    arrays = [A, B.T if name == "matmul" else B][:numpys.nin]
    found = getattr(anp, name)(*arrays)
    assert isinstance(found, np.ndarray)
    np.testing.assert_array_equal(found, numpys(*arrays))


def test_on_arrays_functions_are_numpys():
    for f in (lambda m: m.sum(A, 0), lambda m: m.mean(A, axis=1, keepdims=True),
              lambda m: m.max(A), lambda m: m.min(A, 1), lambda m: m.argmax(A, 1),
              lambda m: m.reshape(A, (4, 3)), lambda m: m.transpose(A), lambda m: m.dot(A, B.T),
              lambda m: m.outer(A[0], B[1]), lambda m: m.concatenate([A, B], 1),
              lambda m: m.stack([A, B]), lambda m: m.take(A, [1, 2], 1),
              lambda m: m.where(A > 0.5, A, B), lambda m: m.clip(A, 0.3, 0.5),
              lambda m: m.expand_dims(A, 0), lambda m: m.swapaxes(A, 0, 1),
              lambda m: m.broadcast_to(A, (2, 3, 4)), lambda m: m.zeros_like(A),
              lambda m: m.ravel(A), lambda m: m.astype(A, np.float32)):
        found = f(anp)
        assert isinstance(found, (np.ndarray, np.generic))
        np.testing.assert_array_equal(found, f(np))
    np.testing.assert_allclose(anp.softmax(A, axis=0), special.softmax(A, axis=0))
    np.testing.assert_allclose(anp.log_softmax(A), special.log_softmax(A, axis=-1))
    np.testing.assert_allclose(anp.logsumexp(A, axis=1), special.logsumexp(A, axis=1))
    np.testing.assert_allclose(anp.sigmoid(A), special.expit(A))


# ---- form -----------------------------------------------------------------------------------

def test_questions_about_form(x):
    assert np.shape(x) == (3, 4)
    assert np.ndim(x) == 2
    assert (np.size(x), np.size(x, 0), np.size(x, -1)) == (12, 3, 4)
    assert np.iscomplexobj(x) is False
    assert np.isrealobj(x) is True
    assert np.copy(x) is x
    with pytest.raises(ad.ShapeError):
        np.size(x, 2)


@pytest.mark.parametrize("others", [(), (1,), (1.0,), (np.float32,), ("f8", np.ones(2))])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int8, bool])
def test_result_type(dtype, others):
    with ad.Graph():
        v = ad.variable("v", (3,), dtype)
    assert np.result_type(v, *others) == np.result_type(np.ones(3, dtype), *others)


def test_the_result_type_of_a_weak_value():
    with ad.Graph() as g:
        w = argument(g, (), np.float64, weak=True)
    assert np.result_type(w, np.float32) == np.float32


def test_likenesses_take_no_memory_and_keep_gradients(x):
    zeros = np.zeros_like(x)
    assert (zeros.shape, zeros.dtype) == (x.shape, x.dtype)
    assert zeros.op.name == "broadcast_to"
    assert np.empty_like(x) is zeros
    y = np.full_like(x, x[0, 0])
    dx = ad.gradients(y.sum(), x)
    expected = np.zeros((3, 4))
    expected[0, 0] = 12
    np.testing.assert_array_equal(ad.Program([x], [dx])(A)[0], expected)
    with pytest.raises(ad.ShapeError, match="full_like"):
        np.full_like(x[0], x)


def test_every_form_is_a_function_of_numpy():
    assert all(getattr(np, name) in protocols.FUNCTIONS for name in FORMS)


# ---- refused --------------------------------------------------------------------------------

@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_function_is_known_or_named_in_the_error(name, x):
    if FUNCTIONS[name] in protocols.FUNCTIONS:
        return
    with pytest.raises(ad.UnsupportedError) as error:
        x.__array_function__(FUNCTIONS[name], (ad.Variable,), ([x],), {})
    text = str(error.value)
    assert f".{FUNCTIONS[name].__name__} (test_numpy.py:" in text
    assert isinstance(error.value, TypeError)


@pytest.mark.parametrize("name", sorted(UFUNCS))
def test_every_ufunc_is_known_or_named_in_the_error(name, x):
    f = UFUNCS[name]
    if f in protocols.UFUNCS:
        return
    with pytest.raises(ad.UnsupportedError, match=rf"np\.{f.__name__} \(test_numpy\.py:\d+\)"):
        f(*[x] * f.nin)


@pytest.mark.parametrize("name", protocols.RECIPES)
def test_the_recipe_for_what_has_no_rule_computes_it(name):
    f = getattr(np, name, None) or getattr(np.linalg, name)
    known = {"x": np.array([0.5, 0.0, 1.25]), "y": np.array([2.0, 0.0, 3.0]), "k": 1}
    if name in ("log2", "log10", "reciprocal"):
        known["x"] = known["x"] + 1
    recipe = protocols.RECIPES[name]
    arguments = [known[key] for key in known if re.search(rf"\b{key}\b", recipe)]
    np.testing.assert_allclose(eval(recipe, {"np": np}, known), f(*arguments), rtol=1e-14)
    with pytest.raises(ad.UnsupportedError) as error:
        f(ad.variable("x", 3), *arguments[1:])
    assert f": write {recipe}, or add it by ad.operation(np." in str(error.value)


def test_no_rule_and_no_recipe(x):
    for f, name in ((np.linalg.inv, "np.linalg.inv"), (np.prod, "np.prod"), (np.cbrt, "np.cbrt")):
        with pytest.raises(ad.UnsupportedError) as error:
            f(x)
        assert f"functions that ad.numpy has, or add it by ad.operation({name}, bprop=...)" in str(
            error.value)


@pytest.mark.parametrize(("f", "match"), [
    (lambda x: np.add(x, 1, out=np.ones((3, 4))), r"np\.add .*out=.*test_numpy.*name the result"),
    (lambda x: np.add(x, 1, np.ones((3, 4))), r"np\.add .*out="),
    (lambda x: np.exp(x, where=np.ones((3, 4), bool)), r"where=.*np\.where"),
    (lambda x: np.exp(x, dtype=np.float32), r"dtype=.*\.astype"),
    (lambda x: np.sum(x, out=np.ones(())), r"np\.sum .*out=.*test_numpy"),
    (lambda x: np.sum(x, 0, None, np.ones(4)), r"np\.sum .*out="),
    (lambda x: np.sum(x, where=A > 0.5), r"where=.*np\.where"),
    (lambda x: np.sum(x, where=False), r"where=.*np\.where"),
    (lambda x: np.sum(x, initial=3.0), r"initial=.*initial \+ x\.sum"),
    (lambda x: np.max(x, initial=0.0), r"initial=.*np\.maximum"),
    (lambda x: np.reshape(x, (4, 3), order="F"), r"order=.*transpose"),
    (lambda x: np.concatenate([x, x], out=np.ones((6, 4))), r"np\.concatenate .*out="),
    (lambda x: np.add.reduce(x, out=np.ones(4)), r"np\.add\.reduce .*out="),
    (lambda x: np.multiply.reduce(x), r"np\.multiply\.reduce"),
    (lambda x: np.add.accumulate(x), r"np\.add\.accumulate .*np\.stack"),
    (lambda x: np.add.reduceat(x, [0, 2]), r"np\.add\.reduceat .*np\.stack"),
    (lambda x: np.add.at(x, [0], 1.0), r"np\.add\.at .*not a place"),
    (lambda x: np.add.at(np.ones((3, 4)), [0], x), r"np\.add\.at .*not a place"),
    (lambda x: np.copyto(np.ones((3, 4)), x), r"np\.copyto .*written into an array"),
    (lambda x: np.full_like(np.ones((3, 4)), x[0, 0]), r"written into an array"),
    (lambda x: operator.iadd(np.ones((3, 4)), x), r"test_numpy.*`total = total \+ x`"),
    (lambda x: np.frompyfunc(abs, 1, 1)(x), "abs"),
    (lambda x: special.gammaln(x), "gammaln"),
])
def test_what_has_no_rule_says_what_to_use(f, match, x):
    n = len(x.graph)
    with pytest.raises(ad.UnsupportedError, match=match):
        f(x)
    assert len(x.graph) <= n + 2                  # x[0, 0] above


def test_a_value_cannot_slip_into_an_array(x):
    v = x[0, 0]
    for f in (lambda: np.full(3, v), lambda: np.array([v, v]), lambda: np.sum([v, v]),
              lambda: np.asarray(v, object)):
        with pytest.raises(ad.ConcretizationError, match="gradient would be lost"):
            f()


def test_shapes_that_do_not_fit_are_errors_of_the_operation(x):
    with pytest.raises(ad.ShapeError, match=r"add.*\(3, 4\).*\(5,\).*test_numpy"):
        np.add(x, np.ones(5))
    with pytest.raises(ValueError, match="sum"):
        np.sum(x, axis=2)
    with pytest.raises(TypeError):
        np.sum(x, 0, axis=0)


def test_dir_shows_what_is_public():
    for module in (ad.numpy, ad.random):
        assert dir(module) == sorted(module.__all__)
