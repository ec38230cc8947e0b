# The targets of a checkout. `make` alone lists them. Two variables are yours to set, as in
# `make demo NIGHTS=7 NIGHTSLATE_HOME=/data/warehouse`; everything else follows from the files here.

NIGHTS ?= 3
NIGHTSLATE_HOME ?= warehouse
export NIGHTS NIGHTSLATE_HOME
# A night is many short processes: where a shell forbids bytecode, each would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
PYTHON := $(VENV)/bin/python
# $(call stamp,X) holds the time at which part X of the set-up was last done; it goes with the environment.
stamp = $(VENV)/.nightslate-$(1)
SETUP := $(call stamp,project)

.DEFAULT_GOAL := help
.PHONY: help setup demo up down test lint bench drills clean
.DELETE_ON_ERROR:

help: ## List the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | \
		while IFS="$$(printf '\t')" read -r name text; do printf '  make %-7s %s\n' "$$name" "$$text"; done
	@printf '\n  NIGHTS=%s  NIGHTSLATE_HOME=%s\n' '$(NIGHTS)' '$(NIGHTSLATE_HOME)'

setup: $(SETUP) ## Build the virtual environment from the lock; find or install Java

# `demo` and `test` start many Javas for little data: half of their time would go into compiling what soon ends.
demo test: export JAVA_TOOL_OPTIONS ?= -XX:TieredStopAtLevel=1 -XX:+UseSerialGC

demo: $(SETUP) ## Backfill NIGHTS nights of real logs through a real Airflow and show the result
	@$(PYTHON) -m nightslate.local demo

up: $(SETUP) ## Start PostgreSQL, MLflow and Airflow on 127.0.0.1 and print the login
	@$(PYTHON) -m nightslate.local up

down: $(SETUP) ## Stop what `make up` or `make demo` started
	@$(PYTHON) -m nightslate.local down

test: $(SETUP) ## Run all tests
	$(PYTHON) -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

lint: $(SETUP) ## Check style, types, layers and shell scripts
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/shellcheck .ci/run docker/*.sh

bench: $(SETUP) ## Coverage, accuracy and speed of core beside its peers; a night: time by step, memory
	$(PYTHON) -m pytest tests/benchmarks --capture=no

drills: $(SETUP) ## Kill, race, flood and fill up whole nights, and see that their tables are those of a clean run
	$(PYTHON) -m pytest tests/drills --capture=no

clean: ## Remove the virtual environment and caches; the warehouse stays
	@if [ -x $(PYTHON) ]; then $(PYTHON) -m nightslate.local down; fi
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

# Python 3.11 under whichever of its names is there.
$(call stamp,uv): requirements-bootstrap.lock
	@for name in python3.11 python3 python; do \
		if "$$name" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then found="$$name"; break; fi; \
	done; \
	if [ -z "$$found" ]; then echo 'Python 3.11 is needed (on Debian 12: apt-get install python3.11 python3.11-venv).' >&2; exit 69; fi; \
	"$$found" -m venv $(VENV) || { echo 'On Debian the module venv is a package of its own: apt-get install python3.11-venv' >&2; exit 69; }
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-bootstrap.lock
	@touch $@

$(call stamp,packages): requirements.lock requirements-build.lock $(call stamp,uv)
	$(VENV)/bin/uv pip sync --python $(PYTHON) --require-hashes --compile-bytecode \
		--build-constraints requirements-build.lock requirements.lock
	@touch $@

$(SETUP): pyproject.toml $(call stamp,packages)
	$(VENV)/bin/uv pip install --quiet --python $(PYTHON) --no-deps --no-build-isolation --editable .
	@$(PYTHON) -m nightslate.local java
	@touch $@
