# Every target sets up what it needs. `make demo` and `make test` are all that a new machine with Python >= 3.11 needs.
VENV ?= .venv
BIN := $(VENV)/bin
# the first Python that is new enough and can make environments
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 /usr/bin/python3; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

.PHONY: demo test test-exhaustive test-clusters test-all test-tensorflow test-versions package lint bench format clean

# The oldest versions that pyproject.toml allows, and the newest that exist, on the newest Python that is here.
OLDEST := jax==0.8.0 jaxlib==0.8.0 keras==3.12.0
NEWEST_PYTHON ?= $(shell for p in python3.14 python3.13 python3.12 $(HOME)/.pyenv/versions/3.13.*/bin/python \
	$(HOME)/.pyenv/versions/3.12.*/bin/python $(PYTHON); do \
	$$p -c 'import venv, ensurepip' 2>/dev/null && echo $$p && break; done)

demo: $(VENV)/.installed
	$(BIN)/paceline demo

# What changes are tested with: every behaviour, in less than eight minutes on two cores.
test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal -m 'not exhaustive'

# The rest: what repeats a promise over many cases; and such tests of clusters and engines, which start processes of their own.
CLUSTERS := $(foreach kind,ray ray_networks remote remote_networks processes engines pool_engines pools, \
	tests/execute/test_execute_$(kind).py)
test-exhaustive: $(VENV)/.installed-dev
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal -m exhaustive $(addprefix --ignore=,$(CLUSTERS))

test-clusters: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m exhaustive $(CLUSTERS)

test-all: test test-exhaustive test-clusters

# The tests of data of TensorFlow and PyTorch, which are too large for the environment of all others. Without a version
# of torch pip may take one for GPUs, of several GB.
test-tensorflow: .venvs/tensorflow/.installed
	.venvs/tensorflow/bin/python -m pytest tests/data/test_data_tensorflow.py tests/data/test_data_torch.py \
		tests/compat/test_compat_tensorflow.py

.venvs/tensorflow/.installed: pyproject.toml
	$(PYTHON) -m venv .venvs/tensorflow
	.venvs/tensorflow/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]' tensorflow-cpu torch==2.13.0
	touch $@

test-versions: .venvs/oldest/.installed .venvs/newest/.installed
	for each in oldest newest; do \
		.venvs/$$each/bin/python -c 'import jax, keras, sys; print(*sys.version_info[:2], jax.__version__, keras.__version__)'; \
		.venvs/$$each/bin/python -m pytest --numprocesses 2 --dist worksteal || exit 1; \
	done

.venvs/oldest/.installed: pyproject.toml
	$(PYTHON) -m venv .venvs/oldest
	.venvs/oldest/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]' $(OLDEST)
	touch $@

.venvs/newest/.installed: pyproject.toml
	$(NEWEST_PYTHON) -m venv .venvs/newest
	.venvs/newest/bin/python -m pip install --quiet --disable-pip-version-check --upgrade --editable '.[dev]'
	touch $@

# The sdist, the wheel made from it, and the demo in an environment that has this wheel and nothing else of ours.
package: $(VENV)/.installed-dev
	rm -rf dist .venvs/package
	$(BIN)/python -m hatchling build -t sdist -d dist
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist dist/*.tar.gz
	$(BIN)/python -m venv .venvs/package
	.venvs/package/bin/python -m pip install --quiet --disable-pip-version-check dist/*.whl
	.venvs/package/bin/python -m pip check
	cd .venvs/package && bin/paceline --version && bin/paceline demo

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks.run $(BENCH)

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .venvs build dist

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with venv was not found; install it, or run: make PYTHON=/path/to/python"; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.installed-dev: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@ $(VENV)/.installed
