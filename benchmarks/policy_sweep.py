"""Sweep memory policies over MLPs of growing depth and width and over chains of a function.

    python benchmarks/policy_sweep.py                       # a few minutes
    python benchmarks/policy_sweep.py --quick --out /tmp/sweep

For each point the time, the evaluations, and bytes from three sources: the plan, the executor and
the process. Prints a table; writes policy_sweep.csv and policy_sweep.png into `--out`.
"""

import argparse
from dataclasses import asdict
from itertools import product
from pathlib import Path

from measure import Point, in_fresh_process
from report import machine, markdown, write_csv
from tqdm import tqdm

# "50%": a byte budget half-way from the smallest known, "0%", to the peak of store.
POLICIES = ("store", "checkpoint", "50%", "0%", "recompute")
# problem, depths, widths, batch
FULL = [
    ("mlp", (2, 4, 8, 16), (64, 256), 4096),
    ("chain", (100, 300, 1000), (1,), 1),
    ("chain", (32,), (100_000,), 1),
]
QUICK = [("mlp", (3,), (16,), 64), ("chain", (10,), (1,), 1)]
COLUMNS = {
    "problem": "{point.problem}",
    "depth": "{point.depth}",
    "width": "{point.width}",
    "policy": "{point.policy}",
    "time (ms)": "{milliseconds:,.3f}",
    "evaluations": "{record.evaluations:,}",
    "of f or products": "{record.counted:,}",
    "plan (bytes)": "{record.planned:,}",
    "executor (bytes)": "{record.measured:,}",
    "process (bytes)": "{record.process:,}",
}
SEEN_BY_PROCESS = 2**20     # bytes below which the growth of a process is noise of its pages


def points(grid, policies, repeats):
    """Every point of a grid, the policies of one problem side by side."""
    return [
        Point(problem, depth, width, batch, policy, repeats)
        for problem, depths, widths, batch in grid
        for width, depth, policy in product(widths, depths, policies)
    ]


def sweep(wanted):
    """Measure points one after the other, each in a fresh process: pairs (Point, Record)."""
    bar = tqdm(wanted, desc="points", unit="point")
    found = []
    for point in bar:
        bar.set_postfix_str(f"{point.problem} {point.depth} x {point.width}, {point.policy}")
        found.append((point, in_fresh_process(point)))
    return found


def table(found):
    """The records as a Markdown table."""
    rows = []
    for point, record in found:
        values = {"point": point, "record": record, "milliseconds": 1000 * record.seconds}
        rows.append({name: text.format(**values) for name, text in COLUMNS.items()})
    return markdown(rows, left=("problem", "policy"))


def draw(found, path):
    """Save memory against time: a panel for each problem and width, a line for each depth."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.lines import Line2D
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    panels = list(dict.fromkeys((point.problem, point.width) for point, _ in found))
    policies = list(dict.fromkeys(point.policy for point, _ in found))
    figure, axes = plt.subplots(
        1, len(panels), figsize=(1 + 3.6 * len(panels), 4.6), squeeze=False, layout="constrained")
    for panel, (problem, width) in zip(axes[0], panels):
        here = [(p, r) for p, r in found if (p.problem, p.width) == (problem, width)]
        for depth in dict.fromkeys(point.depth for point, _ in here):
            line = [(1000 * r.seconds, r.planned) for p, r in here if p.depth == depth]
            line.sort(key=lambda spot: (-spot[1], spot[0]))
            panel.plot(*zip(*line), color="0.75", lw=1, zorder=1)
            panel.annotate(f"depth {depth}", line[0], xytext=(-8, 0), textcoords="offset points",
                           fontsize=8, color="0.3", ha="right", va="center")
        for point, record in here:
            colour, x = f"C{policies.index(point.policy)}", 1000 * record.seconds
            panel.plot(x, record.planned, "o", color=colour, ms=6)
            if record.planned >= SEEN_BY_PROCESS:
                panel.plot(x, record.process, "_", color=colour, ms=14, mew=1.5)
        panel.set(xscale="log", yscale="log", xlabel="time of a run (ms)",
                  title=f"{problem}, width {width:,}")
        panel.margins(x=0.5, y=0.12)
        panel.grid(alpha=0.25, which="major")
        for axis in (panel.xaxis, panel.yaxis):
            low, high = axis.get_view_interval()
            axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,)))
            axis.set_minor_formatter(NullFormatter())
        panel.xaxis.set_major_formatter("{x:g}")
        panel.yaxis.set_major_formatter(EngFormatter("B"))
    axes[0, 0].set_ylabel("memory")
    marks = [Line2D([], [], marker="o", ls="", color=f"C{k}",
                    label=f"budget, {policy}" if policy.endswith("%") else policy)
             for k, policy in enumerate(policies)]
    marks += [Line2D([], [], marker="o", ls="", color="0.4", label="planned = measured"),
              Line2D([], [], marker="_", ls="", ms=14, mew=1.5, color="0.4", label="process")]
    figure.legend(handles=marks, loc="outside lower center", ncols=len(marks), frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--policies", nargs="+", default=POLICIES, metavar="POLICY")
    parser.add_argument("--repeats", type=int, default=5, help="runs that a median is taken of")
    parser.add_argument("--quick", action="store_true", help="a few tiny points, in seconds")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()

    given.out.mkdir(parents=True, exist_ok=True)
    named = machine()           # the load before the sweep makes its own
    found = sweep(points(QUICK if given.quick else FULL, given.policies, given.repeats))
    write_csv([{**asdict(point), **asdict(record)} for point, record in found],
              given.out / "policy_sweep.csv")
    draw(found, given.out / "policy_sweep.png")
    print(named, end="\n\n")
    print(table(found), end="\n\n")
    library = max(record.library for _, record in found)
    print("The process's bytes are the growth over before the first call, nothing taken off; of "
          f"these, BLAS may hold {library:,} (`ad.library_bytes()`).")


if __name__ == "__main__":
    main()
