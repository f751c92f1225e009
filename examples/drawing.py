"""Draw a graph in layers, inputs at the bottom and results on top, as the book's figures do.

The layout is Sugiyama's: give each node a layer, cut long edges at the layers they pass, order
each layer so that few edges cross, then move nodes towards their neighbours.
"""

import re
from collections import defaultdict

import numpy as np

ACROSS, UP = 0.45, 1.2             # inches between neighbours of a layer, between layers
SIGNS = {"multiply": "×", "add": "+", "subtract": "−", "negative": "−", "divide": "÷"}
GREEK = {"lambda", "theta", "alpha", "epsilon"}
COLOURS = ("#1b1b1b", "#1f5fa8", "#a8441f")     # by level: what the user wrote, then each sweep
FILLS = ("#ffffff", "#eaf2fb", "#fbeee8")


# --------------------------------------------------------------------------------------- layout


def layers(inputs):
    """The layer of each node: one above its highest input; a leaf just below its lowest reader.

    `inputs[k]` lists what node k reads, all of them before k.
    """
    layer = [0] * len(inputs)
    for k, read in enumerate(inputs):
        layer[k] = 1 + max((layer[j] for j in read), default=-1)
    for k, read in enumerate(inputs):
        readers = [layer[c] for c, of in enumerate(inputs) if k in of]
        if not read and readers:
            layer[k] = min(readers) - 1
    return layer


def cut(inputs, layer):
    """Put a bend where an edge passes a layer; returns (layer, links, routes).

    Bends are numbered after the nodes, `links` are pairs (below, above) of adjacent layers, and
    `routes` says for each edge (node, reader) which points it joins.
    """
    layer, links, routes = list(layer), [], {}
    for k, read in enumerate(inputs):
        for j in dict.fromkeys(read):
            route = [j]
            for height in range(layer[j] + 1, layer[k]):
                route.append(len(layer))
                layer.append(height)
            route.append(k)
            links += zip(route, route[1:])
            routes[j, k] = route
    return layer, links, routes


def order(inputs, layer, links, sweeps=24):
    """The points of each layer from left to right: means of the neighbours, the best of sweeps.

    At first as a walk down from the results meets them, so that inputs stand in their order.
    """
    below, above = neighbours(links)
    met = {}
    walk = [k for k in range(len(inputs)) if not above[k]][::-1]
    while walk:
        p = walk.pop()
        if p not in met:
            met[p] = len(met)
            walk += below[p][::-1]
    rows = [[p for p in met if layer[p] == height] for height in range(max(layer) + 1)]
    best = [list(row) for row in rows]
    for sweep in range(sweeps):
        upwards = sweep % 2 == 0
        near = below if upwards else above
        for row in rows if upwards else rows[::-1]:
            place = {p: i for other in rows for i, p in enumerate(other)}
            row.sort(key=lambda p: np.mean([place[q] for q in near[p]] or [place[p]]))
        if crossings(rows, links) < crossings(best, links):
            best = [list(row) for row in rows]
    return best


def neighbours(links):
    """(below, above): what each point is linked to."""
    below, above = defaultdict(list), defaultdict(list)
    for p, q in links:
        below[q].append(p)
        above[p].append(q)
    return below, above


def crossings(rows, links):
    """How many pairs of links cross."""
    place = {p: (height, i) for height, row in enumerate(rows) for i, p in enumerate(row)}
    ends = [(*place[p], place[q][1]) for p, q in links]
    return sum(
        a[0] == b[0] and (a[1] - b[1]) * (a[2] - b[2]) < 0
        for i, a in enumerate(ends) for b in ends[:i])


def spread(wanted, weights, widths):
    """The places nearest to those wanted, by least squares, at which widths do not overlap.

    Places less the room that earlier ones need must not fall: isotonic regression, by pooling.
    """
    room = np.concatenate([[0.0], np.cumsum((widths[1:] + widths[:-1]) / 2 + ACROSS)])
    pools = []                                  # (mean, weight, size), means rising
    for mean, weight in zip(wanted - room, weights):
        size = 1
        while pools and pools[-1][0] > mean:
            other, heavy, many = pools.pop()
            mean = (weight * mean + heavy * other) / (weight + heavy)
            weight, size = weight + heavy, size + many
        pools.append((mean, weight, size))
    return np.concatenate([np.full(size, mean) for mean, _, size in pools]) + room


def across(rows, links, widths, n_nodes, sweeps=400):
    """Places across that make links short and bends straight: least squares, layer by layer."""
    near = defaultdict(list)
    for p, q in links:
        weight = (1, 2, 8)[(p >= n_nodes) + (q >= n_nodes)]
        near[p].append((q, weight))
        near[q].append((p, weight))
    x = np.zeros(len(widths))
    for sweep in range(sweeps):
        for row in rows if sweep % 2 == 0 else rows[::-1]:
            weights = np.array([sum(weight for _, weight in near[p]) or 1 for p in row])
            sums = [sum(weight * x[q] for q, weight in near[p]) for p in row]
            x[row] = spread(sums / weights, weights, widths[row])
    return x


# --------------------------------------------------------------------------------------- labels


def mathematics(name, bold=False):
    """A name as the book sets it: u1 as u with (1) raised, dz/dw as a fraction, yhat with a hat."""
    if fraction := re.fullmatch(r"d(\w+)/d(\w+)", name):
        above, below = (inner(part, False) for part in fraction.groups())
        return rf"$\dfrac{{d{above}}}{{d{below}}}$"
    return f"${inner(name, bold)}$"


