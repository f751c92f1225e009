"""Plan real training steps at many byte budgets: what each costs, how near the best that is proven.

    python benchmarks/planning.py                       # every graph, a minute
    python benchmarks/planning.py --graphs unet --percents 50 30 --time-limit 30
    python benchmarks/planning.py --quick --out /tmp/planning

No arrays are made: a graph is a problem of bytes and costs. Budgets are percents of the peak of
store. Prints a table and writes `planning.csv`.
"""

import argparse
import csv
import sys
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from autodiff.errors import BudgetError
from autodiff.planning import Problem, memory_bound, solve

HERE = Path(__file__).parent
PERCENTS = (90, 80, 60, 50, 40, 30)


@dataclass(frozen=True)
class Row:
    """What came of one graph and budget; without a plan the numbers of one are None."""

    graph: str
    nodes: int
    percent: int
    budget: int             # bytes
    bound: int              # bytes, below which no plan exists
    outcome: str            # "plan", "impossible" or "not found"
    method: str | None = None
    peak: int | None = None         # bytes
    overhead: float | None = None   # of the cost over computing everything once
    lower: float | None = None      # the proven least of that
    family: str | None = None       # the plans it covers
    gap: float | None = None        # of the cost over the least, at most
    seconds: float = 0.0            # that planning took


def read(name):
    """Read the training step of a network from graphs/."""
    return Problem.from_json((HERE / "graphs" / f"{name}.json").read_text())


def measure(name, problem, percent, time_limit):
    """Plan one graph at one budget: a Row."""
    budget = solve(problem, method="store").peak_bytes * percent // 100
    given = name, len(problem), percent, budget, memory_bound(problem)[0]
    begun = time.perf_counter()
    try:
        plan = solve(problem, budget, time_limit=time_limit)
    except BudgetError as error:
        refused = str(error).partition(":")[0]
        return Row(*given, refused, seconds=time.perf_counter() - begun)
    seconds = time.perf_counter() - begun
    lower = plan.lower_bound / problem.total_cost - 1
    return Row(*given, "plan", plan.method, plan.peak_bytes, plan.overhead, lower,
               plan.bound_family, plan.gap, seconds)


def written(row):
    """Write a row of the table, in Markdown."""
    start = (f"| {row.graph:<8} | {row.percent:>3} % | {row.budget / 1e6:>9,.1f} "
             f"| {row.outcome:<10} |")
    if row.outcome != "plan":
        return f"{start} {'':>8} | {'':>8} | {'':>7} | {'':<27} | {row.seconds:>7.2f} |"
    return (f"{start} {row.overhead:>8.2%} | {row.lower:>8.2%} | {row.gap:>7.2%} "
            f"| {row.family:<27} | {row.seconds:>7.2f} |")


def arguments(argv):
    names = sorted(path.stem for path in (HERE / "graphs").glob("*.json"))
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--graphs", nargs="+", choices=names, default=names)
    parser.add_argument("--percents", nargs="+", type=int, default=PERCENTS)
    parser.add_argument("--time-limit", type=float, default=10.0, help="seconds, of each search")
    parser.add_argument("--quick", action="store_true", help="first plans only, at 80 and 50 %%")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    given = parser.parse_args(argv)
    if given.quick:
        given.percents, given.time_limit = (80, 50), 0.0
    return given


def main(argv=None):
    given = arguments(argv)
    print("| graph    | budget | (MB)      | outcome    | overhead | at least | gap     "
          "| bound covers                | seconds |")
    print("|----------|-------:|----------:|------------|---------:|---------:|--------:"
          "|-----------------------------|--------:|")
    rows = []
    for name in given.graphs:
        problem = read(name)
        for percent in given.percents:
            rows.append(measure(name, problem, percent, given.time_limit))
            print(written(rows[-1]), flush=True)
    given.out.mkdir(parents=True, exist_ok=True)
    with open(given.out / "planning.csv", "w", newline="") as file:
        table = csv.DictWriter(file, [field.name for field in fields(Row)])
        table.writeheader()
        table.writerows(map(asdict, rows))


if __name__ == "__main__":
    sys.exit(main())
