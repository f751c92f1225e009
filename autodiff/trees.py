"""Containers of arrays (dicts, lists, tuples, named tuples, dataclasses), taken apart and rebuilt.

None is a container of nothing: a parameter that is None has None for a gradient.
"""

import dataclasses
from collections import defaultdict
from functools import lru_cache

LEAF = ("leaf",)
NOTHING = ("nothing",)


def flatten(tree):
    """Return (leaves, structure); the structure is hashable and rebuilds the container.

    Examples
    --------
    >>> from autodiff.trees import flatten, unflatten
    >>> leaves, structure = flatten({"w": 1.0, "b": [2.0, None, 3.0]})
    >>> leaves
    [1.0, 2.0, 3.0]
    >>> unflatten(structure, leaves)
    {'w': 1.0, 'b': [2.0, None, 3.0]}
    """
    leaves = []
    return leaves, _flatten(tree, leaves)


@lru_cache(maxsize=1024)
def _sort_of(kind):
    """What a type is: "leaf", or the sort of container."""
    if kind is type(None):
        return "nothing"
    if kind is list or kind is tuple:
        return kind.__name__
    if issubclass(kind, dict):
        return "defaultdict" if issubclass(kind, defaultdict) else "dict"
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return "fields"
    return "dataclass" if dataclasses.is_dataclass(kind) else "leaf"


def _flatten(tree, leaves):
    kind = type(tree)
    sort = _sort_of(kind)
    if sort == "leaf":
        leaves.append(tree)
        return LEAF
    if sort == "nothing":
        return NOTHING
    names = None
    if sort == "dict":
        names, tree = tuple(tree), tree.values()
    elif sort == "defaultdict":
        kind, names, tree = (kind, tree.default_factory), tuple(tree), tree.values()
    elif sort == "dataclass":
        names = tuple([field.name for field in dataclasses.fields(kind)])
        tree = [getattr(tree, name) for name in names]
    return (sort, kind, names, tuple([_flatten(item, leaves) for item in tree]))


def unflatten(structure, leaves):
    """Rebuild a container from its structure and leaves, in the order of `flatten`."""
    return _unflatten(structure, iter(leaves))


def _unflatten(structure, leaves):
    sort = structure[0]
    if sort == "leaf":
        return next(leaves)
    if sort == "nothing":
        return None
    _, kind, names, items = structure
    values = [_unflatten(item, leaves) for item in items]
    if sort == "dict":
        built = dict(zip(names, values, strict=True))
        return built if kind is dict else kind(built)
    if sort == "defaultdict":
        kind, factory = kind
        return kind(factory, zip(names, values, strict=True))
    if sort == "dataclass":
        return _dataclass(kind, names, values)
    return kind(*values) if sort == "fields" else kind(values)


def _dataclass(kind, names, values):
    """An instance with these fields, without its __init__, which may check or convert them."""
    built = object.__new__(kind)
    for name, value in zip(names, values, strict=True):
        object.__setattr__(built, name, value)         # frozen ones refuse setattr
    return built


def leaves_like(structure, tree):
    """The leaves of `tree` in the order of `structure`, or None where it is built otherwise.

    Dicts may hold their keys in another order.

    Examples
    --------
    >>> from autodiff.trees import flatten, leaves_like
    >>> _, structure = flatten({"w": 1.0, "b": 2.0})
    >>> leaves_like(structure, {"b": 20.0, "w": 10.0})
    [10.0, 20.0]
    """
    leaves = []
    return leaves if _follow(structure, tree, leaves) else None


def _follow(structure, tree, leaves):
    """Collect the leaves of `tree` along `structure`; False where they part."""
    sort = structure[0]
    if sort == "leaf":
        leaves.append(tree)
        return _sort_of(type(tree)) == "leaf"
    if sort == "nothing":
        return tree is None
    _, kind, names, items = structure
    if sort in ("dict", "defaultdict"):
        if not isinstance(tree, dict) or len(tree) != len(names):
            return False
        return all(name in tree and _follow(item, tree[name], leaves)
                   for name, item in zip(names, items, strict=True))
    if type(tree) is not kind:
        return False
    parts = [getattr(tree, name) for name in names] if sort == "dataclass" else tree
    return len(parts) == len(items) and all(
        _follow(item, part, leaves) for item, part in zip(items, parts, strict=True))


def paths(tree, name):
    """The way to each leaf, "params['W1']", in the order of `flatten`, for messages."""
    sort = _sort_of(type(tree))
    if sort == "leaf":
        return [name]
    if sort == "nothing":
        return []
    if sort in ("dict", "defaultdict"):
        parts = [(item, f"{name}[{key!r}]") for key, item in tree.items()]
    elif sort == "fields":
        parts = [(getattr(tree, field), f"{name}.{field}") for field in tree._fields]
    elif sort == "dataclass":
        parts = [(getattr(tree, field.name), f"{name}.{field.name}")
                 for field in dataclasses.fields(tree)]
    else:
        parts = [(item, f"{name}[{k}]") for k, item in enumerate(tree)]
    return [path for item, way in parts for path in paths(item, way)]
