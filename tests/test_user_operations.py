"""ad.operation: the user's forward, rules, shapes and effects."""

import numpy as np
import pytest

import autodiff as ad

cube = ad.operation(lambda x: x**3, bprop=(lambda g, y, x: 3 * g * x**2,), name="cube")
hypot = ad.operation(
    np.hypot, bprop=(lambda g, y, a, b: g * a / y, lambda g, y, a, b: g * b / y), name="user_hypot")


def test_it_computes_differentiates_and_nests():
    x = np.array([1.0, -2.0, 3.0])
    np.testing.assert_array_equal(cube(x), x**3)
    np.testing.assert_allclose(ad.grad(lambda x: cube(x).sum())(x), 3 * x**2)
    np.testing.assert_allclose(ad.hessian(lambda x: cube(x).sum())(x), np.diag(6 * x))
    ad.check_grads(lambda x: cube(np.sin(x)).sum(), (x,))
    ad.check_grads(lambda a, b: hypot(a, b).sum(), (x, x[::-1] + 7.0))


@pytest.mark.parametrize("policy", ["store", "recompute", "checkpoint"])
def test_it_obeys_the_policy_to_the_byte(policy):
    def f(x):
        for _ in range(6):
            x = cube(np.tanh(x))
        return x.sum()

    step = ad.compile(ad.value_and_grad(f), policy)
    x = np.linspace(-1, 1, 1000)
    value, g = step(x)
    expected_value, expected = ad.value_and_grad(f)(x)
    assert value.tobytes() == expected_value.tobytes()
    assert g.tobytes() == expected.tobytes()
    assert step.measured_peak_bytes == step.plan(x).peak_bytes


def test_shape_and_dtype_come_from_ones_once_a_signature_or_from_shape():
    seen = []

    def rows(x):
        seen.append(x.copy())
        return x.sum(axis=0).astype(np.float32)

    op = ad.operation(rows)
    for _ in range(3):
        x = ad.variable("x", (4, 2))
        y = op(x)
        assert (y.shape, y.dtype) == ((2,), np.float32)
    assert len(seen) == 1
    assert (seen[0] == 1).all()
    never = ad.operation(lambda x: 1 / 0, shape=lambda x: ((3,), np.float64), name="never")
    assert never(x).shape == (3,)


def test_inputs_are_read_only_and_results_copied():
    kept = []

    def forward(x):
        assert not x.flags.writeable
        kept.append(x)
        return x

    op = ad.operation(forward, name="identity_of_user")
    program_x = ad.variable("x", (3,))
    y = op(program_x) * 2
    np.testing.assert_array_equal(ad.Program([program_x], [y])(np.ones(3))[0], [2, 2, 2])


@pytest.mark.parametrize("effect", ["pure", "callback"])
def test_what_forward_keeps_of_its_inputs_stays_as_it_was(effect):
    kept = []

    def forward(x):
        kept.append(x[1:])
        return x

    op = ad.operation(forward, shape=lambda x: (x.shape, x.dtype), effect=effect)
    f = ad.compile(lambda x: op(np.sqrt(x)) * 2)
    for given in (np.ones(1000), np.zeros(1000), np.full(1000, 3.0)):
        f(given)
    ad.release_memory()
    for found, given in zip(kept, (1.0, 0.0, 3.0), strict=True):
        assert not found.flags.writeable
        np.testing.assert_array_equal(found, np.sqrt(np.full(999, given)))


def root(a):
    """sqrt(a) by Newton's method, the slope by a transform."""
    x = np.array(1.0)
    for _ in range(20):
        x = x - (x * x - a) / ad.grad(lambda z: z * z)(x)
    return x


@pytest.mark.parametrize("shape", [None, lambda a: ((), np.float64)])
def test_forward_may_use_transforms_while_a_trace_is_open(shape):
    op = ad.operation(root, bprop=(lambda g, y, a: g / (2 * y),), shape=shape)

    def looks(a):
        y = op(a)                                  # forward runs at the look, inside the trace
        return y * op(9.0) if y.value > 1 else y   # ... and on numbers alone

    assert ad.grad(op)(4.0) == 0.25
    assert ad.grad(looks)(4.0) == 0.75
    assert ad.compile(ad.grad(op))(4.0) == 0.25


