"""Calls that are wrong: the error is ours, names the operation and the user's line, and the next
call works.
"""

import math

import numpy as np
import pytest
from scipy import special

import autodiff as ad
import autodiff.numpy as anp

X = np.arange(12.0).reshape(3, 4)
HUGE = 10**400

WHILE_TRACING = {
    # shapes and axes that are none
    "broadcast_to-negative": (
        lambda x: np.broadcast_to(x, (-5, 3, 4)), ad.ShapeError, "broadcast_to.*negative extent"),
    "broadcast_to-float": (
        lambda x: np.broadcast_to(x, (2.0, 3, 4)), ad.DTypeError, "broadcast_to: a shape is"),
    "reshape-float": (lambda x: np.reshape(x, 2.0), ad.DTypeError, "reshape: a shape is.*2.0"),
    "reshape-floats": (lambda x: x.reshape((2.0, 6)), ad.DTypeError, "reshape: a shape is"),
    "reshape-string": (lambda x: x.reshape("a"), ad.DTypeError, "reshape: a shape is.*'a'"),
    "reshape-none": (lambda x: x.reshape(None), ad.DTypeError, "reshape: a shape is.*None"),
    "sum-axis": (lambda x: x.sum(axis=1.0), ad.DTypeError, "sum: an axis is an int, not 1.0"),
    "mean-axis": (lambda x: np.mean(x, axis="a"), ad.DTypeError, "mean: an axis.*'a'"),
    "max-axis": (lambda x: x.max(axis=1.0), ad.DTypeError, "max: an axis"),
    "var-axis": (lambda x: x.var(axis=1.0), ad.DTypeError, "var: an axis"),
    "argmax-axis": (lambda x: x.argmax(axis="a"), ad.DTypeError, "argmax: an axis"),
    "softmax-axis": (lambda x: anp.softmax(x, axis=1.0), ad.DTypeError, "softmax: an axis"),
    "logsumexp-axis": (lambda x: anp.logsumexp(x, axis="a"), ad.DTypeError, "logsumexp: an axis"),
    "transpose-axes": (lambda x: np.transpose(x, 1.0), ad.DTypeError, "transpose: axes are ints"),
    "swapaxes-axis": (lambda x: x.swapaxes(0, 1.0), ad.DTypeError, "swapaxes: an axis"),
    "squeeze-axis": (lambda x: x.squeeze(axis=1.0), ad.DTypeError, "squeeze: an axis"),
    "expand_dims-axis": (lambda x: np.expand_dims(x, 0.5), ad.DTypeError, "expand_dims: an axis"),
    "concatenate-axis": (
        lambda x: np.concatenate([x, x], axis=1.0), ad.DTypeError, "concatenate: an axis"),
    "stack-axis": (lambda x: np.stack([x, x], axis="a"), ad.DTypeError, "stack: an axis"),
    "size-axis": (lambda x: np.size(x, axis=7), ad.ShapeError, "size: axis 7"),
    "too-large": (
        lambda x: np.broadcast_to(x, (2**40, 2**40, 3, 4)), ad.ShapeError,
        "broadcast_to.*larger than any array"),
    "too-many-axes": (
        lambda x: x.reshape((1,) * 40 + (3, 4)), ad.ShapeError, "reshape: 42 axes.*up to 32"),
    # options of NumPy's
    "reshape-order": (
        lambda x: x.reshape(4, 3, order="F"), ad.UnsupportedError, "reshape.*transpose first"),
    "ravel-order": (lambda x: x.ravel(order="F"), ad.UnsupportedError, "ravel.*order="),
    "sum-out": (lambda x: x.sum(out=np.zeros(())), ad.UnsupportedError, "sum.*out=.*not a place"),
    "max-initial": (lambda x: x.max(initial=0), ad.UnsupportedError, "max.*initial="),
    "argmax-out": (lambda x: x.argmax(out=3), ad.UnsupportedError, "argmax.*out="),
    "take-out": (lambda x: x.take([0], out=X), ad.UnsupportedError, "take.*out="),
    "clip-out": (lambda x: x.clip(0, 1, out=X), ad.UnsupportedError, "clip.*out="),
    "astype-order": (
        lambda x: x.astype(np.float32, order="F"), ad.UnsupportedError, "astype.*order="),
    "where-alone": (lambda x: np.where(x > 0), ad.UnsupportedError, "where takes.*flatnonzero"),
    # numbers
    "add-huge": (lambda x: x + HUGE, ad.NumberError, "add: an int of 1329 bits.*float64"),
    "multiply-huge": (lambda x: x * HUGE, ad.NumberError, "multiply: an int of"),
    "power-huge": (lambda x: x ** HUGE, ad.NumberError, "power: an int of"),
    "subtract-huge": (lambda x: HUGE - x, ad.NumberError, "subtract: an int of"),
    "unprintable": (lambda x: x + 10**5000, ad.NumberError, "add: an int of 16610 bits"),
    "int8": (lambda x: x.astype(np.int8) + 300, ad.NumberError, "add: 300 does not fit int8"),
    "negative-power": (
        lambda x: x.astype(int) ** -(10**5000), ad.ArgumentError, "power.*an int of 16610 bits"),
    # operands
    "add-string": (lambda x: x + "a", ad.DTypeError, "add: 'a' is no number"),
    "radd-string": (lambda x: "a" + x, ad.DTypeError, "add: 'a' is no number"),
    "add-none": (lambda x: x + None, ad.DTypeError, "add: None"),
    "multiply-complex": (lambda x: x * 1j, ad.DTypeError, "multiply: 1j"),
    "less-string": (lambda x: x < "a", ad.DTypeError, "less: 'a'"),
    "ragged": (lambda x: x + [[1], [2, 3]], ad.DTypeError, r"add: \[\[1\], \[2, 3\]\]"),
    "matmul-string": (lambda x: x @ "a", ad.DTypeError, "matmul cannot take a str"),
    "clip-string": (lambda x: np.clip(x, "a", None), ad.DTypeError, "clip cannot take.*str"),
    "where-string": (lambda x: np.where(x > 0, "a", 1), ad.DTypeError, "where cannot take.*str"),
    "and": (lambda x: (x > 0) & (x < 1), ad.UnsupportedError, "bitwise_and.*np.logical_and"),
    "invert": (lambda x: ~(x > 0), ad.UnsupportedError, "invert.*np.logical_not"),
    "shift": (lambda x: x << 1, ad.UnsupportedError, "left_shift"),
    "rshift": (lambda x: x >> 1, ad.UnsupportedError, "right_shift"),
    "ror": (lambda x: True | (x > 0), ad.UnsupportedError, "bitwise_or"),
    "divmod": (lambda x: divmod(x, 2), ad.UnsupportedError, "divmod.*x // y and x % y"),
    "round": (lambda x: round(x), ad.UnsupportedError, "round.*floor"),
    "astype-junk": (lambda x: x.astype("junk"), ad.DTypeError, "astype: 'junk' is no dtype"),
    # indices
    "slice-float": (lambda x: x[0:1.0], ad.IndexingError, "indexing: slice.*integers"),
    "slice-zero": (lambda x: x[::0], ad.IndexingError, "indexing: slice.*zero"),
    "slice-zero-beside": (lambda x: x[[0, 1], ::0], ad.IndexingError, "indexing: slice.*zero"),
    "uint64-index": (
        lambda x: x.ravel()[np.array([2**64 - 1], np.uint64)], ad.IndexRangeError, "out of bounds"),
    "uint64-take": (
        lambda x: np.take(x, np.array([2**63], np.uint64)), ad.IndexRangeError, "out of bounds"),
    "mask": (lambda x: x[x > 1], ad.ConcretizationError, r"np\.where\(mask, x, 0\)"),
    "math": (lambda x: math.sin(x[0, 0]), ad.ConcretizationError, r"np\.sin instead of math\.sin"),
    "two-arrays": (
        lambda x: np.concatenate(x, x), ad.DTypeError, r"tuple of arrays, np\.concatenate\(\(a, b"),
    "array-and-variable": (
        lambda x: np.stack(x, X), ad.DTypeError, r"tuple of arrays, np\.stack\(\(a, b"),
    # layers
    "labels": (
        lambda x: anp.cross_entropy(x, np.zeros(3)), ad.DTypeError, "cross_entropy: labels are"),
    "dropout": (
        lambda x: ad.nn.dropout(x, 2, ad.random.key(0)), ad.ArgumentError, "dropout: the rate 2"),
}


