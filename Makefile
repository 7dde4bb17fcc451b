# Everything a newcomer needs: `make demo`, `make test`, `make up`, `make clean`.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SOURCES := pyproject.toml requirements/dev.lock

# Modules of somebody else's Python are none of ours.
unexport PYTHONPATH PYTHONHOME

.PHONY: help install demo up test lint types contracts unit smoke bench fuzz clean
.DEFAULT_GOAL := help

help:
	@echo "make demo   run the whole product once, from an app directory to a torn-down install"
	@echo "make up     start Exclave here and keep it running"
	@echo "make test   lint, types, import contracts, tests"
	@echo "make bench  the figures (python -m benchmarks)"
	@echo "make clean  remove what the others made"

install: $(STAMP)

$(STAMP): $(SOURCES)
	@command -v $(PYTHON) >/dev/null 2>&1 || { \
		echo "$(PYTHON) is not on PATH: install Python 3.11 or newer (Debian, Ubuntu: apt-get install python3 python3-venv) or name it, e.g. make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "exclave needs Python 3.11 or newer, $(PYTHON) is older: install one (Debian, Ubuntu: apt-get install python3 python3-venv) or name it, e.g. make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
		echo "$(PYTHON) has no venv module: install it (Debian, Ubuntu: apt-get install python3-venv)" >&2; exit 2; }
	@echo "installing into $(VENV) (hash-pinned, once) ..." >&2
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock || { \
		echo "the dependencies could not be installed: pip says why above. Behind a proxy or a mirror set HTTPS_PROXY or PIP_INDEX_URL; then the same command again" >&2; exit 2; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index -e .
	@touch $(STAMP)

demo: $(STAMP)
	@$(BIN)/exclave demo

up: $(STAMP)
	@$(BIN)/exclave up

test: lint types contracts unit smoke

lint: $(STAMP)
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks

types: $(STAMP)
	$(BIN)/mypy

contracts: $(STAMP)
	$(BIN)/lint-imports

unit: $(STAMP)
	$(BIN)/pytest -n auto --dist loadgroup

# A smoke test on every other Python from 3.11 to 3.13 that this machine has.
smoke: $(STAMP)
	@$(BIN)/python tests/smoke.py

# The figures, short: each beside a bound measured in the same run.
bench: $(STAMP)
	@$(BIN)/python -m benchmarks B01 B02 B03 B05 B06 B13 --short

clean:
	rm -rf $(VENV) .venv-smoke-* build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Long form: mutate configurations and templates for five minutes each (atheris where it is installed).
fuzz: $(STAMP)
	@$(BIN)/python tests/config/fuzz.py loader --seconds 300
	@$(BIN)/python tests/config/fuzz.py template --seconds 300
