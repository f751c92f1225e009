"""Containers come back as they were, with other leaves; None holds nothing."""

import dataclasses
from collections import OrderedDict, UserDict, defaultdict, namedtuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autodiff as ad
from autodiff.core.containers import flatten, leaves_like, paths, unflatten

Pair = namedtuple("Pair", "left right")


@dataclasses.dataclass
class Layer:
    W: object
    b: object


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    W: object
    scale: object = 2.0


@dataclasses.dataclass
class Checked:
    sigma: float
    variance: float = dataclasses.field(init=False)

    def __post_init__(self):
        if self.sigma <= 0:
            raise ValueError("sigma is positive")
        self.variance = self.sigma**2


class Hidden(dict):
    """Shows some of its keys."""

    def __iter__(self):
        return iter([key for key in dict.keys(self) if not key.startswith("_")])


class Scaled(Pair):
    """Iterates over other, and more, things than it holds."""

    def __iter__(self):
        return iter([10 * self.left] * 5000)


class Partial(Pair):
    _fields = ("left",)


leaves_of = st.one_of(st.integers(), st.floats(allow_nan=False), st.text(max_size=2), st.booleans())
keys = st.one_of(st.integers(), st.text(max_size=2))
trees = st.recursive(
    st.one_of(leaves_of, st.none()),
    lambda part: st.one_of(
        st.lists(part, max_size=3),
        st.lists(part, max_size=3).map(tuple),
        st.dictionaries(keys, part, max_size=3),
        st.dictionaries(keys, part, max_size=3).map(OrderedDict),
        st.builds(Pair, part, part),
        st.builds(Layer, part, part),
        st.builds(Frozen, part),
    ),
    max_leaves=12,
)


