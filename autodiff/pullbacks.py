"""Pullbacks: a forward pass that keeps what the backward pass reads, and the backward pass.

They are two programs, and what lies between their runs, the *residuals*, is held beside both. Under
a byte budget the residuals are chosen so that either pass fits, with all that is held beside it:
all that the backward pass reads, else what a plan of both passes in one holds where they meet, else
the arguments alone, from which the backward pass then computes the rest again.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from autodiff.core.arguments import original
from autodiff.core.containers import unflatten
from autodiff.core.queries import boundary, computed, dependents, signature, unrun
from autodiff.core.record import Record
from autodiff.core.variable import Variable
from autodiff.errors import BudgetError, GraphError
from autodiff.kept import HELD
from autodiff.planning import Budget, Recompute, Store, memory_bound
from autodiff.planning.budget import impossible, not_found, with_held
from autodiff.planning.schedule import format_bytes
from autodiff.plans import Plan
from autodiff.programs import Program
from autodiff.saved import check_names, dropped_nodes, saved_nodes
from autodiff.tracing import Trace, find_program

QUICK = 0.3                     # seconds for each plan of a choice that may not be taken
JOINT = (0, 0, 1, 2, 3, 4, 5, 6, 7)     # eighths of the way from the budget to the bound


class Passes(NamedTuple):
    """The two programs of a pullback, and what they share."""

    known: list[Variable]       # inputs of the forward pass
    kept: list[Variable]        # its last results, the first inputs of the backward pass
    forward: Program
    captured: list[Any]         # arrays that the forward pass reads
    lent: list[Variable]        # arguments that the backward pass reads where they lie, next
    backward: Program | None    # where there is nothing to differentiate
    captured_back: list[Any]
    beside: int                 # bytes of arrays that the backward pass alone reads


class Pullback:
    """Run a backward pass on what a forward pass has kept; `ad.vjp` makes it.

    Attributes
    ----------
    plan, forward_plan : Plan
        Of the backward pass and of the forward pass; `plan` is None without arguments.
    residual_bytes : int
        Bytes of the arrays kept for the backward pass.
    held_bytes : int
        Bytes that stay held as long as the pullback does: residuals and the value, which share
        one block of memory.
    forward_peak_bytes, peak_bytes : int
        Bytes held beyond the caller's arrays by the forward pass, and by a call of the pullback,
        with all that stays held beside it.
    measured_peak_bytes : int
        The same, recorded by the last run in this thread; before the first call the forward one.
    """

    def __init__(
        self, passes: Passes, residuals: list[Any], lent: list[Any],
        seeds_of: Callable[[Any], list[Any]], structure: Any,
    ) -> None:
        self._passes, self._residuals, self._lent = passes, residuals, lent
        self._seeds_of, self._structure = seeds_of, structure
        self._record = Record()
        self._record.number = (passes.forward.measured_peak_bytes or 0) + passes.beside

    def __call__(self, u: Any) -> tuple[Any, ...]:
        """Compute u -> u^T J, a tuple with a gradient for each argument."""
        given = self._seeds_of(u)
        if any(isinstance(leaf, Variable) for leaf in given):
            raise GraphError(
                "vjp: this pullback was made from arrays and runs on arrays; to differentiate "
                "it, call ad.vjp inside the function that is differentiated")
        backward, found = self._passes.backward, []
        if backward is not None:
            read = [*self._residuals, *self._lent, *given]
            found = backward.run(read, self._passes.captured_back)
            self._record.number = self.held_bytes + (backward.measured_peak_bytes or 0)
        return unflatten(self._structure, found)

    @property
    def plan(self) -> Plan | None:
        return None if self._passes.backward is None else self._passes.backward.plan

    @property
    def forward_plan(self) -> Plan:
        return self._passes.forward.plan

    @property
    def residual_bytes(self) -> int:
        return sum(x.nbytes for x in self._residuals)

    @property
    def held_bytes(self) -> int:
        return self.forward_plan.result_bytes

    @property
    def forward_peak_bytes(self) -> int:
        return self.forward_plan.peak_bytes + self._passes.beside

    @property
    def peak_bytes(self) -> int:
        return self.held_bytes + (self.plan.peak_bytes if self.plan else 0)

    @property
    def measured_peak_bytes(self) -> int | None:
        return self._record.number

    def __repr__(self) -> str:
        return (f"<Pullback: holds {format_bytes(self.held_bytes)}, "
                f"peak {format_bytes(self.peak_bytes)}>")


def run_forward(
    trace: Trace, outputs: list[Variable], seeds: list[Variable], grads: list[Variable],
    first: int,
) -> tuple[list[Any], list[Any], list[Any], Passes]:
    """Choose the residuals and run the forward pass: (values, residuals, lent arrays, passes).

    The backward pass consists of the nodes from `first` on, and leads from the seeds to `grads`.
    """
    check_names(trace.graph, trace.policy)
    trace.graph.settled = first           # where the passes part depends on the policy
    if isinstance(trace.policy, Budget) and grads:
        passes = _within_budget(trace, outputs, seeds, grads, first)
    else:
        dropped = dropped_nodes(trace.graph, trace.policy, first)
        kept = boundary(grads, first, dropped) if grads else []
        passes = _passes(trace, outputs, kept, seeds, grads, trace.policy)
    bindings = trace.graph.bindings
    results = passes.forward.run([bindings[x.index] for x in passes.known], passes.captured)
    lent = [bindings[original(x).index] for x in passes.lent]
    return results[:len(outputs)], results[len(outputs):], lent, passes


def _passes(trace, outputs, kept, seeds, grads, policy):
    """Plan both passes; under a budget each has what the other, and the trace, leave of it."""
    graph = trace.graph
    read = lent_nodes(trace, kept)
    lent = [x for x in kept if x.index in read]
    kept = [x for x in kept if x.index not in read]
    known = unrun([*outputs, *kept], graph.bindings)[2]
    results, inputs = [*outputs, *kept], [*kept, *lent, *seeds]
    forth = set(signature(known, results)[1])
    back = signature(inputs, grads)[1] if grads else []
    beside = sum(graph.payloads[node].nbytes for node in back if node not in forth)
    forward, captured = find_program(
        known, results, _less(policy, beside + trace.kept.nbytes))
    backward, captured_back = None, []
    if grads:
        backward, captured_back = find_program(
            inputs, grads, _less(policy, forward.plan.result_bytes))
    return Passes(known, kept, forward, captured, lent, backward, captured_back, beside)


def lent_nodes(trace, kept):
    """The nodes of those `kept` that are arguments the backward pass reads where they lie.

    One that is not aligned and in C order would be packed in every call.
    """
    if not trace.lends:
        return set()
    flags = {x.index: trace.graph.bindings[x.index].flags for x in trace.inputs}
    lent = {node for node, flag in flags.items() if flag.c_contiguous and flag.aligned}
    return {x.index for x in kept if original(x).index in lent}


def _less(policy, nbytes):
    """A budget less what is held beside a program; any other policy as it is.

    The BudgetError where nothing is left only says that: `_refusal` words what a user reads.
    """
    if not isinstance(policy, Budget):
        return policy
    if policy.nbytes <= nbytes:
        raise BudgetError(f"{nbytes:,} bytes held beside a pass leave nothing of the budget")
    return replace(policy, nbytes=policy.nbytes - nbytes)


def _within_budget(trace, outputs, seeds, grads, first):
    """Plan both passes for the least work that fits, of several choices of residuals."""
    policy = trace.policy
    quick = replace(policy, time_limit=min(policy.time_limit, QUICK))
    found, refused = [], []
    for kept in _choices(trace, outputs, seeds, grads, first, quick, found):
        try:
            found.append(_passes(trace, outputs, kept, seeds, grads, quick))
        except BudgetError:
            refused.append(kept)
    if found:
        best = min(found, key=_cost)
        try:
            kept = [*best.kept, *best.lent]
            return _passes(trace, outputs, kept, seeds, grads, policy)
        except BudgetError:
            return best
    held = trace.kept.nbytes            # by values that were looked at
    trace.kept.let_go()
    if trace.kept.nbytes < held:
        return _within_budget(trace, outputs, seeds, grads, first)
    raise _refusal(trace, outputs, [
        _passes(trace, outputs, kept, seeds, grads, plain)
        for kept in refused for plain in (Store(), Recompute())])


def _refusal(trace, outputs, known):
    """The error where no choice fits; it names what is largest in computing the outputs alone."""
    budget, held = trace.policy.nbytes - trace.kept.nbytes, trace.kept.nbytes
    alone = find_program(unrun(outputs, trace.graph.bindings)[2], outputs, Store())[0].plan
    bound, node = memory_bound(alone.problem)
    if bound + alone.captured_bytes > budget:
        refusal = impossible(alone.problem, budget, bound, node, alone.captured_bytes)
    else:
        refusal = not_found(
            alone.problem, budget, bound + alone.captured_bytes, min(map(_peak, known)),
            by="of both passes of a pullback")
        if node is not None:
            refusal.node, refusal.line = node, alone.problem.line(node)
    return with_held(refusal, held, HELD) if held else refusal


def _peak(passes):
    """Bytes held by the pass that holds more, with all that is held beside it."""
    return max(passes.forward.plan.peak_bytes + passes.beside,
               passes.forward.plan.result_bytes + passes.backward.plan.peak_bytes)


def _cost(passes):
    return passes.forward.plan.cost + passes.backward.plan.cost


def _choices(trace, outputs, seeds, grads, first, policy, found):
    """Yield residuals to try, each once; `found` holds the passes of those that fit so far."""
    graph, tried = trace.graph, []
    marked, saved = dropped_nodes(graph, policy, first), saved_nodes(graph, policy)
    again = {v for v in range(first) if v not in saved and graph.can_repeat(v)} | marked

    def choice(dropped):
        kept = boundary(grads, first, dropped)
        nodes = [x.index for x in kept]
        if nodes not in tried:
            tried.append(nodes)
            yield kept

    yield from choice(marked)
    if found and not found[0].forward.plan.overhead + found[0].backward.plan.overhead:
        return
    yield from choice(again)
    results, values = [*outputs, *grads], {x.index for x in outputs}
    inputs = [*unrun(results, graph.bindings)[2], *seeds]
    nbytes, least = policy.nbytes, 0
    for eighths in JOINT:
        target = nbytes - (nbytes - least) * eighths // 8
        try:
            both, _ = find_program(inputs, results, replace(policy, nbytes=target))
        except BudgetError as error:
            least = max(least, error.bound or 0)
            continue
        # A program found again has a graph of its own.
        own = dict(zip(computed(both.inputs, both.outputs), computed(inputs, results), strict=True))
        held = {own.get(v) for v in _held_between(both.plan, both.inputs[-len(seeds):])}
        for kept in choice(again - (held - marked)):
            yield kept
            if nbytes == policy.nbytes:     # copies, which a plan of both passes need not hold
                lent = lent_nodes(trace, kept)
                nbytes -= sum(
                    x.nbytes for x in kept if x.index not in lent
                    and (x.index in values or not graph.can_repeat(x.index)))
        if len(found) > 1 and _cost(found[-1]) > min(map(_cost, found)):
            return


def _held_between(plan, seeds):
    """The nodes whose values a plan of both passes holds when it first reads a seed."""
    later, held = dependents(seeds), set()
    for action, region, _ in plan.steps:
        node = plan.regions.describe(region)[1]
        if action == "free":
            held.discard(node)
        elif node in later:
            break
        else:
            held.add(node)
    return held
