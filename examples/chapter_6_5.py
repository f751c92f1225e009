"""Walk through section 6.5 of *Deep Learning*: its figures, tables and step lists, computed.

    python examples/chapter_6_5.py --out chapter_6_5

Prints each graph, and saves each as a picture and as Graphviz text in the directory given.
"""

import argparse
from itertools import zip_longest
from pathlib import Path

import numpy as np
from drawing import draw, draw_side_by_side

import autodiff as ad
from autodiff import textbook


def named(variable, name):
    """The variable, under another name than the automatic u1, u2 …"""
    variable.name = name
    return variable


# -------------------------------------------------------------------------------- the figures


def figure_6_8():
    """Four graphs: a product, logistic regression, a layer of relu units, weight decay."""
    with ad.Graph() as a:
        named(ad.variable("x") * ad.variable("y"), "z")
    with ad.Graph() as b:
        x, w, bias = ad.variable("x", 3), ad.variable("w", 3), ad.variable("b")
        named(ad.nn.sigmoid(x @ w + bias), "yhat")
    with ad.Graph() as c:
        X, W, bias = ad.variable("X", (5, 3)), ad.variable("W", (3, 4)), ad.variable("b", 4)
        named(np.maximum(0, X @ W + bias), "H")
    with ad.Graph() as d:
        x, w, lam = ad.variable("x", 3), ad.variable("w", 3), ad.variable("lambda")
        lam * (w**2).sum()
        named(x @ w, "yhat")
    return [
        (a, "(a)  $z = xy$"),
        (b, r"(b)  $\hat{y} = \sigma(x^\top w + b)$"),
        (c, r"(c)  $H = \max(0, XW + b)$"),
        (d, r"(d)  $\hat{y} = x^\top w$  and  $\lambda \sum_i w_i^2$"),
    ]


def figure_6_9():
    """The chain z = f(f(f(w))), f = sin: (graph, w, z)."""
    with ad.Graph() as graph:
        w = ad.variable("w")
        x = named(np.sin(w), "x")
        y = named(np.sin(x), "y")
        z = named(np.sin(y), "z")
    return graph, w, z


def figure_6_10():
    """The same chain and its derivative, which is more graph: (graph, w, z, dz/dw).

    Each derivative is the one after it times an f': three f' nodes, three products (the book
    leaves out the first, by dz/dz = 1).
    """
    graph, w, z = figure_6_9()
    y, = z.inputs
    x, = y.inputs
    for target, dz in zip((y, x, w), ad.gradients(z, [y, x, w])):
        named(dz, f"dz/d{target.name}")
        named(dz.inputs[1], f"f'({target.name})")
    return graph, w, z, dz


def figure_6_11():
    """The MLP with cross-entropy and weight decay, eq. 6.56: (graph, [W1, W2], J)."""
    with ad.Graph() as graph:
        X, W1 = ad.variable("X", (8, 6)), ad.variable("W1", (6, 5))
        W2, y = ad.variable("W2", (5, 4)), ad.variable("y", 8, np.int64)
        lam = ad.variable("lambda")
        H = named(np.maximum(0, named(X @ W1, "U1")), "H")
        J_MLE = named(ad.nn.cross_entropy(named(H @ W2, "U2"), y), "J_MLE")
        u4 = named(named(W1**2, "U3").sum(), "u4")
        u6 = named(named(W2**2, "U5").sum(), "u6")
        J = named(J_MLE + named(lam * named(u4 + u6, "u7"), "u8"), "J")
    return graph, [W1, W2], J


