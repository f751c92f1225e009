"""CP-SAT: retention intervals under a cumulative constraint, for graphs of about 120 nodes.

After Bartan et al. 2023, "Moccasin": each node has up to three intervals, from a compute to the
last use; the first ones come in the given order, at the end of stage v; a recomputation of v in
stage j stands before the first compute of j, at slot j (j + 1) / 2 + v. Needs the extra [solver].

The solver counts its work in a time of its own, by which it stops, and works on one thread, so that
the same problem, budget, limit and seed give the same plan where the clock is not there first.
"""

import time

import numpy as np

from autodiff.errors import PlanError
from autodiff.planning import search
from autodiff.planning.incumbent import Incumbents

_COMPUTES = 3       # of one node, at most
_SCALE = 10**6      # to which real costs are rounded
_FIRST = 0.2        # of the time limit goes to a search
_RATE = 0.25        # of the solver's own time in a second; about half of what one core makes


def plan(problem, limits):
    """Plan a problem within a budget: the better of a search and of CP-SAT's plan after it."""
    try:
        from ortools.sat.python import cp_model
    except ImportError:
        raise PlanError(
            "method 'cpsat' needs ortools: pip install 'autodiff-budget[solver]'"
        ) from None
    incumbents = Incumbents(problem)
    best = search.plan(problem, limits.share(_FIRST), incumbents)
    reduced = incumbents.reduced
    model = Model(reduced, limits.budget, cp_model)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    work = max(limits.time_limit * (1 - _FIRST) * _RATE, 0.001)
    solver.parameters.max_deterministic_time = work
    solver.parameters.max_time_in_seconds = max(limits.deadline - time.monotonic(), 0.01)
    solver.parameters.random_seed = limits.seed % 2**31
    status = solver.solve(model.model)
    done = status in (cp_model.OPTIMAL, cp_model.INFEASIBLE)
    if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        found = incumbents.schedule(model.order(solver), "cpsat")
        if found.peak_bytes <= limits.budget and found.cost < best.cost:
            best = found
        elif status == cp_model.OPTIMAL and found.cost == best.cost:
            best.method = "cpsat"
    late = not done and solver.response_proto.deterministic_time < work
    if late and not best.method.endswith(search.LATE):
        best.method += search.LATE
    return best


class Model:
    """Write the constraints down: start, end and presence of every interval."""

    def __init__(self, reduced, budget, cp_model):
        self.model = model = cp_model.CpModel()
        a = reduced.network.arrays
        n = reduced.network.n
        self.last = n * (n + 1) // 2
        cost = a["cost"]
        if (cost != np.rint(cost)).any():
            cost = cost * (_SCALE / max(cost.max(), 1e-300))
        cost = np.rint(cost).astype(int).tolist()
        self.lives = lives = []
        for v in range(n):
            count = 1 if a["fixed"][v] else _COMPUTES
            lives.append([self._life(v, i, a["pinned"][v], n) for i in range(count)])
            for one, next_one in zip(lives[v], lives[v][1:]):
                model.add_implication(next_one["made"], one["made"])
                model.add(next_one["start"] > one["end"]).only_enforce_if(next_one["made"])
        for v in range(n):
            for u in a["in_index"][a["in_start"][v] : a["in_start"][v + 1]].tolist():
                for life in lives[v]:
                    self._read(life, lives[u])
            for u in a["over_index"][a["over_start"][v] : a["over_start"][v + 1]].tolist():
                for life in lives[v]:
                    self._take_over(life, lives[u])
        intervals, demands = [], []
        for v in range(n):
            for life in lives[v]:
                # Taken over, the bytes of a value end one slot before its last use.
                for shorter in life["taken"]:
                    model.add(life["stop"] == life["end"]).only_enforce_if(shorter)
                model.add_at_most_one(life["taken"])
                model.add_at_most_one(life["takes"])
                size = model.new_int_var(0, self.last + 1, "")
                intervals.append(model.new_optional_interval_var(
                    life["start"], size, life["stop"], life["made"], ""))
                demands.append(int(a["nbytes"][v]))
                if not life["taken"]:
                    model.add(life["stop"] == life["end"] + 1)
                else:
                    free = [shorter.negated() for shorter in life["taken"]]
                    model.add(life["stop"] == life["end"] + 1).only_enforce_if(free)
                if a["workspace"][v]:
                    intervals.append(model.new_optional_fixed_size_interval_var(
                        life["start"], 1, life["made"], ""))
                    demands.append(int(a["workspace"][v]))
        model.add_cumulative(intervals, demands, budget)
        model.minimize(sum(
            cost[v] * life["made"] for v in range(n) for life in lives[v][1:]
        ))

    def _life(self, v, i, pinned, n):
        model = self.model
        first = v * (v + 1) // 2 + v
        if i == 0:
            made, start = model.new_constant(1), model.new_constant(first)
        else:
            made = model.new_bool_var("")
            places = [j * (j + 1) // 2 + v for j in range(v + 1, n)] or [first]
            start = self._among(places)
        end = model.new_constant(self.last) if pinned else model.new_int_var(first, self.last, "")
        model.add(end >= start)
        stop = model.new_int_var(first, self.last + 1, "")
        return {"made": made, "start": start, "end": end, "stop": stop, "taken": [], "takes": []}

    def _among(self, places):
        from ortools.sat.python import cp_model

        return self.model.new_int_var_from_domain(cp_model.Domain.from_values(places), "")

    def _read(self, life, sources):
        """Let a compute read one of the lives of an input."""
        model, used = self.model, []
        for source in sources:
            use = model.new_bool_var("")
            model.add_implication(use, source["made"])
            model.add(source["start"] < life["start"]).only_enforce_if(use)
            model.add(source["end"] >= life["start"]).only_enforce_if(use)
            used.append(use)
        model.add_bool_or(used).only_enforce_if(life["made"])

    def _take_over(self, life, sources):
        """Let a compute take over the bytes of an input that ends there."""
        for source in sources:
            take = self.model.new_bool_var("")
            self.model.add_implication(take, life["made"])
            self.model.add_implication(take, source["made"])
            self.model.add(source["end"] == life["start"]).only_enforce_if(take)
            source["taken"].append(take)
            life["takes"].append(take)

    def order(self, solver):
        """Read the order of computes off a solution (int32 array)."""
        computes = [
            (solver.value(life["start"]), v)
            for v, lives in enumerate(self.lives)
            for life in lives
            if solver.value(life["made"])
        ]
        return np.array([v for _, v in sorted(computes)], np.int32)
