"""Graphs as text: an aligned listing for people, and Graphviz for drawings.

Both walk the nodes by index, never along edges, so that a chain of 100,000 is no deeper than one
of ten; the listing shows the two ends of a long graph and counts what lies between.
"""

from collections import Counter

from autodiff.core.operations import CONSTANT, provide

ENDS = 60                         # rows shown of the beginning and of the end of a long graph
WIDEST = 60                       # characters of one column
COLOURS = ("black", "blue", "darkgreen", "firebrick", "purple")  # by level; the last one repeats


def listing(graph):
    """List a graph, one node a row: name, type, level, operation(inputs), source lines.

    Literals are shown by value where they are read and have no row. Where two nodes have one
    name, the index of each is added, `x#7`.

    Parameters
    ----------
    graph : Graph

    Returns
    -------
    str
        At most 2 * ENDS rows: of a longer graph the beginning and the end.

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> with ad.Graph() as g:
    ...     z = np.tanh(ad.variable("x", (3,))).sum()
    >>> print(g)  # doctest: +ELLIPSIS
    graph of 3 nodes
    name  type        level  operation             line
    x     float64[3]      0  variable              ...
    u1    float64[3]      0  tanh(x)               ...
    u2    float64[]       0  sum(u1; (0,), False)  ...
    """
    shown = [x.index for x in graph if not _is_literal(x)]
    literals = len(graph) - len(shown)
    head, tail = shown[:ENDS], shown[ENDS:][-ENDS:]
    hidden = len(shown) - len(head) - len(tail)
    head, tail = [graph[k] for k in head], [graph[k] for k in tail]
    names = unique_names(head + tail)
    cells = [("name", "type", "level", "operation", "line")]
    cells += [
        (names[x], type_text(x), str(x.level), operation_text(x, names), ", ".join(x.lines))
        for x in head + tail
    ]
    cells = [[_one_line(text) for text in row] for row in cells]
    widths = [max(len(row[column]) for row in cells) for column in range(4)]
    rows = [
        f"{name:<{widths[0]}}  {type_:<{widths[1]}}  {level:>{widths[2]}}  "
        f"{operation:<{widths[3]}}  {line}".rstrip()
        for name, type_, level, operation, line in cells
    ]
    if hidden > 0:
        rows.insert(1 + len(head), f"... {hidden:,} more ...")
    title = f"graph of {len(graph):,} nodes"
    if literals:
        title += f", {literals:,} of them literals"
    return "\n".join([title, *rows])


def unique_names(variables):
    """Variable -> its name, for these and what they read; `x#7` where a name is met twice."""
    met = dict.fromkeys(variables)
    for x in variables:
        met.update(dict.fromkeys(x.inputs))
    count = Counter(x.name for x in met)
    return {
        x: x.name if count[x.name] == 1 or _is_literal(x) else f"{x.name}#{x.index}" for x in met
    }


def _is_literal(x):
    return x.op is CONSTANT and x.shape == ()


def type_text(x):
    """`float64[3, 4]`."""
    return f"{x.dtype}{list(x.shape)}"


def operation_text(x, names):
    """`sum(u1; (0,), False)`: the inputs, then the static parameters."""
    if x.op is CONSTANT or not x.inputs:
        return x.op.name
    inside = ", ".join(names[u] for u in x.inputs)
    if x.attrs:
        inside += "; " + ", ".join(repr(value) for value in x.attrs)
    return f"{x.op.name}({inside})"


def _one_line(text):
    """`text` without line breaks, cut to the width of a column."""
    text = " ".join(text.split())
    return text if len(text) <= WIDEST else text[:WIDEST - 3] + "..."


def dot(graph):
    """Write a graph as Graphviz text, an arrow from each input to what reads it (figure 6.8).

    Leaves are ellipses, operations are boxes, literals stand as bare numbers; what gradient
    sweeps made is coloured by level. A position is written at the arrows into operations with
    more than one input.

    Parameters
    ----------
    graph : Graph

    Returns
    -------
    str
        All nodes, however many: give `dot` a graph of a few hundred.
    """
    lines = ["digraph {", "  node [fontsize=11];"]
    for x in graph:
        inputs = x.inputs
        if _is_literal(x):
            lines.append(f'  n{x.index} [shape=plaintext, label="{_quoted(x.name)}"];')
            continue
        label = [x.name, x.op.name if inputs else "", type_text(x)]
        if x.attrs and inputs:
            label[1] += " " + _one_line(", ".join(repr(value) for value in x.attrs))
        text = "\\n".join(_quoted(part) for part in label if part)
        shape = "box" if inputs else "ellipse"
        colour = COLOURS[min(x.level, len(COLOURS) - 1)]
        lines.append(f'  n{x.index} [shape={shape}, color={colour}, label="{text}"];')
        for position, u in enumerate(inputs):
            which = f" [label={position}, fontsize=9]" if len(inputs) > 1 else ""
            lines.append(f"  n{u.index} -> n{x.index}{which};")
    lines.append("}")
    return "\n".join(lines)


def _quoted(text):
    """`text` as part of a double-quoted Graphviz string, on one line."""
    text = " ".join(text.split())
    return text.replace("\\", "\\\\").replace('"', '\\"')


provide(graph_listing=listing, graph_dot=dot)