@pytest.mark.parametrize("dtype", [complex, np.float16, np.longdouble, object, "U3", "M8[s]"])
def test_results_of_dtypes_without_kernels_are_refused(dtype):
    op = ad.operation(lambda x: np.zeros(2, dtype), name="strange")
    told = ad.operation(lambda x: x, shape=lambda x: ((2,), dtype), name="strange_told")
    for each in (op, told):
        with pytest.raises(ad.DTypeError, match="the result of strange"):
            each(ad.variable("x", (2,)))


def test_a_result_cannot_have_a_negative_extent():
    op = ad.operation(lambda x: x, shape=lambda x: ((-1,), np.float64), name="negative_extent")
    with pytest.raises(ad.ShapeError, match="negative_extent: the result"):
        op(ad.variable("x", (2,)))


def test_a_gradient_needs_a_rule():
    bare = ad.operation(np.cos, name="bare")
    with pytest.raises(ad.UndefinedDerivativeError, match="derivative of bare is undefined"):
        ad.grad(lambda x: bare(x))(1.0)
    half = ad.operation(np.arctan2, bprop=(lambda g, y, a, b: g * b / (a * a + b * b), None))
    assert ad.grad(lambda a, b: half(a, b), argnums=(0, 1))(0.0, 2.0)[1] == 0


def test_a_rule_that_forgets_its_return_is_an_error():
    def forgets(g, y, a, b):
        g * a  # noqa: B018

    op = ad.operation(np.multiply, bprop=(lambda g, y, a, b: g * b, forgets), name="forgetful")
    for transform in (ad.grad, lambda f, k: lambda *args: ad.jvp(f, args, args)):
        with pytest.raises(ad.ArgumentError, match=(
                r"forgetful: the rule towards argument 1 in bprop returned None"
                r" \(test_user_operations.py:\d+\); return .*or put None in place")):
            transform(lambda a, b: op(a, b), (0, 1))(2.0, 3.0)
    assert ad.grad(lambda a: op(a, 3.0))(2.0) == 3.0


@pytest.mark.parametrize("found", [np.ones(3), 2.0, [1.0], "x", 0])
def test_rules_return_variables(found):
    op = ad.operation(np.negative, name="variableless", bprop=(lambda g, y, x: found,),
                      jvp=lambda tangents, y, x: found)
    wrong = rf"returned {type(found).__name__}, not a Variable.* \(test_user_operations.py:\d+\)"
    with pytest.raises(ad.DTypeError, match=f"bprop of variableless.* {wrong}"):
        ad.grad(lambda x: op(x).sum())(np.ones(3))
    with pytest.raises(ad.DTypeError, match=f"jvp of variableless.* {wrong}"):
        ad.jvp(op, (np.ones(3),), (np.ones(3),))


def test_rules_return_variables_of_this_graph():
    with ad.Graph():
        other = ad.variable("other", 3)
    op = ad.operation(np.negative, bprop=(lambda g, y, x: other,),
                      jvp=lambda tangents, y, x: other)
    for f in (lambda x: ad.grad(lambda x: op(x).sum())(x), lambda x: ad.jvp(op, (x,), (x,))):
        with pytest.raises(ad.GraphError, match="a rule returned <Variable other.*another graph"):
            f(np.ones(3))


def test_a_jvp_that_forgets_its_return_is_an_error():
    op = ad.operation(np.square, name="forgot", bprop=(lambda g, y, x: 2 * g * x,),
                      jvp=lambda tangents, y, x: None)
    with pytest.raises(ad.ArgumentError, match="forgot: jvp returned None.*return J t"):
        ad.jvp(op, (2.0,), (1.0,))
    assert ad.grad(op)(2.0) == 4.0


