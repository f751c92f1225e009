"""A profile: where the time of a program goes, step by step and by source line, with its rates."""

from collections import Counter
from functools import cached_property
from typing import NamedTuple

import numpy as np

from autodiff.errors import ArgumentError
from autodiff.explain.timeline import timeline
from autodiff.measured import clocked_runs, instruction_of

LINES = 12         # rows by source line that are printed, and
STEPS = 10         # the slowest steps
OPERATIONS = 4     # names of operations in a row
WIDEST = 36        # characters of a source line

# Floating-point operations for each element of the first input, where that is what is counted.
OF_INPUT = {
    **dict.fromkeys(("sum", "mean", "max", "min", "argmax", "embed_add", "add_at", "scatter_add"),
                    1),
    **dict.fromkeys(("softmax", "log_softmax", "logsumexp", "softmax_error", "cross_entropy"), 5),
}
MOVES = {"copy", "astype", "astype_integer", "astype_boolean", "where", "count", "one_hot",
         "gather", "embed", "concatenate", "random_bits", "random_uniform", "random_normal",
         "random_keys"}


class Step(NamedTuple):
    """One computation of a profile.

    `step` counts all steps of the plan, `times` the evaluations of this region (1 is the first),
    `operations` names all that is computed inside, the result last. Of a `script` of several
    computations on single numbers only the whole has been timed, and `seconds` is a part of that.
    `nbytes` are those of the operands and the result, `flops` as `flops_of` counts them.
    """

    step: int
    region: int
    times: int
    line: str
    operations: tuple[str, ...]
    seconds: float
    share: float
    nbytes: int
    flops: int
    script: int                     # computations timed together with this one; 1 for itself only


class Line(NamedTuple):
    """The steps of one source line, added up; `again` of them are not the first evaluation."""

    line: str
    steps: int
    again: int
    operations: Counter
    seconds: float
    share: float
    nbytes: int
    flops: int


def flops_of(name, y):
    """Count the floating-point operations of one operation by its shapes.

    A product of (m, k) and (k, n) takes 2 m n k; an elementwise operation one for each element of
    its result, be it a sum or a tanh; a reduction one for each element it reads, softmax and its
    like five; copies, selections and callbacks count nothing.

    Parameters
    ----------
    name : str
        "copy" where a region copies what y is.
    y : Variable

    Examples
    --------
    >>> import autodiff as ad
    >>> from autodiff.profiles import flops_of
    >>> flops_of("matmul", ad.variable("A", (2, 3)) @ ad.variable("B", (3, 5)))
    60
    """
    if name == "matmul":
        return 2 * y.size * y.inputs[0].shape[-1]
    if name in OF_INPUT:
        return OF_INPUT[name] * y.inputs[0].size
    if name in MOVES or getattr(y.op, "kernel", None) == "python":
        return 0
    return y.size


def bytes_moved(regions, region, nbytes, in_place):
    """Count the bytes a region reads and writes: each operand once, and the result.

    Of a look-up only as much of the table as is taken; where a part of an array is added to in
    place, only that part.
    """
    read, (name, _) = regions.bytes_read(region), regions.describe(region)
    if name == "gather":
        return min(read[0], nbytes) + sum(read[1:]) + nbytes
    if name in ("embed_add", "add_at") and in_place:
        return 3 * read[0] + sum(read[2:])
    return sum(read) + nbytes


