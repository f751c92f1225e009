"""What a program computes, region by region: the operations inside each, as it runs them."""

from autodiff.listing import operation_text, type_text, unique_names

ENDS = 40          # regions shown of the beginning and of the end of a long program


def disassemble(plan):
    """List the regions of a program in the order in which they are first computed.

    A region is one line, its result: name, type, operation, source line. Where it computes several
    operations in one pass, they follow, the values between them in registers.

    Parameters
    ----------
    plan : Plan

    Returns
    -------
    str

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> with ad.Graph():
    ...     x = ad.variable("x", 3)
    ...     program = ad.Program([x], [np.sin(x * x).sum()])
    >>> print(program)  # doctest: +ELLIPSIS
    program of 1 region, 3 operations
    u3  float64[]  sum(u2; (0,), False)  ...
          u1 = multiply(x, x)
          u2 = sin(u1)
    """
    order = list(dict.fromkeys(
        region for action, region, _ in plan.steps if action == "compute"))
    inside = {region: plan.regions.operations(region) for region in order}
    count = sum(map(len, inside.values()))
    rows = [f"program of {len(order):,} region{'s' * (len(order) != 1)}, "
            f"{count:,} operation{'s' * (count != 1)}"]
    shown = order if len(order) <= 2 * ENDS else [*order[:ENDS], *order[-ENDS:]]
    graph = plan.regions.graph
    names = unique_names([graph[node] for region in shown for node in
                          [*(node for _, node in inside[region]), *plan.regions.reads(region)]])
    cells = []
    for region in shown:
        x = plan.variable(region)
        name, what = plan.operation(region), operation_text(x, names)
        if name == "copy" and x.op.name != "copy":
            what = f"copy({names[x]})"
        elif name.startswith("matmul_"):          # several nodes in one call
            what = f"{name}({', '.join(names[graph[u]] for u in plan.regions.reads(region))})"
        cells.append((names[x], type_text(x), what, x.line or ""))
    widths = [max((len(row[column]) for row in cells), default=0) for column in range(3)]
    for k, (region, row) in enumerate(zip(shown, cells, strict=True)):
        if k == ENDS and len(shown) < len(order):
            rows.append(f"... {len(order) - len(shown):,} more ...")
        rows.append("  ".join([text.ljust(width) for text, width in zip(row, widths)] + [row[3]]))
        for _, node in inside[region]:
            y = graph[node]
            if y is not plan.variable(region):
                rows.append(f"      {names[y]} = {operation_text(y, names)}")
    return "\n".join(row.rstrip() for row in rows)
