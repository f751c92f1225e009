"""The sources pass the linters, and the stubs say what the built modules are.

`make lint` runs this file, so the commands are written here only. Without the tools (the extra
`lint`) the tests are skipped, except under `make test`.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
INSTALLED = "AUTODIFF_INSTALLED" in os.environ

# Names of a compiled module that no stub mentions, or whose signature cannot be seen.
CYTHON = r"""
.*\.__pyx_.*
.*\.__test__
.*\.__reduce__
.*\.__setstate__
.*\.__init__
"""


def run(tool, *arguments, cwd=ROOT):
    """Run an installed tool in the checkout and fail with what it prints."""
    # Not through PATH alone: the tools of this Python, which cython-lint asks for pycodestyle.
    beside = Path(sys.executable).parent
    if not (beside / tool).exists() and not INSTALLED:
        pytest.skip(f"{tool} is not installed")
    path = os.pathsep.join([str(beside), os.environ.get("PATH", "")])
    result = subprocess.run(
        [beside / tool, *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PATH": path},
    )
    if result.returncode != 0:
        pytest.fail(result.stdout + result.stderr, pytrace=False)


def files(*patterns):
    """Return the paths, from the checkout, that match."""
    return sorted(path.relative_to(ROOT) for pattern in patterns for path in ROOT.glob(pattern))


def test_ruff():
    folders = files("*.py", "autodiff", "tests", "examples", "benchmarks")
    run("ruff", "check", "--quiet", "--no-cache", "--output-format", "concise", *folders)


def test_cython_lint():
    run("cython-lint", *files("autodiff/**/*.pyx", "autodiff/**/*.pxd"))


def test_stubs_are_sound():
    run("mypy", "--cache-dir", os.devnull, *files("autodiff/**/*.pyi"))


def test_stubs_are_what_was_built(tmp_path):
    # Elsewhere than in the checkout: there mypy would read its sources, not the built package.
    if not INSTALLED:
        pytest.skip("run by make test")
    allowed = tmp_path / "allowed"
    allowed.write_text(CYTHON)
    settings = ROOT / "pyproject.toml"
    names = [".".join(path.with_suffix("").parts) for path in files("autodiff/**/*.pyi")]
    modules = [name.removesuffix(".__init__") for name in names]
    run(
        "stubtest",
        *modules,
        *("--allowlist", allowed, "--ignore-unused-allowlist", "--ignore-disjoint-bases"),
        *("--mypy-config-file", settings),
        cwd=tmp_path,
    )


def test_every_compiled_module_has_a_stub():
    stubs = files("autodiff/**/*.pyi")
    missing = [
        str(path) for path in files("autodiff/**/*.pyx") if path.with_suffix(".pyi") not in stubs
    ]
    assert missing == []
