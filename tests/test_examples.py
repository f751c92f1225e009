"""The examples and the benchmark run as a reader runs them, and what they print is true."""

import csv
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import isotonic_regression

import autodiff as ad

pytest.importorskip("matplotlib")

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = dict(os.environ)
if "AUTODIFF_INSTALLED" not in os.environ:
    ENVIRONMENT["PYTHONPATH"] = str(ROOT)


def run(script, *arguments, cwd):
    """Run a script of the checkout; returns the lines that it printed."""
    result = subprocess.run(
        [sys.executable, ROOT / script, *map(str, arguments)],
        capture_output=True, text=True, cwd=cwd, env=ENVIRONMENT)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def is_picture(path):
    return path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 5000


# -------------------------------------------------------------------------------- train_mlp


POLICIES = ("store", "recompute", "checkpoint")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """What a short training printed under each policy, and where."""
    pytest.importorskip("sklearn")
    pytest.importorskip("tqdm")
    where = tmp_path_factory.mktemp("train")
    return where, {
        policy: run("examples/train_mlp.py", "--policy", policy, "--epochs", 4, "--hidden", 24,
                    "--weight-decay", 1e-3, "--seed", 3, "--picture", f"{policy}.png", cwd=where)
        for policy in POLICIES}


@pytest.mark.parametrize("policy", POLICIES)
def test_training_prints_a_line_for_each_number(trained, policy):
    where, printed = trained
    lines = dict(line.split(": ") for line in printed[policy])
    assert float(lines["loss"]) < 1.5          # of ten classes, log 10 = 2.3 at random
    assert re.fullmatch(r"\d+\.\d\d s", lines["time"])
    assert re.fullmatch(r"[1-9]\d* bytes", lines["planned peak"])
    assert lines["measured peak"] == lines["planned peak"]
    assert is_picture(where / f"{policy}.png")


@pytest.mark.parametrize(("arguments", "message"), [
    (("--policy", "foo"), "argument --policy: unknown policy 'foo'.*64MB"),
    (("--policy", "10kB"), "argument --policy: impossible: .*the budget is 10.0 kB"),
    (("--epochs", "0"), "argument --epochs: an int of at least 1"),
    (("--hidden", "-3"), "argument --hidden: .* not '-3'"),
])
def test_training_says_which_argument_is_wrong(arguments, message, tmp_path):
    pytest.importorskip("sklearn")
    pytest.importorskip("tqdm")
    done = subprocess.run(
        [sys.executable, ROOT / "examples/train_mlp.py", *arguments],
        capture_output=True, text=True, cwd=tmp_path, env=ENVIRONMENT)
    assert done.returncode == 2
    assert re.search(rf"error: {message}", done.stderr)
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("policy", POLICIES)
def test_training_ends_with_the_accuracy(trained, policy):
    last = trained[1][policy][-1]
    assert re.fullmatch(r"test accuracy: \d\d\.\d\d %", last)
    assert float(last.split()[2]) > 80


def test_training_learns_the_same_under_every_policy(trained):
    same = {
        tuple(line for line in lines if line.startswith(("loss:", "test accuracy")))
        for lines in trained[1].values()}
    assert len(same) == 1


# ------------------------------------------------------------------------------ two_two_two


def test_two_two_two(tmp_path):
    lines = run("examples/two_two_two.py", cwd=tmp_path)
    numbers = [re.findall(r"(?<![\w.])\d\.\d\d$|\d\.\d\d(?= )", line) for line in lines[:4]]
    assert numbers == [["0.38", "0.39"], ["0.59", "0.60"], ["1.14"], ["0.76"]]
    gradients = [line for line in lines if line.startswith("dJ/d")]
    assert [line.split()[0] for line in gradients] == ["dJ/dW1", "dJ/db1", "dJ/dW2", "dJ/db2"]
    assert all(line.endswith("equal to algorithm 6.4: True") for line in gradients)


# ------------------------------------------------------------------------------- chapter_6_5


@pytest.fixture(scope="module")
def chapter(tmp_path_factory):
    """(lines, directory) of the chapter example."""
    where = tmp_path_factory.mktemp("chapter")
    return run("examples/chapter_6_5.py", "--out", where / "out", cwd=where), where / "out"


def after(lines, start):
    """The lines after the one that begins with `start`, up to an empty one."""
    first = next(k for k, line in enumerate(lines) if line.startswith(start)) + 1
    return lines[first : lines.index("", first)]


def test_chapter_draws_every_figure(chapter):
    _, out = chapter
    assert {path.name for path in out.glob("*.png")} == {
        f"figure_6_{number}.png" for number in ("8", "9", "10", "11", "11_gradients")}
    assert all(is_picture(path) for path in out.glob("*.png"))
    numbers = ("8a", "8b", "8c", "8d", "9", "10", "11", "11_gradients")
    assert {path.stem for path in out.glob("*.dot")} == {f"figure_6_{k}" for k in numbers}


@pytest.mark.parametrize(
    ("figure", "nodes", "edges"),
    [("8a", 3, 2), ("8b", 6, 5), ("8c", 6, 5), ("8d", 7, 6), ("9", 4, 3), ("10", 11, 12),
     ("11", 16, 17)])
