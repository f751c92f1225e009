"""Matrix products on our threads beside NumPy's on OpenBLAS's, alone and beside other processes.

    python benchmarks/products.py                       # two minutes on an idle machine
    python benchmarks/products.py --quick --out /tmp/products

The products of the workloads of peers.py, forward and backward, into a given array. Medians of what
is found round by round; "busy" is the same while a process that only computes wants each core.
"""

import argparse
import contextlib
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
from report import machine, markdown, write_csv
from tqdm import tqdm
from workers import Task, alternating, cores, difference, ratio, serve, settings, turns

# rows, inner, columns, and which operands lie transposed: T for the first, for the second
SHAPES = [
    (128, 784, 256, ""), (784, 128, 256, "a"), (256, 784, 2048, ""), (784, 256, 2048, "a"),
    (256, 2048, 2048, "b"), (2048, 256, 2048, "a"), (4096, 512, 512, ""), (4096, 512, 512, "b"),
    (512, 4096, 512, "a"), (32, 64, 32, ""), (2048, 2048, 1, ""),
]
SYSTEMS = ("numpy", "ours")


def prepare(spec):
    """The worker's side: one product, again and again into the same array."""
    m, k, n = spec["shape"]
    rng = np.random.default_rng(0)
    a = rng.normal(size=(k, m) if "a" in spec["transposed"] else (m, k)).astype(spec["dtype"])
    b = rng.normal(size=(n, k) if "b" in spec["transposed"] else (k, n)).astype(spec["dtype"])
    a = a.T if "a" in spec["transposed"] else a
    b = b.T if "b" in spec["transposed"] else b
    y = np.empty((m, n), spec["dtype"])
    if spec["system"] == "numpy":
        def repeat(times):
            for _ in range(times):
                np.matmul(a, b, out=y)
    else:
        from autodiff.core.kernels import run_kernel

        def repeat(times):
            run_kernel("matmul", (a, b), y, times)

    def step():
        repeat(1)
        return [y]

    return Task(step, repeat=repeat)


@contextlib.contextmanager
def company(busy):
    """A process on each core that never waits, where `busy`."""
    spin = [sys.executable, "-c", "while True: pass"]
    others = [subprocess.Popen(spin, **settings([core])) for core in cores()] if busy else []
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def measured(shape, transposed, dtype, threads, busy, rounds):
    """A row: seconds of both systems, and the median of their ratios."""
    specs = [{"system": system, "shape": shape, "transposed": transposed, "dtype": dtype}
             for system in SYSTEMS]
    with alternating(__file__, specs, threads) as workers:
        apart = difference(workers[1].results(), workers[0].results())
        if not apart <= (1e-4 if dtype == "float32" else 1e-12):
            raise ValueError(f"{specs[1]}: {apart:g} away from NumPy's product")
        with company(busy):
            numpy, ours = turns(workers, rounds)
    return {"rows": shape[0], "inner": shape[1], "columns": shape[2], "transposed": transposed,
            "dtype": dtype, "threads": threads, "busy": int(busy),
            "numpy": statistics.median(numpy), "ours": statistics.median(ours),
            "slowest": max(ours), "ratio": ratio(ours, numpy), "rounds": rounds}


def shown(row):
    """A row as it is printed."""
    flop = 2e-9 * row["rows"] * row["inner"] * row["columns"]
    first = f"{row['rows']} x {row['inner']}{' T' * ('a' in row['transposed'])}"
    second = f"{row['inner']} x {row['columns']}{' T' * ('b' in row['transposed'])}"
    return {"first": first, "second": second, "threads": str(row["threads"]),
            "machine": "busy" if row["busy"] else "idle",
            "NumPy": f"{flop / row['numpy']:.0f}", "ours": f"{flop / row['ours']:.0f}",
            "ours, slowest": f"{flop / row['slowest']:.0f}", "time": f"{row['ratio']:.2f} x"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, help="pairs that a median is taken of; 21")
    parser.add_argument("--dtype", default="float32", choices=("float32", "float64"))
    parser.add_argument("--quick", action="store_true", help="two products, three rounds")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()

    rounds = given.rounds or (3 if given.quick else 21)
    shapes = SHAPES[:2] if given.quick else SHAPES
    todo = [(shape, threads, busy) for busy in (False, True) for shape in shapes
            for threads in sorted({1, len(cores())})]
    named = machine()
    rows = [measured(shape[:3], shape[3], given.dtype, threads, busy, rounds)
            for shape, threads, busy in tqdm(todo, unit="product")]
    given.out.mkdir(parents=True, exist_ok=True)
    write_csv(rows, given.out / "products.csv")
    print(named, end="\n\n")
    print(f"{given.dtype}, GFLOP/s; time is ours over NumPy's, so below 1 is faster", end="\n\n")
    print(markdown([shown(row) for row in rows], left=("first", "second", "machine")))


if __name__ == "__main__":
    if sys.argv[1:] and sys.argv[1].startswith("{"):
        serve(prepare)
    else:
        main()
