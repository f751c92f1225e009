"""What a plan says about itself: its peak by line, what it repeats, text, pictures and pages."""

import json
import re
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autodiff as ad
from autodiff.explain.breakdown import held_regions
from autodiff.explain.timeline import rows_by_line, timeline
from autodiff.planning.costbound import cost_bound
from random_graphs import build, recipes


def deep(layers=8, width=16, batch=64):
    """(function, arguments): value and gradient of a deep MLP."""
    rng = np.random.default_rng(0)
    Ws = [rng.standard_normal((width, width)).astype(np.float32) for _ in range(layers)]
    X = rng.standard_normal((batch, width)).astype(np.float32)
    y = rng.integers(0, width, batch)

    def cost(Ws, X, y):
        h = X
        for W in Ws:
            h = np.maximum(0, h @ W)
        return ad.nn.cross_entropy(h, y)

    return ad.value_and_grad(cost), (Ws, X, y)


def mixed(x, scale):
    """A function with workspace, views, captured arrays and values of many sizes."""
    a = np.tanh(x @ x.T)
    b = np.exp(a).sum(axis=0) * scale
    c = (a.T @ x).max(axis=1) + b
    return (np.sin(c) * np.cos(c) * np.linspace(0, 1, len(b))).sum()


def plans():
    """Plans of several programs under every policy."""
    f, args = deep()
    store = ad.plan(f, *args)
    for policy in ("store", "recompute", "checkpoint", ad.Budget(store.peak_bytes * 3 // 5, 0)):
        yield ad.plan(f, *args, policy=policy)
    for policy in ("store", "recompute", "checkpoint"):
        yield ad.plan(ad.grad(mixed), np.ones((6, 5)), 2.0, policy=policy)
        yield ad.plan(lambda x: (x, x.T, 3.0), np.ones((2, 3)), policy=policy)


ALL = list(plans())


def name_of(plan):
    return f"{type(plan.policy).__name__}-{len(plan.steps)}"


@pytest.mark.parametrize("plan", ALL, ids=name_of)
def test_the_breakdown_adds_up_to_the_live_bytes(plan):
    parts = plan.peak_breakdown
    assert sum(part.nbytes for part in parts) == plan.live_bytes + plan.captured_bytes
    assert [part.nbytes for part in parts] == sorted((p.nbytes for p in parts), reverse=True)
    for part in parts:
        assert all(x.line == part.line for x in part.values)
        assert sum(part.operations.values()) == len(part.values)
        assert (part.what == "workspace"
                or part.nbytes == sum(x.nbytes for x in part.values))
    captured = sum(part.nbytes for part in parts if part.what == "captured")
    assert captured == plan.captured_bytes


@pytest.mark.parametrize("plan", ALL, ids=name_of)
def test_what_is_held_adds_up_at_every_computation(plan):
    simulation, problem = plan.schedule.simulation, plan.problem
    for step, (action, region, _) in enumerate(plan.steps):
        if action == "compute":
            held = held_regions(plan.steps, simulation.taken, step)
            nbytes = problem.nbytes[held].sum() + problem.workspace[region]
            assert nbytes == simulation.live_bytes[step]
            assert region in held


def test_plans_work_in_place():
    assert any((plan.schedule.simulation.taken >= 0).any() for plan in ALL)


@settings(max_examples=25)
@given(recipes(12), st.sampled_from(["store", "recompute", "checkpoint"]))
def test_the_breakdown_adds_up_on_random_programs(recipe, policy):
    built = build(recipe)
    inputs = [x for x, _ in built.leaves]
    floats = [x for x in inputs if x.dtype.kind == "f"]
    outputs = [built.z.x, *(ad.gradients(built.z.x, floats) if floats else [])]
    plan = ad.Program(inputs, outputs, policy=policy).plan
    assert sum(part.nbytes for part in plan.peak_breakdown) == plan.live_bytes + plan.captured_bytes
    again = plan.schedule.evaluations.sum() - (plan.schedule.evaluations > 0).sum()
    assert sum(part.again for part in plan.recomputed) == again


@pytest.mark.parametrize("plan", ALL, ids=name_of)
def test_what_is_computed_again_is_counted_by_line_and_operation(plan):
    computes, again = {}, {}
    for action, region, _ in plan.steps:
        if action == "compute":
            key = plan.variable(region).line, plan.operation(region)
            if region in computes:
                again[key] = again.get(key, 0) + 1
            computes[region] = computes.get(region, 0) + 1
    assert {(part.line, part.operation): part.again for part in plan.recomputed} == again
    counts = {}
    for region, times in computes.items():
        for name, _ in plan.regions.operations(region):
            counts[name] = counts.get(name, 0) + times
    assert plan.evaluations == counts
    extra = sum(part.cost for part in plan.recomputed)
    assert plan.problem.total_cost + extra == plan.cost
    assert plan.overhead == pytest.approx(extra / plan.problem.total_cost)


def test_lines_are_the_users_own():
    plan = ad.plan(ad.grad(mixed), np.ones((6, 5)), 2.0)
    lines = {part.line for part in plan.peak_breakdown}
    first = mixed.__code__.co_firstlineno
    assert lines <= {f"test_explain.py:{first + k}" for k in range(2, 6)}


def test_regions_are_variables_of_the_graph():
    x = ad.variable("x", (3, 2))
    y = np.tanh(x)
    plan = ad.Program([x], [y.sum(), y.T]).plan
    found = {plan.variable(region) for _, region, _ in plan.steps}
    assert y in found
    assert all(v.graph is x.graph for v in found)
    assert "copy" in {plan.operation(region) for _, region, _ in plan.steps}


def test_a_region_that_is_none_is_refused():
    plan = ad.plan(np.tanh, np.ones(3))
    regions = plan.regions
    for ask in (plan.variable, plan.operation, regions.describe, regions.operations,
                regions.reads, regions.bytes_read):
        for region in (-1, len(plan.problem), 10**9, 2**40):
            with pytest.raises(ad.AutodiffError, match=f"region {region} of a program with"):
                ask(region)


def test_text_fits_a_screen_and_says_the_price():
    f, args = deep(layers=24)
    budget = ad.plan(f, *args).peak_bytes // 2
    text = str(ad.plan(f, *args, policy=ad.Budget(budget, time_limit=0)))
    rows = text.splitlines()
    assert len(rows) <= 50
    assert max(map(len, rows)) <= 110
    assert re.search(r"overhead +\d+\.\d%", text)
    assert re.search(r"bound .* has less than \d+\.\d%; +gap \d+\.\d%", text)
    assert re.search(r"one more MB +lowers the overhead to 0\.0%", text)
    assert re.search(r"held at the peak, step \d+", text)
    assert re.search(r"\d+ × +\d+\.\d% +test_explain\.py:\d+ +matmul", text)
    assert re.search(r"\.\.\. +\d+ more steps", text)


def test_one_more_megabyte_is_asked_for_under_budgets_only():
    f, args = deep()
    store = ad.plan(f, *args)
    assert store.one_more_megabyte is None
    assert "one more MB" not in str(store)
    plan = ad.plan(f, *args, policy=ad.Budget(store.peak_bytes * 3 // 5, time_limit=0))
    assert 0 < plan.overhead
    assert plan.one_more_megabyte == 0.0
    plenty = ad.plan(f, *args, policy="1GB")
    assert "one more MB" not in str(plenty), "it costs nothing already"


def test_the_bound_covers_the_budget_that_was_asked_for():
    # Packing takes bytes, so that the schedule is made for fewer: a bound proven for those would
    # exclude plans that the budget allows.
    f, args = deep()
    budget = ad.plan(f, *args).peak_bytes * 3 // 5
    plan = ad.plan(f, *args, policy=ad.Budget(budget, time_limit=0))
    for family in ("any order", "given first-execution order"):
        if plan.bound_family == family:
            assert plan.lower_bound <= cost_bound(
                plan.problem, budget - plan.captured_bytes, family)
    assert plan.gap == max(0, plan.cost / plan.lower_bound - 1)


@pytest.mark.parametrize("plan", ALL, ids=name_of)
def test_the_timeline_is_the_computations_in_order(plan):
    shown = timeline(plan)
    computes = [(k, region) for k, (action, region, _) in enumerate(plan.steps)
                if action == "compute"]
    assert list(zip(shown.step.tolist(), shown.region.tolist())) == computes
    regions = [region for _, region in computes]
    assert shown.times.tolist() == [regions[: k + 1].count(r) for k, r in enumerate(regions)]
    assert shown.held.max() == plan.live_bytes + plan.captured_bytes
    assert shown.step[shown.peak] == plan.schedule.simulation.peak_step


def test_neighbours_are_joined_and_keep_the_peak():
    plan = ALL[1]
    every = timeline(plan)
    for most in (1, 2, 7, 50, len(every.step)):
        shown = every.grouped(most)
        assert len(shown.step) <= most
        assert shown.begin[0] == 0
        assert shown.begin[1:].tolist() == shown.end[:-1].tolist()
        assert shown.end[-1] == len(every.step)
        for a, b, held in zip(shown.begin, shown.end, shown.held):
            assert held == every.held[a:b].max()


def test_lines_that_hold_little_share_a_row():
    plan = ad.plan(ad.grad(mixed), np.ones((6, 5)), 2.0)
    shown = timeline(plan)
    labels, row = rows_by_line(plan, shown, 20)
    assert [labels[k] for k in row] == [plan.variable(r).line for r in shown.region.tolist()]
    few, row = rows_by_line(plan, shown, 2)
    assert len(few) == 2
    assert few[1] == f"{len(labels) - 1} other lines"
    assert set(row.tolist()) == {0, 1}


def test_pictures_are_drawn(tmp_path):
    empty = ad.plan(ad.grad(lambda x: np.sin(x).sum()), np.ones((0, 3)))
    for k, plan in enumerate((ALL[1], ALL[5], empty)):
        plan.plot(tmp_path / f"{k}.png")
        assert (tmp_path / f"{k}.png").read_bytes().startswith(b"\x89PNG")
    ALL[3].plot(tmp_path / "plan.svg")
    assert (tmp_path / "plan.svg").read_text().rstrip().endswith("</svg>")
    empty.to_html(tmp_path / "plan.html")
    assert "captured" in str(empty)


def test_pictures_without_matplotlib_name_the_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"autodiff-budget\[plots\]") as caught:
        ALL[0].plot(tmp_path / "plan.png")
    assert isinstance(caught.value, ad.AutodiffError)


def test_the_page_stands_alone_and_tells_every_computation(tmp_path):
    plan = ALL[3]
    plan.to_html(tmp_path / "plan.html")
    page = (tmp_path / "plan.html").read_text()
    assert not re.search(r'(src|href)="(?!data:)|@import|url\(', page)
    data = json.loads(re.search(r"^const data = (.*);$", page, re.MULTILINE)[1])
    shown = timeline(plan)
    assert [bar["held"] for bar in data["bars"]] == shown.held.tolist()
    assert [bar["times"] for bar in data["bars"]] == shown.times.tolist()
    assert sum(bar["cost"] for bar in data["bars"]) == data["cost"] == plan.cost
    for bar in data["bars"]:
        _, region, _ = plan.steps[bar["step"]]
        assert bar["line"] == plan.variable(region).line
        assert bar["operation"] == plan.operation(region)
    assert data["peak"] == plan.peak_bytes
    assert data["budget"] == plan.policy.nbytes


def test_names_cannot_break_the_page(tmp_path):
    x = ad.variable("x", 3)
    y = np.tanh(x)
    y.name = "</script><b>__DATA__"
    ad.Program([x], [y.sum()]).plan.to_html(tmp_path / "plan.html")
    page = (tmp_path / "plan.html").read_text()
    assert page.count("</script>") == 1
    assert "<b>" not in page


def test_a_program_prints_what_its_regions_compute():
    with ad.Graph():
        x = ad.variable("x", (3, 4))
        h = np.tanh(x * 2 + 1)
        program = ad.Program([x], [h, (h * h).sum(), x.T])
    text = str(program).splitlines()
    assert text[0] == "program of 3 regions, 6 operations"
    assert "u3  float64[3, 4]  tanh(u2)" in text[1]
    assert text[2:4] == ["      u1 = multiply(x, 2.0)", "      u2 = add(u1, 1.0)"]
    assert "sum(u4; (0, 1), False)" in text[4]
    assert text[5].strip() == "u4 = multiply(u3, u3)"
    assert "copy(" in text[6]
    apart = str(ad.Program([x], [h], fuse=False)).splitlines()
    assert apart[0] == "program of 3 regions, 3 operations"
    assert len(apart) == 4


def test_a_long_program_prints_its_ends():
    x = y = ad.variable("x", 3)
    for _ in range(200):
        y = np.sin(y)
    text = str(ad.Program([x], [y], fuse=False)).splitlines()
    assert text[0] == "program of 200 regions, 200 operations"
    assert len(text) == 1 + 80 + 1
    assert "120 more" in text[41]