@pytest.mark.parametrize("name", WHILE_TRACING)
def test_a_mistake_names_operation_and_line(name):
    f, error, match = WHILE_TRACING[name]
    with pytest.raises(error, match=match) as caught:
        ad.compile(f)(X)
    assert f"test_mistakes.py:{f.__code__.co_firstlineno}" in str(caught.value) or (
        f"test_mistakes.py:{f.__code__.co_firstlineno + 1}" in str(caught.value))
    np.testing.assert_array_equal(ad.grad(lambda x: (x * x).sum())(X), 2 * X)


def test_numbers_that_do_not_fit_are_overflow_errors():
    with pytest.raises(OverflowError):
        ad.grad(lambda x: (x + HUGE).sum())(X)


def test_other_types_may_know_what_a_variable_plus_them_is():
    class Other:
        def __radd__(self, x):
            return "mine"

    x = ad.variable("x", 3)
    assert x + Other() == "mine"
    assert (x == None) is False  # noqa: E711
    assert (x != "a") is True


def test_negative_extents_enter_no_graph():
    with pytest.raises(ad.ShapeError, match="broadcast_to.*negative"):
        ad.compile(lambda x: np.concatenate(
            [np.broadcast_to(x, (-5, 2, 3)), np.ones((7, 2, 3))]))(np.full((2, 3), 7.0))
    with pytest.raises(ad.ShapeError, match="negative"):
        np.full_like(ad.variable("x", 3), 1.0, shape=(-2,))


