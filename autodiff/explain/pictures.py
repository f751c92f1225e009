"""Plans, frontiers and profiles as pictures; matplotlib is imported when the first is drawn."""

from pathlib import Path

import numpy as np

from autodiff.errors import ArgumentError, MissingExtraError, brief
from autodiff.explain.text import checked_path
from autodiff.explain.timeline import rows_by_line, timeline
from autodiff.planning.schedule import format_bytes

FIRST, AGAIN = "#3b6ea5", "#d9822b"     # first evaluations, recomputations
MARK, FAINT = "#b02a37", "#8a8a8a"      # peak and budget, what is beside the point
GROUPS = 2000                           # computations drawn; more are joined
ROWS = 20                               # source lines with a row of their own


def new_figure(size):
    """Make a figure that no window and no pyplot state knows: (figure, matplotlib)."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError(
            "pictures need matplotlib: pip install 'autodiff-budget[plots]'") from None
    return Figure(figsize=size, layout="constrained"), matplotlib


def save(figure, path):
    """Write a figure; ArgumentError for what is no path, or ends in no format of pictures."""
    path = checked_path(path)
    ending = Path(path).suffix.lstrip(".").lower()
    if ending and ending not in figure.canvas.get_supported_filetypes():
        raise ArgumentError(
            f"plot: there is no format {ending!r} of {brief(path)}; write .png, .svg or .pdf")
    figure.savefig(path, dpi=120)


def plot_plan(plan, path):
    """Save the picture of `Plan.plot`."""
    shown = timeline(plan).grouped(GROUPS)
    labels, row = rows_by_line(plan, shown, ROWS)
    heights = (3.4, 0.3 + 0.17 * max(1, len(labels)))
    figure, matplotlib = new_figure((10, sum(heights) + 0.5))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=heights)
    unit, scale = _unit(plan.peak_bytes)
    again = shown.again
    edges = np.append(shown.begin, shown.end[-1:])
    for chosen, colour, label in ((~again, FIRST, "first evaluation"),
                                  (again, AGAIN, "recomputation")):
        if chosen.any():
            above.stairs(np.where(chosen, shown.held, np.nan) / scale, edges, fill=True,
                         color=colour, label=label)
        for k in range(len(labels)):
            spans = [(a, b - a) for a, b in zip(shown.begin[chosen & (row == k)].tolist(),
                                                shown.end[chosen & (row == k)].tolist())]
            below.broken_barh(spans, (k - 0.4, 0.8), color=colour)
    if len(shown.held):
        _mark_peak(above, plan, shown, scale)
    above.axhline(plan.peak_bytes / scale, color=FAINT, lw=1, label="peak with packing")
    budget = getattr(plan.policy, "nbytes", None)
    if budget is not None and budget > 2 * plan.peak_bytes:
        budget = None                       # it would leave no room for what is held
    if budget is not None:
        above.axhline(budget / scale, color=MARK, lw=1, ls="--", label="budget")
    top = max(shown.held.max(initial=1), plan.peak_bytes, budget or 0) / scale
    above.set(ylabel=f"bytes held, {unit}", ylim=(0, 1.12 * top), xlim=(0, max(1, *edges[-1:])),
              title=f"{plan.policy!r}: peak {format_bytes(plan.peak_bytes)}, "
                    f"overhead {plan.overhead:.1%}")
    above.legend(loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=4, frameon=False,
                 fontsize="small")
    below.set(xlabel="computations", yticks=range(len(labels)), ylim=(len(labels) - 0.5, -0.5))
    below.set_yticklabels(labels, fontsize="x-small")
    below.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(integer=True))
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
    save(figure, path)


def _mark_peak(axes, plan, shown, scale):
    k = shown.peak
    region = int(shown.region[k])
    x = plan.variable(region)
    at = (shown.begin[k] + shown.end[k]) / 2
    left = at < shown.end[-1] / 2
    axes.plot(at, shown.held[k] / scale, "v", color=MARK, ms=6, clip_on=False)
    axes.annotate(f"{format_bytes(int(shown.held[k]))}: {x.name} = {plan.operation(region)}, "
                  f"{x.line}", (at, shown.held[k] / scale), xytext=(6 if left else -6, 8),
                  textcoords="offset points", ha="left" if left else "right", color=MARK,
                  fontsize="small")


def plot_frontier(frontier, path):
    """Save the picture of `Frontier.plot`."""
    figure, matplotlib = new_figure((8, 4.8))
    axes = figure.subplots()
    unit, scale = _unit(frontier[-1].peak_bytes)
    nbytes = np.array([point.peak_bytes for point in frontier]) / scale
    overhead = np.array([point.overhead for point in frontier])
    least = np.array([(1 + point.overhead) / (1 + point.gap) - 1 for point in frontier])
    bound, end = frontier.bound_bytes / scale, 1.04 * max(1 / scale, nbytes[-1])
    axes.axvspan(0, bound, color=FAINT, alpha=0.25, lw=0, label="proven impossible")
    # A plan serves budgets up to the next plan's; a bound, proven for one budget, holds below it.
    axes.step([*nbytes, end], [*overhead, overhead[-1]], where="post", color=FIRST, label="plans")
    axes.plot(nbytes, overhead, "o", color=FIRST, ms=4)
    axes.fill_between(np.repeat(nbytes, 2)[1:-1], np.repeat(least[1:], 2),
                      np.repeat(overhead[:-1], 2), color=FIRST, alpha=0.15, lw=0,
                      label="gap to the bound")
    knee = frontier.knee()
    axes.plot(knee.peak_bytes / scale, knee.overhead, "o", color=AGAIN, ms=8,
              label=f"knee: {format_bytes(knee.peak_bytes)}, {knee.overhead:.1%}")
    axes.set(xlabel=f"peak, {unit}", ylabel="overhead", xlim=(0, end), ylim=(0, None))
    axes.yaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1.0))
    once = frontier[-1].seconds / (1 + frontier[-1].overhead)
    if once > 0:
        seconds = axes.secondary_yaxis(
            "right", functions=(lambda y: (1 + y) * once, lambda t: t / once - 1))
        seconds.set_ylabel("seconds, estimated")
    axes.spines["top"].set_visible(False)
    axes.legend(frameon=False)
    save(figure, path)


def plot_profile(profile, path):
    """Save the picture of `Profile.plot`."""
    shown = timeline(profile.plan)
    labels, row = rows_by_line(profile.plan, shown, ROWS)
    heights = (2.4, 0.3 + 0.17 * max(1, len(labels)))
    figure, _ = new_figure((10, sum(heights) + 0.5))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=heights)
    seconds, nbytes, flops = (
        np.array([getattr(step, name) for step in profile.steps], float)
        for name in ("seconds", "nbytes", "flops"))
    scale, unit = (1e6, "µs") if seconds.sum() < 1e-3 else (1e3, "ms")
    end = scale * np.cumsum(seconds)
    begin = np.append(0.0, end)[:-1]
    for chosen, colour, label in ((~shown.again, FIRST, "first evaluation"),
                                  (shown.again, AGAIN, "recomputation")):
        for k in range(len(labels) if chosen.any() else 0):
            here = chosen & (row == k)
            below.broken_barh(list(zip(begin[here], (end - begin)[here])), (k - 0.4, 0.8),
                              color=colour, label=label if k == 0 else None)
    if len(seconds):
        first = np.arange(0, len(seconds), -(-len(seconds) // GROUPS))    # of each group
        edges = np.append(begin[first], end[-1])
        lasting = np.add.reduceat(seconds, first)
        rates = above.twinx()
        above.stairs(1e-9 * np.add.reduceat(flops, first) / lasting, edges, color=FIRST)
        rates.stairs(1e-9 * np.add.reduceat(nbytes, first) / lasting, edges, color=MARK)
        rates.set_ylabel("GB/s", color=MARK)
        rates.set_ylim(0, None)
    above.set_ylabel("GFLOP/s", color=FIRST)
    above.set(ylim=(0, None), xlim=(0, max(1e-3, *end[-1:])),
              title=f"{1e3 * profile.seconds:.4g} ms, of which {1e3 * profile.outside:.4g} ms "
                    "outside the steps")
    below.set(xlabel=f"time in steps, {unit}", yticks=range(len(labels)),
              ylim=(len(labels) - 0.5, -0.5))
    below.set_yticklabels(labels, fontsize="x-small")
    above.legend(*below.get_legend_handles_labels(), loc="upper center",
                 bbox_to_anchor=(0.5, -0.02), ncols=2, frameon=False, fontsize="small")
    for axes in (above, below):
        axes.spines["top"].set_visible(False)
    save(figure, path)


def _unit(nbytes):
    for unit, scale in (("B", 1), ("kB", 10**3), ("MB", 10**6)):
        if nbytes < 1000 * scale:
            return unit, scale
    return "GB", 10**9
