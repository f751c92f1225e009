"""A plan on one screen: its price and proof, its peak and its recomputations by line, its steps."""

from os import PathLike

from autodiff.errors import ArgumentError, brief
from autodiff.planning.schedule import format_bytes

LINES = 6          # rows of the peak and of what is recomputed; the rest is added up in one more
OPERATIONS = 3     # names of operations in a row
ENDS = 8           # steps shown from each end
WIDEST = 40        # characters of a source line


def checked_path(path):
    """The path of a file to write; ArgumentError for what is none."""
    if not isinstance(path, (str, PathLike)):
        raise ArgumentError(f"a file is saved under a path, not {brief(path)}")
    return path


def explain(plan):
    """Write what a plan holds, repeats and costs, at most 50 lines.

    Parameters
    ----------
    plan : Plan

    Returns
    -------
    str
    """
    again = sum(part.again for part in plan.recomputed)
    count = len(plan.steps)
    title = f"plan under {plan.policy!r}: {count:,} step{'s' * (count != 1)}"
    rows = [title + (f", {again:,} of them computed again" if again else "")]
    rows += _bytes(plan)
    rows += _price(plan)
    rows += ["", *_peak(plan)]
    if plan.recomputed:
        rows += ["", *_recomputed(plan)]
    rows += ["", *_steps(plan)]
    return "\n".join(row.rstrip() for row in rows)


def _bytes(plan):
    rows = [
        f"  peak      {plan.peak_bytes:,} bytes = arena {plan.arena_bytes:,} + results "
        f"{plan.result_bytes:,} + captured {plan.captured_bytes:,}",
        f"  live      {plan.live_bytes:,} bytes at the peak; beyond captured arrays, the rest is "
        "packing and results not yet written",
    ]
    if plan.moved_bytes:
        rows.append(f"  moved     {plan.moved_bytes:,} bytes during a run, to where there is room")
    return rows


def _price(plan):
    rows = [f"  overhead  {plan.overhead:.1%} of the cost of computing everything once"]
    least = plan.lower_bound / plan.problem.total_cost - 1 if plan.problem.total_cost else 0.0
    if hasattr(plan.policy, "nbytes"):
        covered = "no plan" if plan.bound_family == "any order" else (
            f"no plan of the {plan.bound_family}")
        rows.append(f"  bound     {covered} within the budget has less than {least:.1%}; "
                    f"gap {plan.gap:.1%}")
        if plan.overhead:
            rows += _marginal(plan)
    return rows


def _marginal(plan):
    found = plan.one_more_megabyte
    if found is None:
        return []
    if found >= plan.overhead:
        return ["  one more MB  buys nothing that was found"]
    return [f"  one more MB  lowers the overhead to {found:.1%}"]


def _peak(plan):
    """Rows for the peak instant: bytes, share, line, how many values of which operations."""
    if not len(plan.steps):
        return ["nothing is computed"]
    step = plan.schedule.simulation.peak_step
    _, region, _ = plan.steps[step]
    x = plan.variable(region)
    rows = [f"held at the peak, step {step:,} ({x.name} = {plan.operation(region)}, "
            f"{_cut(x.line)})"]
    for part in plan.peak_breakdown[:LINES]:
        rows.append(_peak_row(plan, part.nbytes, _cut(part.line), operations_of(part)))
    rest = plan.peak_breakdown[LINES:]
    if rest:
        count = sum(len(part.values) for part in rest)
        rows.append(_peak_row(plan, sum(part.nbytes for part in rest),
                              f"{len(rest):,} more lines", f"{count:,} values"))
    return rows


def _peak_row(plan, nbytes, line, what):
    share = nbytes / max(1, plan.live_bytes + plan.captured_bytes)
    return f"  {format_bytes(nbytes):>9} {share:>6.1%}  {line:<24}  {what}"


def operations_of(part):
    """Sum up a part of the peak: `13 values: 12 relu, 1 matmul`, `1 captured array`."""
    if part.what == "workspace":
        return f"workspace of {next(iter(part.operations))}"
    count = len(part.values)
    if part.what == "captured":
        return f"{count:,} captured array{'s' * (count > 1)}"
    if count == 1:
        return f"{part.values[0].name} = {next(iter(part.operations))}"
    ranked = sorted(part.operations.items(), key=lambda item: -item[1])
    names = [f"{number:,} {name}" for name, number in ranked[:OPERATIONS]]
    if len(ranked) > OPERATIONS:
        names.append(f"{sum(number for _, number in ranked[OPERATIONS:]):,} other")
    return f"{count:,} values: {', '.join(names)}"


def _recomputed(plan):
    """Rows for what is computed again: how often, its share of the cost, operation, line."""
    rows = ["computed again, and its share of the cost"]
    for part in plan.recomputed[:LINES]:
        rows.append(_again_row(part.again, part.share, _cut(part.line),
                               f"{part.operation}, {len(part.values):,} "
                               f"value{'s' * (len(part.values) > 1)}"))
    rest = plan.recomputed[LINES:]
    if rest:
        rows.append(_again_row(sum(part.again for part in rest), sum(part.share for part in rest),
                               f"{len(rest):,} more rows", ""))
    return rows


def _again_row(again, share, line, what):
    return f"  {f'{again:,} ×':>9} {share:>6.1%}  {line:<24}  {what}"


def _steps(plan):
    live = plan.schedule.simulation.live_bytes if len(plan.steps) else ()
    size, seen = len(plan.steps), set()
    tail = max(ENDS, size - ENDS)
    rows = [f"{'step':>6}  {'what':<8} {'value':<10} {'operation':<14} {'bytes':>14} "
            f"{'held':>14}  line"]
    for number, (action, region, _) in enumerate(plan.steps):
        again = action == "compute" and region in seen
        seen.add(region)
        if number == ENDS and tail > ENDS:
            rows.append(f"   ...  {tail - ENDS:,} more steps")
        if ENDS <= number < tail:
            continue
        x = plan.variable(region)
        rows.append(
            f"{number:>6}  {'again' if again else action:<8} {_cut(x.name, 10):<10} "
            f"{_cut(plan.operation(region), 14):<14} {int(plan.problem.nbytes[region]):>14,} "
            f"{int(live[number]) + plan.captured_bytes:>14,}  {_cut(x.line)}")
    return rows


def _cut(text, widest=WIDEST):
    return text if len(text) <= widest else f"…{text[1 - widest:]}"