def test_one_callable_for_all_arguments_may_return_none():
    op = ad.operation(np.multiply, name="one_sided",
                      bprop=lambda position, g, y, a, b: g * b if position == 0 else None)
    assert ad.grad(op, (0, 1))(2.0, 3.0) == (3.0, 0.0)
    op = ad.operation(np.multiply, name="one_sided", bprop=lambda position, g, y, a, b: None,
                      jvp=lambda tangents, y, a, b: None)
    assert ad.jvp(op, (2.0, 3.0), (1.0, 1.0)) == (6.0, 0.0)


@pytest.mark.parametrize("shape", [None, lambda x: (x.shape, x.dtype)])
def test_a_result_in_the_other_byte_order_is_of_its_kind(shape):
    op = ad.operation(lambda x: x.astype(x.dtype.newbyteorder()), shape=shape, name="swapped",
                      bprop=(lambda g, y, x: g,))
    for dtype in (np.float64, np.float32, np.int32):
        x = np.arange(3).astype(dtype)
        np.testing.assert_array_equal(ad.compile(lambda x: op(x))(x), x, strict=True)
    np.testing.assert_array_equal(ad.grad(lambda x: (x * op(x)).sum())(np.arange(3.0)), [0, 2, 4])


def test_an_error_in_forward_names_the_operation_and_leaves_the_next_call_working():
    def fragile(x):
        if (x < 0).any():
            raise RuntimeError("negative")
        return x

    op = ad.operation(fragile, bprop=(lambda g, y, x: g,))
    f = ad.compile(ad.grad(lambda x: (op(x) ** 2).sum()))
    with pytest.raises(RuntimeError, match="negative") as caught:
        f(-np.ones(3))
    assert "fragile" in caught.value.__notes__[0]
    np.testing.assert_array_equal(f(np.ones(3)), [2, 2, 2])


def test_a_forward_that_breaks_its_promise_is_refused():
    op = ad.operation(lambda x: x[:2], shape=lambda x: (x.shape, x.dtype), name="liar")
    x = ad.variable("x", (3,))
    with pytest.raises(ad.ShapeError, match=r"liar: forward returned shape \(2,\)"):
        ad.Program([x], [op(x)])(np.ones(3))
    op = ad.operation(lambda x: x.astype(np.float32), shape=lambda x: (x.shape, x.dtype))
    with pytest.raises(ad.DTypeError, match="float32"):
        ad.Program([x], [op(x)])(np.ones(3))


@pytest.mark.parametrize("policy", ["store", "recompute", "checkpoint"])
def test_callbacks_run_once_in_order_and_never_merge(policy):
    log = []

    def note(number):
        def forward(x):
            log.append(number)
            return x * 1.0
        return ad.operation(forward, bprop=(lambda g, y, x: g,), effect="callback",
                            shape=lambda x: (x.shape, x.dtype), name=f"note{number}")

    first, second = note(1), note(2)

    def f(x):
        y = first(x) + first(x) + second(x)
        return (np.sin(y) * np.cos(y)).sum()

    ad.grad(f, policy=policy)(np.ones(3))
    assert log == [1, 1, 2]


def test_equal_pure_operations_merge():
    x = ad.variable("x", (3,))
    assert cube(x) is cube(x)


@pytest.mark.parametrize(("given", "words"), [
    ({"forward": 3}, "forward"), ({"forward": np.sin, "effect": "maybe"}, "effect"),
    ({"forward": np.sin, "bprop": (3,)}, "bprop"), ({"forward": np.sin, "bprop": ()}, "bprop"),
])
def test_impossible_operations_are_refused(given, words):
    with pytest.raises(ad.ArgumentError, match=words):
        ad.operation(**given)


def test_the_number_of_rules_is_checked():
    op = ad.operation(np.add, bprop=(lambda g, y, a, b: g,), name="one_rule")
    with pytest.raises(ad.ArgumentError, match="1 rules in bprop for 2 arguments"):
        op(ad.variable("x"), 1.0)