@pytest.mark.parametrize("f", [
    lambda x, k: x[k], lambda x, k: np.take(x, k), lambda x, k: np.take(x, k, axis=0)])
def test_uint64_indices_are_not_wrapped(f):
    x = np.arange(5.0)
    step = ad.compile(f)
    np.testing.assert_array_equal(step(x, np.array([4, 0], np.uint64)), [4.0, 0.0])
    for wrong in (5, 2**63 - 1, 2**63, 2**64 - 1):
        with pytest.raises(ad.IndexRangeError, match="out of bounds"):
            step(x, np.array([0, wrong], np.uint64))
        with pytest.raises(ad.IndexRangeError, match="out of bounds"):
            ad.grad(lambda x, wrong=wrong: f(x, np.array([0, wrong], np.uint64)).sum())(x)


def test_uint64_labels_are_not_wrapped():
    step = ad.compile(anp.cross_entropy)
    labels = np.array([0, 1, 2], np.uint64)
    assert step(X, labels) == step(X, labels.astype(int))
    for given in (step, lambda x, k: ad.grad(lambda x: anp.cross_entropy(x, k))(x)):
        with pytest.raises(ad.IndexRangeError, match="label 9223372036854775807 is out of range"):
            given(X, np.array([0, 1, 2**64 - 1], np.uint64))


@pytest.mark.parametrize(("arguments", "error", "match"), [
    (("x", (-1,)), ad.ShapeError, "negative extent"),
    (("x", (1.5,)), ad.DTypeError, r"'x': a shape is an int or a tuple of ints, not \(1.5,\)"),
    (("x", "a"), ad.DTypeError, "a shape is"),
    (("x", None), ad.DTypeError, "a shape is"),
    (("x", 3, "junk"), ad.DTypeError, "variable 'x': 'junk' is no dtype"),
    ((3, ()), ad.ArgumentError, "a name is a string, not 3"),
    (("x", (), float, 3), ad.ArgumentError, "'x': graph= takes an ad.Graph, not 3"),
    (("x", (1,) * 40), ad.ShapeError, "40 axes"),
])
def test_a_variable_of_nothing(arguments, error, match):
    with pytest.raises(error, match=match):
        ad.variable(*arguments)


def nothing(x):
    (x * x).sum()


class Series:
    """An array in other clothes, as pandas has them."""

    def __array__(self, dtype=None, copy=None):
        return np.ones(3)


def cubes(x):
    return (x**3).sum()


V = np.ones(3)


def of_operation(bprop):
    """The gradient of an operation with such rules; made late, as a table lists operations."""
    own = ad.operation(np.cbrt, bprop=bprop, name="own")
    return ad.grad(lambda x: own(x).sum())(V)


