# Every target makes its own virtual environment first; `make help` lists them.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# `adapters/<name>` must never shadow a dependency of the same name.
export PYTHONSAFEPATH := 1
# Else each process that a test starts would compile everything again.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CANDIDATES := python3 python3.14 python3.13 python3.12 python3.11
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in $(CANDIDATES); do $$p -c '$(NEW_ENOUGH)' 2>/dev/null && echo $$p && break; done)
APT := sudo apt-get install -y make git python3 python3-venv
APT_TESTS := sudo apt-get install -y strace openjdk-17-jre-headless maven chromium chromium-driver
PYTEST = $(BIN)/python -m pytest
SIDE_BY_SIDE := -n 3 --dist loadfile --no-loadscope-reorder
CAMPAIGN := WARDBRIDGE_CAMPAIGN=1
LONG := -s --timeout 7200
COMPILE = env -u PIP_FIND_LINKS -u UV_FIND_LINKS $(BIN)/uv pip compile --quiet --universal \
  --generate-hashes --python-version 3.11 --no-config --no-header --no-emit-index-url \
  --no-emit-find-links

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 24

.PHONY: venv
venv: $(STAMP) ## make or refresh the virtual environment

# With hashes pip wants the dependencies and the project itself in two steps. An environment that
# is there already is refreshed in place.
$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" && "$(PYTHON)" -c '$(NEW_ENOUGH)' || \
	  { echo "wardbridge needs Python 3.11 or newer. On Debian 12 or newer: $(APT)"; \
	    echo "If it is there under another name: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "This Python cannot make virtual environments. On Debian: $(APT)"; exit 1; }
	"$(PYTHON)" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r constraints.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: demo
demo: $(STAMP) ## the main job: a morning at two hospitals, in the terminal
	$(BIN)/wardbridge demo

.PHONY: test
test: $(STAMP) browser ## all tests
	$(PYTEST) $(SIDE_BY_SIDE)

.PHONY: browser
browser: ## Chromium and its driver, for the tests of pages
	@command -v chromium chromedriver >/dev/null || \
	  { test "$$(id -u)" = 0 && apt-get -qq update && apt-get -qq install -y chromium chromium-driver; } || \
	  { echo "The tests of the ward board need Chromium. On Debian: $(APT_TESTS)"; exit 1; }

.PHONY: check
check: format-check lint types imports test ## all that CI runs

.PHONY: format
format: $(STAMP) ## format the code, mend what ruff can mend
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

.PHONY: format-check
format-check: $(STAMP) ## is the code formatted?
	$(BIN)/ruff format --check .

.PHONY: lint
lint: $(STAMP) ## ruff, all rules minus a reasoned list
	$(BIN)/ruff check .

.PHONY: types
types: $(STAMP) ## mypy, strict, code and tests
	$(BIN)/mypy

.PHONY: imports
imports: $(STAMP) ## who may import whom
	$(BIN)/lint-imports

.PHONY: docs-check
docs-check: $(STAMP) ## does what the documents name exist?
	$(PYTEST) tests/packaging -q

.PHONY: schema
schema: $(STAMP) ## write the JSON Schemas and the AsyncAPI document from the models
	$(BIN)/python -m tests.schemas.publish

.PHONY: lock
lock: $(STAMP) ## pin the newest dependencies with hashes (needs the network)
	$(COMPILE) --extra dev --upgrade --output-file constraints.txt pyproject.toml
	$(COMPILE) --constraint constraints.txt --no-annotate \
	  --output-file deploy/requirements.txt pyproject.toml

.PHONY: wheel
wheel: $(STAMP) ## build the wheel into dist/; what it needs beside it: deploy/requirements.txt
	$(BIN)/python -m hatchling build -t wheel

BROKERS := 1
.PHONY: kafka-dev
kafka-dev: $(STAMP) ## a real Kafka on free ports until interrupted; BROKERS=3 for three
	$(BIN)/python deploy/kafka-dev/kafka_dev.py --brokers $(BROKERS)

