# Two commands for everybody: `make demo` and `make test`. They set everything up themselves
# (Python 3.11 or newer and make are enough: no server, no root, no compiler).
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3; do command -v $$p >/dev/null 2>&1 && $$p -c 'import sys,venv; sys.exit(sys.version_info < (3,11))' 2>/dev/null && { echo $$p; break; }; done)
VENV ?= .venv
BIN := $(VENV)/bin
PIPOPT := --disable-pip-version-check --no-input -q
PIPREQ := install --require-hashes --only-binary :all: -r requirements.lock

.PHONY: demo test setup lint style types layers bench soak readme lock clean

demo: $(VENV)/.ok
	$(BIN)/calpatch demo

# As many processes as there are cores; `make test ARGS="-n 0 -x tests/unit"` for a closer look.
test: $(VENV)/.ok
	$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

# For those who want `calpatch` itself: `make setup && . .venv/bin/activate`.
setup: $(VENV)/.ok

lint: style types layers

style: $(VENV)/.ok
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.ok
	$(BIN)/mypy

layers: $(VENV)/.ok
	$(BIN)/lint-imports --no-cache

bench: $(VENV)/.ok
	$(BIN)/python -m tests.benchmarks $(ARGS)

# A large campaign while everything around it fails: processes, links, servers, the API itself.
MINUTES ?= 10
soak: $(VENV)/.ok
	$(BIN)/python -m tests.faults.soak --minutes $(MINUTES) $(ARGS)

# README's tables of settings and codes, and the defaults in .env.example, from the code.
readme: $(VENV)/.ok
	$(BIN)/python -m tests.packaging.readme

# `venv --without-pip` and `pip --python` skip the five seconds that ensurepip takes; a Python
# that has no pip of its own (some distributions), or one before 22.3, gets the slower way.
# Not made again for each change of pyproject.toml: what is installed is what the lock names.
$(VENV)/.ok: requirements.lock
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed (make PYTHON=/path/to/python3)" >&2; exit 1; }
	@echo "Setting up $(VENV) (once, about a minute) ..." >&2
	@rm -rf $(VENV)
	@if $(PYTHON) -m pip --python $(PYTHON) --version >/dev/null 2>&1; then \
	  $(PYTHON) -m venv --without-pip $(VENV) && $(PYTHON) -m pip $(PIPOPT) --python $(BIN)/python $(PIPREQ) \
	  && $(PYTHON) -m pip $(PIPOPT) --python $(BIN)/python install --no-deps --no-build-isolation --no-index -e .; \
	else $(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip $(PIPOPT) $(PIPREQ) \
	  && $(BIN)/python -m pip $(PIPOPT) install --no-deps --no-build-isolation --no-index -e .; fi
	@touch $@

# For maintainers: uv writes locks for all platforms, with hashes and without addresses: one with
# everything for development, and the parts of it that the container image needs.
UVLOCK = env -u UV_INDEX -u UV_INDEX_URL -u UV_EXTRA_INDEX_URL -u UV_DEFAULT_INDEX .venv-lock/bin/uv pip compile -q \
  --universal --python-version 3.11 --no-header --no-annotate --generate-hashes --only-binary :all:
lock:
	$(PYTHON) -m venv .venv-lock && .venv-lock/bin/python -m pip $(PIPOPT) install uv
	$(UVLOCK) --group dev pyproject.toml -o requirements.lock
	$(UVLOCK) -c requirements.lock pyproject.toml -o deploy/requirements.lock
	echo hatchling | $(UVLOCK) -c requirements.lock - -o deploy/build.lock
	rm -rf .venv-lock
	! grep -n '://' requirements.lock deploy/*.lock

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .benchmarks .coverage* dist