def test_chapter_graphs_have_the_nodes_of_the_book(chapter, figure, nodes, edges):
    text = (chapter[1] / f"figure_6_{figure}.dot").read_text()
    assert len(re.findall(r"^  n\d+ \[", text, re.MULTILINE)) == nodes
    assert text.count("->") == edges


def test_chapter_figure_6_10_has_three_derivatives_and_their_products(chapter):
    rows = [line.split() for line in after(chapter[0], "figure 6.10:")[1:]]
    operations = {row[0]: " ".join(row[3:-1]) for row in rows}
    assert {name for name in operations if name.startswith("f'")} == {"f'(w)", "f'(x)", "f'(y)"}
    assert operations["dz/dy"] == "multiply(1.0, f'(y))"
    assert operations["dz/dx"] == "multiply(dz/dy, f'(x))"
    assert operations["dz/dw"] == "multiply(dz/dx, f'(w))"


def test_chapter_counts_the_products_of_the_mlp(chapter):
    assert "a run that gives both gradients computes 5 products" in chapter[0]


def test_chapter_gradient_table_fills_by_one_entry_a_step(chapter):
    rows = [[cell for cell in line.split() if cell == "." or re.fullmatch(r"-?\d\.\d{6}", cell)]
            for line in after(chapter[0], "algorithm 6.2:")[1:]]
    *table, library = rows
    assert [row.count(".") for row in rows] == [4, 3, 2, 1, 0, 0]
    for earlier, later in zip(table, table[1:]):
        assert all(a in (".", b) for a, b in zip(earlier, later))
    u3 = 1.5                                   # u5 = u3 sin(u3), u3 = u1 u2 at (0.5, 3)
    slope = np.sin(u3) + u3 * np.cos(u3)
    expected = [1, u3, slope, 0.5 * slope, 3 * slope]
    assert library == table[-1]
    np.testing.assert_allclose([float(cell) for cell in library], expected, atol=6e-7)


@pytest.mark.parametrize(
    ("title", "counts"), [("dz/dw alone", (2, 3)), ("z and dz/dw", (3, 6))])
def test_chapter_step_lists_are_equations_6_52_and_6_53(chapter, title, counts):
    *steps, store, recompute = after(chapter[0], title)[1:]
    columns = [[line[2:38].strip() for line in steps], [line[38:].strip() for line in steps]]
    for said, column, expected in zip((store, recompute), columns, counts):
        assert f" {expected} evaluations of f (the equation: {expected})" in said
        assert sum("= sin(" in step for step in column) == expected
        alive = {"w", "1.0"}
        for step in filter(None, column):      # what a step reads is there, what it frees too
            name, reads = re.fullmatch(r"(?:free )?(\S+)(?: = \w+\((.*)\)(?:   again)?)?",
                                       step).groups()
            assert set((reads or name).split(", ")) <= alive
            (alive.remove if reads is None else alive.add)(name)
        assert alive == {"w", "1.0", "dz/dw"} | ({"z"} if counts == (3, 6) else set())
        planned, measured = re.search(r"(\d+) bytes planned, (\d+) measured", said).groups()
        assert planned == measured
        ours, book = re.search(r"dz/dw = ([\d.]+) \(([\d.]+)\)", said).groups()
        assert ours == book


