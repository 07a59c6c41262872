# Every target works on a fresh clone: it makes .venv and a cache, and says what it could not get.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
ARGS   ?= --help
# What the console is built into, and from; its tests change nothing of it.
STATIC := src/portreeve/server/static/index.html
SOURCES = $(shell find console -name node_modules -prune -o -type f ! -name '*.test.*' -print)
# Half of the tests wait for servers and programs: two for each of two processors keep them busy.
WORKERS ?= 4

# Where it is set, each run would rewrite the asserts of 500 files anew in each worker: eight seconds of its time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup console check static lint types imported fast test soak bench demo run lock clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) $(STATIC) ## make .venv with everything pinned and hashed, and build the console

$(STAMP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Portreeve needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { \
	  echo "The venv module is missing; on Debian: apt-get install python3-venv" >&2; exit 2; }
	@echo "setup: installing the pinned packages into $(VENV)" >&2
	@# What is imported is compiled then; to compile all of it here would be a third of the time.
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

console: $(STATIC) ## build the web console, with the node of .venv; nothing is done while its sources stay as they are

$(STATIC): $(SOURCES) | $(STAMP)
	@echo "console: building it from console/ with the node of $(VENV)" >&2
	@$(BIN)/python console/build.py
	@touch $@

check: ## format, lint, types, imports, fast tests: under two minutes
	@$(MAKE) --no-print-directory -j2 lint types fast

static: lint types

lint: $(STAMP)
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache >.lint-imports.log || { cat .lint-imports.log; exit 1; }; rm -f .lint-imports.log

types: $(STAMP) $(STATIC)
	@$(BIN)/python -m tests.console.schema >/dev/null
	$(BIN)/python console/build.py types

# Each worker of a run would compile every test for itself, as none is there before the others begin.
imported: $(STAMP)
	@$(BIN)/python -m pytest -q --collect-only >/dev/null

fast: $(STAMP) $(STATIC)
	$(BIN)/python -m pytest -q -n 3 --dist worksteal --hypothesis-profile=check -m 'not slow and not wide'

test: $(STAMP) $(STATIC) ## every test, with the real API server and the Go libraries
	@$(BIN)/python -m tests.tools.components --get all || \
	  echo "test: some real parts are missing (see above); their tests are skipped here and would fail in CI" >&2
	$(BIN)/python console/build.py test
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal

soak: $(STAMP) ## 20,000 drawn clusters for the agent, 300,000 small worlds in every order, 100,000 references in CEL: make soak SEEDS=200000
	PORTREEVE_SEEDS=$(or $(SEEDS),20000) $(BIN)/python -m pytest -q -m wide tests/simulation/test_agent.py -k drawn
	PORTREEVE_STATES=15000 $(BIN)/python -m pytest -q -m wide tests/simulation/test_exhaustive.py
	PORTREEVE_REFRESH_SEEDS=3000 $(BIN)/python -m pytest -q -m slow tests/simulation/test_refresh.py
	PORTREEVE_ENFORCEMENT_SEEDS=1000 $(BIN)/python -m pytest -q -m slow tests/simulation/test_enforcement.py
	PORTREEVE_REFERENCES=100000 $(BIN)/python -m pytest -q tests/e2e/test_kubernetes_1_30.py -k generated_references

bench: $(STAMP) $(STATIC) ## the figures, each against its limit or a peer of the same run
	@$(BIN)/python -m bench

demo: $(STAMP) $(STATIC) ## check real manifests, then the same policy on a real API server, then the sandbox's story
	@$(BIN)/python -m demo

run: $(STAMP) $(STATIC) ## run portreeve: make run ARGS='check demo/manifests'
	@$(BIN)/portreeve $(ARGS)

lock: $(STAMP) ## renew requirements/*.txt from pyproject.toml (needs a package registry)
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv lock --quiet --upgrade
	@$(BIN)/uv export --quiet --frozen --no-emit-project --extra server --group dev --no-annotate --no-header -o requirements/dev.txt
	@$(BIN)/uv export --quiet --frozen --no-emit-project --extra cli --no-default-groups --no-annotate --no-header -o requirements/cli.txt
	@$(BIN)/uv export --quiet --frozen --no-emit-project --extra server --no-default-groups --no-annotate --no-header -o requirements/server.txt
	@rm -f uv.lock

clean: ## remove .venv, the built console and what the tools left; the cache of real parts stays
	rm -rf $(VENV) $(dir $(STATIC)) console/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
