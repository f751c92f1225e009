"""Who is ahead: ratios within rounds, bars, the table, the picture, and sentences that say it."""

import statistics

from report import markdown
from systems import is_ours, is_peer
from workers import ratio

TIE = 1.05
COLUMNS = ("ours", "ours traced", "autograd", "torch", "torch.compile", "jax", "jax eager",
           "casadi", "floor")


def rows_of(name, workload, threads, seconds):
    """A row for each system: its time, what it is beside the quickest peer and the floor, the bar.

    `seconds` is {system: [seconds of a step, one for each round]}. The quickest peer is the one
    beside which, round by round, ours is slowest.
    """
    peers = [system for system in seconds if is_peer(system)]
    bars = {bar.system: bar for bar in workload.bars}
    rows = []
    for system, taken in seconds.items():
        beside, best, to_floor = None, None, None
        if is_ours(system) and peers:
            beside, best = max((ratio(taken, seconds[peer]), peer) for peer in peers)
        if "floor" in seconds and system != "floor":
            to_floor = ratio(taken, seconds["floor"])
        one = statistics.median(taken) / workload.per
        rows.append({
            "workload": name, "title": workload.title, "threads": threads, "system": system,
            "seconds": one, "rounds": len(taken), "best peer": best, "ratio to best": beside,
            "ratio to floor": to_floor, **judged(bars.get(system), one, beside)})
    return rows


def judged(bar, seconds, beside):
    """The bar in words, and whether it is met: yes, aim, tie, no, or - where nothing can be said.

    A ratio to a peer that is above its bar by no more than two runs of one program may differ is a
    tie: neither met nor missed.
    """
    if bar is None:
        return {"bar": None, "met": None}
    if bar.seconds is not None:
        found, limit, words = seconds, bar.seconds, f"≤ {duration(bar.seconds)}"
    else:
        found, limit, words = beside, bar.of_best, f"≤ {bar.of_best:g} × the best"
    if found is None:
        return {"bar": words, "met": "-"}
    if bar.aim is not None and found <= bar.aim:
        return {"bar": words, "met": "aim"}
    if found <= limit:
        return {"bar": words, "met": "yes"}
    return {"bar": words, "met": "tie" if bar.of_best and found <= limit * TIE else "no"}


def duration(seconds):
    """Three digits and a unit."""
    for unit, scale in (("s", 1), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def digits(ratio):
    """A ratio with two digits after the point, more where it is small."""
    return f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.2g}"


def counted(threads):
    """A number of threads in words."""
    return "1 thread" if threads == 1 else f"{threads} threads"


def grouped(rows):
    """Rows by workload and threads: {(name, threads): {system: row}}."""
    groups = {}
    for row in rows:
        groups.setdefault((row["workload"], row["threads"]), {})[row["system"]] = row
    return groups


def table(rows):
    """A Markdown table, a line for each workload and number of threads."""
    columns = [c for c in COLUMNS if any(row["system"] == c for row in rows)]
    lines = []
    for (name, threads), group in grouped(rows).items():
        ours = next((group[s] for s in group if is_ours(s)), {})
        held = [row for row in group.values() if row["bar"]]
        line = {"workload": name, "threads": str(threads)}
        for c in columns:
            line[c] = duration(group[c]["seconds"]) if c in group else ""
        for head, column in (("ours / best peer", "ratio to best"), ("/ floor", "ratio to floor")):
            line[head] = digits(ours[column]) if ours.get(column) else ""
        for column in ("bar", "met"):
            line[column] = "; ".join(row[column] for row in held)
        lines.append(line)
    return markdown(lines, left=("workload", "bar", "met"))


def lines_of(rows):
    """Sentences: where a peer is ahead, where it is a tie, and each bar that is not met."""
    said = []
    for row in rows:
        where = f"{row['workload']}, {counted(row['threads'])}"
        beside, best = row["ratio to best"], row["best peer"]
        if row["system"] == "ours" and beside:
            if beside > TIE:
                said.append(f"{where}: {best} is ahead, {beside:.2f} times as fast as we are.")
            elif beside > 1 / TIE:
                said.append(f"{where}: {best} and we are a tie, {beside:.2f}.")
        if row["met"] == "no":
            found = duration(row["seconds"]) + (f", {beside:.2f} × {best}" if beside else "")
            said.append(f"{where}: bar not met by {row['system']}, {row['bar']}: {found}.")
    bars = [row["met"] for row in rows if row["met"] not in ("-", None)]
    met = bars.count("yes") + bars.count("aim")
    said.append(f"{met} of {len(bars)} bars met, {bars.count('aim')} of them with the aim; "
                f"{bars.count('tie')} a tie.")
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
                  xlabel="time over ours", title=counted(n))
        panel.grid(alpha=0.25, axis="x")
    axes[0, 0].invert_yaxis()
    shown = [c for c in COLUMNS if any(row["system"] == c for row in rows)]
    marks = [plt.Line2D([], [], label=c, **mark(c)) for c in shown]
    figure.legend(handles=marks, loc="outside lower center", ncols=5 * len(threads),
                  frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)
