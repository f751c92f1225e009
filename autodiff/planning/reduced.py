"""The problem that searches see: what no target needs is left out, mere views are their owners.

A view is *mere* when it can be made from its owner alone at any time: reading it is reading its
owner. An order of the reduced problem becomes one of the problem by computing mere views just
before they are read. Other views stay; they, and their owners, are computed once.
"""

import numpy as np

from autodiff.planning.network import Network
from autodiff.planning.problem import Problem


class Reduced:
    """Reduce a problem.

    Parameters
    ----------
    problem : Problem
    free_views_only : bool
        Whether only views of cost 0 count as mere ones (nothing is lost then); otherwise the cost
        of a view is added to its owner's.

    Attributes
    ----------
    problem : Problem, of the nodes that stay
    nodes : int64 array, their numbers in the original
    network : Network, the reduced problem as searches read it
    """

    def __init__(self, problem, free_views_only=False):
        self.original = problem
        self._mere = mere = _mere_views(problem, free_views_only)
        stays = problem.needed.astype(bool)
        stays[list(mere)] = False
        self.nodes = np.flatnonzero(stays)
        self.problem = problem if stays.all() else self._shrink(stays)
        self.network = Network(self.problem)

    def _shrink(self, stays):
        p, n = self.original, len(self.original)
        number = np.full(n, -1)
        number[self.nodes] = np.arange(len(self.nodes))
        stand_in = np.arange(n)
        mere = np.array(sorted(self._mere), np.int64)
        stand_in[mere] = p.owner[mere]
        cost = p.cost.copy()
        np.add.at(cost, p.owner[mere], p.cost[mere])
        inputs, inplace, after = [], [], []
        for v in self.nodes.tolist():
            read = p.inputs(v)
            through_views = {int(p.owner[u]) for u in read if u in self._mere}
            inputs.append([int(number[stand_in[u]]) for u in dict.fromkeys(read)])
            # A view that v reads is held at v, so its owner cannot be taken over there.
            inplace.append([int(number[u]) for u in p.inplace(v)
                            if u not in through_views and u not in self._mere])
            after.append([int(number[u]) for u in p.after(v)])
        owner = p.owner[self.nodes]
        return Problem(
            p.nbytes[self.nodes],
            cost[self.nodes],
            inputs,
            np.unique(number[p.targets]),
            workspace=p.workspace[self.nodes],
            inplace=inplace,
            owner=np.where(owner >= 0, number[owner], -1),
            level=p.level[self.nodes],
            once=p.once[self.nodes],
            keep=p.keep[self.nodes],
            after=after,
            names=[p.label(v) for v in self.nodes.tolist()],
            lines=[p.line(v) for v in self.nodes.tolist()],
        )

    def restrict(self, schedule):
        """Read the order of the reduced problem's nodes (int32) off a schedule of the original."""
        number = np.full(len(self.original), -1, np.int32)
        number[self.nodes] = np.arange(len(self.nodes))
        order = number[schedule.steps.nodes[schedule.steps.actions == 0]]
        return order[order >= 0]

    def expand(self, order):
        """Turn an order of computes of the reduced problem into one of the original (int32)."""
        nodes = self.nodes[order].tolist()
        if not self._mere:
            return np.array(nodes, np.int32)
        p, mere = self.original, self._mere
        life = [0] * len(p)         # how often each node has been computed so far
        made = [0] * len(p)         # the life of its owner in which each view was last made
        result = []
        for v in nodes:
            missing = [u for u in reversed(p.inputs(v)) if u in mere]
            while missing:
                u = missing.pop()
                if made[u] == life[p.owner[u]]:
                    continue
                first = [w for w in p.inputs(u) if w in mere and made[w] != life[p.owner[w]]]
                if first:
                    missing += [u, *first]
                else:
                    made[u] = life[p.owner[u]]
                    result.append(u)
            life[v] += 1
            result.append(v)
        return np.array(result, np.int32)


def _mere_views(problem, free_only):
    """Collect the views that can be made from their owner alone, whenever it is held."""
    p = problem
    special = p.target | p.once | p.keep | (p.workspace > 0)
    special[p.after_index] = 1
    mere = set()
    for v in np.flatnonzero((p.owner >= 0) & (p.needed > 0) & (special == 0)).tolist():
        r = int(p.owner[v])
        alone = all(u == r or (u in mere and p.owner[u] == r) for u in p.inputs(v))
        if alone and not p.after(v) and not (free_only and p.cost[v]):
            mere.add(v)
    return mere
