"""Graphs and Variables: nodes, names, merging, consumers, levels and what is refused."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autodiff as ad
from autodiff.core.arguments import argument
from autodiff.core.making import constant, node
from autodiff.core.operations import operation

DTYPES = [np.bool_, np.int8, np.int32, np.int64, np.uint16, np.float32, np.float64]


@pytest.fixture
def g():
    with ad.Graph() as graph:
        yield graph


# ---- Variables ------------------------------------------------------------------------------

@pytest.mark.parametrize("dtype", DTYPES)
def test_a_leaf_has_the_form_it_was_given(g, dtype):
    x = ad.variable("x", (2, 3), dtype)
    assert (x.name, x.op.name, x.inputs, x.consumers()) == ("x", "variable", (), [])
    assert (x.shape, x.dtype, x.ndim, x.size) == ((2, 3), np.dtype(dtype), 2, 6)
    assert x.nbytes == np.zeros((2, 3), dtype).nbytes
    assert (x.graph, x.level, len(g)) == (g, 0, 1)


def test_a_shape_may_be_an_int_and_dtypes_default_to_float64(g):
    assert ad.variable("x", 3).shape == (3,)
    assert ad.variable("x", np.int64(3)).shape == (3,)
    x = ad.variable("x")
    assert (x.shape, x.size, x.dtype) == ((), 1, np.float64)
    assert ad.variable("x", (4, 0)).size == 0


def test_operations_know_their_inputs_and_inputs_their_consumers(g):
    x, y = ad.variable("x", (3,)), ad.variable("y", (3,))
    u, v, w = x + y, x * x, y + x
    assert u.op.name == "add"
    assert u.inputs == (x, y)                     # a tuple compares by identity first
    assert v.inputs == (x, x)
    assert w.inputs == (y, x)
    assert x.consumers() == [u, v, v, w]          # oldest first, once per edge: x * x is two
    assert y.consumers() == [u, w]


def test_names_count_operations_as_figure_6_8_does(g):
    x = ad.variable("x", (3,))
    y = np.exp(x * x + 1.5).sum()
    assert [v.name for v in g] == ["x", "u1", "1.5", "u2", "u3", "u4"]
    assert y.name == "u4"
    y.name = "loss"
    assert (y.name, g[5].name, (y + 1).name) == ("loss", "loss", "u5")


def test_names_need_not_be_unique(g):
    a, b = ad.variable("x", (3,)), ad.variable("x", (3,))
    assert a is not b
    assert a.name == b.name
    assert (a + b).inputs == (a, b)


def test_there_is_one_handle_for_one_node(g):
    x = ad.variable("x", (3,))
    u = x + x
    assert g[0] is x
    assert g[1] is u
    assert u.inputs[0] is x
    assert list(g)[1] is u
    assert hash(u) == hash(g[1])
    assert {x: 1, u: 2}[u.inputs[0]] == 1


def test_a_graph_is_in_topological_order(g):
    x = ad.variable("x", (3,))
    ad.gradients((np.exp(x) * x).sum(), x)
    for v in g:
        assert all(u.index < v.index for u in v.inputs)
        assert all(w.index > v.index for w in v.consumers())


def test_repr_says_shape_dtype_operation_and_line(g):
    u = ad.variable("x", (3, 4), np.float32) * 2
    text = repr(u)
    for part in ("u1", "float32[3, 4]", "multiply", "test_graph.py:"):
        assert part in text
    assert repr(g) == "<Graph of 3 nodes>"


# ---- merging --------------------------------------------------------------------------------

def test_equal_expressions_are_one_node(g):
    x, y = ad.variable("x", (3,)), ad.variable("y", (3,))
    u = np.exp(x * y + 2.0)
    n = len(g)
    assert np.exp(x * y + 2.0) is u
    assert len(g) == n
    assert (y * x) is not (x * y)                 # order is part of an expression


def test_a_merged_node_keeps_its_first_name(g):
    x = ad.variable("x", (3,))
    u = x * x
    u.name = "square"
    assert (x * x).name == "square"


def test_leaves_and_arguments_never_merge(g):
    x = ad.variable("x", (3,))
    assert argument(g, None, None, outer=x) is not argument(g, None, None, outer=x)
    assert argument(g, (), np.float64) is not argument(g, (), np.float64)


def test_attributes_are_compared_with_their_types(g):
    x = ad.variable("x", (3,))
    given_attrs = [(1,), (1.0,), (True,), (0.0,), (-0.0,), (slice(0, 1),), ((1,),), ([1],), (None,)]
    nodes = [node(operation("sum"), [x], (), np.float64, attrs) for attrs in given_attrs]
    again = [node(operation("sum"), [x], (), np.float64, attrs) for attrs in given_attrs]
    assert len({v.index for v in nodes}) == len(given_attrs)
    assert [v.index for v in nodes] == [v.index for v in again]
    assert [v.attrs for v in nodes] == given_attrs


def test_dtypes_and_shapes_do_not_merge(g):
    x = ad.variable("x", (3,))
    a = node(operation("astype"), [x], (3,), np.float32)
    b = node(operation("astype"), [x], (3,), np.int64)
    assert a is not b


@pytest.mark.parametrize("value", [0.0, 1.0, -1.5, np.inf, np.nan, 3])
def test_literals_of_one_value_are_one_node(g, value):
    x = ad.variable("x", (3,))
    assert x + value is x + value
    assert x + value is x + np.float64(value)


def test_a_literal_met_again_keeps_its_dtype(g):
    """Found by the address of the number: many of them, more than are remembered so."""
    values = [1.0 + k / 64 for k in range(200)]
    for _ in range(2):
        for dtype in (np.float32, np.float64):
            x = ad.variable("x", (), dtype)
            for value in values:
                found = (x * value).inputs[1]
                assert (found.dtype, found.name) == (dtype, repr(value))
    assert len(g) == 4 + 2 * 200 + 4 * 200


def test_literals_differ_by_bits_and_dtype(g):
    x, k = ad.variable("x", (3,)), ad.variable("k", (3,), np.int64)
    assert x + 0.0 is not x + -0.0
    assert (x + 1).inputs[1] is not (k + 1).inputs[1]
    assert (x + 1) is (x + 1.0)                   # the same float64 number
    assert (k + 1).dtype == np.int64
    assert (k + 1.0).dtype == np.float64


def test_a_captured_array_is_copied(g):
    x, a = ad.variable("x", (3,)), np.arange(3.0)
    y = x * a
    a[:] = 9
    held = g.payloads[y.inputs[1].index]
    np.testing.assert_array_equal(held, np.arange(3.0))
    assert not held.flags.writeable
    assert x * a is not y                         # it changed: another capture
    assert x * a is x * a                         # it did not


class Model:
    """A graph written with dicts: what merging, naming and consumers mean, spelled out."""

    def __init__(self):
        self.ops, self.inputs, self.index = ["variable"] * 2, [(), ()], {}

    def add(self, op, inputs, key=None):
        name = (op, inputs, key)
        if name not in self.index:
            self.index[name] = len(self.ops)
            self.ops.append(op)
            self.inputs.append(inputs)
        return self.index[name]

    def consumers(self, k):
        return [v for v, inputs in enumerate(self.inputs) for u in inputs if u == k]

    def automatic_names(self):
        count, found = 0, []
        for inputs in self.inputs:
            count += bool(inputs)
            found.append(f"u{count}" if inputs else None)
        return found


STEP = st.tuples(
    st.sampled_from(["add", "multiply", "negative", "exp", "literal"]),
    st.integers(0, 9), st.integers(0, 9))


@given(st.lists(STEP, max_size=60))
def test_any_graph_is_what_the_model_says(steps):
    model = Model()
    with ad.Graph() as g:
        made = [ad.variable("x", (2,)), ad.variable("y", (2,))]
        known = [0, 1]
        for op, i, j in steps:
            a, b = made[-1 - i % len(made)], made[-1 - j % len(made)]
            m, n = known[-1 - i % len(made)], known[-1 - j % len(made)]
            if op == "add":
                made.append(a + b)
                known.append(model.add(op, (m, n)))
            elif op == "multiply":
                made.append(a * b)
                known.append(model.add(op, (m, n)))
            elif op == "literal":
                made.append(a + float(j))
                known.append(model.add("add", (m, model.add("constant", (), j))))
            else:
                made.append(-a if op == "negative" else np.exp(a))
                known.append(model.add(op, (m,)))
    g.verify()
    assert [v.index for v in made] == known
    assert [v.op.name for v in g] == model.ops
    assert [tuple(u.index for u in v.inputs) for v in g] == model.inputs
    for k, v in enumerate(g):
        assert [u.index for u in v.consumers()] == model.consumers(k)
    for v, name in zip(g, model.automatic_names(), strict=True):
        assert name is None or v.name == name


# ---- levels ---------------------------------------------------------------------------------

def test_levels_count_sweeps(g):
    x = ad.variable("x", (3,))
    z = np.exp(x * x).sum()
    assert {v.level for v in g} == {0}
    n0 = len(g)
    first = ad.gradients(z, x)
    n1 = len(g)
    second = ad.gradients(first.sum(), x)
    assert (z.level, first.level, second.level) == (0, 1, 2)
    assert {g[k].level for k in range(n0, n1)} == {1}
    assert max(v.level for v in g) == 2


def test_a_merged_node_keeps_the_lower_level(g):
    y = np.tanh(ad.variable("x", (3,)))
    ad.gradients(y.sum(), y.inputs[0])            # g * (1 - y * y)
    square = next(v for v in g if [u.index for u in v.inputs] == [y.index] * 2)
    assert square.level == 1
    assert y * y is square
    assert square.level == 0


# ---- weak dtypes (NEP 50) -------------------------------------------------------------------

def test_a_weak_argument_gives_way(g):
    w, x = argument(g, (), np.float64, weak=True), ad.variable("x", (3,), np.float32)
    assert w.weak
    assert not x.weak
    assert (w * x).dtype == np.float32
    assert (w * 2.0).weak
    assert (w * w * x).dtype == np.float32
    assert not (w * x).weak
    assert (w + np.float64(1)).dtype == np.float64
    assert not (w + np.float64(1)).weak


def test_a_comparison_of_weak_values_is_a_boolean_like_any(g):
    w = argument(g, (), np.float64, weak=True)
    chosen = np.where(w > 0, w, w * w)
    assert chosen.inputs[0].dtype == np.bool_
    assert chosen.dtype == np.float64


# ---- what is refused ------------------------------------------------------------------------

@pytest.mark.parametrize("dtype", [object, str, np.complex128, np.float16, np.longdouble, "M8[s]"])
def test_dtypes_without_kernels(g, dtype):
    with pytest.raises(ad.DTypeError, match=r"variable 'x' .*float64.*\.astype"):
        ad.variable("x", (3,), dtype)
    assert len(g) == 0


@pytest.mark.parametrize("shape", [-1, (3, -1)])
def test_negative_extents(g, shape):
    with pytest.raises(ValueError, match="negative"):
        ad.variable("x", shape)


@pytest.mark.parametrize("shape", [(2**70,), (2**32, 2**32), (2**60, 1, 0, 2), (2**60,)])
def test_shapes_larger_than_any_array(g, shape):
    with pytest.raises(ad.ShapeError, match="larger than any array"):
        ad.variable("x", shape)
    with pytest.raises(ad.ShapeError, match="larger than any array"):
        np.broadcast_to(ad.variable("x", [min(extent, 1) for extent in shape]), shape)
    assert ad.variable("x", (2**59,)).nbytes == 2**62


@pytest.mark.parametrize("shape", [2.5, "ab", None])
def test_shapes_are_integers(g, shape):
    with pytest.raises((TypeError, ValueError)):
        ad.variable("x", shape)


@pytest.mark.parametrize("value", [np.zeros(3, complex), np.array(["a"]), np.array([None])])
def test_arrays_without_kernels_cannot_be_captured(g, value):
    with pytest.raises(ad.DTypeError):
        constant(g, value)
    with pytest.raises(ad.DTypeError):
        ad.variable("x", (3,)) * value


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_matrices_and_masked_arrays(g):
    for value in (np.matrix([[1.0]]), np.ma.masked_array([1.0], [True])):
        with pytest.raises(ad.DTypeError, match="plain array"):
            ad.variable("x", (1,)) + value


def test_a_variable_is_no_place_no_array_and_no_pickle(g):
    x = ad.variable("x", (3,))
    with pytest.raises(TypeError, match=r"ad\.variable"):
        ad.Variable()
    with pytest.raises(TypeError, match=r"ad\.variable"):
        ad.Variable.__new__(ad.Variable)
    with pytest.raises(TypeError, match=r"ad\.variable"):
        type("Heir", (ad.Variable,), {"__init__": lambda self: None})()
    with pytest.raises(ad.GraphError, match=r"np\.where"):
        x[0] = 1.0
    for convert in (np.asarray, np.array, lambda v: np.sum([v, v])):
        with pytest.raises(ad.ConcretizationError, match=r"np\.stack"):
            convert(x)
    for attempt in (pickle.dumps, lambda v: pickle.dumps([v])):
        with pytest.raises(TypeError, match="graph"):
            attempt(x)
    assert copy.copy(x) is x
    assert copy.deepcopy([x])[0] is x


def test_a_scalar_has_no_length(g):
    x = ad.variable("x")
    with pytest.raises(TypeError, match="0-d"):
        len(x)
    with pytest.raises(TypeError, match="0-d"):
        iter(x)
    assert len(ad.variable("y", (4, 2))) == 4


def test_only_integers_are_an_index(g):
    with pytest.raises(TypeError, match="integer"):
        [1, 2, 3][ad.variable("x")]


@pytest.mark.parametrize("index", [2, 99, -1])
def test_nodes_beyond_the_end(g, index):
    ad.variable("x") + 1.0
    with pytest.raises(IndexError, match=r"3 nodes|node"):
        g[index + 1 if index > 0 else index]


def test_an_error_leaves_the_graph_as_it_was(g):
    x, y = ad.variable("x", (3,)), ad.variable("y", (4,))
    n = len(g)
    with pytest.raises(ad.ShapeError, match=r"add.*\(3,\).*\(4,\).*test_graph\.py"):
        x + y
    assert len(g) == n
    assert (x + 1.0).inputs[0] is x


def test_whether_a_node_can_repeat_is_asked_of_nodes_of_the_graph(g):
    y = np.tanh(ad.variable("x"))
    assert g.can_repeat(y.index)
    for index in (-1, len(g), 10**9):
        with pytest.raises(IndexError, match="node"):
            g.can_repeat(index)
