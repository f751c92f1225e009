"""Hot loops are C: the annotated listing of Cython shows no Python in any of their lines.

All functions declared `noexcept nogil` are looked at, in every module. HOT names the ones that
must be among them: the loops that run once per node, step, instruction or buffer.
"""

import re
import runpy
from pathlib import Path

import pytest

pytest.importorskip("Cython")
from Cython.Build import cythonize  # noqa: E402
from setuptools import Extension  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
PYX = sorted((ROOT / "autodiff").rglob("*.pyx"))

HOT = {
    "core/bestfit": ["find_gap", "list_conflicts", "place_in_order"],
    "core/fewest": ["fewest_moves"],
    "core/freelist": ["find", "give", "place_kind", "take"],
    "core/fuse": ["choose"],
    "core/gather": ["gather", "take_in"],
    "core/mending": ["mend"],
    "core/moves": ["clear_top", "open_gap", "place_moving", "take_gap"],
    "core/nodes": ["add", "among_readers", "hash_node", "is_same", "look_up", "put"],
    "core/program": ["execute"],
    "core/steps": ["reverse"],
    "core/sweep": ["mark"],
    "core/threads": ["parallel"],
    "planning/anneal": ["evict", "move", "recompute", "relocate", "run", "take_out"],
    "planning/greedy": ["choose", "compute", "ensure", "next_use", "price", "walk"],
    "planning/lifetimes": ["last_use", "walk_back"],
    "planning/passes": ["compute", "make", "sweep", "want"],
    "planning/reorder": ["schedule"],
    "planning/simulator": ["run", "takeover"],
    "planning/states": ["estimate", "expand", "find", "make_room", "reach", "run"],
    "planning/timeline": ["insert", "last_use", "life_at", "remove", "undo"],
}

HEAD = re.compile(r"^( *)cdef (?:inline )?[^=\n]*?(\w+)\(")
SCORE = re.compile(r'<pre class="cython line score-(\d+)"[^>]*>.*?<span class="">(\d+)</span>')


def nogil_functions(source):
    """Return {name: range of line numbers, from 1} of the functions `noexcept nogil`."""
    lines = source.splitlines()
    found = {}
    for start, line in enumerate(lines):
        head = HEAD.match(line)
        if not head or "extern" in line:
            continue
        body = start
        while not re.search(r"\)[^()]*:\s*$|\)\s*$", lines[body]):
            body += 1
        if "noexcept nogil:" not in lines[body]:
            continue
        end = body + 1
        while end < len(lines) and re.match(rf"{head[1]} +\S|\s*$", lines[end]):
            end += 1
        found[head[2]] = range(start + 1, end + 1)
    return found


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    """Return {module: {line: score}} from the annotated listings, built as the package is."""
    build = tmp_path_factory.mktemp("annotated")
    directives = runpy.run_path(ROOT / "setup.py", run_name="setup")["DIRECTIVES"]
    wanted = [path for path in PYX if nogil_functions(path.read_text())]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in wanted]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        cythonize(
            [Extension(name, [str(path.relative_to(ROOT))]) for name, path in zip(names, wanted)],
            compiler_directives={**directives, "boundscheck": False, "initializedcheck": False},
            annotate=True,
            force=True,
            quiet=True,
            nthreads=2,
            build_dir=str(build),
        )
    return {
        path.relative_to(ROOT / "autodiff").with_suffix("").as_posix(): {
            int(line): int(score)
            for score, line in SCORE.findall(
                (build / path.relative_to(ROOT)).with_suffix(".html").read_text()
            )
        }
        for path in wanted
    }


def test_the_listings_are_complete(scores):
    for module, lines in scores.items():
        source = (ROOT / "autodiff" / module).with_suffix(".pyx").read_text().splitlines()
        assert sorted(lines) == list(range(1, len(source) + 1)), module
    assert any(score > 0 for lines in scores.values() for score in lines.values())


@pytest.mark.parametrize("module", HOT)
def test_hot_loops_are_looked_at(module):
    source = (ROOT / "autodiff" / module).with_suffix(".pyx").read_text()
    missing = set(HOT[module]) - set(nogil_functions(source))
    assert not missing, f"{module}.pyx has no function `noexcept nogil` of these names"


def test_no_line_of_a_nogil_function_touches_python(scores):
    yellow = [
        f"{module}.pyx:{line} ({name}, score {scores[module][line]})"
        for module in scores
        for name, lines in nogil_functions(
            (ROOT / "autodiff" / module).with_suffix(".pyx").read_text()
        ).items()
        for line in lines
        if scores[module][line] > 0
    ]
    assert not yellow, "\n".join(yellow)
