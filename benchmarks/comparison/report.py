"""What a run found, as rows of a CSV, a table, a picture, and sentences that name who is ahead."""

from comparison.systems import is_ours, is_peer

TIE = 1.05
COLUMNS = ("ours", "ours traced", "autograd", "torch", "torch.compile", "jax", "jax eager",
           "casadi", "floor")


def rows_of(name, workload, threads, paired):
    """A row for each system: its time, what ours is beside it, and the bar if it has one."""
    systems = list(paired.seconds)
    peers = [system for system in systems if is_peer(system)]
    bars = {bar.system: bar for bar in workload.bars}
    rows = []
    for system in systems:
        ratio, best = paired.hardest(system, peers) if is_ours(system) and peers else (None, None)
        to_floor = None
        if "floor" in systems and system != "floor":
            to_floor = paired.ratio(system, "floor")
        seconds = paired.median(system) / workload.per
        rows.append({
            "workload": name, "title": workload.title, "threads": threads, "system": system,
            "seconds": seconds, "rounds": len(paired.seconds[system]), "best peer": best,
            "ratio to best": ratio, "ratio to floor": to_floor,
            **judged(bars.get(system), seconds, ratio)})
    return rows


def judged(bar, seconds, ratio):
    """The bar in words, and whether it is met: yes, aim, no, or - where there is nothing to say."""
    if bar is None:
        return {"bar": None, "met": None}
    if bar.seconds is not None:
        found, limit, words = seconds, bar.seconds, f"≤ {duration(bar.seconds)}"
    else:
        found, limit, words = ratio, bar.of_best, f"≤ {bar.of_best:g} × the best"
    if found is None:
        return {"bar": words, "met": "-"}
    if bar.aim is not None and found <= bar.aim:
        return {"bar": words, "met": "aim"}
    return {"bar": words, "met": "yes" if found <= limit else "no"}


def duration(seconds):
    """Three digits and a unit."""
    for unit, scale in (("s", 1), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def grouped(rows):
    """Rows by workload and threads: {(name, threads): {system: row}}."""
    groups = {}
    for row in rows:
        groups.setdefault((row["workload"], row["threads"]), {})[row["system"]] = row
    return groups


def table(rows):
    """A Markdown table, a line for each workload and number of threads."""
    columns = [c for c in COLUMNS if any(row["system"] == c for row in rows)]
    lines = [["workload", "threads", *columns, "ours / best peer", "ours / floor", "bar", "met"]]
    for (name, threads), group in grouped(rows).items():
        ours = next((group[s] for s in group if is_ours(s)), None)
        cells = [duration(group[c]["seconds"]) if c in group else "" for c in columns]
        ratios, bars = ["", ""], ["", ""]
        if ours:
            ratios = [f"{r:.2f}" if r else "" for r in (ours["ratio to best"],
                                                         ours["ratio to floor"])]
            held = [row for row in group.values() if row["bar"]]
            bars = ["; ".join(row[column] for row in held) for column in ("bar", "met")]
        lines.append([name, str(threads), *cells, *ratios, *bars])
    widths = [max(map(len, column)) for column in zip(*lines)]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths))
                     + " |" for line in lines)


def lines_of(rows):
    """Sentences: where a peer is ahead, where it is a tie, and each bar that is not met."""
    said = []
    for row in rows:
        where = f"{row['workload']}, {row['threads']} threads"
        ratio, best = row["ratio to best"], row["best peer"]
        if row["system"] == "ours" and ratio:
            if ratio > TIE:
                said.append(f"{where}: {best} is ahead, {ratio:.2f} times as fast as we are.")
            elif ratio > 1 / TIE:
                said.append(f"{where}: {best} and we are a tie, {ratio:.2f}.")
        if row["met"] == "no":
            said.append(f"{where}: bar not met, {row['system']} {row['bar']}, found "
                        f"{duration(row['seconds'])}" + (f", {ratio:.2f} of {best}." if ratio
                                                         else "."))
    bars = [row["met"] for row in rows if row["met"] in ("yes", "aim", "no")]
    said.append(f"{len(bars) - bars.count('no')} of {len(bars)} bars met, "
                f"{bars.count('aim')} of them with the aim.")
    return said


def mark(system):
    """How a system is drawn: a dot of its colour, the floor as a bar."""
    if system == "floor":
        return {"marker": "|", "color": "black", "ls": ""}
    return {"marker": "o", "color": f"C{COLUMNS.index(system)}", "ls": ""}


def draw(rows, path):
    """Save a chart: for each workload the times of all systems over the time of ours."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    threads = list(dict.fromkeys(row["threads"] for row in rows))
    figure, axes = plt.subplots(1, len(threads), figsize=(6.4 * len(threads), 5.2),
                                squeeze=False, sharey=True, layout="constrained")
    for panel, n in zip(axes[0], threads):
        groups = {name: group for (name, t), group in grouped(rows).items() if t == n}
        for height, group in enumerate(groups.values()):
            unit = next((group[s] for s in group if is_ours(s)), next(iter(group.values())))
            for system, row in group.items():
                panel.plot(row["seconds"] / unit["seconds"], height, ms=8, **mark(system))
        panel.axvline(1, color="0.8", zorder=0)
        panel.set(xscale="log", yticks=range(len(groups)), yticklabels=list(groups),
                  xlabel="time over ours", title=f"{n} threads" if n > 1 else "1 thread")
        panel.grid(alpha=0.25, axis="x")
    axes[0, 0].invert_yaxis()
    shown = [c for c in COLUMNS if any(row["system"] == c for row in rows)]
    marks = [plt.Line2D([], [], label=c, **mark(c)) for c in shown]
    figure.legend(handles=marks, loc="outside lower center", ncols=len(marks), frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)
