"""check_grads accepts right derivatives of any order and names what is wrong with others."""

import numpy as np
import pytest

import autodiff as ad
from autodiff.core.operations import operation
from autodiff.numpy import exp, sin, tanh
from transform_cases import PARAMS, X, Y, cubes, network, rosenbrock


@pytest.mark.parametrize("order", [1, 2, 3])
def test_right_derivatives(order):
    ad.check_grads(sin, (X,), order)
    ad.check_grads(lambda a, b: {"p": a @ b, "q": exp(a * 0.5)}, (X, X.T @ Y), order)
    ad.check_grads(rosenbrock, (np.linspace(0.5, 1.5, 4),), order)


def test_containers_integers_and_statics():
    ad.check_grads(network, (PARAMS, X, Y))
    ad.check_grads(lambda p, k, n, b: p["x"][k] ** n * (2 if b else 3),
                   ({"x": np.array([0.5, 1.5]), "none": None}, np.array([1, 1, 0]), 3, True))
    ad.check_grads(lambda a, b: a * b, (2.0, 3.0))


def test_float32():
    ad.check_grads(network, ({k: W.astype("f") for k, W in PARAMS.items()}, X.astype("f"),
                             Y.astype("f")))
    ad.check_grads(lambda x: (tanh(x) * x).sum(), (X.astype("f"),), order=3)


def broken(monkeypatch, name, **rules):
    for kind, rule in rules.items():
        monkeypatch.setattr(operation(name), kind, rule)


def test_a_wrong_pullback_is_named(monkeypatch):
    tanh_row = operation("tanh")
    right = tanh_row.bprop
    broken(monkeypatch, "tanh", bprop=lambda position, g, y, x: right(position, g, y, x) * 1.01)
    with pytest.raises(
            AssertionError,
            match=r"towards argument 1\['w'\] is wrong in mode 'rev', order 1: \S+, "
                  r"central differences give \S+") as caught:
        ad.check_grads(lambda a, p: (a * tanh(p["w"])).sum(), (X, {"w": X}))
    message = str(caught.value)
    found, expected = (float(message.split(sep)[1].split()[0].rstrip(",")) for sep in
                       ("order 1: ", "differences give "))
    np.testing.assert_allclose(found, 1.01 * expected, rtol=1e-6)
    ad.check_grads(lambda a, p: (a * tanh(p["w"])).sum(), (X, {"w": X}), order=1, modes="fwd")


def test_a_wrong_tangent_is_named(monkeypatch):
    right = operation("tanh").jvp
    broken(monkeypatch, "tanh", jvp=lambda tangents, y, x: right(tangents, y, x) * 0.99)
    with pytest.raises(AssertionError, match="argument 0 is wrong in mode 'fwd', order 1"):
        ad.check_grads(tanh, (X,))
    ad.check_grads(tanh, (X,), modes=("rev",))


def test_a_rule_that_is_right_and_not_differentiable_again(monkeypatch):
    """x.value in a rule: the first derivative is right, the second one lost."""
    broken(monkeypatch, "tanh", bprop=lambda position, g, y, x: g * (1 - y.value * y.value))
    ad.check_grads(tanh, (X,), order=1)
    with pytest.raises(AssertionError, match="in mode 'rev of rev', order 2"):
        ad.check_grads(tanh, (X,), order=2, modes=("rev",))


def test_a_value_that_left_the_graph_is_found():
    with pytest.raises(AssertionError, match="argument 0"):
        ad.check_grads(lambda x: x * x.value, (X,))


def test_nan_is_wrong():
    with pytest.raises(AssertionError, match="nan"):
        ad.check_grads(lambda x: x * np.nan, (X,))


def test_tolerances_and_steps_are_the_callers():
    def kinked(x):
        return abs(x).sum()

    at = np.array([1e-3, -1.0])
    ad.check_grads(kinked, (at,))
    with pytest.raises(AssertionError, match=r"eps 0\.1"):
        ad.check_grads(kinked, (at,), eps=0.1)
    ad.check_grads(kinked, (at,), eps=0.1, atol=10.0)
    with pytest.raises(AssertionError):
        ad.check_grads(exp, (X,), rtol=1e-16, atol=1e-16)


def test_the_directions_are_reproducible():
    def message(**rng):
        with pytest.raises(AssertionError) as caught:
            ad.check_grads(lambda x: x * x.value, (X,), **rng)
        return str(caught.value)

    assert message() == message() == message(rng=0)
    assert message(rng=1) != message()


@pytest.mark.parametrize(
    ("keywords", "match"),
    [({"order": 0}, "order"), ({"order": 1.5}, "order"), ({"modes": ("reverse",)}, "modes"),
     ({"modes": ()}, "modes")])
def test_settings_that_make_no_sense(keywords, match):
    with pytest.raises(ad.ArgumentError, match=match):
        ad.check_grads(cubes, (X,), **keywords)


@pytest.mark.parametrize(("args", "match"), [(X, "tuple"), ((3,), "no argument"), ((), "no arg")])
def test_arguments_that_make_no_sense(args, match):
    with pytest.raises(ad.ArgumentError, match=match):
        ad.check_grads(lambda *args: 1.0, args)


def test_results_are_floating():
    with pytest.raises(ad.DTypeError, match="int64"):
        ad.check_grads(lambda x: x.argmax(), (X,))
