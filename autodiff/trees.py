"""Containers of arrays (dicts, lists, tuples, named tuples, dataclasses), taken apart and rebuilt.

None is a container of nothing: a parameter that is None has None for a gradient.
"""

import dataclasses
from collections import defaultdict

LEAF = ("leaf",)
NOTHING = ("nothing", type(None), None, ())


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


def _flatten(tree, leaves):
    kind = type(tree)
    if kind is list or kind is tuple:
        return (kind.__name__, kind, None, tuple([_flatten(item, leaves) for item in tree]))
    if kind is dict:
        items = tuple([_flatten(item, leaves) for item in tree.values()])
        return ("dict", kind, tuple(tree), items)
    if tree is None:
        return NOTHING
    if isinstance(tree, dict):
        items = tuple([_flatten(item, leaves) for item in tree.values()])
        factory = tree.default_factory if isinstance(tree, defaultdict) else None
        return ("defaultdict" if factory else "dict", (kind, factory) if factory else kind,
                tuple(tree), items)
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return ("fields", kind, None, tuple([_flatten(item, leaves) for item in tree]))
    if dataclasses.is_dataclass(kind):
        names = tuple([field.name for field in dataclasses.fields(kind)])
        items = tuple([_flatten(getattr(tree, name), leaves) for name in names])
        return ("dataclass", kind, names, items)
    leaves.append(tree)
    return LEAF


def unflatten(structure, leaves):
    """Rebuild a container from its structure and leaves, in the order of `flatten`."""
    return _unflatten(structure, iter(leaves))


def _unflatten(structure, leaves):
    if structure == LEAF:
        return next(leaves)
    if structure == NOTHING:
        return None
    what, kind, names, items = structure
    values = [_unflatten(item, leaves) for item in items]
    if what == "dict":
        built = dict(zip(names, values, strict=True))
        return built if kind is dict else kind(built)
    if what == "defaultdict":
        kind, factory = kind
        return kind(factory, zip(names, values, strict=True))
    if what == "dataclass":
        return _dataclass(kind, names, values)
    return kind(*values) if what == "fields" else kind(values)


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
    if structure == LEAF:
        leaves.append(tree)
        return flatten(tree)[1] == LEAF
    if structure == NOTHING:
        return tree is None
    what, kind, names, items = structure
    if what in ("dict", "defaultdict"):
        if not isinstance(tree, dict) or len(tree) != len(names):
            return False
        return all(name in tree and _follow(item, tree[name], leaves)
                   for name, item in zip(names, items, strict=True))
    if type(tree) is not kind:
        return False
    parts = [getattr(tree, name) for name in names] if what == "dataclass" else tree
    return len(parts) == len(items) and all(
        _follow(item, part, leaves) for item, part in zip(items, parts, strict=True))


def paths(tree, name):
    """The way to each leaf, "params['W1']", in the order of `flatten`, for messages."""
    if tree is None:
        return []
    if isinstance(tree, dict):
        return [p for key, item in tree.items() for p in paths(item, f"{name}[{key!r}]")]
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        pairs = zip(tree._fields, tree, strict=True)
        return [p for field, item in pairs for p in paths(item, f"{name}.{field}")]
    if type(tree) in (list, tuple):
        return [p for k, item in enumerate(tree) for p in paths(item, f"{name}[{k}]")]
    if dataclasses.is_dataclass(type(tree)):
        names = [field.name for field in dataclasses.fields(tree)]
        return [p for key in names for p in paths(getattr(tree, key), f"{name}.{key}")]
    return [name]
