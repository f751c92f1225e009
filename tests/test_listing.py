"""Graphs as text: the aligned listing and Graphviz."""

import re
import shutil
import subprocess

import numpy as np
import pytest

import autodiff as ad
from autodiff.listing import ENDS, WIDEST


def small():
    with ad.Graph() as g:
        X = ad.variable("X", (2, 3), np.float32)
        k = ad.variable("k", (2,), np.int64)
        z = np.sum(np.exp(X * 0.5), axis=1) * k
        ad.gradients(z.sum(), X)
    return g


def columns(text):
    """The rows of a listing below its heading, cut where the heading's words begin."""
    heading = text.splitlines()[1]
    starts = [m.start() for m in re.finditer(r"\S+", heading)]
    starts[2] = heading.index("level")
    ends = [*starts[1:], None]
    return [[line[a:b].strip() for a, b in zip(starts, ends, strict=True)]
            for line in text.splitlines()[2:]]


def test_a_listing_has_a_row_for_each_node_but_the_literals():
    g = small()
    literals = [v for v in g if v.op.name == "constant"]
    lines = str(g).splitlines()
    assert lines[0] == f"graph of {len(g)} nodes, {len(literals)} of them literals"
    assert lines[1].split() == ["name", "type", "level", "operation", "line"]
    rows = columns(str(g))
    shown = [v for v in g if v.op.name != "constant"]
    assert [row[0] for row in rows] == [v.name for v in shown]
    assert [row[1] for row in rows] == [f"{v.dtype}{list(v.shape)}" for v in shown]
    assert [int(row[2]) for row in rows] == [v.level for v in shown]
    assert {row[4] for row in rows} == {v.line for v in shown}
    operations = [row[3] for row in rows]
    assert operations[:4] == ["variable", "variable", "multiply(X, 0.5)", "exp(u1)"]
    assert operations[4] == "sum(u2; (1,), False)"


def test_columns_are_aligned_and_no_line_ends_in_blanks():
    lines = str(small()).splitlines()[1:]
    level = lines[0].index("level") + len("level")
    assert all(line[level - 1] != " " and line[level] == " " for line in lines)
    assert all(line == line.rstrip() for line in lines)


def test_names_met_twice_carry_their_index():
    with ad.Graph() as g:
        a, b = ad.variable("x"), ad.variable("x")
        c = a + b
        c.name = "two\nlines"
    assert [row[0] for row in columns(str(g))] == ["x#0", "x#1", "two lines"]
    assert columns(str(g))[2][3] == "add(x#0, x#1)"


def test_a_merged_node_lists_all_its_lines():
    with ad.Graph() as g:
        x = ad.variable("x")
        x * x
        x * x
    assert columns(str(g))[1][4] == ", ".join(g[1].lines)
    assert len(g[1].lines) == 2


def test_an_empty_graph_and_captured_arrays():
    assert str(ad.Graph()).splitlines() == [
        "graph of 0 nodes", "name  type  level  operation  line"]
    with ad.Graph() as g:
        ad.variable("x", (2,)) * np.arange(2.0)
    rows = columns(str(g))
    assert rows[1][1:4] == ["float64[2]", "0", "constant"]
    assert rows[2][3] == f"multiply(x, {rows[1][0]})"


def test_wide_cells_are_cut():
    with ad.Graph() as g:
        x = ad.variable("x" * 200)
        np.concatenate([np.reshape(x, 1)] * 50)
    for line in str(g).splitlines():
        assert len(line) < 4 * WIDEST


def test_a_long_graph_shows_its_ends():
    with ad.Graph() as g:
        x = ad.variable("x", (3,))
        for _ in range(50_000):
            x = np.exp(x * 0.5)
    lines = str(g).splitlines()
    assert lines[0] == "graph of 100,002 nodes, 1 of them literals"
    assert len(lines) == 2 + 2 * ENDS + 1
    assert lines[2 + ENDS] == f"... {100_001 - 2 * ENDS:,} more ..."
    assert lines[-1].split()[0] == "u100000"
    assert lines[2].split()[0] == "x"


@pytest.mark.parametrize("n", [2 * ENDS - 1, 2 * ENDS, 2 * ENDS + 1])
def test_nothing_is_shown_twice_or_lost(n):
    with ad.Graph() as g:
        x = ad.variable("x")
        for _ in range(n - 1):
            x = np.exp(x)
    names = [row[0] for row in columns(str(g)) if not row[0].startswith("...")]
    assert len(names) == min(n, 2 * ENDS)
    assert len(set(names)) == len(names)
    assert ("1 more" in str(g)) == (n > 2 * ENDS)


# ---- Graphviz -------------------------------------------------------------------------------

def test_dot_has_each_node_and_each_edge():
    g = small()
    text = g.to_dot()
    assert text.splitlines()[0] == "digraph {"
    assert text.splitlines()[-1] == "}"
    nodes = dict(re.findall(r"^  n(\d+) \[shape=(\w+)", text, re.MULTILINE))
    assert sorted(map(int, nodes)) == list(range(len(g)))
    edges = sorted((int(a), int(b)) for a, b in re.findall(r"n(\d+) -> n(\d+)", text))
    assert edges == sorted((u.index, v.index) for v in g for u in v.inputs)
    for v in g:
        expected = "box" if v.inputs else "ellipse" if v.op.name == "variable" else "plaintext"
        assert nodes[str(v.index)] == expected


def test_dot_colours_levels_and_numbers_positions():
    with ad.Graph() as g:
        x = ad.variable("x")
        ad.gradients(np.exp(x) - x, x)
    text = g.to_dot()
    assert "color=blue" in text
    assert re.search(r"n1 -> n2 \[label=0.*\n  n0 -> n2 \[label=1", text)


@pytest.mark.parametrize("name", ['"', "\\", 'a"b\\"c', "two\nlines", "ä → β", "]; evil ["])
def test_names_are_quoted(name):
    with ad.Graph() as g:
        ad.variable(name)
    label = re.search(r'label="((?:[^"\\]|\\.)*)"\];$', g.to_dot(), re.MULTILINE).group(1)
    shown = label.removesuffix("\\nfloat64[]").replace('\\"', '"').replace("\\\\", "\\")
    assert shown == name.replace("\n", " ")


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_graphviz_reads_it():
    drawn = subprocess.run(["dot", "-Tsvg"], input=small().to_dot(), text=True, capture_output=True)
    assert drawn.returncode == 0
    assert "<svg" in drawn.stdout
