"""What the documentation says runs: the README's code, and every example of a docstring."""

import doctest
import importlib
import pkgutil
import re
import warnings
from pathlib import Path

import numpy as np
import pytest

import autodiff as ad

README = Path(__file__).parent.parent / "README.md"
MODULES = sorted(
    module.name for module in pkgutil.walk_packages(ad.__path__, "autodiff.")
    if not module.name.split(".")[-1].startswith("_"))


def test_the_code_of_the_readme_runs(capsys):
    names = {}
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(blocks) >= 4
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    assert "more work" in capsys.readouterr().out


def examples_of(module):
    """The doctests of a module, those of compiled functions and classes included."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    names = {"np": np, "ad": ad}
    found = {test.name: test for test in finder.find(module, extraglobs=names) if test.examples}
    for name, value in vars(module).items():
        if getattr(value, "__module__", None) == module.__name__ and not name.startswith("_"):
            for test in finder.find(value, f"{module.__name__}.{name}", module=False,
                                    globs={**vars(module), **names}):
                if test.examples:
                    found.setdefault(test.name, test)
    return list(found.values())


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_docstrings(name):
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ad.GradientWarning)
        for test in examples_of(importlib.import_module(name)):
            runner.run(test)
    assert runner.failures == 0


def test_every_public_name_is_documented_with_an_example():
    missing = []
    for name in ad.__all__:
        value = getattr(ad, name)
        if isinstance(value, type) and issubclass(value, (Exception, Warning)):
            assert value.__doc__, name
        elif callable(value) and ">>>" not in (value.__doc__ or ""):
            missing.append(name)
    assert missing == []