def same(a, b):
    """Equal, and of the same types all through."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if dataclasses.is_dataclass(a):
        return all(same(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a))
    return a == b


@given(trees)
def test_what_is_taken_apart_is_rebuilt(tree):
    leaves, structure = flatten(tree)
    assert same(unflatten(structure, leaves), tree)
    assert flatten(tree)[1] == structure
    assert isinstance(hash(structure), int)


@given(trees)
def test_each_leaf_has_a_path(tree):
    leaves, _ = flatten(tree)
    names = paths(tree, "p")
    assert len(names) == len(leaves)
    for name, leaf in zip(names, leaves, strict=True):
        found = eval(name, {"p": tree})  # the path is the Python expression
        assert found is leaf or found == leaf


@given(trees)
def test_leaves_follow_a_structure(tree):
    leaves, structure = flatten(tree)
    found = leaves_like(structure, tree)
    assert len(found) == len(leaves)
    assert all(same(a, b) for a, b in zip(found, leaves, strict=True))


def test_dicts_may_have_another_order():
    _, structure = flatten({"a": [1, {"x": 2, "y": 3}], "b": 4})
    assert leaves_like(structure, {"b": 40, "a": [10, {"y": 30, "x": 20}]}) == [10, 20, 30, 40]


@pytest.mark.parametrize(
    "other",
    [{"a": 1}, {"a": 1, "b": 2, "c": 3}, {"a": 1, "c": 2}, {"a": 1, "b": [2]}, [1, 2], 1, None,
     {"a": 1, "b": None}],
)
def test_what_is_built_otherwise_has_no_leaves(other):
    _, structure = flatten({"a": 1, "b": 2})
    assert leaves_like(structure, other) is None


@pytest.mark.parametrize("other", [(1, 2), [1], Pair(1, 2), [1, [2]], Layer(1, 2)])
def test_sequences_differ_by_type_and_length(other):
    _, structure = flatten([1, 2])
    assert leaves_like(structure, other) is None


def test_none_is_a_container_of_nothing():
    leaves, structure = flatten({"w": 1.0, "b": None})
    assert leaves == [1.0]
    assert unflatten(structure, [5.0]) == {"w": 5.0, "b": None}
    assert flatten(None)[0] == []


def test_arrays_sets_and_other_objects_are_leaves():
    x = np.zeros(3)
    for leaf in (x, {1, 2}, "text", range(3), UserDict(a=1), Layer, iter(())):
        assert flatten(leaf)[0] == [leaf] or flatten(leaf)[0][0] is x


def test_structures_differ_by_type():
    kinds = [[1, 2], (1, 2), Pair(1, 2), Layer(1, 2), Frozen(1, 2), {0: 1, 1: 2}]
    assert len({flatten(tree)[1] for tree in kinds}) == len(kinds)


def test_a_defaultdict_keeps_its_factory():
    tree = defaultdict(list, a=1)
    built = unflatten(*reversed(flatten(tree)))
    assert built == tree
    assert built["new"] == []


def test_a_dataclass_is_rebuilt_without_its_checks():
    tree = Checked(2.0)
    leaves, structure = flatten(tree)
    assert leaves == [2.0, 4.0]
    built = unflatten(structure, [-1.0, 7.0])  # a gradient may be negative
    assert (built.sigma, built.variance) == (-1.0, 7.0)
    assert type(built) is Checked


def test_paths_read_like_python():
    tree = {"layers": [Layer(1, None), Pair(2, (3,))], 5: 4}
    assert paths(tree, "params") == [
        "params['layers'][0].W", "params['layers'][1].left", "params['layers'][1].right[0]",
        "params[5]"]


def test_keys_of_other_types_make_another_structure():
    kinds = [{1: 0}, {True: 0}, {1.0: 0}, {"1": 0}]
    assert len({flatten(tree)[1] for tree in kinds}) == len(kinds)
    assert flatten({1: 0})[1] == flatten({1: 5})[1]
    assert flatten({"a": 0, "b": 0})[1] != flatten({"b": 0, "a": 0})[1]


@pytest.mark.parametrize("leaves", [[], [1], [1, 2, 3]])
def test_a_structure_takes_its_number_of_leaves(leaves):
    _, structure = flatten({"a": [1, None], "b": 2})
    assert structure.n_leaves == 2
    with pytest.raises(ValueError, match=f"2 leaves are needed, {len(leaves)}"):
        unflatten(structure, leaves)


def test_a_container_in_itself_is_an_error_and_no_crash():
    endless = []
    endless.append(endless)
    for look in (flatten, lambda tree: paths(tree, "p")):
        with pytest.raises(RecursionError):
            look(endless)
    deep = 1.0
    for _ in range(400):
        deep = [deep]
    leaves, structure = flatten(deep)
    assert unflatten(structure, leaves) == deep
    assert leaves_like(structure, deep) == [1.0]


def test_thousands_of_types_are_told_apart():
    for k in range(1500):
        kind = namedtuple(f"Kind{k}", "left right")
        assert flatten(kind(1, [2]))[0] == [1, 2]
    assert flatten(Pair(1, 2))[0] == [1, 2]


def test_heirs_that_iterate_otherwise_are_walked_in_one_way():
    hidden = Hidden(a=1.0, **{f"_{k}": 2.0 for k in range(5000)})
    leaves, structure = flatten(hidden)
    assert leaves == leaves_like(structure, Hidden(a=1.0)) == [1.0]
    assert unflatten(structure, leaves) == {"a": 1.0}
    assert paths(hidden, "x") == ["x['a']"]
    for kind, names in ((Scaled, ["x.left", "x.right"]), (Partial, ["x[0]", "x[1]"])):
        leaves, structure = flatten(kind(1.0, 2.0))
        assert leaves == leaves_like(structure, kind(1.0, 2.0)) == [1.0, 2.0]
        built = unflatten(structure, leaves)
        assert type(built) is kind
        assert tuple.__eq__(built, (1.0, 2.0))
        assert paths(kind(1.0, 2.0), "x") == names
    for tree in (hidden, Scaled(np.ones(2), np.ones(2)), Partial(np.ones(2), np.ones(2))):
        found = ad.grad(lambda tree: np.sum(tree[0] if isinstance(tree, Pair) else tree["a"]))(tree)
        assert type(found) is type(tree)


def test_a_container_that_changes_while_it_is_looked_at_is_refused():
    class Fickle(dict):
        looks = 0

        def __iter__(self):
            Fickle.looks += 1
            return iter(list(dict.keys(self))[:Fickle.looks])

    for f in (ad.grad(lambda tree: 1.0), lambda tree: ad.vjp(lambda tree: tree, tree)):
        with pytest.raises(ad.ArgumentError, match="something else at each look"):
            f(Fickle(dict.fromkeys(range(50), 1.0)))
