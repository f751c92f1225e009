"""The package as a whole: one version, imports that go one way, a light import, a small build."""

import os
import re
from pathlib import Path

import autodiff

ROOT = Path(__file__).resolve().parent.parent


def test_the_tested_package_is_the_installed_one():
    if os.environ.get("AUTODIFF_INSTALLED"):
        assert ROOT / "autodiff" != Path(autodiff.__file__).parent


def test_version_is_written_once():
    found = [
        path
        for pattern in ("*.toml", "*.py", "autodiff/**/*.py*")
        for path in ROOT.glob(pattern)
        if path.suffix in {".toml", ".py", ".pyx", ".pxd", ".pyi"}
        and re.search(rf'"{re.escape(autodiff.__version__)}"', path.read_text())
    ]
    assert found == [ROOT / "autodiff" / "__init__.py"]
