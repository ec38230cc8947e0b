# The targets of a checkout. `make` alone lists them. Three variables are yours to set, as in
# `make demo NIGHTS=7 NIGHTSLATE_HOME=/data/warehouse NIGHTSLATE_ENGINE=spark`; everything else follows from the
# files here.

NIGHTS ?= 3
NIGHTSLATE_HOME ?= warehouse
NIGHTSLATE_ENGINE ?=
export NIGHTS NIGHTSLATE_HOME NIGHTSLATE_ENGINE
# A night is many short processes: where a shell forbids bytecode, each would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
PYTHON := $(VENV)/bin/python
# $(call stamp,X) holds the time at which part X of the set-up was last done; it goes with the environment.
stamp = $(VENV)/.nightslate-$(1)
SETUP := $(call stamp,project)
JAVA := $(call stamp,java)

.DEFAULT_GOAL := help
.PHONY: help setup demo up down test e2e lint bench drills clean
.DELETE_ON_ERROR:

help: ## List the targets
	@grep -hE '^[a-z0-9]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9]+):.*## /\1\t/' | \
		while IFS="$$(printf '\t')" read -r name text; do printf '  make %-7s %s\n' "$$name" "$$text"; done
	@printf '\n  NIGHTS=%s  NIGHTSLATE_HOME=%s  NIGHTSLATE_ENGINE=%s\n' '$(NIGHTS)' '$(NIGHTSLATE_HOME)' \
		'$(or $(NIGHTSLATE_ENGINE),local)'

setup: $(SETUP) ## Build the virtual environment from the lock

# `demo` and `test` start many Javas for little data: half of their time would go into compiling what soon ends.
demo test e2e: export JAVA_TOOL_OPTIONS ?= -XX:TieredStopAtLevel=1 -XX:+UseSerialGC

demo: $(SETUP) ## Backfill NIGHTS nights of real logs through a real Airflow and show the result
	@$(PYTHON) -m nightslate.local demo

up: $(SETUP) ## Start PostgreSQL, MLflow and Airflow on 127.0.0.1 and print the login
	@$(PYTHON) -m nightslate.local up

down: $(SETUP) ## Stop what `make up` or `make demo` started
	@$(PYTHON) -m nightslate.local down

# Three processes test on two cores, because many tests wait for servers, Java and processes of their own. Of matrices as
# small as theirs, threads mostly wait for others.
test e2e: export OPENBLAS_NUM_THREADS ?= 1
test e2e: export OMP_NUM_THREADS ?= 1
test: $(SETUP) $(JAVA) ## Run all tests but those of `make e2e`
	$(PYTHON) -m pytest -m "not e2e" --numprocesses 3 --dist loadfile --no-loadscope-reorder

e2e: $(SETUP) $(JAVA) ## Run real nights in a real Airflow, with PostgreSQL and MLflow; whatever takes many nights, or kills them
	$(PYTHON) -m pytest -m e2e --numprocesses 3 --dist loadfile --no-loadscope-reorder

lint: $(SETUP) ## Check style, types, layers and shell scripts
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/shellcheck .ci/run docker/*.sh

bench: $(SETUP) $(JAVA) ## Coverage, accuracy and speed of core beside its peers; a night: time by step, memory
	$(PYTHON) -m pytest tests/benchmarks --capture=no

drills: $(SETUP) $(JAVA) ## Kill, race, flood and fill up whole nights, and see that their tables are those of a clean run
	$(PYTHON) -m pytest tests/drills --capture=no

clean: ## Remove the virtual environment and caches; the warehouse stays
	@if [ -x $(PYTHON) ]; then $(PYTHON) -m nightslate.local down; fi
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

# The first of the Pythons that were tested, under whichever of its names it is there.
$(call stamp,uv): requirements-bootstrap.lock
	@for name in python3.11 python3.12 python3.13 python3 python; do \
		if "$$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then found="$$name"; break; fi; \
	done; \
	if [ -z "$$found" ]; then echo 'Python 3.11, 3.12 or 3.13 is needed (on Debian: apt-get install python3 python3-venv).' >&2; exit 69; fi; \
	"$$found" -m venv $(VENV) || { echo 'On Debian the module venv is a package of its own: apt-get install python3-venv' >&2; exit 69; }
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-bootstrap.lock
	@touch $@

$(call stamp,packages): requirements.lock requirements-build.lock $(call stamp,uv)
	$(VENV)/bin/uv pip sync --python $(PYTHON) --require-hashes --compile-bytecode \
		--build-constraints requirements-build.lock requirements.lock
	@touch $@

$(SETUP): pyproject.toml $(call stamp,packages)
	$(VENV)/bin/uv pip install --quiet --python $(PYTHON) --no-deps --no-build-isolation --editable .
	@touch $@

# What runs on Spark: the tests, not a small night. `make demo` asks for Java itself where a program needs it.
$(JAVA): $(SETUP)
	@$(PYTHON) -m nightslate.local java
	@touch $@
