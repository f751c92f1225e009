"""Problems as JSON text: the format in which they are handed around, version 1."""

import json

from autodiff.errors import PlanError, brief

VERSION = 1
HEADER = {"version": VERSION, "unit": "bytes"}
FIELDS = """name nbytes cost inputs inplace owner workspace level once keep after drop call
line""".split()
OPTIONAL = {
    "name": None,
    "level": 0,
    "once": False,
    "keep": False,
    "after": [],
    "drop": False,
    "call": 0,
    "line": None,
}


def read(text):
    """Read JSON text into the arguments of `Problem` and the entries that describe it.

    Raises
    ------
    PlanError
        When the text is not JSON, not a problem, or of another version.
    """
    try:
        data = json.loads(text)
    except RecursionError:
        raise PlanError("not a planning problem: it is nested too deeply") from None
    except (TypeError, ValueError) as error:
        raise PlanError(f"not JSON: {error}") from None
    if not isinstance(data, dict) or "version" not in data:
        raise PlanError("not a planning problem: no object with a version")
    if type(data["version"]) is not int or data["version"] != VERSION:
        raise PlanError(f"version {brief(data['version'])} is unknown; this is version {VERSION}")
    nodes, targets = data.get("nodes"), data.get("targets")
    if not isinstance(nodes, list) or not isinstance(targets, list):
        raise PlanError("not a planning problem: nodes and targets are lists")
    for v, node in enumerate(nodes):
        if not isinstance(node, dict) or not {"nbytes", "cost"} <= node.keys():
            raise PlanError(f"node {v}: not an object with nbytes and cost")
        for field in node.keys() - set(FIELDS):
            raise PlanError(f"node {v}: there is no field {field!r}")

    def column(field, default):
        if any(field in node for node in nodes):
            return [node.get(field, default) for node in nodes]
        return None

    columns = {
        "nbytes": column("nbytes", 0) or [],
        "cost": column("cost", 0) or [],
        "inputs": column("inputs", ()) or [()] * len(nodes),
        "targets": targets,
        "workspace": column("workspace", 0),
        "inplace": column("inplace", ()),
        "owner": column("owner", None),
        "level": column("level", 0),
        "once": column("once", False),
        "keep": column("keep", False),
        "after": column("after", ()),
        "drop": column("drop", False),
        "call": column("call", 0),
        "names": column("name", None),
        "lines": column("line", None),
    }
    return columns, {k: v for k, v in data.items() if k not in ("nodes", "targets")}


def write(problem, header):
    """Write a problem as JSON text; columns that say nothing are left out."""
    def each(look_up):
        return [look_up(v) for v in range(len(problem))]

    columns = {
        "name": each(problem.label),
        "nbytes": problem.nbytes.tolist(),
        "cost": problem.cost.tolist(),
        "inputs": each(problem.inputs),
        "inplace": each(problem.inplace),
        "owner": [None if v < 0 else v for v in problem.owner.tolist()],
        "workspace": problem.workspace.tolist(),
        "level": problem.level.tolist(),
        "once": (problem.once > 0).tolist(),
        "keep": (problem.keep > 0).tolist(),
        "after": each(problem.after),
        "drop": (problem.drop > 0).tolist(),
        "call": problem.call.tolist(),
        "line": each(problem.line),
    }
    for field, default in OPTIONAL.items():
        if all(value == default for value in columns[field]):
            del columns[field]
    values = zip(*columns.values(), strict=True)
    nodes = [dict(zip(columns, value, strict=True)) for value in values]
    data = {**header, "nodes": nodes, "targets": problem.targets.tolist()}
    return json.dumps(data, separators=(",", ":"))
