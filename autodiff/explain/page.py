"""A plan as one HTML page: timeline and tables, with nothing to load from elsewhere."""

import html
import json
import re
from pathlib import Path

from autodiff.explain.text import checked_path, operations_of
from autodiff.explain.timeline import rows_by_line, timeline
from autodiff.planning.schedule import format_bytes

GROUPS = 4000       # bars of the timeline; of more computations, neighbours are joined
ROWS = 24           # source lines with a row of their own

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<link rel="icon" href="data:,">
<title>__TITLE__</title>
<style>
body { font: 14px/1.45 system-ui, sans-serif; color: #222; margin: 2em auto; max-width: 1100px;
       padding: 0 1em; }
h1 { font-size: 1.3em; } h2 { font-size: 1.05em; margin-top: 2em; }
table { border-collapse: collapse; } td, th { padding: 2px 14px 2px 0; text-align: left; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
th { border-bottom: 1px solid #bbb; font-weight: 600; }
svg { width: 100%; display: block; } svg text { font-size: 11px; fill: #444; }
.first { fill: #3b6ea5; } .again { fill: #d9822b; } .cursor { fill: #0002; }
.mark { fill: #b02a37; } .peak { stroke: #8a8a8a; }
.budget { stroke: #b02a37; stroke-dasharray: 5 3; }
.key { display: inline-block; width: 1em; height: 0.8em; margin: 0 0.3em 0 1.2em; }
#hover { min-height: 3.2em; padding: 0.4em 0.8em; background: #f4f4f2; white-space: pre-wrap;
         font-family: ui-monospace, monospace; font-size: 12.5px; }
</style>
</head>
<body>
<h1>__TITLE__</h1>
<table>__SUMMARY__</table>
<h2>Bytes held during each computation
<svg class="key" viewBox="0 0 1 1"><rect class="first" width="1" height="1"/></svg>first evaluation
<svg class="key" viewBox="0 0 1 1"><rect class="again" width="1" height="1"/></svg>recomputation
</h2>
<svg id="timeline" role="img" aria-label="bytes held during each computation"></svg>
<div id="hover">Point at a computation, or walk with the arrow keys.</div>
<h2>Held at the peak</h2>
<table id="held">__HELD__</table>
<h2>Computed again</h2>
<table id="again">__AGAIN__</table>
<script>
"use strict";
const data = __DATA__;
const bars = data.bars, last = bars.length ? bars[bars.length - 1].end : 1;
const left = 130, wide = 950, high = 260, row = 16, top0 = 14;
const svg = document.getElementById("timeline"), hover = document.getElementById("hover");
svg.setAttribute("viewBox", `0 0 ${left + wide + 10} ${top0 + high + 24 + row * data.rows.length}`);
const most = 1.05 * Math.max(data.peak, data.budget || 0, 1);
const x = n => left + wide * n / last, y = b => top0 + high * (1 - b / most);
function draw(tag, attributes, text) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return svg.appendChild(node);
}
function bytes(n) {
  const k = n < 1e3 ? 0 : n < 1e6 ? 1 : n < 1e9 ? 2 : 3;
  return `${(n / 1000 ** k).toLocaleString("en", {maximumFractionDigits: k ? 1 : 0})} ` +
    ["B", "kB", "MB", "GB"][k];
}
function level(b, name, label) {
  draw("line", {x1: left, x2: left + wide, y1: y(b), y2: y(b), class: name});
  draw("text", {x: left - 6, y: y(b) + 4, "text-anchor": "end"}, label);
}
const under = top0 + high + 8;
for (const bar of bars) {
  const place = {x: x(bar.begin), width: x(bar.end) - x(bar.begin) + 0.05};
  const kind = bar.times > 1 ? "again" : "first";
  draw("rect", {...place, y: y(bar.held), height: top0 + high - y(bar.held), class: kind});
  draw("rect", {...place, y: under + row * bar.row + 2, height: row - 4, class: kind});
}
data.rows.forEach((line, k) =>
  draw("text", {x: left - 6, y: under + row * (k + 0.75), "text-anchor": "end"},
       line.length > 20 ? "…" + line.slice(-19) : line));
level(data.peak, "peak", `peak ${bytes(data.peak)}`);
if (data.budget && data.budget <= 2 * data.peak) {
  draw("line", {x1: left, x2: left + wide, y1: y(data.budget), y2: y(data.budget),
                class: "budget"});
  draw("text", {x: left + wide, y: y(data.budget) - 4, "text-anchor": "end"},
       `budget ${bytes(data.budget)}`);
}
if (bars.length) {
  const bar = bars.reduce((a, b) => b.held > a.held ? b : a);
  const middle = (x(bar.begin) + x(bar.end)) / 2, up = y(bar.held) - 2;
  draw("path", {d: `M${middle} ${up}l-5 -9h10z`, class: "mark"});
}
draw("text", {x: left - 6, y: top0 + high, "text-anchor": "end"}, "0");
const cursor = draw("rect", {class: "cursor", y: top0, width: 0,
                             height: high + 8 + row * data.rows.length});
let at = -1;
function show(k) {
  const bar = bars[at = Math.max(0, Math.min(bars.length - 1, k))];
  cursor.setAttribute("x", x(bar.begin));
  cursor.setAttribute("width", Math.max(1, x(bar.end) - x(bar.begin)));
  const many = bar.end - bar.begin > 1
    ? `, the one that holds most of computations ${bar.begin} to ${bar.end - 1}` : "";
  hover.textContent =
    `step ${bar.step}: ${bar.value} = ${bar.operation}   ${bar.line}   ` +
    `${bar.times > 1 ? `evaluation ${bar.times}` : "first evaluation"}${many}\\n` +
    `${bytes(bar.nbytes)} of its own, ${bytes(bar.held)} held, ` +
    `cost ${bar.cost.toLocaleString("en")}, ${(100 * bar.cost / data.cost).toFixed(2)} % of all`;
}
svg.addEventListener("pointermove", event => {
  const box = svg.getBoundingClientRect();
  const n = ((event.clientX - box.left) / box.width * (left + wide + 10) - left) / wide * last;
  if (n < 0 || n >= last) return;
  let low = 0, end = bars.length;
  while (end - low > 1) {
    const middle = (low + end) >> 1;
    if (bars[middle].begin <= n) low = middle; else end = middle;
  }
  show(low);
});
addEventListener("keydown", event => {
  const step = {ArrowLeft: -1, ArrowRight: 1}[event.key];
  if (step && bars.length) { show(at + step); event.preventDefault(); }
});
</script>
</body>
</html>
"""


def write_page(plan, path):
    """Save the page of `Plan.to_html`.

    Parameters
    ----------
    plan : Plan
    path : str or path
    """
    # What comes from the program (names, lines) is escaped; the JSON cannot close its script.
    data = json.dumps(_data(plan)).replace("<", "\\u003c")
    parts = {"TITLE": html.escape(f"Plan under {plan.policy!r}"), "SUMMARY": _summary(plan),
             "HELD": _held(plan), "AGAIN": _again(plan), "DATA": data}
    text = re.sub("__([A-Z]+)__", lambda found: parts[found[1]], _PAGE)
    Path(checked_path(path)).write_text(text, encoding="utf-8")


def _data(plan):
    shown = timeline(plan).grouped(GROUPS)
    labels, rows = rows_by_line(plan, shown, ROWS)
    columns = (column.tolist() for column in (*shown, rows))
    bars = []
    for step, region, held, times, begin, end, row in zip(*columns):
        x = plan.variable(region)
        bars.append({
            "step": step, "value": x.name, "operation": plan.operation(region), "line": x.line,
            "row": row, "times": times, "nbytes": int(plan.problem.nbytes[region]), "held": held,
            "cost": plan.problem.cost[region].item(), "begin": begin, "end": end,
        })
    return {
        "bars": bars, "rows": labels, "peak": plan.peak_bytes, "cost": max(plan.cost, 1),
        "budget": getattr(plan.policy, "nbytes", None),
    }


def _summary(plan):
    rows = [
        ("peak", f"{plan.peak_bytes:,} bytes = arena {plan.arena_bytes:,} + results "
                 f"{plan.result_bytes:,} + captured {plan.captured_bytes:,}"),
        ("live", f"{plan.live_bytes:,} bytes at the peak; beyond captured arrays, the rest is "
                 "packing and results not yet written"),
        ("overhead", f"{plan.overhead:.1%} of the cost of computing everything once"),
    ]
    if hasattr(plan.policy, "nbytes"):
        rows.append(("gap", f"{plan.gap:.1%} to a bound proven for plans of {plan.bound_family}"))
    return "".join(_row(row) for row in rows)


def _held(plan):
    total = max(1, plan.live_bytes + plan.captured_bytes)
    head = _row(("bytes", "share", "line", "what"), "th")
    return head + "".join(
        _row((format_bytes(part.nbytes), f"{part.nbytes / total:.1%}",
              part.line, operations_of(part)))
        for part in plan.peak_breakdown)


def _again(plan):
    if not plan.recomputed:
        return _row(("nothing",))
    head = _row(("times", "share of the cost", "line", "operation"), "th")
    return head + "".join(
        _row((f"{part.again:,}", f"{part.share:.1%}", part.line,
              f"{part.operation}, {len(part.values):,} values"))
        for part in plan.recomputed)


def _row(cells, tag="td"):
    numbers = len(cells) == 4       # the first two columns of the wide tables
    return "<tr>" + "".join(
        f"<{tag}{' class=n' if numbers and k < 2 else ''}>{html.escape(cell)}</{tag}>"
        for k, cell in enumerate(cells)) + "</tr>"
