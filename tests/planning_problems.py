"""Problems for the tests of planning: random ones, chains, blocks with a way round them."""

import json
from pathlib import Path

from hypothesis import strategies as st

from autodiff.planning import Problem

GRAPHS = Path(__file__).parents[1] / "benchmarks" / "graphs"


@st.composite
def raw_problems(draw, most=9, levels=3, special=True):
    """Draw the arguments of a Problem: fan-out, views of views, in place, once, keep, after."""
    n = draw(st.integers(1, most))
    p = {
        name: []
        for name in "nbytes cost inputs workspace inplace owner level once keep after".split()
    }
    rarely = st.sampled_from([False] * 7 + [True]) if special else st.just(False)
    for v in range(n):
        earlier = st.integers(0, v - 1)
        inputs = draw(st.lists(earlier, max_size=3)) if v else []
        p["inputs"].append(inputs)
        p["nbytes"].append(draw(st.sampled_from([0, 1, 2, 2, 5, 64])))
        p["cost"].append(draw(st.integers(0, 5)))
        p["workspace"].append(draw(st.sampled_from([0, 0, 0, 3])))
        view = inputs and draw(st.sampled_from([False, False, True]))
        p["owner"].append(draw(st.sampled_from([inputs[0], draw(earlier)])) if view else None)
        p["inplace"].append([u for u in inputs if draw(st.booleans())])
        least = max([p["level"][u] for u in inputs] or [0])
        p["level"].append(draw(st.integers(least, levels - 1)))
        p["once"].append(draw(rarely))
        p["keep"].append(draw(rarely))
        p["after"].append([draw(earlier)] if v and draw(rarely) else [])
        if v and draw(st.sampled_from([False] * 9 + [True])):
            p["level"][v] = 0       # the user's own node on top of a gradient
    p["targets"] = draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=3))
    return p


def seeded_problem(rng, most=40):
    """Draw the arguments of a larger Problem from a random.Random: chains with side branches.

    Hypothesis finds small problems that fail; structures of several segments need more nodes.
    """
    n, levels = rng.randint(2, most), rng.randint(1, 4)
    reach = rng.choice([2, 3, 5, n])            # how far back a node reads, mostly
    rarely, often = rng.choice([0, 0, 0.02, 0.1]), rng.choice([0, 0.1, 0.4])
    names = "nbytes cost inputs workspace inplace owner level once keep after".split()
    p = {name: [] for name in names}
    for v in range(n):
        least = max(0, v - reach) if rng.random() < 0.8 else 0
        count = rng.choice([0, 1, 1, 1, 2, 2, 3]) if v else 0
        inputs = [rng.randrange(least, v) for _ in range(count)]
        owner = rng.choice([inputs[0]] * 2 + [rng.randrange(v)]) if inputs else None
        level = max([p["level"][u] for u in inputs] + [v * levels // n])
        p["inputs"].append(inputs)
        p["nbytes"].append(rng.choice([0, 1, 2, 2, 5, 64]))
        p["cost"].append(rng.randint(0, 5))
        p["workspace"].append(rng.choice([0, 0, 3]))
        p["owner"].append(owner if rng.random() < often else None)
        p["inplace"].append([u for u in inputs if rng.random() < 0.5])
        p["level"].append(min(level, levels - 1) if rng.random() < 0.95 else 0)
        p["once"].append(rng.random() < rarely)
        p["keep"].append(rng.random() < rarely)
        p["after"].append([rng.randrange(v)] if v and rng.random() < rarely else [])
    p["targets"] = [n - 1] + [rng.randrange(n) for _ in range(rng.randint(0, 2))]
    return p


def random_problems(**options):
    return raw_problems(**options).map(lambda p: Problem(**p))


def sine_chain(n, with_z=False):
    """Make the gradient of z = sin(sin(… w)), n sines, as a program has it.

    Level 0: x_1 … x_{n−1}, and z = x_n if it is wanted; level 1: cos(x_{n−1}) … cos(w) and their
    running product. w is the caller's, so no node.
    """
    inputs = [[i - 1] if i else [] for i in range(n - 1 + with_z)]
    forward, product = len(inputs), None
    for i in reversed(range(n)):
        inputs.append([i - 1] if i else [])
        cosine = len(inputs) - 1
        if product is None:
            product = cosine
        else:
            inputs.append([product, cosine])
            product = len(inputs) - 1
    m = len(inputs)
    return Problem(
        [8] * m,
        [1] * m,
        inputs,
        [n - 1, product] if with_z else [product],
        level=[int(v >= forward) for v in range(m)],
    )


def computes(schedule):
    """List the nodes in the order they are computed."""
    return [v for action, v, _ in schedule.steps if action == "compute"]


def sines(problem, schedule):
    """Count the evaluations of level 0."""
    return int(schedule.evaluations[problem.level == 0].sum())


def blocks(count, width=3, nbytes=8):
    """Make `count` blocks y = x + f(g(… x)), each of `width` nodes, and a sweep that reads all.

    The states are node 0 and the sums: nodes width, 2·width, … but for the last, which ends it.
    """
    inputs = [[]]
    for _ in range(count):
        state = len(inputs) - 1
        inputs += [[len(inputs) - 1 + i] for i in range(width - 1)]
        inputs.append([len(inputs) - 1, state])
    forward = len(inputs)
    for v in reversed(range(forward)):
        inputs.append([v, len(inputs) - 1] if len(inputs) > forward else [v])
    m = len(inputs)
    return Problem(
        [nbytes] * m, [1] * m, inputs, [m - 1], level=[int(v >= forward) for v in range(m)]
    )


def real_graph(name):
    """Read a training step of benchmarks/graphs, with level 1 from the gradient of the loss on."""
    data = json.loads((GRAPHS / f"{name}.json").read_text())
    begin = [node["name"] for node in data["nodes"]].index("d_loss")
    for v, node in enumerate(data["nodes"]):
        node["level"] = int(v >= begin)
    return Problem.from_json(json.dumps(data))
