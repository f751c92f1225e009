"""The problem every planner answers: nodes with bytes and costs, what reads what, what is wanted.

No arrays of numbers to compute with, no operations: a program reduced to what a plan depends on.
"""

import math
from functools import cached_property

import numpy as np

from autodiff.errors import PlanError, brief
from autodiff.planning import flat, json_text
from autodiff.planning.columns import frozen, mask, numbers, rows

# What options give by node -> how it is read.
_COLUMNS = {"workspace": numbers, "level": numbers, "call": numbers, "once": mask, "keep": mask,
            "drop": mask}


class Problem:
    """Describe n nodes in a topological order, for any planner.

    While v is computed, its inputs, its output, its workspace and all that is needed later are
    held; then what is dead is freed. Inputs of the whole program are the caller's and no nodes.

    Parameters
    ----------
    nbytes : sequence of int, bytes
        Size of each result; that of a view counts as 0.
    cost : sequence of int or of float, any unit
        Price of computing each node once. Integers are added exactly.
    inputs : sequence of sequences of int
        Nodes that each node reads; they come before it.
    targets : sequence of int
        Nodes that are wanted: held from their computation to the end.
    workspace : sequence of int, bytes, optional
        Held beside inputs and output while the node is computed.
    inplace : sequence of sequences of int, optional
        Inputs whose bytes the result may take over when they die at it; of equal size, no views.
    owner : sequence of int or None, optional
        A node owned by another (None or -1: by none) is a view of its bytes and keeps it alive.
    level : sequence of int, optional
        The sweep that made each node; recomputation drops values below the highest.
    once, keep : sequence of bool, optional
        Nodes never computed twice; nodes never freed after their first computation.
    after : sequence of sequences of int, optional
        Nodes that must have been computed before, without reading their bytes.
    drop : sequence of bool, optional
        Nodes that are not held for nodes of a higher level: those read them computed again.
        Without effect on targets, views and their owners, and nodes marked once or keep.
    call : sequence of int, optional
        Above 0: the marked call (`ad.checkpoint`) that made the node. Within one call, `drop` has
        no effect.
    names, lines : sequence of str or None, or callable node -> str or None, optional
        Labels and source lines, for messages and printing only.

    Attributes
    ----------
    nbytes, workspace, owner, level, call : int64 arrays (n,); `owner` is the final owner, or -1
    cost : int64 or float64 array (n,)
    once, keep, drop, target, needed : uint8 arrays (n,); `needed` marks targets and their ancestors
    input_start, input_index : int64 arrays; node v reads ``input_index[input_start[v]:
        input_start[v + 1]]``; likewise `inplace_start`, `inplace_index`, `after_start`,
        `after_index`
    targets : int64 array, as given
    total_cost : int or float, the cost of computing every needed node once

    Raises
    ------
    PlanError
        When numbers are negative, not finite or of the wrong type, lengths differ, a target does
        not exist, or the order is not topological; it names the node.

    Examples
    --------
    >>> from autodiff.planning import Problem, solve
    >>> problem = Problem(nbytes=[8, 8, 8], cost=[1, 1, 1], inputs=[[], [0], [1]], targets=[2])
    >>> solve(problem).peak_bytes
    16
    """

    def __init__(
        self,
        nbytes,
        cost,
        inputs,
        targets,
        workspace=None,
        inplace=None,
        owner=None,
        level=None,
        once=None,
        keep=None,
        after=None,
        drop=None,
        call=None,
        names=None,
        lines=None,
    ):
        lists = {}
        for what, given in (("input", inputs), ("inplace", inplace), ("after", after)):
            if given is not None or what == "input":
                what_given = "inputs" if what == "input" else what
                if not hasattr(given, "__len__"):
                    raise PlanError(f"{what_given} is {brief(given)}, not a list per node")
                start, index = flat.flatten(list(given), what_given)
                lists |= {f"{what}_start": start, f"{what}_index": index}
        if isinstance(owner, (list, tuple)):
            owner = [-1 if v is None else v for v in owner]
        self._take(
            nbytes, cost, targets, workspace=workspace, owner=owner, level=level, once=once,
            keep=keep, drop=drop, call=call, names=names, lines=lines, **lists)

    @classmethod
    def from_arrays(cls, nbytes, cost, input_start, input_index, targets, **options):
        """Make a problem of flat arrays, as its attributes are; they are copied and checked.

        Node v reads ``input_index[input_start[v]:input_start[v + 1]]``; `inplace_start` and
        `inplace_index`, `after_start` and `after_index` likewise; ``owner[v]`` is -1 where v is no
        view. The other options are those of `Problem`.

        Examples
        --------
        >>> from autodiff.planning import Problem
        >>> Problem.from_arrays([8, 8], [1, 1], [0, 0, 1], [0], [1]).inputs(1)
        [0]
        """
        problem = cls.__new__(cls)
        problem._take(nbytes, cost, targets, input_start=input_start, input_index=input_index,
                      **options)
        return problem

    def with_nbytes(self, nbytes):
        """Make the same problem, but for the bytes of its nodes (int64 array (n,))."""
        columns = {name: getattr(self, name) for name in [
            "cost", "targets", "owner", *_COLUMNS,
            *(f"{what}_{part}" for what in ("input", "inplace", "after")
              for part in ("start", "index"))]}
        return Problem.from_arrays(nbytes, names=self._names, lines=self._lines, **columns)

    def _take(
        self, nbytes, cost, targets, *, owner=None, names=None, lines=None, input_start=None,
        input_index=None, inplace_start=None, inplace_index=None, after_start=None,
        after_index=None, **given,
    ):
        for what, column in (("nbytes", nbytes), ("cost", cost), ("targets", targets)):
            if not hasattr(column, "__len__"):
                raise PlanError(f"{what} is {brief(column)}, not a sequence of numbers")
        nbytes = numbers(nbytes, "nbytes", None)
        self.n = n = len(nbytes)
        self._names, self._lines = names, lines
        for what, labels in (("names", names), ("lines", lines)):
            if labels is None or callable(labels):
                continue
            if not hasattr(labels, "__len__"):
                raise PlanError(f"{what} is {brief(labels)}, not a sequence of strings")
            if len(labels) != n:
                raise PlanError(f"{what} has {len(labels)} entries for {n} nodes")
        for row, start, index in (
            ("input", input_start, input_index),
            ("inplace", inplace_start, inplace_index),
            ("after", after_start, after_index),
        ):
            start, index = rows(start, index, row, n)
            setattr(self, f"{row}_start", start)
            setattr(self, f"{row}_index", index)
        self.cost = numbers(cost, "cost", n, floats=True)
        for what, read in _COLUMNS.items():
            setattr(self, what, read(given.pop(what, None), what, n))
        if given:
            raise TypeError(f"a problem has no {', '.join(given)}")
        owner = numbers(owner, "owner", n, least=-1)
        self.targets = numbers(targets, "targets", len(targets), least=-(2**63))
        self._check(owner)
        self.owner = frozen(flat.find_roots(owner))
        self.nbytes = frozen(np.where(self.owner >= 0, 0, nbytes))
        if self.nbytes.sum(dtype=float) + self.workspace.sum(dtype=float) >= 2**62:
            raise PlanError("the bytes of all nodes together exceed 2^62")
        if not float(self.cost.max(initial=0)) * n < 1e280:  # many times that can be added up
            raise PlanError("the costs of all nodes together exceed 10^280")
        target = np.zeros(n, np.uint8)
        target[self.targets] = 1
        self.target = frozen(target)
        self.needed = frozen(
            flat.find_needed(
                self.target,
                self.input_start,
                self.input_index,
                self.after_start,
                self.after_index,
                self.owner,
            )
        )

    def _check(self, owner):
        for t in self.targets[(self.targets < 0) | (self.targets >= self.n)]:
            raise PlanError(f"target {t} does not exist: the nodes are 0 to {self.n - 1}")
        if self.n and not len(self.targets):
            raise PlanError("nothing is wanted: give at least one target")
        code, v, other = flat.first_fault(
            self.input_start,
            self.input_index,
            self.inplace_start,
            self.inplace_index,
            self.after_start,
            self.after_index,
            owner,
        )
        if not code:
            return
        text = flat.FAULTS[code].format(
            other=self.name(other) if 0 <= other < self.n else f"node {other}"
        )
        if not 0 <= other < self.n:
            text += ", which does not exist"
        elif other >= v:
            cyclic = v == other or v in self._reachable(other)
            text += ": a cycle" if cyclic else ", which comes later: the order is not topological"
        raise PlanError(f"{self.name(v)} {text}")

    def _reachable(self, start):
        """Find all nodes that `start` needs, whatever their order; for messages only."""
        seen, stack = set(), [int(start)]
        while stack:
            v = stack.pop()
            if v not in seen and 0 <= v < self.n:
                seen.add(v)
                stack += self.inputs(v) + self.after(v)
        return seen

    def __len__(self):
        return self.n

    def inputs(self, v):
        """List the nodes that v reads."""
        return self.input_index[self.input_start[v] : self.input_start[v + 1]].tolist()

    def inplace(self, v):
        """List the inputs whose bytes v may take over."""
        return self.inplace_index[self.inplace_start[v] : self.inplace_start[v + 1]].tolist()

    def after(self, v):
        """List the nodes that must come before v without being read."""
        return self.after_index[self.after_start[v] : self.after_start[v + 1]].tolist()

    def name(self, v):
        """Name node v: its label and number, or its number alone."""
        label = self.label(v)
        return f"node {v}" if label is None else f"node {v} ({label})"

    def label(self, v):
        """Look up the label of node v, None where it has none."""
        return _look_up(self._names, v)

    def line(self, v):
        """Look up the source line of node v, None where it has none."""
        return _look_up(self._lines, v)

    def cost_of(self, evaluations):
        """Add up cost · evaluations (int64 array (n,)); exactly for integers, else rounded once."""
        if self.cost.dtype.kind == "f":
            return math.fsum((self.cost * evaluations).tolist())
        if float(self.cost.max(initial=0)) * float(evaluations.sum()) < 2**62:
            return int(self.cost @ evaluations)
        return sum(c * e for c, e in zip(self.cost.tolist(), evaluations.tolist(), strict=True))

    @cached_property
    def total_cost(self):
        """Add up the cost of computing every needed node once: no plan costs less."""
        return self.cost_of(self.needed.astype(np.int64))

    @cached_property
    def pinned(self):
        """Mark (uint8) what is held to the end once computed: targets, keep, and their owners."""
        pinned = (self.target | self.keep) & self.needed
        owners = self.owner[(pinned > 0) & (self.owner >= 0)]
        pinned[owners] = 1
        return frozen(pinned)

    @classmethod
    def from_json(cls, text):
        """Read a problem from JSON text of version 1, as `to_json` writes it.

        An object with "version", "nodes" and "targets"; a node has "nbytes", "cost" and any of
        the options of `Problem` that go by node, its name and line as "name" and "line". Other
        entries of the outer object describe the problem and are carried along.

        Raises
        ------
        PlanError
            When the text is not JSON, not a problem, or of another version.
        """
        columns, header = json_text.read(text)
        problem = cls(**columns)
        problem._header = header
        return problem

    def to_json(self):
        """Write the problem as JSON text, version 1; `from_json` reads it back unchanged."""
        return json_text.write(self, self._header)

    _header = json_text.HEADER

    def __repr__(self):
        return (
            f"<Problem: {self.n} nodes, {len(self.input_index)} edges, "
            f"{len(self.targets)} targets>"
        )


def require_problem(given):
    """PlanError unless this is a Problem."""
    if not isinstance(given, Problem):
        raise PlanError(f"a Problem is planned, not {brief(given)}")


def _look_up(labels, v):
    if labels is None:
        return None
    return labels(v) if callable(labels) else labels[v]
