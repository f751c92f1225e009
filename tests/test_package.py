"""The package as a whole: one version, imports that go one way, a light import, a small build."""

import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import autodiff
from autodiff.core.pool import GUARDED

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "autodiff"
INSTALLED = "AUTODIFF_INSTALLED" in os.environ

# From below to above. A module imports its own package and what is in the rows before its own.
LAYERS = [
    {"errors", "textbook"},
    {"core"},
    {"planning", "ops", "listing"},
    {"explain"},
    {"plans", "measured", "caches"},
    {"profiles"},
    {"fitting", "saved"},
    {"building"},
    {"programs", "transformed", "kept"},
    {"tracing", "speed"},
    {"pullbacks"},
    {"compiled", "marks", "transforms"},
    {"numpy", "jacobians", "frontiers", "random"},
    {"nn", "optim", "testing"},
]
# Some are held to less than their layer: the oracle of the tests must not share our mistakes, and
# planning must not come to depend on graphs.
ONLY = {
    "textbook": set(),
    "planning": {"planning", "errors", "core.steps", "core.allocate"},
}

IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+([.\w]+)[ \t]+c?import[ \t]+(\([^)]*\)|[^\n#]+)|c?import[ \t]+([.\w]+))",
    re.MULTILINE,
)


def modules():
    """Return the sources of each module: {dotted name below autodiff: [paths]}."""
    found = {}
    for path in sorted(SOURCES.rglob("*.p*")):
        if path.suffix in {".py", ".pyx", ".pxd"}:
            name = ".".join(path.relative_to(SOURCES).with_suffix("").parts)
            name = name.removesuffix("__init__").removesuffix(".")
            found.setdefault(name, []).append(path)
    return found


def imports(module, path, known):
    """Return the modules of ours, by dotted name below autodiff, that a source imports."""
    found = set()
    package = ["autodiff", *filter(None, module.split("."))]
    if path.stem != "__init__":
        package.pop()
    for source, names, plain in IMPORT.findall(path.read_text()):
        target = source or plain
        dots = len(target) - len(target.lstrip("."))
        if dots:
            target = ".".join([*package[: len(package) - dots + 1], target[dots:]]).rstrip(".")
        if target.split(".")[0] != "autodiff":
            continue
        target = target.removeprefix("autodiff").removeprefix(".")
        inner = {
            f"{target}.{name}".removeprefix(".")
            for name in re.findall(r"(\w+)(?:[ \t]+as[ \t]+\w+)?", names)
        }
        found |= inner & known.keys() or {target}
    return found


def test_the_tested_package_is_the_installed_one():
    if not INSTALLED:
        pytest.skip("run by make test")
    assert Path(autodiff.__file__).parent != SOURCES


def test_every_module_has_a_layer():
    tops = {module.split(".")[0] for module in modules()} - {""}
    assert not tops - set.union(*LAYERS), "say in LAYERS where they stand"


def test_imports_go_one_way():
    known = modules()
    wrong = []
    for module, paths in known.items():
        top = module.split(".")[0]
        if not top:
            continue
        below = set().union(*LAYERS[: [top in layer for layer in LAYERS].index(True)])
        for imported in set().union(*(imports(module, path, known) for path in paths)):
            allowed = imported.split(".")[0] in below | {top}
            if top in ONLY:
                allowed = any(f"{imported}.".startswith(f"{name}.") for name in ONLY[top])
            if not allowed:
                wrong.append(f"{module} imports {imported or 'autodiff'}")
    assert not wrong, "\n".join(wrong)


def test_imports_are_seen():
    known = modules()
    assert imports("core.pool", SOURCES / "core/pool.pyx", known) == {"errors"}
    assert "core.allocate" in imports("core.bestfit", SOURCES / "core/bestfit.pyx", known)
    assert {"core.arena", "errors"} <= imports("", SOURCES / "__init__.py", known)


def test_version_is_written_once():
    found = [
        path
        for path in [*ROOT.glob("*.toml"), *ROOT.glob("*.py"), *SOURCES.rglob("*.py*")]
        if path.suffix in {".toml", ".py", ".pyx", ".pxd", ".pyi"}
        and re.search(rf"""["']{re.escape(autodiff.__version__)}["']""", path.read_text())
    ]
    assert found == [SOURCES / "__init__.py"]
    if INSTALLED:
        assert importlib.metadata.version("autodiff-budget") == autodiff.__version__


def test_import_loads_nothing_heavy():
    program = (
        "import sys, numpy as np, autodiff as ad\n"
        "f = ad.compile(ad.value_and_grad(lambda x, s: (x * np.ones(3) * s).sum()))\n"
        "f(np.ones(6)[::2], 2.0)\n"
        "print(*sorted(sys.modules))")
    command = [sys.executable, *(["-P"] if INSTALLED else []), "-c", program]
    where = ROOT / "tests" if INSTALLED else ROOT
    loaded = subprocess.run(command, capture_output=True, text=True, check=True, cwd=where).stdout
    heavy = {"scipy", "Cython", "matplotlib", "tqdm", "sklearn", "hypothesis", "pytest", "numpy.ma"}
    assert {"autodiff", "numpy"} <= set(loaded.split())
    assert not heavy & set(loaded.split())


@pytest.mark.skipif(GUARDED, reason="the debug build carries symbols")
def test_the_built_package_is_small():
    shipped = {".py", ".pyi", ".pxd", ".h", ".so", ".pyd"}
    built = [path for path in Path(autodiff.__file__).parent.rglob("*") if path.suffix in shipped]
    assert len([path for path in built if path.suffix in {".so", ".pyd"}]) >= 4
    assert sum(path.stat().st_size for path in built) <= 5_000_000


def test_every_compiled_module_is_installed_and_no_other():
    package = Path(autodiff.__file__).parent
    built = {
        f"{path.parent.relative_to(package).as_posix()}/{path.name.split('.')[0]}"
        for path in package.rglob("*")
        if path.suffix in {".so", ".pyd"}
    }
    sources = {
        path.relative_to(SOURCES).with_suffix("").as_posix() for path in SOURCES.rglob("*.pyx")
    }
    # Cython's code for memoryviews, which setup.py makes a module of its own.
    assert built == sources | {"core/_shared"}


def test_types_are_shipped():
    package = Path(autodiff.__file__).parent
    assert (package / "py.typed").exists()
    for path in SOURCES.rglob("*.pyi"):
        assert (package / path.relative_to(SOURCES)).exists()
