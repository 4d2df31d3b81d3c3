# Written for GNU make 3.81 and newer, so that the make of macOS will do.

PYTHON ?= python3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
UV ?= $(BIN)/uv
# Twice quiet: errors only.
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check --no-input

PACKAGES := domain ports services \
    adapters/memory adapters/sql adapters/security adapters/system adapters/exchanges \
    adapters/http adapters/cli

.DEFAULT_GOAL := help
.PHONY: help setup run test check thorough fuzz oracle mutants bench bench-tests bench-log bench-throttle bench-scale timing lock format clean

help: ## Say what each target does
	@echo 'usage: make TARGET [NAME=value ...]'
	@echo
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' Makefile

setup: $(VENV)/.project ## Make .venv with the locked packages and the tickgate command

# Two stamps: a new lock asks for a new environment, since pip would leave behind what the lock has
# dropped; a change of pyproject.toml alone asks only for the project itself.
$(VENV)/.packages: requirements-dev.lock
	@command -v '$(PYTHON)' >/dev/null || \
	  { echo "make setup: no '$(PYTHON)' here; say PYTHON=/path/to/python3.11 or newer" >&2; exit 1; }
	@'$(PYTHON)' -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "make setup: needs Python 3.11 or newer, but $(PYTHON) is" \
	         "`'$(PYTHON)' --version 2>&1`; say PYTHON=..." >&2; exit 1; }
	@'$(PYTHON)' -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "make setup: $(PYTHON) has no venv module (Debian: apt-get install python3-venv)" >&2; \
	    exit 1; }
	@echo '== setup: locked packages into $(VENV)'
	@'$(PYTHON)' -m venv --clear $(VENV)
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

$(VENV)/.project: $(VENV)/.packages pyproject.toml
	@echo '== setup: tickgate itself'
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

# Only what stands on the command line counts: HOST and DATABASE_URL are often in the environment
# for the sake of some other program. `value` keeps a dollar sign in a password as it is.
SERVE := --init
ifeq ($(origin DATABASE_URL),command line)
run: export TICKGATE_DATABASE_URL := $(value DATABASE_URL)
endif
ifeq ($(origin HOST),command line)
SERVE += --host '$(HOST)'
endif
ifeq ($(origin PORT),command line)
SERVE += --port '$(PORT)'
endif

run: setup ## Serve, making the database first [DATABASE_URL= HOST= PORT=]
	@exec $(BIN)/tickgate serve $(SERVE)

# Or pytest would rewrite its assertions in every process and every time.
test check thorough: export PYTHONDONTWRITEBYTECODE :=

test: setup ## Run the tests [ARGS='-k login']
	@echo '== pytest'
	@$(BIN)/python -m pytest -q -n auto $(ARGS)

check: setup ## Run formatter, linters, types, import rules, and the tests with coverage
	@echo '== ruff format'
	@$(BIN)/ruff format --check .
	@echo '== ruff check'
	@$(BIN)/ruff check .
	@echo '== mypy'
	@$(BIN)/mypy
	@echo '== import rules'
	@$(BIN)/lint-imports --no-logo
	@echo '== pytest, branches measured'
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest -q -n auto $(ARGS)
	@$(BIN)/coverage combine --quiet
	@echo '== coverage, percent of lines and branches'
	@for package in $(PACKAGES); do \
	  if percent=`$(BIN)/coverage report --format=total --include="app/$$package/*,app/$$package.py"`; \
	  then printf '%-24s %s\n' "app/$$package" "$$percent"; \
	  else printf '%-24s %s\n' "app/$$package" 'nothing measured'; fi; \
	done
	@$(BIN)/coverage report --skip-covered --precision 2
	@printf 'app, wanted 98: ' && \
	  $(BIN)/coverage report --format=total --precision=2 --include='app/*' --fail-under=98
	@printf 'tests, wanted 100: ' && \
	  $(BIN)/coverage report --format=total --precision=2 --include='tests/*' --fail-under=99

thorough: setup ## Run all tests and the ones that take minutes, searching longer [ARGS='-k programs']
	@echo '== pytest, thorough'
	@$(BIN)/python -m pytest -q -n auto -m '' --hypothesis-profile=thorough $(ARGS)

fuzz: setup ## Send the API what nobody honest sends, for two minutes [ARGS='--seconds 600']
	@echo '== hostile values and schemathesis'
	@$(BIN)/python -m strength.fuzz $(ARGS)

oracle: setup ## Compare answers on random tables with those worked out slowly [ARGS='--tables 2000']
	@$(BIN)/python -m strength.oracle $(ARGS)

mutants: setup ## Break the core in thousands of ways: a test has to notice [ARGS='--jobs 8']
	@echo '== mutmut'
	@$(BIN)/python -m strength.mutants $(ARGS)
	@echo '== commits, rollbacks and shields removed'
	@$(BIN)/python -m strength.removals

bench: setup ## Compare with peers, side by side: every target of speed [ARGS='logins --rounds 9']
	@$(BIN)/python -m benchmarks $(ARGS)

bench-tests: setup ## Compare what a test costs: plain, on fakes, on mocks, on databases [ARGS='--rounds 9']
	@$(BIN)/python -m benchmarks.tests $(ARGS)

bench-log: setup ## Measure a login log of ten million rows, and of one on SQLite [ARGS='--rows 1000000']
	@$(BIN)/python -m benchmarks.login_log --rows 10000000 $(ARGS)

bench-throttle: setup ## Measure logins and refusals a second, alone and under attack [ARGS='--seconds 5']
	@$(BIN)/python -m benchmarks.throttle $(ARGS)

bench-scale: setup ## Measure what docs/scale.md reckons with [ARGS='--rows 1000000']
	@$(BIN)/python -m benchmarks.scale $(ARGS)

timing: setup ## Compare how long refusals take: unknown, mistyped, disabled [ARGS='--rounds 200']
	@$(BIN)/python -m strength.timing $(ARGS)

# With ARGS=--upgrade every version moves; without it only what pyproject.toml asks for. The locks
# name no index, so that each machine installs from its own; the hashes say what it must be.
LOCK := pip compile --quiet --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --custom-compile-command 'make lock' $(ARGS) pyproject.toml

lock: $(filter $(VENV)/%,$(UV)) ## Pin every package again [ARGS=--upgrade, UV=uv]
	@echo '== uv pip compile'
	@'$(UV)' $(LOCK) --output-file requirements.lock
	@'$(UV)' $(LOCK) --group dev --constraints requirements.lock \
	  --output-file requirements-dev.lock

$(BIN)/uv: $(VENV)/.packages ;

format: setup ## Format the code and fix what ruff can
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

clean: ## Remove .venv, caches and reports; data/ stays
	@rm -rf $(VENV) .bench build dist htmlcov mutants .coverage .coverage.* .hypothesis .import_linter_cache \
	  .mypy_cache .pytest_cache .ruff_cache *.egg-info
	@find app benchmarks examples pytest_tickgate strength tests -name __pycache__ -type d -prune -exec rm -rf {} +
