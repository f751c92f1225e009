"""What a policy keeps of the values that `ad.save` marks, and what it lets go with them."""

from autodiff.errors import PolicyError
from autodiff.planning import Save


def check_names(graph, policy):
    """Raise PolicyError for a name of `ad.Save` that marks nothing in the graph."""
    if not isinstance(policy, Save):
        return
    known = sorted(set(graph.saved.values()))
    for name in policy.names:
        if name not in known:
            marked = f"marked are {', '.join(map(repr, known))}" if known else "no value is marked"
            raise PolicyError(f"nothing is saved as {name!r}: {marked}; see ad.save")


def saved_nodes(graph, policy):
    """The nodes marked by `ad.save` that a policy keeps: all of them, or those `ad.Save` names."""
    if isinstance(policy, Save):
        return {v for v, name in graph.saved.items() if name in policy.names}
    return set(graph.saved)


def dropped_nodes(graph, policy, first):
    """The nodes before `first` whose values a policy or a mark does not let a later sweep read."""
    kept = saved_nodes(graph, policy)
    if isinstance(policy, Save):
        return {v for v in range(first) if v not in kept and graph.can_repeat(v)}
    return {v for v, call in graph.calls.items() if call > 0 and v < first and v not in kept}
