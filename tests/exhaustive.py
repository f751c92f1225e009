"""The exact answer on tiny problems: shortest paths over what is held, in plain Python.

Independent of `autodiff.planning`: it reads the dict that `validator.plain` makes of a Problem,
applies every legal compute and free, and prunes nothing but what is over the budget.
"""

import heapq

from validator import bytes_of, needed, owner_of


def cheapest(p, budget):
    """Find the least cost of a plan within the budget, None where there is none."""
    return _search(p, lambda state_cost, step_cost, nbytes: (
        state_cost + step_cost if nbytes <= budget else None))


def least_peak(p):
    """Find the least peak of any plan, recomputation allowed."""
    return _search(p, lambda peak, step_cost, nbytes: max(peak, nbytes))


def _search(p, combine):
    want = needed(p)
    nodes = sorted(want)
    targets = frozenset(p["targets"])
    stays = {v for v in nodes if v in targets or p["keep"][v]}
    remembered = {v for v in nodes if p["once"][v]} | {u for v in nodes for u in p["after"][v]}
    size = {v: bytes_of(p, v) for v in nodes}
    owner = {v: owner_of(p, v) for v in nodes}
    views = {v: {w for w in nodes if w != v and owner[w] == v} for v in nodes}
    overwrites = {
        v: [
            u for u in set(p["inplace"][v])
            if owner[v] == v and owner[u] == u and u not in stays and size[u] == size[v] > 0
        ]
        for v in nodes
    }
    start = (frozenset(), frozenset())
    best = {start: 0}
    heap = [(0, 0, start)]
    pushed = 0
    while heap:
        value, _, state = heapq.heappop(heap)
        if value > best[state]:
            continue
        held, ever = state
        if targets <= held:
            return value
        live = sum(size[v] for v in held)
        moves = []
        for v in nodes:
            if v in held:
                if v not in stays and not views[v] & held:
                    moves.append((value, (held - {v}, ever)))
                continue
            if p["once"][v] and v in ever:
                continue
            if not held >= set(p["inputs"][v]) or not (owner[v] == v or owner[v] in held):
                continue
            if not ever >= set(p["after"][v]):
                continue
            after = held | {v}, ever | ({v} & remembered)
            room = live + size[v] + p["workspace"][v]
            moves.append((combine(value, p["cost"][v], room), after))
            for u in overwrites[v]:
                if u in held and not views[u] & held:
                    cost = combine(value, p["cost"][v], room - size[v])
                    moves.append((cost, (after[0] - {u}, after[1])))
        for cost, after in moves:
            if cost is not None and cost < best.get(after, float("inf")):
                best[after] = cost
                pushed += 1
                heapq.heappush(heap, (cost, pushed, after))
    return None
