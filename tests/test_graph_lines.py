"""Source lines: a node knows where the user wrote it, whatever stood in between."""

import inspect

import numpy as np

import autodiff as ad


def here():
    """This file and the caller's line, as a Variable says it."""
    frame = inspect.currentframe().f_back
    return f"test_graph_lines.py:{frame.f_lineno}"


def test_leaves_operators_functions_and_methods():
    with ad.Graph():
        x, line = ad.variable("x", (3,)), here()
        assert x.line == line
        y, line = x + 1.0, here()
        assert y.line == line
        y, line = np.exp(x), here()
        assert y.line == line
        y, line = np.sum(x, axis=0), here()
        assert y.line == line
        y, line = (x * 3.0).sum(), here()
        assert y.line == y.inputs[0].line == line
        assert x.location[0] == __file__


def double(x):
    return x + x


DOUBLE_LINE = f"test_graph_lines.py:{double.__code__.co_firstlineno + 1}"


def test_the_line_is_of_the_innermost_function():
    with ad.Graph():
        assert double(ad.variable("x")).line == DOUBLE_LINE
        assert next(map(double, [ad.variable("y")])).line == DOUBLE_LINE


def test_expressions_over_several_lines():
    with ad.Graph():
        x = ad.variable("x")
        first = inspect.currentframe().f_lineno
        y = (
            np.exp(x)
            + np.tanh(x)
        )
        lines = [u.line.rpartition(":")[2] for u in y.inputs]
        assert lines == [str(first + 2), str(first + 3)]


def test_a_merged_node_keeps_all_its_lines_once():
    with ad.Graph():
        x = ad.variable("x")
        y, first = x * x, here()
        for _ in range(3):
            again, second = x * x, here()
        assert again is y
        assert y.line == first
        assert y.lines == [first, second]
        assert double(x).lines == [DOUBLE_LINE]
        assert double(x).lines == [DOUBLE_LINE]


def test_a_gradient_has_the_line_of_what_it_differentiates():
    with ad.Graph() as g:
        x = ad.variable("x", (3,))
        y, line_y = np.exp(x), here()
        z, line_z = y.sum(), here()
        before = len(g)
        ad.gradients(z, x)
        made = [g[k] for k in range(before, len(g))]
        assert {v.line for v in made} == {line_y, line_z}
        assert next(v for v in made if v.op.name == "multiply").line == line_y
        u, line = x + 2.0, here()                     # and the sweep's line ends with the sweep
        assert u.line == line


def test_code_without_a_file():
    with ad.Graph():
        scope = {"x": ad.variable("x")}
        exec(compile("\ny = x * 2.0", "<typed in>", "exec"), scope)
        assert scope["y"].line == "<typed in>:2"
        assert scope["y"].location == ("<typed in>", 2)
