# One command for each thing one does with the checkout; all of it lives in $(VENV) and build/.
#
#   make train   train the MLP on real data        make test    the tests, on the installed package
#   make debug   the same tests, checks compiled   make lint    ruff, cython-lint, mypy, stubtest
#   make test ARGS="-k arena -x"                   one test, any option of pytest
#   make regressions    times of small kernels     make bench   the sweep of memory policies
#   make peers          the same work in others    make deep    a deep MLP beside peers
#   make page-check     a plan's page, in Chromium
#
# The first call makes $(VENV) and installs what is needed; later calls rebuild what has changed.

PYTHON ?= python3
VENV ?= .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check -q
BUILD := $(if $(filter 1,$(AUTODIFF_DEBUG)),build/debug,build)
EXTRAS := examples tests benchmarks lint

# -P and another directory: the checkout's autodiff/ cannot be imported, only the installed one.
PYTEST := cd tests && AUTODIFF_INSTALLED=1 ../$(PY) -P -m pytest

SOURCES := $(shell find autodiff -name '*.py' -o -name '*.py[ix]' -o -name '*.pxd' -o -name '*.h' \
             -o -name py.typed | LC_ALL=C sort)

define REQUIREMENTS
import sys, tomllib
with open("pyproject.toml", "rb") as file:
    settings = tomllib.load(file)
project = settings["project"]
wanted = settings["build-system"]["requires"] + project["dependencies"]
for extra in sys.argv[1:]:
    wanted += project["optional-dependencies"][extra]
print("\n".join(wanted))
endef
export REQUIREMENTS

.PHONY: help train test long debug lint mutants bench peers deep regressions page-check sdist-check install clean
help:
	@sed -n '1,/^$$/p' Makefile

train: install
	$(PY) examples/train_mlp.py $(ARGS)

test: install
	$(PYTEST) $(ARGS)

long: install
	$(PYTEST) -m long $(ARGS)

debug:
	AUTODIFF_DEBUG=1 $(MAKE) test VENV=.venv-debug

lint: install
	$(PYTEST) -q test_lint.py

mutants: install
	$(PY) tests/mutants.py $(ARGS)

bench: install
	$(PY) benchmarks/policy_sweep.py $(ARGS)

peers: install $(VENV)/peers
	$(PY) benchmarks/peers.py $(ARGS)

deep: install $(VENV)/peers
	$(PY) benchmarks/deep_mlp.py $(ARGS)

# PyTorch and JAX are large, so only what compares with them asks for them.
$(VENV)/peers: $(VENV)/made
	$(PY) -c "$$REQUIREMENTS" peers > $(VENV)/peers.txt
	$(PIP) install -r $(VENV)/peers.txt
	touch $@

# Times of small kernels, saved below build/; ARGS="--benchmark-compare" shows them beside the last.
regressions: install
	cd tests && AUTODIFF_INSTALLED=1 ../$(PY) -P -m pytest ../benchmarks/regressions \
	  --benchmark-storage=../build/regressions --benchmark-autosave \
	  --benchmark-columns=median,iqr,rounds --benchmark-sort=name $(ARGS)

# A plan's page in headless Chromium; says how to get one where there is none.
page-check: install
	$(PY) tests/page_check.py

# What a user gets who has the archive, pip and a compiler: no checkout, no git, pip's own build.
sdist-check: $(VENV)/made
	rm -rf build/sdist && mkdir -p build/sdist
	$(PY) -c 'from setuptools.build_meta import build_sdist; build_sdist("build/sdist")'
	unpacked=$$(mktemp -d) && trap "rm -rf $$unpacked" EXIT && \
	tar xzf build/sdist/*.tar.gz -C $$unpacked --strip-components=1 && \
	$(PYTHON) -m venv $$unpacked/$(VENV) && \
	$$unpacked/$(PIP) install build/sdist/*.tar.gz -r $(VENV)/requirements.txt && \
	cd $$unpacked && $(PYTEST) $(ARGS)

install: $(VENV)/installed

$(VENV)/made: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PY) -c "$$REQUIREMENTS" $(EXTRAS) > $(VENV)/requirements.txt
	$(PIP) install -r $(VENV)/requirements.txt
	touch $@

# Without build isolation the build happens in build/, so only changed modules are compiled again.
$(VENV)/installed: $(VENV)/made $(VENV)/sources setup.py $(SOURCES)
	$(PIP) install --force-reinstall --no-deps --no-build-isolation .
	touch $@

# The list of sources: when a file comes or goes, what was built from the old list is dropped.
$(VENV)/sources: $(VENV)/made FORCE
	@echo $(SOURCES) | cmp -s - $@ || { rm -rf $(BUILD)/lib*; echo $(SOURCES) > $@; }

.PHONY: FORCE
FORCE:

clean:
	rm -rf build dist .venv .venv-debug *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find autodiff tests examples benchmarks \( -name '*.so' -o -name __pycache__ \) -prune \
	  -exec rm -rf {} +