def figures(out):
    """Print every figure, save picture and Graphviz text of each under `out`."""
    panels = figure_6_8()
    for letter, (graph, _) in zip("abcd", panels):
        listed(graph, f"6.8 {letter}", out)
    draw_side_by_side(panels, out / "figure_6_8.png")
    for number, graph, title in [
        ("6.9", figure_6_9()[0], "z = f(f(f(w))),  f = sin"),
        ("6.10", figure_6_10()[0], "dz/dw is more graph (blue)"),
    ]:
        draw(graph, listed(graph, number, out), f"Figure {number}:  {title}")
    graph, weights, J = figure_6_11()
    title = "Figure 6.11:  cross-entropy and weight decay, eq. 6.56"
    draw(graph, listed(graph, "6.11", out), title)
    dW = [named(dJ, f"dJ/d{W.name}") for W, dJ in zip(weights, ad.gradients(J, weights))]
    draw(graph, listed(graph, "6.11 with gradients", out), f"{title}, with gradients (blue)")
    plan = ad.Program([x for x in graph if x.op.name == "variable"], dW).plan
    print(f"a run that gives both gradients computes {plan.evaluations['matmul']} products")


def listed(graph, number, out):
    """Print a graph and save its Graphviz text; returns the path for its picture."""
    print(f"figure {number}: {graph}\n")
    stem = "figure_" + number.replace(" with ", "_").replace(".", "_").replace(" ", "")
    (out / f"{stem}.dot").write_text(graph.to_dot())
    return out / f"{stem}.png"


# ------------------------------------------------------------------------- the gradient table


def gradient_table(x1=0.5, x2=3.0):
    """Algorithm 6.2 on u5 = u3 sin(u3), u3 = x1 x2: a line for each step, the library's last."""
    product = (lambda a, b: a * b, (lambda a, b: b, lambda a, b: a))
    nodes = [
        textbook.Node(product[0], (1, 2), product[1], "u1 u2"),
        textbook.Node(np.sin, (3,), (np.cos,), "sin(u3)"),
        textbook.Node(product[0], (3, 4), product[1], "u3 u4"),
    ]
    _, tables = textbook.algorithm_6_2([x1, x2], nodes)
    n = len(tables)
    print(f"algorithm 6.2: u1 = {x1}, u2 = {x2}, "
          + ", ".join(f"u{i} = {node.name}" for i, node in enumerate(nodes, start=3)))
    print(f"{'step':<28}" + "".join(f"{f'du{n}/du{j}':>11}" for j in range(n, 0, -1)))
    for j, table in zip(range(n, 0, -1), tables):
        print(f"{written(j, nodes, n):<28}"
              + "".join(f"{table[i]:>11.6f}" if i in table else f"{'.':>11}"
                        for i in range(n, 0, -1)))
    with ad.Graph():
        u1, u2 = ad.variable("u1"), ad.variable("u2")
        u3 = u1 * u2
        u4 = np.sin(u3)
        u5 = u3 * u4
        same = ad.Program([u1, u2], ad.gradients(u5, [u5, u4, u3, u2, u1]))(x1, x2)
    print(f"{'ad.gradients':<28}" + "".join(f"{float(value):>11.6f}" for value in same))


def written(j, nodes, n):
    """The entry that a step writes, as a sum over the edges from u(j)."""
    edges = [i for i, node in enumerate(nodes, start=n - len(nodes) + 1)
             for parent in node.parents if parent == j]
    return f"g{j} = " + (" + ".join(f"g{i} du{i}/du{j}" for i in edges) or "1")


# -------------------------------------------------------------- storing against recomputing


def step_list(program):
    """The steps of a program's plan as lines: "x = sin(w)", "free x"."""
    steps, computed = [], set()
    for action, region, _ in program.plan.steps:
        x = program.plan.variable(region)
        if action == "free":
            steps.append(f"free {x.name}")
            continue
        again = "   again" if x in computed else ""
        steps.append(f"{x.name} = {x.op.name}({', '.join(u.name for u in x.inputs)}){again}")
        computed.add(x)
    return steps


