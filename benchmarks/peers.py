"""Compare with the systems a user would pick instead, on the same work, in one run.

    python benchmarks/peers.py                                  # all of it, about half an hour
    python benchmarks/peers.py --only chain mlp-small --threads 1
    python benchmarks/peers.py --quick --out /tmp/peers         # tiny sizes, three rounds

One process for each system, the same cores for all, waiting without spinning; results are compared
first (value and gradients); then rounds in which every system has its turn. Prints medians, the
ratio to the quickest peer and to the floor, and whether each bar is met; writes peers.csv and
peers.png into `--out`. What is not installed is left out, and named. The deep MLP, where memory is
what differs, has a benchmark of its own: deep_mlp.py.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from ranking import draw, lines_of, rows_of, table
from report import machine, write_csv
from starts import SCRIPTS, STARTS, starts
from systems import SYSTEMS, is_installed
from tqdm import tqdm
from workers import alternating, cores, difference, turns
from workloads import WORKLOADS

NAMES = [*WORKLOADS, *STARTS]
WORKER = Path(__file__).parent / "systems.py"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--threads", nargs="+", type=int, default=[2, 1])
    parser.add_argument("--rounds", type=int, help="pairs that a median is taken of; 21")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, three rounds")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()

    rounds = given.rounds or (3 if given.quick else 21)
    threads = [n for n in given.threads if n <= len(cores())]
    if not threads:
        parser.error(f"this process may use {len(cores())} cores")
    systems = [system for system in given.systems if is_installed(system)]
    missing = sorted({SYSTEMS[s][0] for s in given.systems} - {SYSTEMS[s][0] for s in systems})
    named = machine()           # the load before the run makes its own
    rows = []
    bar = tqdm([(n, name) for n in threads for name in given.only], unit="workload")
    for n, name in bar:
        bar.set_postfix_str(f"{name}, {n} threads")
        rows += measure(name, n, systems, rounds, given.quick)
    given.out.mkdir(parents=True, exist_ok=True)
    write_csv(rows, given.out / "peers.csv")
    draw(rows, given.out / "peers.png")
    print(named, end="\n\n")
    if missing:
        print("Not installed, and so not compared: " + ", ".join(missing), end="\n\n")
    print(table(rows), end="\n\n")
    print(*lines_of(rows), sep="\n")


def measure(name, threads, systems, rounds, quick):
    """Rows of one workload with so many threads, a row for each system."""
    if name in STARTS:
        chosen = [system for system in SCRIPTS if system in systems]
        seconds = starts(STARTS[name], chosen, threads, rounds)
        return rows_of(name, STARTS[name], threads, seconds)
    workload = WORKLOADS[name].small() if quick else WORKLOADS[name]
    chosen = [system for system in workload.systems if system in systems]
    specs = [{"system": system, "workload": name, "quick": quick} for system in chosen]
    with alternating(WORKER, specs, threads) as workers:
        results = [worker.results() for worker in workers]
        agree(results, chosen, workload.rtol, name)
        rows = rows_of(name, workload, threads, dict(zip(chosen, turns(workers, rounds))))
        if workload.build:
            built = replace(workload, title=f"{workload.title}: built", bars=(workload.build,))
            seconds = {worker.spec["system"]: [worker.facts["built"]] for worker in workers}
            rows += rows_of(f"{name}, built", built, threads, seconds)
        return rows


def agree(results, who, rtol, name):
    """Raise ValueError unless all results are those of the first, to rtol; values to 10^-5 at most.

    A floor that computes no gradient has no results.
    """
    expected = next(filter(None, results), [])
    for found, system in zip(results, who):
        for part, limit in ((slice(1), min(rtol, 1e-5)), (slice(None), rtol)):
            apart = difference(found[part], expected[part]) if found else 0.0
            if not apart <= limit:
                raise ValueError(f"{name}: {system} is {apart:g} away, not {limit:g}")


if __name__ == "__main__":
    main()
