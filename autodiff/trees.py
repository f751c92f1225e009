"""Containers of arrays: dicts, lists, tuples, named tuples and dataclasses, flattened and rebuilt."""

import dataclasses

LEAF = ("leaf",)


def flatten(tree):
    """Return (leaves, structure); the structure is hashable and rebuilds the container.

    >>> from autodiff.trees import flatten, unflatten
    >>> leaves, structure = flatten({"w": 1.0, "b": [2.0, 3.0]})
    >>> leaves
    [1.0, 2.0, 3.0]
    >>> unflatten(structure, leaves)
    {'w': 1.0, 'b': [2.0, 3.0]}
    """
    leaves = []
    return leaves, _flatten(tree, leaves)


def _flatten(tree, leaves):
    kind = type(tree)
    if kind is dict or (isinstance(tree, dict) and not hasattr(tree, "__array_ufunc__")):
        return ("dict", kind, tuple(tree), tuple(_flatten(item, leaves) for item in tree.values()))
    if kind in (list, tuple):
        return (kind.__name__, kind, None, tuple(_flatten(item, leaves) for item in tree))
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return ("fields", kind, None, tuple(_flatten(item, leaves) for item in tree))
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        names = tuple(field.name for field in dataclasses.fields(tree))
        items = tuple(_flatten(getattr(tree, name), leaves) for name in names)
        return ("dataclass", kind, names, items)
    leaves.append(tree)
    return LEAF


def unflatten(structure, leaves):
    """Rebuild a container from its structure and leaves, in the order of `flatten`."""
    return _unflatten(structure, iter(leaves))


def _unflatten(structure, leaves):
    if structure is LEAF or structure == LEAF:
        return next(leaves)
    what, kind, names, items = structure
    values = [_unflatten(item, leaves) for item in items]
    if what == "dict":
        built = dict(zip(names, values, strict=True))
        return built if kind is dict else kind(built)
    if what == "dataclass":
        return kind(**dict(zip(names, values, strict=True)))
    return kind(*values) if what == "fields" else kind(values)


def paths(tree, name):
    """The way to each leaf, "params['W1']", for messages."""
    if isinstance(tree, dict):
        return [p for key, item in tree.items() for p in paths(item, f"{name}[{key!r}]")]
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        pairs = zip(tree._fields, tree, strict=True)
        return [p for field, item in pairs for p in paths(item, f"{name}.{field}")]
    if isinstance(tree, (list, tuple)):
        return [p for k, item in enumerate(tree) for p in paths(item, f"{name}[{k}]")]
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        names = [field.name for field in dataclasses.fields(tree)]
        return [p for key in names for p in paths(getattr(tree, key), f"{name}.{key}")]
    return [name]
