"""The deep MLP: 48 layers under byte budgets, the frontier they come from, and the benchmark.

The small problem has the proportions of the full one (width 512, batch 4,096): a batch of eight
widths, so that bytes scale with the square of the width, and gradients large enough to share the
block of results.
"""

import csv
import dataclasses
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import autodiff as ad
from autodiff.planning import simulate

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "benchmarks"))

import deep_systems  # noqa: E402

DEPTH, WIDTH = 48, 512
STORE, MARKED, SMALLEST = 440_000_000, 150_000_000, 85_000_000      # bytes, of the full problem


def problem(width):
    """(function, arguments, bytes of a budget of the full problem at this width)."""
    return (ad.value_and_grad(deep_systems.cost),
            deep_systems.arrays(depth=DEPTH, width=width, batch=8 * width),
            lambda nbytes: nbytes * width**2 // WIDTH**2)


def check_frontier(found):
    """At least 16 points, monotone, each simulated again."""
    assert len(found) >= 16
    for a, b in pairwise(found):
        assert a.peak_bytes < b.peak_bytes
        assert a.overhead > b.overhead
    for point in found:
        plan = point.plan
        again = simulate(plan.problem, list(plan.steps))
        assert again.peak_bytes == plan.live_bytes <= plan.peak_bytes == point.peak_bytes
        assert again.cost == plan.cost
        assert point.gap >= 0


def bits(f, args, policy, most):
    """Run under a policy: the bytes of all results, after a look at the bytes held."""
    step = ad.compile(f, policy)
    loss, gradients = step(*args)
    assert step.measured_peak_bytes == step.plan(*args).peak_bytes <= most
    return [array.tobytes() for array in (loss, *gradients)]


def check_budgets(width, seconds):
    """`seconds` is what each plan may take."""
    f, args, scaled = problem(width)
    found = ad.frontier(f, *args)
    check_frontier(found)
    assert found[0].peak_bytes <= scaled(SMALLEST)
    expected = bits(f, args, "store", scaled(STORE))
    for nbytes in (scaled(MARKED), scaled(SMALLEST), found[0].peak_bytes):
        assert bits(f, args, ad.Budget(nbytes, time_limit=seconds), nbytes) == expected


def test_the_deep_mlp_in_small():
    check_budgets(128, 1.0)


def test_what_is_written_by_hand_is_what_the_library_computes():
    args = deep_systems.arrays(depth=5, width=16, batch=64)
    loss, gradients = ad.value_and_grad(deep_systems.cost)(*args)
    for a, b in zip([loss, *gradients], deep_systems.by_hand(*args), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.long
def test_the_deep_mlp():
    check_budgets(WIDTH, 10.0)


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("policy", ["store", MARKED, SMALLEST])
def test_the_process_grows_by_what_is_planned(policy):
    workers = pytest.importorskip("workers")
    spec = {"system": "ours", "option": policy, "depth": DEPTH, "width": WIDTH, "batch": 8 * WIDTH}
    worker = workers.start(ROOT / "benchmarks" / "deep_systems.py", spec)
    worker.close()
    facts = worker.facts
    assert facts["measured"] == facts["planned"] <= (STORE if policy == "store" else policy)
    assert facts["process"] <= facts["planned"] + facts["library"] + 2 * 2**20


# --------------------------------------------------------------------------------- benchmark


@pytest.fixture(scope="module")
def deep_mlp():
    pytest.importorskip("matplotlib")
    pytest.importorskip("tqdm")
    import deep_mlp

    return deep_mlp


@pytest.fixture(scope="module")
def swept(tmp_path_factory, deep_mlp):
    """(lines, directory, rows of the CSV) of the quick sweep of our own points."""
    where = tmp_path_factory.mktemp("deep")
    environment = dict(os.environ)
    if "AUTODIFF_INSTALLED" not in os.environ:
        environment["PYTHONPATH"] = str(ROOT)
    run = subprocess.run(
        [sys.executable, ROOT / "benchmarks/deep_mlp.py", "--quick", "--systems", "ours",
         "--rounds", "2", "--budgets", "3", "--threads", "1", "--out", where / "out"],
        capture_output=True, text=True, cwd=where, env=environment)
    assert run.returncode == 0, run.stderr
    with open(where / "out" / "deep_mlp_1.csv", newline="") as file:
        return run.stdout.splitlines(), where / "out", list(csv.DictReader(file))


linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@linux
def test_the_sweep_goes_from_store_to_the_smallest_known_budget(swept, deep_mlp):
    lines, out, rows = swept
    planned = [int(row["planned"]) for row in rows]
    assert [row["option"] for row in rows][0] == "store"
    assert len(rows) == 3
    assert planned == sorted(planned, reverse=True)
    args = deep_systems.arrays(**deep_mlp.QUICK)
    f = ad.value_and_grad(deep_systems.cost)
    assert planned[0] == ad.plan(f, *args).peak_bytes
    for row in rows:
        assert row["measured"] == row["planned"]
        assert 0 < int(row["process"]) < int(row["planned"]) + int(row["library"]) + 2 * 2**20
        assert float(row["seconds"]) > 0
        assert float(row["deviation"]) < 1e-5
    assert float(rows[0]["to_store"]) == 1
    assert (out / "deep_mlp_1.png").read_bytes().startswith(b"\x89PNG")
    assert len([line for line in lines if line.startswith("| ours")]) == 3


class Fake:
    """A worker with results, and no process."""

    def __init__(self, *results, system="ours"):
        self.spec, self._results = {"system": system}, [np.array(a) for a in results]

    def results(self):
        return self._results


def test_wrong_results_are_seen(deep_mlp):
    expected = [np.array(2.0), np.array([1.0, 2.0]), np.array([3.0])]
    right = Fake(*expected)
    assert deep_mlp.compare([right, Fake(*expected, system="jax")], expected) == [0, 0]
    for wrong in (Fake(2.1, [1, 2], [3]), Fake(2, [1.1, 2], [3]), Fake(2, [1, 2], [3.1]),
                  Fake(np.nan, [1, 2], [3])):
        with pytest.raises(RuntimeError, match="away from NumPy"):
            deep_mlp.compare([right, wrong], expected)
    nearly = [2.0, [1 + 1e-15, 2], [3.0]]
    with pytest.raises(RuntimeError, match="not the bits"):
        deep_mlp.compare([right, Fake(*nearly)], expected)
    deep_mlp.compare([right, Fake(*nearly, system="torch")], expected)


def test_bars_are_judged_as_they_say(deep_mlp):
    def row(system, option, to_store, megabytes, planned=None):
        nbytes = None if planned is None else round(planned * 1e6)
        return deep_mlp.Row(system, option, 2, 3, to_store, to_store, round(megabytes * 1e6), 0.0,
                            nbytes, nbytes, 0.0, 9_000_000)

    rows = [row("ours", "store", 1, 425, 419), row("ours", "150.0 MB", 1.2, 155, 149),
            row("ours", "80.0 MB", 1.6, 85, 80), row("torch", "store", 0.95, 700),
            row("jax", "scan", 1.3, 340)]
    assert [line.split()[0] for line in deep_mlp.bars(rows)] == ["met"] * 8
    for k, changes, text in [
            (0, {"planned": 441_000_000, "measured": 441_000_000}, "store is planned"),
            (0, {"measured": 400_000_000}, "every plan"),
            (1, {"to_store": 1.36}, "at most 1.35"), (1, {"process": 160_000_000}, "no more"),
            (2, {"planned": 86_000_000, "measured": 86_000_000}, "smallest known"),
            (3, {"to_store": 0.9}, "1.10"), (4, {"process": 150_000_000}, "below every peer"),
            (4, {"to_store": 1.1}, "faster than every")]:
        worse = [*rows]
        worse[k] = dataclasses.replace(rows[k], **changes)
        missed = [line for line in deep_mlp.bars(worse) if line.startswith("missed")]
        assert any(text in line for line in missed), (text, missed)
