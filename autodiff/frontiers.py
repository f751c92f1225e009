"""The frontier of a function: what every byte budget costs, before anything runs."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from autodiff.building import reschedule
from autodiff.compiled import compile
from autodiff.errors import ArgumentError
from autodiff.fitting import LARGEST, early_results
from autodiff.planning import Budget, Checkpoint, Recompute, memory_bound
from autodiff.planning.costbound import ANY_ORDER, CostBounds, certified
from autodiff.planning.frontier import frontier_and_lowest, knee_of
from autodiff.planning.schedule import Schedule, format_bytes
from autodiff.plans import Plan
from autodiff.speed import estimate_seconds

PATIENCE = 2        # seconds before a progress bar appears
TIME = 4.0          # seconds of all searches
EVERYTHING = Budget(2**62)  # stores all, in the program of a budget: nothing captured is folded
SMALL = 50          # the bound over the bytes of small results, above which they do not matter


class Point(NamedTuple):
    """One plan of a frontier; `ad.Budget(point.peak_bytes)` asks for as good a one."""

    peak_bytes: int     # after allocation: what a run holds beyond the caller's arrays
    overhead: float     # of its cost, over computing everything once
    seconds: float      # estimated
    gap: float          # of its cost, at most, over the least within these bytes
    plan: Plan


class Frontier(Sequence):
    """Plans by ascending bytes and falling cost; none holds more and costs as much as another.

    Attributes
    ----------
    bound_bytes : int
        No plan holds fewer.

    `print` writes a table; `plot(path)` a picture; `knee()` picks a point.

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> found = ad.frontier(np.tanh, np.zeros(1000))
    >>> found
    <Frontier: 1 plan, 8.0 kB>
    >>> found.bound_bytes, found.knee().peak_bytes
    (8000, 8000)
    """

    def __init__(self, points, bound_bytes):
        self._points, self.bound_bytes = tuple(points), bound_bytes

    def __len__(self):
        return len(self._points)

    def __getitem__(self, index):
        return self._points[index]

    def knee(self) -> Point:
        """Pick the point farthest below the line from the first to the last, axes from 0 to 1."""
        return self[knee_of([point.peak_bytes for point in self],
                            [point.overhead for point in self])]

    def plot(self, path):
        """Save a picture: overhead and estimated seconds against bytes, and what is proven.

        Needs matplotlib, the extra `plots`.

        Parameters
        ----------
        path : str or path
            Its ending says the format: ".png", ".svg", ".pdf".

        Raises
        ------
        MissingExtraError
            Without matplotlib.
        """
        from autodiff.explain.pictures import plot_frontier  # matplotlib, for who draws

        plot_frontier(self, path)

    def __repr__(self):
        sizes = dict.fromkeys(format_bytes(self[k].peak_bytes) for k in (0, -1))
        return f"<Frontier: {len(self)} plan{'s' * (len(self) > 1)}, {' to '.join(sizes)}>"

    def __str__(self):
        knee = self.knee()
        rows = [f"no plan holds less than {self.bound_bytes:,} bytes",
                f"{'peak bytes':>16}  {'overhead':>8}  {'about':>9}  {'gap':>6}  bound covers"]
        for point in self:
            rows.append(
                f"{point.peak_bytes:>16,}  {point.overhead:>8.1%}  "
                f"{_written(point.seconds):>9}  {point.gap:>6.1%}  {point.plan.bound_family}"
                f"{'  <- knee' if point is knee else ''}")
        return "\n".join(rows)


def frontier(
    f: Callable[..., Any], *args: Any, points: int = 24, costs: str = "static", **kwargs: Any,
) -> Frontier:
    """Plan f, traced on arguments like these, at many byte budgets.

    Nothing is run, except to measure costs.

    Every point is a plan with its addresses: the program would measure its `peak_bytes` to the
    byte, and a budget of as many is granted. Seconds are estimated from costs and a speed of this
    machine that is measured once.
    Where it takes longer than two seconds and tqdm is installed (extra `progress`), a bar shows.

    Parameters
    ----------
    f : callable
        Often a transform: `ad.frontier(ad.value_and_grad(cost), params, X, y)`.
    *args, **kwargs
        Arguments whose shapes, dtypes and strides matter, not their values.
    points : int
        Budgets to plan for, from 2; plans that hold more without costing less are left out.
    costs : "static" or "measured"
        As in `compile`. To be measured, f is run three times with everything stored, in the
        bytes of the frontier's last point.

    Returns
    -------
    Frontier
        Points from the fewest bytes a plan is known for to the fewest that cost nothing extra.

    Raises
    ------
    ArgumentError
        When f returns nothing that is computed from arrays, for other costs, and for a policy.
    PolicyError
        When `points` is not an int of at least 2.

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> def f(x):
    ...     for _ in range(8):
    ...         x = np.sin(x)
    ...     return x.sum()
    >>> found = ad.frontier(ad.grad(f), np.zeros(1000))
    >>> found[-1].overhead, found[0].overhead > 0, found[0].peak_bytes < found[-1].peak_bytes
    (0.0, True, True)
    """
    step = compile(f, EVERYTHING, costs)
    if "policy" in kwargs and not step.takes("policy"):
        raise ArgumentError(
            "frontier: plans at many budgets and takes no policy=; ad.plan takes one")
    store = step.plan(*args, **kwargs)
    problem, captured = store.problem, store.captured_bytes
    early = _early(problem)
    problems = [problem] if early is None else [problem, early]
    with _bar(points * len(problems)) as bar:
        (planned, lowest), *more = [
            frontier_and_lowest(p, points, TIME / len(problems), progress=lambda: bar.update(1))
            for p in problems]
    found, bounds = [reschedule(store, store.schedule)[1]], CostBounds(problem)
    for point in planned:
        _, plan = reschedule(store, point.schedule)
        if plan.peak_bytes - captured > point.budget:
            # Packing took more than the budget that the bound was proven for.
            bare = point.schedule.with_bound(problem.total_cost, ANY_ORDER)
            _, plan = reschedule(store, certified(bare, plan.peak_bytes - captured, bounds))
        found.append(plan)
    # What a budget falls back on: it may pack better.
    spare = [lowest, Checkpoint().schedule(problem)]
    if len(problem) <= LARGEST:
        spare.append(Recompute().schedule(problem))
    spare += [Schedule(problem, p.schedule.steps, p.schedule.method) for f, _ in more for p in f]
    for schedule in spare:
        _, plan = reschedule(store, schedule)
        if not any(p.peak_bytes <= plan.peak_bytes and p.cost <= plan.cost for p in found):
            bare = schedule.with_bound(problem.total_cost, ANY_ORDER)
            proven = certified(bare, plan.peak_bytes - captured, bounds)
            found.append(reschedule(store, proven)[1])
    found = _undominated(found)
    return Frontier(
        (Point(plan.peak_bytes, plan.overhead, estimate_seconds(plan), plan.gap, plan)
         for plan in found),
        memory_bound(problem)[0] + captured)


def _early(problem):
    """The problem as `early_results` sees it, where its small results are worth planning apart."""
    early = early_results(problem)
    if early is None or (problem.nbytes - early.nbytes).sum() * SMALL < memory_bound(problem)[0]:
        return None
    return early


def _undominated(plans):
    """List plans by ascending bytes, each cheaper than all before it."""
    kept = []
    for plan in sorted(plans, key=lambda plan: (plan.peak_bytes, plan.cost)):
        if not kept or plan.cost < kept[-1].cost:
            kept.append(plan)
    return kept


def _bar(total):
    """Make a tqdm bar that shows when patience ends, or something that shows nothing."""
    try:
        from tqdm import tqdm
    except ImportError:
        return _NoBar()
    return tqdm(total=total, delay=PATIENCE, desc="frontier", unit="plan", leave=False)


class _NoBar:
    def __enter__(self):
        return self

    def __exit__(self, *exception):
        return None

    def update(self, n):
        """Show nothing."""


def _written(seconds):
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * scale >= 1 or unit == "µs":
            return f"{seconds * scale:,.2f} {unit}"
