# Every target makes its own virtual environment first; `make help` lists them.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
export PYTHONSAFEPATH := 1
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help venv demo test check format lint types imports schema lock campaign-crash campaign-properties

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 24

venv: $(STAMP) ## make the virtual environment

# With hashes pip wants the dependencies and the project itself in two steps.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "wardbridge needs Python 3.11 or newer; try: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "Python's venv is missing. On Debian: sudo apt-get install -y make git python3 python3-venv strace"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --require-hashes -r constraints.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

demo: $(STAMP) ## the main job: a morning at two hospitals, in the terminal
	$(BIN)/wardbridge demo

test: $(STAMP) ## all tests
	$(BIN)/python -m pytest

check: format-check lint types imports test ## all that CI runs

.PHONY: format-check
format-check: $(STAMP)
	$(BIN)/ruff format --check .

format: $(STAMP) ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix-only --quiet .

lint: $(STAMP) ## ruff, all rules minus a reasoned list
	$(BIN)/ruff check .

types: $(STAMP) ## mypy, strict, code and tests
	$(BIN)/mypy

imports: $(STAMP) ## who may import whom
	$(BIN)/lint-imports

schema: $(STAMP) ## write the JSON Schemas and the AsyncAPI document again
	$(BIN)/wardbridge schema --write

lock: ## pin the dependencies with hashes (needs network)
	env -u PIP_FIND_LINKS -u UV_FIND_LINKS $(BIN)/uv pip compile --quiet --universal --generate-hashes \
	  --python-version 3.11 --extra dev --no-emit-index-url --no-emit-find-links --no-header --upgrade \
	  --output-file constraints.txt pyproject.toml

campaign-crash: $(STAMP) ## 200 random SIGKILLs of the service under load
	WARDBRIDGE_KILLS=200 $(BIN)/python -m pytest tests/e2e/test_crash.py -s --timeout 5400

campaign-properties: $(STAMP) ## the invariants over many more histories
	HYPOTHESIS_PROFILE=campaign $(BIN)/python -m pytest tests/router tests/bus tests/hl7v2 tests/elvis -s --timeout 5400
