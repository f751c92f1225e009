"""What a trace keeps of the values that were looked at: inputs of its later programs.

Under a budget what is kept counts against it, beside the bytes of the program that runs. Where both
do not fit, what the program does not read is let go, then all that can be computed again is.
"""

from dataclasses import replace

from autodiff.core.queries import unrun
from autodiff.errors import BudgetError
from autodiff.planning import Budget, Store, memory_bound
from autodiff.planning.budget import not_found, of_a_part, with_held

QUICK = 1.0     # seconds of search at most for a plan that has an alternative
HELD = "values that were looked at and cannot be computed again"


class Kept:
    """The values kept by one trace.

    Parameters
    ----------
    graph : Graph
        Its `bindings` hold the values of arguments and what is kept.
    policy : policy
    find : callable (inputs, outputs, policy) -> (Program, captured arrays)

    Attributes
    ----------
    nbytes : int
        Bytes held: the results of the runs of which something is kept.
    """

    def __init__(self, graph, policy, find):
        self._graph, self._policy, self._find = graph, policy, find
        self._runs = []         # (bytes of a run's results, its nodes, whether some run once only)

    @property
    def nbytes(self):
        return sum(nbytes for nbytes, _, _ in self._runs)

    def look(self, x, alive):
        """Compute x and keep it, with those of `alive` for which there is room."""
        self._graph.settled = len(self._graph)    # what is kept depends on the policy
        required = [x, *(y for y in alive if y is not x and y.op.effect == "callback")]
        more = [y for y in alive if y is not x and y.op.effect != "callback"]
        attempts = [(more, False, False), (more, True, False), ([], True, False), ([], True, True)]
        try:
            outputs, program, results = self._first(required, attempts)
        except BudgetError as refusal:
            raise of_a_part(refusal) from None
        self._runs.append((
            program.plan.result_bytes, {y.index for y in outputs},
            any(y.op.effect == "callback" for y in outputs)))
        for y, value in zip(outputs, results, strict=True):
            self._graph.bindings[y.index] = value

    def run(self, outputs):
        """Compute the results of the trace; nothing is looked at afterwards."""
        attempts = [([], True, False), ([], True, True)]
        return self._first(outputs, attempts)[2]

    def let_go(self):
        """Let go of all that can be computed again."""
        self._let_go(set())

    def _first(self, required, attempts):
        """Run the first attempt (more outputs, let go, let all go) that fits the budget."""
        if not isinstance(self._policy, Budget):
            return self._attempt([*required, *attempts[0][0]], self._policy)
        for more, some, everything in attempts:
            outputs = [*required, *more]
            if some:
                self._let_go(set() if everything else self._read_by(outputs))
            try:
                return self._attempt(outputs, self._left(outputs, quick=bool(more)))
            except BudgetError as error:
                refusal = error
        raise with_held(refusal, self.nbytes, HELD) if self._runs else refusal

    def _attempt(self, outputs, policy):
        bindings = self._graph.bindings
        _, _, known = unrun(outputs, bindings)
        program, captured = self._find(known, outputs, policy)
        return outputs, program, program.run([bindings[y.index] for y in known], captured)

    def _read_by(self, outputs):
        _, _, known = unrun(outputs, self._graph.bindings)
        return {y.index for y in known}

    def _let_go(self, read):
        """Let go of runs of which nothing is read, unless something in them runs only once."""
        stay = []
        for run in self._runs:
            _, nodes, once = run
            if once or nodes & read:
                stay.append(run)
            else:
                for node in nodes:
                    del self._graph.bindings[node]
        self._runs = stay

    def _left(self, outputs, quick):
        """What the budget leaves for the program of the outputs."""
        left = self._policy.nbytes - self.nbytes
        if left < 1:
            plan = self._find(unrun(outputs, self._graph.bindings)[2], outputs, Store())[0].plan
            bound = memory_bound(plan.problem)[0] + plan.captured_bytes
            raise not_found(plan.problem, left, bound, plan.peak_bytes)
        limit = self._policy.time_limit
        return replace(self._policy, nbytes=left, time_limit=min(limit, QUICK) if quick else limit)