def test_chapter_counts_of_growing_chains(chapter):
    for line in after(chapter[0], "dz/dw of z = f(f(")[1:]:
        cells = line.replace(",", "").split()
        n = int(cells[0])
        (store, most), (checkpoint, between), (recompute, least) = (
            (int(cells[k]), int(cells[k + 2])) for k in (1, 4, 7))
        assert (store, recompute) == (n - 1, n * (n - 1) // 2)
        assert n - 1 <= checkpoint < 2 * n
        assert most >= between >= least == 24
        assert most == max(24, 8 * n)          # the n − 1 stored, and the result


def test_chapter_counts_of_the_naive_tree(chapter):
    for line in after(chapter[0], "z = a a, n times")[1:]:
        n, *counts = map(int, line.replace(",", "").split())
        assert counts == [2**n - 1, n, 2**n, 2 * n, n]


# ----------------------------------------------------------------------------------- drawing


@pytest.fixture(scope="module")
def drawing():
    spec = importlib.util.spec_from_file_location("drawing", ROOT / "examples" / "drawing.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def crowded():
    """A graph with fan-out, edges over several layers, and an input used twice at once."""
    with ad.Graph() as graph:
        W, v = ad.variable("W", (4, 4)), ad.variable("v", 4)
        h = np.tanh(W @ v)
        J = (np.tanh(W @ h) * h * h + v).sum() + (W * W).sum()
        ad.gradients(J, [W, v])
    return list(graph)


def test_boxes_do_not_overlap_and_edges_go_up(drawing):
    variables = crowded()
    x, y, routes, widths = drawing.place(variables)
    for height in set(y):
        row = sorted(np.flatnonzero(y == height), key=lambda p: x[p])
        for p, q in zip(row, row[1:]):
            assert x[q] - x[p] >= (widths[p] + widths[q]) / 2 + 0.99 * drawing.ACROSS
    index = {v: k for k, v in enumerate(variables)}
    assert set(routes) == {(index[u], index[v]) for v in variables for u in v.inputs}
    for (node, reader), route in routes.items():
        assert (route[0], route[-1]) == (node, reader)
        np.testing.assert_allclose(np.diff(y[route]), drawing.UP)


def test_spread_is_the_nearest_without_overlap(drawing):
    rng = np.random.default_rng(0)
    for n in range(1, 9):
        wanted, weights = rng.normal(0, 2, n), rng.integers(1, 9, n).astype(float)
        widths = rng.uniform(0.1, 2, n)
        room = np.cumsum(np.r_[0, (widths[1:] + widths[:-1]) / 2 + drawing.ACROSS])
        nearest = isotonic_regression(wanted - room, weights=weights).x + room
        np.testing.assert_allclose(drawing.spread(wanted, weights, widths), nearest, atol=1e-12)


def test_crossings_are_counted(drawing):
    assert drawing.crossings([[0, 1], [2, 3]], [(0, 2), (1, 3)]) == 0
    assert drawing.crossings([[0, 1], [2, 3]], [(0, 3), (1, 2)]) == 1
    straight = drawing.order([[], [], [1], [0]], [0, 0, 1, 1], [(1, 2), (0, 3)])
    assert drawing.crossings(straight, [(1, 2), (0, 3)]) == 0


# --------------------------------------------------------------------------------- benchmark


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """(lines, directory, rows of the CSV) of the quick sweep."""
    pytest.importorskip("memory_profiler")
    pytest.importorskip("tqdm")
    where = tmp_path_factory.mktemp("sweep")
    lines = run("benchmarks/policy_sweep.py", "--quick", "--repeats", 2, "--out", where / "out",
                cwd=where)
    with open(where / "out" / "policy_sweep.csv", newline="") as file:
        return lines, where / "out", list(csv.DictReader(file))


def test_sweep_has_a_row_for_each_policy_of_each_problem(swept):
    _, out, rows = swept
    assert [(row["problem"], row["policy"]) for row in rows] == [
        (problem, policy) for problem in ("mlp", "chain")
        for policy in ("store", "checkpoint", "50%", "0%", "recompute")]
    assert is_picture(out / "policy_sweep.png")


def test_sweep_counts_and_bytes(swept):
    *_, rows = swept
    counted = {(row["problem"], row["policy"]): int(row["counted"]) for row in rows}
    # regions compute some values twice instead of reading them again, and some steps at once
    assert 10 <= counted["chain", "store"] < counted["chain", "recompute"] <= 10 * 11 // 2
    assert 10 < counted["chain", "checkpoint"] < 30
    assert counted["mlp", "store"] == 3 + 3 + 2                # none towards the data
    planned = {(row["problem"], row["policy"]): int(row["planned"]) for row in rows}
    for problem in ("mlp", "chain"):
        assert planned[problem, "0%"] <= planned[problem, "50%"] <= planned[problem, "store"]
    for row in rows:
        assert int(row["planned"]) == int(row["measured"]) > 0
        assert float(row["seconds"]) > 0


def test_sweep_prints_what_it_saves(swept):
    lines, _, rows = swept
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines
             if line.startswith("|")]
    head, body = table[0], table[2:]
    assert len(body) == len(rows)
    for cells, row in zip(body, rows):
        printed = dict(zip(head, cells))
        assert printed["policy"] == row["policy"]
        for column, field in [("plan (bytes)", "planned"), ("executor (bytes)", "measured"),
                              ("process (bytes)", "process"), ("evaluations", "evaluations")]:
            assert int(printed[column].replace(",", "")) == int(row[field])


def test_the_process_column_sees_the_memory_of_a_run(tmp_path):
    pytest.importorskip("memory_profiler")
    point = {"problem": "chain", "depth": 8, "width": 200_000, "batch": 1, "policy": "store",
             "repeats": 1}
    record = json.loads(run("benchmarks/measure.py", json.dumps(point), cwd=tmp_path)[0])
    assert record["planned"] == record["measured"] > 5 * 8 * 200_000
    assert 0.9 * record["planned"] < record["process"] < record["planned"] + 2 * 2**20


# ---------------------------------------------------------------------------------- planning


def test_planning_prints_what_a_budget_costs_and_what_is_proven(tmp_path):
    lines = run("benchmarks/planning.py", "--quick", "--out", tmp_path, cwd=tmp_path)
    with open(tmp_path / "planning.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["graph"], row["percent"]) for row in rows] == [
        (graph, percent) for graph in ("resnet50", "unet", "vgg16") for percent in ("80", "50")]
    assert len(lines) == 2 + len(rows)
    for line, row in zip(lines[2:], rows, strict=True):
        assert row["outcome"] == "plan"
        assert int(row["bound"]) < int(row["peak"]) <= int(row["budget"])
        assert 0 <= float(row["lower"]) <= float(row["overhead"]) < 0.5
        assert f"{float(row['overhead']):.2%}" in line
        assert row["family"] in line