def store_or_recompute(w=0.5):
    """Print the step lists of eq. 6.52 and 6.53 side by side, without z and with it."""
    equations = {"store": textbook.equation_6_52, "recompute": textbook.equation_6_53}
    for with_z in (False, True):
        _, w0, z, dz_dw = figure_6_10()
        outputs = [z, dz_dw] if with_z else [dz_dw]
        programs = {policy: ad.Program([w0], outputs, policy, fuse=False) for policy in equations}
        print("z and dz/dw" if with_z else "dz/dw alone", "of z = f(f(f(w))), f = sin")
        print(f"  {'store, eq. 6.52':<36}recompute, eq. 6.53")
        for left, right in zip_longest(*map(step_list, programs.values()), fillvalue=""):
            print(f"  {left:<36}{right}".rstrip())
        for policy, equation in equations.items():
            program = programs[policy]
            got = float(program(w)[-1])
            value, evaluations = equation(np.sin, np.cos, w, 3, with_z)
            print(f"  {policy + ':':<10} {program.plan.evaluations['sin']} evaluations of f "
                  f"(the equation: {evaluations}), {program.peak_bytes} bytes planned, "
                  f"{program.measured_peak_bytes} measured, dz/dw = {got:.12f} "
                  f"({value:.12f})")
        print()


def growing_chains(lengths=(3, 10, 30, 100)):
    """Print evaluations of f and bytes for dz/dw of chains of n, under each policy."""
    policies = ("store", "checkpoint", "recompute")
    print("dz/dw of z = f(f(... f(w))), n times: evaluations of f / bytes")
    print(f"{'n':>5}" + "".join(f"{policy:>20}" for policy in policies))
    for n in lengths:
        with ad.Graph():
            w = z = ad.variable("w")
            for _ in range(n):
                z = np.sin(z)
            dz_dw = ad.gradients(z, w)
        plans = [ad.Program([w], [dz_dw], policy, fuse=False).plan for policy in policies]
        cells = [f"{plan.evaluations['sin']:,} / {plan.peak_bytes:,}" for plan in plans]
        print(f"{n:>5}" + "".join(f"{cell:>20}" for cell in cells))


# ------------------------------------------------------------------- what algorithm 6.2 avoids


def naive_tree(deepest=12):
    """Print the counts of the expression written out against those of 6.1 and 6.2.

    The graph is n times a -> a a: n nodes, two edges each, 2^n paths from input to output.
    """
    print("z = a a, n times: the naive tree against algorithms 6.1 and 6.2")
    print(f"{'n':>5}{'tree: products':>18}{'6.1: products':>18}{'tree: paths':>18}"
          f"{'6.2: edges':>18}{'library: products':>20}")
    for n in range(2, deepest + 1, 2):
        products, edges = Counted(lambda a, b: a * b), Counted(lambda a, b: b)
        nodes = [textbook.Node(products, (i, i), (edges, edges)) for i in range(1, n + 1)]
        _, in_tree = textbook.expression_tree([1.0], nodes)
        _, paths = textbook.sum_over_paths([1.0], nodes, 1)
        products.calls = edges.calls = 0
        textbook.algorithm_6_2([1.0], nodes)
        with ad.Graph():
            w = z = ad.variable("w")
            for _ in range(n):
                z = z * z
        library = ad.Program([w], [z], fuse=False).plan.evaluations["multiply"]
        print(f"{n:>5}{in_tree:>18,}{products.calls:>18,}{paths:>18,}{edges.calls:>18,}"
              f"{library:>20,}")


class Counted:
    """A function that counts its calls."""

    def __init__(self, f):
        self.f, self.calls = f, 0

    def __call__(self, *args):
        self.calls += 1
        return self.f(*args)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("chapter_6_5"),
                        help="where pictures and Graphviz texts go")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    figures(out)
    print()
    gradient_table()
    print()
    store_or_recompute()
    growing_chains()
    print()
    naive_tree()
    print(f"\npictures and Graphviz texts: {out}")


if __name__ == "__main__":
    main()
