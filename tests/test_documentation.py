"""What the documentation says runs: the README's code, and every example of a docstring."""

import doctest
import importlib
import pkgutil
import re
import tomllib
import warnings
from pathlib import Path

import numpy as np
import pytest

import autodiff as ad
from autodiff.numpy import protocols

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
    shown = capsys.readouterr().out
    assert "more work" in shown
    printed, = re.findall(r"```text\n(.*?)```", README.read_text(), re.DOTALL)
    assert printed in shown


def listed(title):
    """The names that the README lists under a title in bold, in the order of the list."""
    paragraph, = re.findall(rf"\*\*{title}\*\*[^:]*: (.*?)\n\n", README.read_text(), re.DOTALL)
    return re.findall(r"`(\w+)`", paragraph)


def test_the_readme_lists_the_names_of_numpy_that_are_known():
    known = {*protocols.UFUNCS, *protocols.FUNCTIONS}
    functions = [name for name, f in vars(np).items()
                 if callable(f) and not isinstance(f, type) and f in known]
    assert listed("Functions") == sorted(functions)
    own = {name for name in vars(ad.Variable) if hasattr(np.ndarray, name) and name[0] != "_"}
    assert listed("Methods and attributes") == sorted(own)
    assert listed("Beyond NumPy") == sorted(
        name for name in ad.numpy.__all__ if not hasattr(np, name))


def test_the_extras_of_the_readme_exist():
    settings = tomllib.loads((README.parent / "pyproject.toml").read_text())
    table = README.read_text().partition("| extra |")[2].partition("\n\n")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named == settings["project"]["optional-dependencies"].keys()


def test_where_traced_code_differs_from_numpy():
    v, A = np.array([1.0, 2.0, 3.0]), np.ones((2, 2))

    def other_name(v):
        w = v
        w += 1
        return (v * v).sum()

    def view(v):
        inner = v[1:]
        inner *= 10
        return (v * v).sum()

    def rows(A):
        for r in A:
            r /= r.sum()
        return (A * A).sum()

    for f, x in ((other_name, v), (view, v), (rows, A)):
        np.testing.assert_array_equal(ad.grad(f)(x), 2 * x)
    settings = {"scale": 2.0}
    step = ad.compile(lambda x: x * settings["scale"] + np.random.random())
    first = step(1.0)
    settings["scale"] = 3.0
    assert step(1.0) == first
    assert ad.grad(lambda x: int(x) * x)(2.5) == 2.0


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