def inner(name, bold):
    if name in GREEK:
        return rf"\{name}"
    if name.endswith("hat"):
        return rf"\hat{{{name[:-3]}}}"
    found = re.fullmatch(r"([A-Za-z]+)(\d*)(?:_(\w+))?", name)
    if not found:
        return name
    letter, number, index = found.groups()
    text = rf"\boldsymbol{{{letter}}}" if bold else letter
    if number:
        text += f"^{{({number})}}"
    return text + (rf"_{{\mathrm{{{index}}}}}" if index else "")


def label(x):
    """(name, what is written small below it): the operation, and the shape if there is one."""
    operation = SIGNS.get(x.op.name, x.op.name) if x.inputs else ""
    shape = " × ".join(map(str, x.shape))
    return mathematics(x.name, bold=x.ndim > 0), "   ".join(filter(None, [operation, shape]))


# -------------------------------------------------------------------------------------- drawing


def draw(graph, path, title=""):
    """Draw a graph and save it as a picture; boxes are operations, ellipses inputs.

    Parameters
    ----------
    graph : autodiff.Graph
        A few dozen nodes, or the picture is crowded. What gradient sweeps made is coloured.
    path : str or Path
        The name's ending says the format, `.png` or `.svg`.
    title : str
    """
    draw_side_by_side([(graph, title)], path)


def draw_side_by_side(graphs, path):
    """Draw several graphs, pairs (graph, title), in one picture."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    placed = [place(list(graph)) for graph, _ in graphs]
    ends = [((x - across / 2).min(), (x + across / 2).max()) for x, _, _, across in placed]
    widths = [max(right - left + 0.6, 3.0) for left, right in ends]
    tall = max(y.max() for _, y, _, _ in placed) + 1.6
    figure, panels = plt.subplots(
        1, len(graphs), figsize=(sum(widths), tall), width_ratios=widths, squeeze=False)
    figure.subplots_adjust(left=0, right=1, bottom=0, top=1, wspace=0)
    for (graph, title), axes, where, width, (left, right) in zip(
            graphs, panels[0], placed, widths, ends):
        middle = (left + right) / 2
        axes.set(xlim=(middle - width / 2, middle + width / 2), ylim=(-1.0, tall - 1.0))
        axes.set_axis_off()
        axes.text(middle, -0.7, title, ha="center", va="center", fontsize=11)
        paint(axes, list(graph), *where)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def place(variables):
    """(x, y, routes, widths) in inches of the nodes of a graph and the bends of its edges."""
    index = {v: k for k, v in enumerate(variables)}
    inputs = [[index[u] for u in v.inputs] for v in variables]
    layer, links, routes = cut(inputs, layers(inputs))
    widths = np.full(len(layer), 0.1)
    widths[: len(variables)] = [box_width(v) for v in variables]
    x = across(order(inputs, layer, links), links, widths, len(variables))
    return x, UP * np.array(layer, float), routes, widths


def box_width(x):
    return max(0.55, 0.085 * len(label(x)[1]) + 0.2)


def paint(axes, variables, x, y, routes, widths):
    """Put edges, boxes and labels of one graph on matplotlib axes whose unit is the inch."""
    from matplotlib.patches import Ellipse, FancyBboxPatch

    heights = [0.8 if "/" in v.name else 0.56 for v in variables]
    position = {v: k for k, v in enumerate(variables)}
    for k, v in enumerate(variables):
        arrivals = sorted((position[u] for u in v.inputs), key=lambda j, k=k: x[routes[j, k][-2]])
        for port, j in enumerate(arrivals):
            ends = x[k] + 0.2 * widths[k] * (port - (len(arrivals) - 1) / 2)
            points = [(x[p], y[p]) for p in routes[j, k]]
            points[0] = (x[j], y[j] + heights[j] / 2)
            points[-1] = (ends, y[k] - heights[k] / 2)
            axes.add_patch(arrow(points, COLOURS[min(v.level, 2)]))
    for k, v in enumerate(variables):
        style = {"ec": COLOURS[min(v.level, 2)], "fc": FILLS[min(v.level, 2)], "lw": 1.1}
        name, below = label(v)
        if v.inputs:
            corner = (x[k] - widths[k] / 2 + 0.08, y[k] - heights[k] / 2 + 0.08)
            shape = FancyBboxPatch(
                corner, widths[k] - 0.16, heights[k] - 0.16, boxstyle="round,pad=0.08", **style)
        else:
            shape = Ellipse((x[k], y[k]), widths[k], heights[k], **style)
        axes.add_patch(shape)
        raised = 0.16 * heights[k] if below else 0
        centred = {"ha": "center", "va": "center"}
        axes.text(x[k], y[k] + raised, name, fontsize=12, **centred)
        axes.text(x[k], y[k] - heights[k] / 2 + 0.12, below, fontsize=8, color="#555555", **centred)


def arrow(points, colour):
    """A smooth arrow through points of rising layers: vertical where it passes one."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    corners, codes = [points[0]], [Path.MOVETO]
    for (x0, y0), (x1, y1) in zip(points, points[1:]):
        middle = (y0 + y1) / 2
        corners += [(x0, middle), (x1, middle), (x1, y1)]
        codes += [Path.CURVE4] * 3
    return FancyArrowPatch(
        path=Path(corners, codes), arrowstyle="-|>", mutation_scale=9, lw=1, color=colour)
