"""How much of the processor is used: regions beside C loops, and memory beside a copy.

    python benchmarks/hardware.py                       # some minutes
    python benchmarks/hardware.py --quick --out /tmp/hardware

Arrays in the first cache: seconds an element, the fixed cost of a call taken off as the difference
between two lengths, beside a hand-written loop (gcc -O3 -march=native, one thread). Arrays that no
cache holds: bytes a second on all threads, with those read before they are written, beside a copy
that is timed in the same rounds. Both are medians of what is found round by round.
"""

import argparse
import statistics
from pathlib import Path

from loops import EXPRESSIONS
from native import compiler
from report import machine, markdown, write_csv
from tqdm import tqdm
from workers import alternating, cores, difference, turns

WORKER = Path(__file__).parent / "loops.py"
SHORT, LONG = 256, 1024         # doubles; three arrays of LONG and a block are within 32 KiB
LARGE = 8_000_000
# {expression: (bar, aim)}: parts of the speed of the C loop, and of the copy's bandwidth.
IN_CACHE = {"light": (0.35, 0.6), "choice": (0.35, 0.6), "transcendental": (0.7, 0.7)}
IN_MEMORY = {"axpy": (0.8, 0.8), "squares": (0.8, 0.8)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, help="pairs that a median is taken of; 21")
    parser.add_argument("--quick", action="store_true", help="short arrays, three rounds")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()
    if compiler() is None:
        parser.error("the loops beside ours need gcc")

    rounds = given.rounds or (3 if given.quick else 21)
    named = machine()
    bar = tqdm([*IN_CACHE, *IN_MEMORY], unit="expression")
    rows = []
    for name in bar:
        bar.set_postfix_str(name)
        if name in IN_CACHE:
            rows.append(in_cache(name, rounds))
        else:
            rows.append(in_memory(name, rounds, 20_000 if given.quick else LARGE))
    given.out.mkdir(parents=True, exist_ok=True)
    write_csv(rows, given.out / "hardware.csv")
    print(named, end="\n\n")
    print(markdown([shown(row) for row in rows], left=("expression", "arrays", "met")))


def measured(specs, threads, rounds):
    """Let workers of these specs run in turn; those of one expression and length must agree."""
    with alternating(WORKER, specs, threads) as workers:
        results = {}
        for worker in workers:
            key = worker.spec["expression"], worker.spec["n"]
            found = worker.results()
            apart = difference(found, results.setdefault(key, found))
            if not apart <= 1e-12:
                raise ValueError(f"{worker.spec}: {apart:g} away from what C computes")
        return turns(workers, rounds)


def in_cache(name, rounds):
    """A row: nanoseconds an element of ours and of the C loop, on one thread."""
    specs = [{"system": system, "expression": name, "n": n}
             for system in ("C", "ours") for n in (SHORT, LONG)]
    short_c, long_c, short, long = measured(specs, 1, rounds)
    by_hand = [(b - a) / (LONG - SHORT) for a, b in zip(short_c, long_c)]
    ours = [(b - a) / (LONG - SHORT) for a, b in zip(short, long)]
    return row(name, LONG, 1, [1e9 * s for s in ours], [1e9 * s for s in by_hand],
               [b / a for a, b in zip(ours, by_hand)], "ns an element", IN_CACHE[name])


def in_memory(name, rounds, n):
    """A row: bytes a second of ours and of a copy, on all threads."""
    specs = [{"system": "C", "expression": "copy", "n": n},
             {"system": "C", "expression": name, "n": n},
             {"system": "ours", "expression": name, "n": n}]
    copy, by_hand, ours = measured(specs, len(cores()), rounds)
    bandwidth = [24e-9 * n / s for s in copy]
    found, loop = [[8e-9 * EXPRESSIONS[name].moved * n / s for s in taken]
                   for taken in (ours, by_hand)]
    return row(name, n, len(cores()), found, bandwidth,
               [a / b for a, b in zip(found, bandwidth)], "GB/s", IN_MEMORY[name],
               statistics.median([a / b for a, b in zip(loop, bandwidth)]))


def row(name, n, threads, ours, beside, parts, unit, bar, by_hand=None):
    """A row of the CSV: medians, and whether the bar is met.

    `by_hand` is the part of the copy's bandwidth that a C loop of the same expression has.
    """
    part = statistics.median(parts)
    met = "aim" if part >= bar[1] else "yes" if part >= bar[0] else "no"
    return {"expression": name, "doubles": n, "threads": threads, "unit": unit,
            "ours": statistics.median(ours), "beside": statistics.median(beside),
            "part": part, "C loop's part": by_hand, "bar": bar[0], "met": met,
            "rounds": len(parts)}


def shown(row):
    """A row as it is printed."""
    by_hand = row["C loop's part"]
    beside = "C loop" if row["unit"] == "ns an element" else "copy"
    return {"expression": row["expression"], "doubles": f"{row['doubles']:,}",
            "threads": str(row["threads"]), "ours": f"{row['ours']:.3g} {row['unit']}",
            "beside it": f"{beside} {row['beside']:.3g} {row['unit']}",
            "part": f"{100 * row['part']:.0f} %",
            "of C": f"{100 * by_hand:.0f} %" if by_hand else "", "bar": f"{100 * row['bar']:.0f} %",
            "met": row["met"]}


if __name__ == "__main__":
    main()
