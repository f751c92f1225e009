"""A plan: what a program stores, recomputes and holds, known and explained before it runs."""

from collections import Counter
from functools import cached_property

from autodiff.core.program import Executable
from autodiff.explain.breakdown import held_at_peak, recomputed_by_line
from autodiff.explain.text import explain
from autodiff.planning.schedule import format_bytes


def _of_schedule(name):
    """Make a property that is the schedule's."""
    return property(lambda plan: getattr(plan.schedule, name))


class Plan:
    """What a program stores, recomputes and holds, known before it runs.

    `print(plan)` explains it on a screen; `plan.plot(path)` and `plan.to_html(path)` draw it.

    Attributes
    ----------
    policy : policy
        What was asked for.
    schedule : autodiff.planning.Schedule
        What the policy made of the abstract problem: its steps, their simulation and certificate.
    steps, problem, cost, overhead, lower_bound, bound_family, gap
        Those of `schedule`. A node of its problem is a region: `plan.variable(region)` and
        `plan.operation(region)` say what it computes.
    regions : autodiff.core.regions.Regions
        What the numbers in the steps stand for.
    peak_bytes : int
        What a run holds beyond the caller's arrays, after allocation: arena, results, captured
        arrays. The run measures the same number.
    peak_bytes_out : int
        What a run with `out=` holds: results are the caller's then, and count for nothing.
    live_bytes : int
        What simulating the steps gives: `peak_bytes` without captured arrays and packing.
    arena_bytes, result_bytes, captured_bytes : int
        The parts of `peak_bytes`.
    moved_bytes : int
        Bytes that a run moves within the arena and the block, since no place is free for them
        that they could keep: mostly none. They take time, and no memory; `cost` is without them.
    costs : str
        What costs are counted in: "static", by the cost table, in elementwise operations on one
        element; "measured", in nanoseconds.
    evaluations : dict
        Operation name -> how often it is computed, inside regions too.
    peak_breakdown : tuple of Held
        What is held at the peak instant, by source line; adds up to `live_bytes` and the
        captured arrays.
    recomputed : tuple of Recomputed
        What is evaluated more than once, by source line and operation.

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> plan = ad.plan(ad.grad(lambda x: np.tanh(x).sum()), np.zeros(100))
    >>> plan.evaluations["tanh"], plan.live_bytes
    (1, 800)
    >>> sum(part.nbytes for part in plan.peak_breakdown) - plan.captured_bytes
    800
    """

    steps, problem = _of_schedule("steps"), _of_schedule("problem")
    cost, overhead = _of_schedule("cost"), _of_schedule("overhead")
    lower_bound, bound_family = _of_schedule("lower_bound"), _of_schedule("bound_family")
    gap = _of_schedule("gap")

    def __init__(self, regions, schedule, executable, policy, marginal=None, costs="static"):
        self.regions, self._marginal, self.costs = regions, marginal, costs
        self.schedule, self.policy = schedule, policy
        self.peak_bytes = executable.peak_bytes
        self.live_bytes = schedule.peak_bytes
        self.arena_bytes = executable.arena_bytes
        self.result_bytes = executable.block_bytes + executable.small_bytes
        self.captured_bytes = executable.captured_bytes
        self.moved_bytes = executable.moved_bytes
        self._executable = executable

    @cached_property
    def executable_out(self):
        """The same steps as a program that writes its results into arrays of the caller's."""
        return Executable(self.regions, self.schedule.steps, self.schedule.simulation.taken,
                          self.problem.workspace, True, self._executable.record,
                          self._executable.effort)

    @property
    def peak_bytes_out(self):
        return self.executable_out.peak_bytes

    def variable(self, region):
        """Look up the Variable that a region, the second entry of a step, computes.

        A region may also copy a Variable that an operation cannot read as it lies, or that is
        returned and has no bytes of its own; `operation` is "copy" then.

        Parameters
        ----------
        region : int

        Returns
        -------
        Variable

        Examples
        --------
        >>> import numpy as np, autodiff as ad
        >>> x = ad.variable("x", 3)
        >>> plan = ad.Program([x], [np.tanh(x).sum()], fuse=False).plan
        >>> [(action, plan.variable(region).op.name) for action, region, _ in plan.steps]
        [('compute', 'tanh'), ('compute', 'sum'), ('free', 'tanh')]
        """
        return self.regions.graph[self.regions.describe(region)[1]]

    def operation(self, region):
        """Look up the name of the operation that a region computes.

        Examples
        --------
        >>> import autodiff as ad
        >>> x = ad.variable("x", (3, 2))
        >>> plan = ad.Program([x], [x.T]).plan
        >>> [plan.operation(region) for _, region, _ in plan.steps]
        ['copy']
        """
        return self.regions.describe(region)[0]

    @property
    def captured(self):
        """List the Variables of the captured arrays, which are held throughout."""
        return [self.regions.graph[node] for node in self.regions.constants]

    @cached_property
    def evaluations(self):
        counts = Counter()
        for region, count in enumerate(self.schedule.evaluations.tolist()):
            if count:
                for name, _ in self.regions.operations(region):
                    counts[name] += count
        return dict(counts)

    @cached_property
    def peak_breakdown(self):
        return held_at_peak(self)

    @cached_property
    def recomputed(self):
        return recomputed_by_line(self)

    @cached_property
    def one_more_megabyte(self):
        """Find the overhead that a budget of 10^6 bytes more would have; None without a budget.

        Plans again, for a second at most, when first asked; never more than `overhead`, since
        this plan fits the larger budget too. None also for programs of thousands of regions.
        """
        found = self._marginal() if self._marginal else None
        return None if found is None else min(found, self.overhead)

    def __repr__(self):
        return (
            f"<Plan under {self.policy!r}: {len(self.steps)} steps, "
            f"peak {format_bytes(self.peak_bytes)}, overhead {100 * self.overhead:.1f} %>")

    def __str__(self):
        return explain(self)

    def plot(self, path):
        """Save a picture of the bytes held from the first computation to the last.

        First evaluations and recomputations have two colours; the peak is marked, and a budget.
        Below, computations stand in the row of their source line. Needs matplotlib, the extra
        `plots`.

        Parameters
        ----------
        path : str or path
            Its ending says the format: ".png", ".svg", ".pdf".

        Raises
        ------
        MissingExtraError
            Without matplotlib.
        """
        from autodiff.explain.pictures import plot_plan  # matplotlib, for who draws

        plot_plan(self, path)

    def to_html(self, path):
        """Save the same timeline as one page that needs no other file and no network.

        A pointer on a computation shows value, operation, line, bytes and cost; below are the
        tables of what the peak is made of and of what is recomputed.

        Parameters
        ----------
        path : str or path
        """
        from autodiff.explain.page import write_page

        write_page(self, path)