class Profile:
    """Where the time of a program goes: the fastest of several runs, with a clock at each step.

    `print(profile)` adds up the steps by source line and lists the slowest; `profile.plot(path)`
    draws them. Clocks take some 50 ns a step, which count as time outside the steps.

    Attributes
    ----------
    seconds : float
        Of the whole run, from call to return.
    outside : float
        Seconds of it that were spent in no step: results, the arena, dispatch, clocks.
    steps : tuple of Step
        Every computation in its order. Their shares, of the time in steps, add up to 1.
    lines : tuple of Line
        The same by the source line of their results, the slowest first.
    plan : Plan
    runs : int

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> found = ad.profile(ad.grad(lambda x: np.tanh(x).sum()), np.ones(1000))
    >>> sum(step.flops for step in found.steps), found.outside < found.seconds
    (3000, True)
    """

    def __init__(self, executable, plan, arrays, constants, runs):
        if isinstance(runs, bool) or not isinstance(runs, int) or runs < 1:
            raise ArgumentError(f"profile: runs is a number of runs, at least 1, not {runs!r}")
        spent, whole = clocked_runs(executable, arrays, constants, runs)
        best = int(whole.argmin())
        self.plan, self.runs, self.seconds = plan, runs, 1e-9 * int(whole[best])
        self.steps = tuple(_steps(executable, plan, np.maximum(1, spent[best])))
        self.outside = max(0.0, self.seconds - sum(step.seconds for step in self.steps))

    @cached_property
    def lines(self):
        found = {}
        for step in self.steps:
            found.setdefault(step.line, []).append(step)
        return tuple(sorted(
            (_line(line, steps) for line, steps in found.items()), key=lambda row: -row.seconds))

    def __repr__(self):
        return f"<Profile of {len(self.steps):,} computations, {_time(self.seconds)}>"

    def __str__(self):
        count = len(self.steps)
        again = sum(step.times > 1 for step in self.steps)
        rows = [
            f"profile of {count:,} computation{'s' * (count != 1)}, {again:,} of them again: "
            f"{_time(self.seconds)}, the fastest of {self.runs:,} run{'s' * (self.runs != 1)}",
            f"  in steps {_time(self.seconds - self.outside)}, outside {_time(self.outside)} "
            f"({self.outside / self.seconds:.1%})", "",
            f"  {'share':>6} {'time':>9} {'steps':>6} {'again':>6} {'GFLOP/s':>8} {'GB/s':>7}  "
            f"{'line':<24}  operations"]
        for row in self.lines[:LINES]:
            rows.append(f"{_rates(row, f'{row.steps:>6,} {row.again:>6,}')}  "
                        f"{_cut(row.line):<24}  {_names(row.operations)}")
        rest = self.lines[LINES:]
        if rest:
            names = {row.line for row in rest}
            left = _line("", [step for step in self.steps if step.line in names])
            rows.append(f"{_rates(left, f'{left.steps:>6,} {left.again:>6,}')}  "
                        f"{len(rest):,} more lines")
        rows += ["", f"  {'share':>6} {'time':>9} {'step':>6} {'times':>6} {'GFLOP/s':>8} "
                     f"{'GB/s':>7}  {'line':<24}  the slowest steps"]
        for step in sorted(self.steps, key=lambda step: -step.seconds)[:STEPS]:
            what = _names(Counter(step.operations))
            if step.script > 1:
                what += f" (part of a script of {step.script:,})"
            rows.append(f"{_rates(step, f'{step.step:>6,} {step.times:>6,}')}  "
                        f"{_cut(step.line):<24}  {what}")
        return "\n".join(row.rstrip() for row in rows)

    def plot(self, path):
        """Save a picture of the run in time: its rates above, its steps by source line below.

        First evaluations and recomputations have two colours. Time outside the steps is left out.
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
        from autodiff.explain.pictures import plot_profile  # matplotlib, for who draws

        plot_profile(self, path)


def _steps(executable, plan, spent):
    """Yield a `Step` for each computation of a plan."""
    shown = timeline(plan)
    taken = plan.schedule.simulation.taken
    instruction, part = instruction_of(executable, shown.region, shown.step)
    joined = np.bincount(instruction)[instruction]
    nanoseconds = spent[instruction] * part
    total = max(1.0, nanoseconds.sum().item())
    known = {}                      # region -> what does not depend on the step
    for k, (step, region) in enumerate(zip(shown.step.tolist(), shown.region.tolist())):
        in_place = bool(taken[step] >= 0)
        if (region, in_place) not in known:
            inside = plan.regions.operations(region)
            known[region, in_place] = (
                plan.variable(region).line, tuple(name for name, _ in inside),
                bytes_moved(plan.regions, region, int(plan.problem.nbytes[region]), in_place),
                sum(flops_of(name, plan.regions.graph[node]) for name, node in inside))
        line, operations, nbytes, flops = known[region, in_place]
        share = nanoseconds[k].item() / total
        yield Step(step, region, int(shown.times[k]), line, operations,
                   1e-9 * nanoseconds[k].item(), share, nbytes, flops, int(joined[k]))


def _line(line, steps):
    """Add up steps."""
    operations = Counter()
    for step in steps:
        operations.update(step.operations)
    return Line(line, len(steps), sum(step.times > 1 for step in steps), operations,
                sum(step.seconds for step in steps), sum(step.share for step in steps),
                sum(step.nbytes for step in steps), sum(step.flops for step in steps))


def _rates(row, numbers):
    """The columns of a step or line up to its name."""
    return (f"  {row.share:>6.1%} {_time(row.seconds):>9} {numbers} "
            f"{1e-9 * row.flops / row.seconds:>8.2f} {1e-9 * row.nbytes / row.seconds:>7.2f}")


def _time(seconds):
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.4g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def _names(operations):
    """`12 matmul, tanh, 3 other`: the most frequent first."""
    ranked = operations.most_common()
    names = [name if number == 1 else f"{number:,} {name}" for name, number in ranked[:OPERATIONS]]
    if len(ranked) > OPERATIONS:
        names.append(f"{sum(number for _, number in ranked[OPERATIONS:]):,} other")
    return ", ".join(names)


def _cut(text):
    return text if len(text) <= WIDEST else f"…{text[1 - WIDEST:]}"