@pytest.mark.parametrize(("f", "error", "match"), [
    (lambda: ad.grad(cubes)(V * 1j), ad.DTypeError, "complex128.*the imaginary part as two real"),
    (lambda: ad.grad(cubes)(Series()), ad.DTypeError, r"argument 0 is a Series.*np\.asarray\(x\)"),
    (lambda: ad.grad(cubes)(range(3)), ad.DTypeError, r"a range .*np\.asarray\(x\)"),
    (lambda: ad.grad(cubes)("a"), ad.DTypeError, "is a str and cannot be differentiated; leave it"),
    (lambda: ad.grad(nothing)(V), ad.DTypeError, "grad: the function nothing returned .* did"),
    (lambda: ad.value_and_grad(nothing)(V), ad.DTypeError, "value_and_grad: the function nothing"),
    (lambda: ad.jacobian(nothing)(V), ad.ArgumentError, "jacobian: the function nothing .*return`"),
    (lambda: ad.vjp(nothing, V), ad.ArgumentError, "vjp: the function nothing returned None"),
    (lambda: ad.jvp(nothing, (V,), (V,)), ad.ArgumentError,
     "jvp: the function nothing returned None"),
    (lambda: of_operation(None), ad.UndefinedDerivativeError,
     r"derivative of own\w* is undefined.*Give ad\.operation its rule, bprop="),
    (lambda: ad.grad(np.argmax)(V), ad.DTypeError, "grad: the function returned"),
    (lambda: ad.grad(lambda x: x.argmax() * 1.0)(V), ad.UndefinedDerivativeError, r"x\.value"),
    (lambda: of_operation(lambda g, y, x: g), ad.ArgumentError,
     r"own\w*: bprop, .*parameters \(g, y, x\), .*with \(position, g, y, x1\); give a tuple"),
    (lambda: of_operation((lambda g, x: g,)), ad.ArgumentError,
     r"own\w*: a rule of bprop has the parameters \(g, x\), .*with \(g, y, x1\)$"),
    (lambda: ad.grad(cubes, V), ad.ArgumentError, r"int or a tuple .*array.*ad\.grad\(f\)\(x\)"),
    (lambda: ad.grad(cubes, [0.0]), ad.ArgumentError, "argnums is an int or a tuple"),
    (lambda: ad.grad(cubes)(x=V), ad.ArgumentError, r"passed by position, ad\.grad\(f\)\(x\)"),
    (lambda: ad.grad(lambda x: x if x > 0 else -x)(V), ad.ArgumentError,
     r"the truth value .* 3 elements.*np\.where\(condition, a, b\)"),
    (lambda: ad.hvp(cubes)(V), ad.ArgumentError, r"hvp: 1 .*hvp\(f\)\(x, \*args, v\)"),
    (lambda: ad.hvp(cubes)(V, np.ones(2)), ad.ShapeError,
     r"^hvp\(f\)\(x, \*args, v\): the direction v of argument 0 has shape \(2,\), \(3,\) is"),
    (lambda: ad.hvp(np.sin)(V, V), ad.ShapeError, "^hvp differentiates"),
    (lambda: ad.hessian(np.sin)(V), ad.ShapeError, "^hessian differentiates"),
    (lambda: ad.hessian(lambda p: cubes(p["a"]))({"a": V}), ad.ArgumentError,
     "hessian: the argument is a dict, not one array"),
    (lambda: ad.plan(cubes, V, policy="MB"), ad.PolicyError, "unknown policy 'MB'.* '64MB'"),
    (lambda: ad.grad(lambda x: special.softmax(x).sum())(V), ad.ConcretizationError,
     r"SciPy.*ad\.nn\.softmax.*ad\.operation"),
])
def test_a_mistake_says_what_to_do(f, error, match):
    with pytest.raises(error, match=match):
        f()
    np.testing.assert_array_equal(ad.grad(cubes)(V), 3 * V)


def test_numbers_of_math_warn_and_name_the_remedy():
    with pytest.warns(ad.GradientWarning, match=r"np\.sin instead of math\.sin"):
        ad.grad(lambda x: math.sin(x[0]) * x.sum())(V)


def test_rules_of_any_number_of_inputs_are_called():
    add = ad.operation(lambda *xs: sum(xs), bprop=lambda position, g, y, *xs: g)
    assert ad.grad(add, argnums=(0, 1))(1.0, 2.0) == (1.0, 1.0)
    assert ad.grad(add)(1.0, 2.0, 3.0) == 1.0


def test_hvp_in_the_order_of_scipy():
    def scaled(x, k):
        return (k * x**3).sum()

    hvp = ad.hvp(scaled)
    hessp = lambda x, p, *args: hvp(x, *args, p)                  # noqa: E731 (as documented)
    np.testing.assert_array_equal(hessp(V, 2 * V, 5.0), 60 * V)
