"""The comparison with peers: results are compared, ratios are paired, bars judged as they say."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("tqdm")

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "benchmarks"))

import native  # noqa: E402
import peers  # noqa: E402
import ranking  # noqa: E402
import systems  # noqa: E402
import workers  # noqa: E402
import workloads  # noqa: E402

ENVIRONMENT = dict(os.environ)
if "AUTODIFF_INSTALLED" not in os.environ:
    ENVIRONMENT["PYTHONPATH"] = str(ROOT)


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """(lines, directory, rows of the CSV) of a quick run with our systems alone."""
    where = tmp_path_factory.mktemp("peers")
    run = subprocess.run(
        [sys.executable, ROOT / "benchmarks/peers.py", "--quick", "--systems", "ours",
         "ours traced", "--threads", "1", "--out", where / "out"],
        capture_output=True, text=True, cwd=where, env=ENVIRONMENT)
    assert run.returncode == 0, run.stderr
    with open(where / "out" / "peers.csv", newline="") as file:
        return run.stdout.splitlines(), where / "out", list(csv.DictReader(file))


def test_every_workload_is_measured(compared):
    lines, out, rows = compared
    built = {f"{name}, built" for name, workload in workloads.WORKLOADS.items() if workload.build}
    expected = {*peers.NAMES, *built}
    assert {row["workload"] for row in rows} == expected
    for row in rows:
        assert float(row["seconds"]) > 0
        assert int(row["rounds"]) == (1 if row["workload"] in built else 3)
    assert (out / "peers.png").read_bytes().startswith(b"\x89PNG")
    table = [line for line in lines if line.startswith("| ")]
    assert len(table) == 1 + len(expected)
    assert "bars met" in lines[-1]


# Three rounds of a machine that slows down; ours takes twice jax's time and half of torch's.
SECONDS = {"ours": [2.0, 4.0, 8.0], "jax": [1.0, 2.0, 4.0], "torch": [4.0, 8.0, 16.0],
           "floor": [0.5, 1.0, 2.0]}


def test_rows_say_who_is_ahead():
    workload = workloads.WORKLOADS["mlp-large"]
    rows = ranking.rows_of("mlp-large", workload, 2, SECONDS)
    ours = rows[0]
    assert (ours["best peer"], ours["ratio to best"], ours["ratio to floor"]) == ("jax", 2, 4)
    assert ours["met"] == "no"
    assert rows[1]["bar"] is None
    said = ranking.lines_of(rows)
    assert said[0] == "mlp-large, 2 threads: jax is ahead, 2.00 times as fast as we are."
    assert said[-1] == "0 of 1 bars met, 0 of them with the aim; 0 a tie."


@pytest.mark.parametrize(
    ("bar", "seconds", "ratio", "met"),
    [(dict(seconds=4e-6, aim=2e-6), 5e-6, None, "no"),
     (dict(seconds=4e-6, aim=2e-6), 3e-6, None, "yes"),
     (dict(seconds=4e-6, aim=2e-6), 2e-6, None, "aim"),
     (dict(of_best=1.1, aim=1.0), 1.0, 1.16, "no"),
     (dict(of_best=1.1, aim=1.0), 1.0, 1.15, "tie"),
     (dict(of_best=1.1, aim=1.0), 1.0, 1.1, "yes"),
     (dict(of_best=1.1), 1.0, None, "-")])
def test_bars(bar, seconds, ratio, met):
    assert ranking.judged(workloads.Bar("ours", **bar), seconds, ratio)["met"] == met


def test_results_that_differ_are_refused():
    a = [np.array(1.0), np.array([1.0, -2.0, 1e-9])]
    peers.agree([a, [], [a[0], a[1] + 1e-11]], ["ours", "floor", "jax"], 1e-10, "chain")
    for wrong in ([a[0], -a[1]], [a[0]], [a[0], a[1][:2]], [a[0], a[1] * np.nan]):
        with pytest.raises(ValueError, match="away|shapes"):
            peers.agree([a, wrong], ["ours", "jax"], 1e-10, "chain")


@pytest.fixture
def quick_worker(monkeypatch):
    """A worker of ours with a small Rosenbrock function."""
    monkeypatch.setattr(os, "environ", ENVIRONMENT)
    specs = [{"system": "ours", "workload": "rosenbrock", "quick": True}]
    with workers.alternating(peers.WORKER, specs, threads=1) as [worker]:
        yield worker


def test_a_worker_answers_with_value_and_gradient(quick_worker):
    value, gradient = quick_worker.results()
    x, _ = workloads.WORKLOADS["rosenbrock"].small().make()
    a, b = x[:-1], x[1:]
    expected = np.zeros_like(x)
    expected[:-1] = -400 * a * (b - a * a) - 2 * (1 - a)
    expected[1:] += 200 * (b - a * a)
    np.testing.assert_allclose(value, (100 * (b - a * a) ** 2 + (1 - a) ** 2).sum())
    np.testing.assert_allclose(gradient, expected)
    assert quick_worker.facts["planned"] == quick_worker.facts["measured"] > 0


def test_turns_give_each_worker_a_time_in_each_round(quick_worker):
    seconds = workers.turns([quick_worker, quick_worker], 4, turn=0.002)
    assert [len(taken) for taken in seconds] == [4, 4]
    assert all(s > 0 for taken in seconds for s in taken)


@pytest.mark.parametrize("name", ["chain", "rosenbrock", "elementwise"])
def test_floors_compute_the_same_gradient(name):
    if native.compiler() is None:
        pytest.skip("no C compiler")
    workload = workloads.WORKLOADS[name].small()
    floor, ours = systems.floor(workload), systems.ours(workload)

    def agree():
        found = [workers.flat(task.shown(task.step())) for task in (ours, floor)]
        peers.agree(found, ["ours", "floor"], 1e-12, name)

    agree()
    floor.repeat(3)
    agree()


def test_hardware_compares_the_same_expressions(tmp_path):
    if native.compiler() is None:
        pytest.skip("no C compiler")
    run = subprocess.run(
        [sys.executable, ROOT / "benchmarks/hardware.py", "--quick", "--out", tmp_path],
        capture_output=True, text=True, cwd=tmp_path, env=ENVIRONMENT)
    assert run.returncode == 0, run.stderr
    with open(tmp_path / "hardware.csv", newline="") as file:
        rows = {row["expression"]: row for row in csv.DictReader(file)}
    assert set(rows) == {"light", "choice", "transcendental", "axpy", "squares"}
    for row in rows.values():
        assert float(row["ours"]) > 0
        assert float(row["beside"]) > 0
        assert row["met"] in {"no", "yes", "aim"}
    assert sum(line.startswith("| ") for line in run.stdout.splitlines()) == 1 + len(rows)


def test_regressions_compute_what_numpy_computes(tmp_path):
    pytest.importorskip("pytest_benchmark")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", ROOT / "benchmarks/regressions", "--benchmark-disable",
         "-q", "-p", "no:cacheprovider"],
        capture_output=True, text=True, cwd=tmp_path, env=ENVIRONMENT)
    assert run.returncode == 0, run.stdout
    assert " passed" in run.stdout.splitlines()[-1]
