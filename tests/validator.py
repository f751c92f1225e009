"""An independent judge of plans: dicts, sets and sums, slow and obviously right.

It repeats the byte model of `autodiff.planning` in plain Python and shares no code with it, so that
a plan accepted by both, with the same bytes at every step, is right unless both are wrong alike.
"""

from collections import Counter
from itertools import takewhile


class InvalidPlanError(Exception):
    """A plan breaks the rules; `step` is the number of the wrong step."""

    def __init__(self, step, reason):
        super().__init__(f"step {step}: {reason}")
        self.step = step


def plain(problem):
    """Read a Problem into a dict of lists, one entry per node, as `Problem` takes them."""
    n = len(problem)
    return {
        "nbytes": [int(b) for b in problem.nbytes],
        "cost": problem.cost.tolist(),
        "inputs": [problem.inputs(v) for v in range(n)],
        "targets": [int(t) for t in problem.targets],
        "workspace": [int(b) for b in problem.workspace],
        "inplace": [problem.inplace(v) for v in range(n)],
        "owner": [int(v) for v in problem.owner],
        "level": [int(k) for k in problem.level],
        "once": [bool(b) for b in problem.once],
        "keep": [bool(b) for b in problem.keep],
        "after": [problem.after(v) for v in range(n)],
    }


def owner_of(p, v):
    """Follow a chain of views to the node whose bytes v has: v itself when it is no view."""
    while p["owner"][v] not in (None, -1):
        v = p["owner"][v]
    return v


def bytes_of(p, v):
    return p["nbytes"][v] if owner_of(p, v) == v else 0


def needed(p):
    """Collect the targets and everything they depend on."""
    found, stack = set(), list(p["targets"])
    while stack:
        v = stack.pop()
        if v not in found:
            found.add(v)
            stack += [*p["inputs"][v], *p["after"][v], owner_of(p, v)]
    return found


def validate(problem, steps):
    """Check a plan step by step.

    Parameters
    ----------
    problem : Problem, or the dict that `plain` makes of one
    steps : iterable of (action, node, option)

    Returns
    -------
    (peak_bytes, cost, live, evaluations) : int, number, list of int per step, Counter

    Raises
    ------
    InvalidPlanError
        With the number of the first wrong step.
    """
    p = problem if isinstance(problem, dict) else plain(problem)
    steps = [tuple(step) for step in steps]
    held, evaluations, live = set(), Counter(), []
    gone = None     # a held value whose bytes another has taken over; it is freed very soon

    def views_of(u):
        return {w for w in held if w != u and owner_of(p, w) == u}

    for i, (action, v, option) in enumerate(steps):

        def require(condition, reason, i=i):
            if not condition:
                raise InvalidPlanError(i, reason)

        require(0 <= v < len(p["nbytes"]), "no such node")
        require(option == 0, "no such option")
        if action == "compute":
            require(v not in held, "held already")
            require(not (p["once"][v] and evaluations[v]), "only once")
            require(all(u in held for u in p["inputs"][v]), "an input is not held")
            require(owner_of(p, v) == v or owner_of(p, v) in held, "the owner is not held")
            require(all(evaluations[u] for u in p["after"][v]), "a predecessor never came")
            dying = [u for _, u, _ in takewhile(lambda step: step[0] == "free", steps[i + 1 :])]
            possible = [
                u
                for u in dying
                if u in p["inplace"][v]
                and u in held
                and owner_of(p, v) == v
                and owner_of(p, u) == u
                and not views_of(u)
                and bytes_of(p, u) == bytes_of(p, v) > 0
            ]
            gone = possible[0] if possible else None
            held.add(v)
            evaluations[v] += 1
        else:
            require(action == "free", "no such action")
            require(v in held, "not held")
            require(v not in p["targets"], "a target")
            require(not p["keep"][v], "kept")
            require(not views_of(v), "a view of it is held")
            held.remove(v)
        now = sum(bytes_of(p, u) for u in held if u != gone)
        live.append(now + (p["workspace"][v] if action == "compute" else 0))
    if not set(p["targets"]) <= held:
        raise InvalidPlanError(len(steps), "a target is not held at the end")
    cost = sum(p["cost"][v] * times for v, times in evaluations.items())
    return max(live, default=0), cost, live, evaluations
