"""Memory against time on a deep MLP: our byte budgets beside what PyTorch and JAX offer.

    python benchmarks/deep_mlp.py                           # under 15 minutes, extra `peers`
    python benchmarks/deep_mlp.py --threads 1
    python benchmarks/deep_mlp.py --quick --systems ours --out /tmp/deep

48 layers relu(h @ W) of width 512, batch 4,096, cross-entropy, value and gradient of all W, in
float32. Every point has a process of its own; loss and gradients are compared with NumPy's before
anything is timed; then all run in turn, round by round. Prints a table; writes deep_mlp.csv (with
one thread deep_mlp_1.csv) and a picture beside it into `--out`.
"""

import argparse
import importlib.util
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from budgets import descending, extremes
from deep_systems import arrays, by_hand, cost
from report import machine, markdown, write_csv
from tqdm import tqdm
from workers import alternating, ratio, rounds

import autodiff as ad

SCRIPT = Path(__file__).with_name("deep_systems.py")
FULL = {"depth": 48, "width": 512, "batch": 4096}
QUICK = {"depth": 12, "width": 64, "batch": 2048}
MARKED = 150_000_000        # bytes: the budget that the full problem's bar is set for
PEERS = {
    "torch": {
        "store": "store",
        "compile, store": ["compile", 1],
        "compile, budget 0.5": ["compile", 0.5],
        "compile, budget 0.2": ["compile", 0.2],
        "compile, budget 0.1": ["compile", 0.1],
        "checkpoint every 4": ["checkpoint", 4],
        "checkpoint every 7": ["checkpoint", 7],
        "checkpoint every 12": ["checkpoint", 12],
    },
    "jax": {
        "jit, store": "store",
        "jit, checkpoint every 6": ["checkpoint", 6],
        "jit, scan over blocks of 6": ["scan", 6],
        "jit, scan over blocks of 12": ["scan", 12],
    },
}
STYLES = {
    "ours": ("o-", "#3b6ea5", "ours, by byte budget"),
    "torch": ("s", "#d9822b", "PyTorch"),
    "jax": ("^", "#4a8f5c", "JAX"),
}
NEAR = [(x, y) for y in (0, 8, -8, 16, -16, 24, -24, 32, -32) for x in (7, -7)]     # points
# Results against NumPy's, norm over norm. Of the 10^8 values before relu another product's rounding
# turns the sign of a few, and each changes all gradients below: only loss and last are close.
CLOSE, FLIPPED = 1e-5, 2e-2


@dataclass(frozen=True)
class Row:
    """One point. Bytes of the process are over what stood before the first step.

    `planned`, `measured`, `overhead` and `library` (what BLAS holds, once) are known of ours only.
    """

    system: str
    option: str
    threads: int
    rounds: int
    seconds: float
    to_store: float         # median over the rounds of the ratio to our store
    process: int
    deviation: float        # from NumPy's results, the farthest gradient's
    planned: int | None = None
    measured: int | None = None
    overhead: float | None = None
    library: int | None = None


def specs(size, systems, n):
    """What the workers are asked to be: ours from store down, then each system's own points."""
    wanted = []
    for system in systems:
        if system == "ours":
            smallest, store = extremes(ad.value_and_grad(cost), *arrays(**size))
            sizes = descending(smallest, store, n)[1:]
            if smallest < MARKED < store:
                sizes = sorted({*sizes, MARKED}, reverse=True)
            options = {"store": "store"} | {f"{b / 1e6:.1f} MB": b for b in sizes}
        else:
            options = PEERS[system]
        wanted += [{"system": system, "label": label, "option": option, **size}
                   for label, option in options.items()]
    return wanted


def measure(wanted, threads, n):
    """Start all workers, compare their results, time them in n rounds: a list of Row."""
    bar = tqdm(wanted, desc="first steps", unit="point")
    with alternating(SCRIPT, bar, threads) as workers:
        expected = by_hand(*arrays(**{k: wanted[0][k] for k in FULL}))
        deviations = compare(workers, expected)
        seconds = rounds(workers, n, progress=lambda turns: tqdm(turns, desc="rounds"))
        return [
            Row(worker.spec["system"], worker.spec["label"], threads, n,
                statistics.median(taken), ratio(taken, seconds[0]),
                deviation=deviation, **worker.facts)
            for worker, taken, deviation in zip(workers, seconds, deviations)]


def compare(workers, expected):
    """Check every worker's results against what is expected: its farthest array's distance.

    Raises
    ------
    RuntimeError
        When one is too far away, or our bits under a budget are not those of store.
    """
    deviations, store = [], None
    for worker in workers:
        results = worker.results()
        apart = [float(np.linalg.norm(a - b) / np.linalg.norm(b))
                 for a, b in zip(results, expected, strict=True)]
        if not (max(apart) < FLIPPED and max(apart[0], apart[-1]) < CLOSE):
            raise RuntimeError(f"{worker.spec}: {max(apart):.1e} away from NumPy's results")
        if worker.spec["system"] == "ours":
            store = store or results
            if any(a.tobytes() != b.tobytes() for a, b in zip(results, store, strict=True)):
                raise RuntimeError(f"{worker.spec}: not the bits of store")
        deviations.append(max(apart))
    return deviations