PICTURES := build/screenshots
.PHONY: screenshots
screenshots: $(STAMP) browser ## pictures of the ward board in each of its states, into build/screenshots
	$(BIN)/python -m tests.support.screenshots $(PICTURES)

SITE := build/site
.PHONY: site
site: $(STAMP) ## the documentation as a site to read offline, into build/site; a link that leads nowhere is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --site-dir $(SITE)

.PHONY: campaign-crash
campaign-crash: $(STAMP) ## the service on SQLite killed 200 times at random moments under load
	WARDBRIDGE_KILLS=200 $(PYTEST) tests/e2e/test_crash.py -k sqlite $(LONG)

.PHONY: campaign-kafka
campaign-kafka: $(STAMP) ## the same on a real broker; 30 times a broker or process is away; 30 leaders killed
	WARDBRIDGE_KILLS=200 $(PYTEST) tests/e2e/test_crash.py -k kafka $(LONG)
	$(CAMPAIGN) WARDBRIDGE_FAULTS=30 $(PYTEST) tests/e2e/test_kafka_faults.py tests/e2e/test_kafka_brokers.py $(LONG)
	$(CAMPAIGN) WARDBRIDGE_FAULTS=9 $(PYTEST) tests/e2e/test_kafka_routers.py tests/e2e/test_kafka_scaling.py tests/e2e/test_kafka_http.py $(LONG)
	$(CAMPAIGN) WARDBRIDGE_AWAY=120 $(PYTEST) tests/e2e/test_kafka_away.py $(LONG)

.PHONY: campaign-silence
campaign-silence: $(STAMP) ## how long wards hear nothing after each kind of fault, on each engine
	$(CAMPAIGN) $(PYTEST) tests/e2e/test_silence.py -s $(LONG)

.PHONY: campaign-delivery
campaign-delivery: $(STAMP) ## the service killed 200 times while receivers and listeners misbehave
	$(CAMPAIGN) WARDBRIDGE_KILLS=200 $(PYTEST) tests/e2e/test_delivery.py $(LONG)
	$(CAMPAIGN) $(PYTEST) tests/e2e/test_fhir_subscriptions.py $(LONG)

.PHONY: campaign-image
campaign-image: $(STAMP) ## each step of the image's build, in a folder instead of a container
	WARDBRIDGE_IMAGE=1 $(PYTEST) tests/deploy/test_containers.py -k build_works $(LONG)

.PHONY: campaign-bus
campaign-bus: $(STAMP) ## the SQLite log killed 300 times while it writes, and at each write
	WARDBRIDGE_KILLS=300 $(PYTEST) tests/bus/test_crash.py tests/bus/test_durability.py $(LONG)

.PHONY: campaign-fuzz
campaign-fuzz: $(STAMP) ## a million inputs at every function that reads what comes from outside
	$(CAMPAIGN) $(PYTEST) -n 2 tests/fuzz -k million $(LONG)

.PHONY: campaign-abuse
campaign-abuse: $(STAMP) ## a crowd, bodies, names, cells and histories at once, beside a steady feed
	$(CAMPAIGN) $(PYTEST) tests/e2e/test_abuse.py -s $(LONG)

.PHONY: campaign-properties
campaign-properties: $(STAMP) ## the invariants over many more generated histories
	HYPOTHESIS_PROFILE=campaign $(PYTEST) tests/router tests/bus tests/hl7v2 tests/elvis tests/wards $(LONG)

.PHONY: campaign-mutations
campaign-mutations: $(STAMP) ## break each rule of the router in turn: a test must fail
	WARDBRIDGE_MUTATIONS=all $(PYTEST) tests/router/test_mutations.py $(LONG)

.PHONY: campaign-registry
campaign-registry: $(STAMP) ## our schemas at a real registry (fetches 140 MB)
	WARDBRIDGE_REGISTRY=1 $(PYTEST) tests/kafka/test_registry.py $(LONG)
