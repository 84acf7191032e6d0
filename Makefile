# Two commands for everybody: `make demo` and `make test`. They set everything up themselves
# (Python 3.11 or newer and make are enough: no server, no root, no compiler).
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3; do command -v $$p >/dev/null 2>&1 && $$p -c 'import sys,venv; sys.exit(sys.version_info < (3,11))' 2>/dev/null && { echo $$p; break; }; done)
VENV ?= .venv
BIN := $(VENV)/bin
PIPOPT := --disable-pip-version-check --no-input -q
PIPREQ := install --require-hashes --only-binary :all: -r requirements.lock

.PHONY: demo test lint lock bench clean

demo: $(VENV)/.ok
	$(BIN)/calpatch demo

test: $(VENV)/.ok
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.ok
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(VENV)/.ok
	$(BIN)/python -m tests.benchmarks $(ARGS)

# `venv --without-pip` and `pip --python` skip the five seconds that ensurepip takes; a Python
# that has no pip of its own (some distributions) gets the slower way.
$(VENV)/.ok: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed (make PYTHON=/path/to/python3)" >&2; exit 1; }
	@echo "Setting up $(VENV) (once, about a minute) ..." >&2
	@rm -rf $(VENV)
	@if $(PYTHON) -m pip --version >/dev/null 2>&1; then \
	  $(PYTHON) -m venv --without-pip $(VENV) && $(PYTHON) -m pip $(PIPOPT) --python $(BIN)/python $(PIPREQ) \
	  && $(PYTHON) -m pip $(PIPOPT) --python $(BIN)/python install --no-deps --no-build-isolation --no-index -e .; \
	else $(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip $(PIPOPT) $(PIPREQ) \
	  && $(BIN)/python -m pip $(PIPOPT) install --no-deps --no-build-isolation --no-index -e .; fi
	@touch $@

# For maintainers: uv writes one lock for all platforms, with hashes and without addresses.
lock:
	$(PYTHON) -m venv .venv-lock && .venv-lock/bin/python -m pip $(PIPOPT) install uv
	env -u UV_INDEX -u UV_INDEX_URL -u UV_EXTRA_INDEX_URL -u UV_DEFAULT_INDEX .venv-lock/bin/uv pip compile -q \
	  --universal --python-version 3.11 --no-header --no-annotate --generate-hashes --only-binary :all: \
	  --group dev pyproject.toml -o requirements.lock
	rm -rf .venv-lock
	! grep -n '://' requirements.lock

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