def table(rows):
    """The rows as a Markdown table."""
    def megabytes(nbytes):
        return "" if nbytes is None else f"{nbytes / 1e6:,.1f}"

    return markdown([
        {
            "system": f"{row.system}: {row.option}",
            "time (s)": f"{row.seconds:.3f}",
            f"× {rows[0].system}, {rows[0].option}": f"{row.to_store:.2f}",
            "peak of the process (MB)": megabytes(row.process),
            "planned (MB)": megabytes(row.planned),
            "measured (MB)": megabytes(row.measured),
            "more work": "" if row.overhead is None else f"{row.overhead:.0%}",
        } for row in rows], left=("system",))


def bars(rows):
    """Say which bars of the full problem are met, on the machine and the day of the rows: lines."""
    own = {row.option: row for row in rows if row.system == "ours"}
    peers = [row for row in rows if row.system != "ours"]
    marked = own.get(f"{MARKED / 1e6:.1f} MB")
    smallest = min(own.values(), key=lambda row: row.planned)
    found = [(own["store"].planned <= 440e6, "store is planned with at most 440 MB"),
             (smallest.measured <= 85e6, "the smallest known budget is at most 85 MB"),
             (all(row.measured == row.planned for row in own.values()),
              "every plan's bytes are those of its run")]
    if marked:
        found += [(marked.to_store <= 1.35, "150 MB: at most 1.35 × our store"),
                  (marked.process - marked.library <= MARKED,
                   "150 MB: the process grows by no more, BLAS's buffers apart")]
    if peers:
        best = min(row.to_store for row in peers)
        found.append((1 <= 1.10 * best, f"store: at most 1.10 × the fastest peer ({1 / best:.2f})"))
    if marked and peers:
        least = min(row.process for row in peers)
        found.append((marked.process < least,
                      f"150 MB: below every peer's memory (least {least / 1e6:.0f} MB)"))
        rivals = [row for row in peers if row.process < 450e6]
        if rivals:
            fastest = min(rivals, key=lambda row: row.to_store)
            found.append((marked.to_store < fastest.to_store,
                          "150 MB: faster than every peer's point below 450 MB (fastest "
                          f"{fastest.system}: {fastest.option}; {fastest.to_store:.2f} × our "
                          f"store, ours {marked.to_store:.2f})"))
    return [f"{'met   ' if met else 'missed'}  {text}" for met, text in found]


def draw(rows, path):
    """Save time against memory: our budgets as a line, a point for each of the peers'."""
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

    figure = Figure(figsize=(10, 6), layout="constrained")
    axes = figure.subplots()
    for system, (style, colour, label) in STYLES.items():
        here = [row for row in rows if row.system == system]
        if here:
            axes.plot([row.process / 1e6 for row in here], [row.seconds for row in here], style,
                      color=colour, ms=6, label=label)
    axes.set(xlabel="peak of resident memory over what stood before (MB)",
             ylabel="seconds, value and gradient", ylim=(0, None),
             xlim=(0, 1.18 * max(row.process for row in rows) / 1e6),
             title=f"deep MLP, {rows[0].threads} thread{'s' * (rows[0].threads != 1)}")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
    figure.draw_without_rendering()         # the layout, which says where labels stand
    spots = axes.transData.transform([(row.process / 1e6, row.seconds) for row in rows])
    taken = [Bbox.from_bounds(x - 5, y - 5, 10, 10) for x, y in spots]
    for row in rows:
        _name(axes, row, taken)
    figure.savefig(path, dpi=110)


def _name(axes, row, taken):
    """Write a point's option beside it, where no point and no other label is (boxes in `taken`)."""
    for x, y in NEAR:
        label = axes.annotate(
            row.option, (row.process / 1e6, row.seconds), xytext=(x, y),
            textcoords="offset points", ha="left" if x > 0 else "right", va="center", fontsize=8,
            color=STYLES[row.system][1])
        box = label.get_window_extent()
        if not any(box.overlaps(other) for other in taken):
            break
        label.remove()
    else:
        axes.add_artist(label)              # over another rather than not at all
    taken.append(box)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--systems", nargs="+", choices=["ours", *PEERS], default=["ours", *PEERS])
    parser.add_argument("--threads", type=int, default=2, help="cores that every system is given")
    parser.add_argument("--rounds", type=int, default=12, help="steps that a median is taken of")
    parser.add_argument("--budgets", type=int, default=7, help="points of ours, store's included")
    parser.add_argument("--quick", action="store_true", help="a small problem, in seconds")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()
    if not Path("/proc/self/clear_refs").exists():
        parser.error("the peak of resident memory is read from Linux's /proc")

    missing = [name for name in given.systems
               if name in PEERS and importlib.util.find_spec(name) is None]
    for name in missing:
        print(f"{name} is not installed (extra `peers`): left out")
    systems = [name for name in given.systems if name not in missing]
    named = machine()           # the load before the sweep makes its own
    size = QUICK if given.quick else FULL
    rows = measure(specs(size, systems, given.budgets), given.threads, given.rounds)
    given.out.mkdir(parents=True, exist_ok=True)
    stem = given.out / ("deep_mlp_1" if given.threads == 1 else "deep_mlp")
    write_csv([asdict(row) for row in rows], stem.with_suffix(".csv"))
    draw(rows, stem.with_suffix(".png"))
    print(f"{named}; threads: {given.threads}", end="\n\n")
    print(table(rows), end="\n\n")
    if not given.quick and "ours" in systems:
        print(*bars(rows), sep="\n")


if __name__ == "__main__":
    main()
