# One command for each task, the same by hand and in CI. Needs Python 3.11 or newer; everything else comes from PyPI.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

# The first Python on the PATH that is new enough.
PYTHON ?= $(shell for name in python3 python3.1{4,3,2,1}; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$name" && break; done)
VENV ?= .venv
# The dependency group that is installed with the package: all that tests and checks need, or a part.
GROUP ?= dev
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
SOURCES := $(wildcard bitbucket_auth_async tests benchmarks docs)
EXTRAS := import tomllib; print(",".join(tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]))
OLDEST := import tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; print("\n".join(sorted({w.replace(">=", "==") for ws in (p["dependencies"], *p["optional-dependencies"].values()) for w in ws})))
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1
# Tests start hundreds of Pythons; each starts faster from compiled modules, whatever the shell's environment says.
unexport PYTHONDONTWRITEBYTECODE

# As many workers as cores; a worker that has no more tests takes some from another. ARGS="-n0 …" runs without workers.
PARALLEL := -n auto --dist worksteal
# COVERAGE=1 makes `make test` measure branches too, and fail under the bound that pyproject.toml sets.
COVERAGE ?=
ifneq ($(COVERAGE),)
PYTEST := $(PY) -m coverage run -m pytest $(PARALLEL)
else
PYTEST := $(PY) -m pytest $(PARALLEL)
endif

.PHONY: help
help: ## Print this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "make %-12s %s\n", $$1, $$2 }'

$(READY): pyproject.toml
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer on the PATH; give one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version)"
	@extras="$$($(PYTHON) -c '$(EXTRAS)')"; \
	if command -v uv > /dev/null; then \
		test -x $(PY) || uv venv --quiet --python "$$(command -v $(PYTHON))" $(VENV); \
		uv pip install --quiet --python $(PY) --group $(GROUP) --editable ".[$$extras]"; \
	else \
		test -x $(PY) || $(PYTHON) -m venv $(VENV); \
		$(PY) -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'; \
		$(PY) -m pip install --quiet --disable-pip-version-check --group $(GROUP) --editable ".[$$extras]"; \
	fi
	@touch $@

.PHONY: venv
venv: $(READY) ## Make .venv, with this package and all that its tests and checks need

.PHONY: check lint types layers docs
check: lint types layers docs ## Lint, formatting, types, import rules, documentation

lint: $(READY)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

types: $(READY)
	$(PY) -m mypy $(SOURCES)
	$(PY) -m pyright --pythonpath $(PY)

layers: $(READY)
	$(VENV)/bin/lint-imports --no-cache

docs: $(READY) ## Build the documentation into .build/docs, warnings as errors
	$(PY) -m sphinx -W --keep-going -n -q -b html docs .build/docs
	@echo "Documentation: .build/docs/index.html"

.PHONY: links
links: $(READY) ## Ask for every address that the documentation links to; needs the network
	$(PY) -m sphinx --keep-going -q -b linkcheck docs .build/links

.PHONY: diagrams
diagrams: $(READY) ## Draw the diagrams of the documentation that are not current
	$(PY) -m docs.render_diagrams

.PHONY: format
format: $(READY) ## Let ruff fix the problems that it can
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

SEEDS ?= 10000
.PHONY: simulate
simulate: $(READY) ## Run SEEDS histories of a simulated fleet, and report how often each thing happened
	$(PY) -m tests.simulation --seeds $(SEEDS)

.PHONY: bugs
bugs: $(READY) ## Seed bugs into the protocol, one at a time, and count the histories until each is caught
	$(PY) -m tests.simulation.bugs

.PHONY: model
model: ## Check the model of the renewal protocol with spin, which must also find each seeded bug
	$(PYTHON) tests/model/run.py $(ARGS)

.PHONY: test
test: $(READY) ## Run the whole suite on all cores; COVERAGE=1 measures branches as well
ifneq ($(COVERAGE),)
	$(PY) -m coverage erase
endif
	$(PYTEST) $(ARGS)
ifneq ($(COVERAGE),)
	$(PY) -m coverage combine --quiet
	@rm -f .coverage_data/coverage.* # a child whose file size is limited leaves half a file
	$(PY) -m coverage report
endif

.PHONY: test-browser
test-browser: $(READY) ## Sign people in and read the documentation with Chromium (apt-get install chromium); pictures go to .build/screenshots
	$(PY) -m pytest tests/browser $(ARGS)

.PHONY: coverage
coverage: ## Run the suite and show which branches it misses; fails under 95 %
	@$(MAKE) test COVERAGE=1

.PHONY: test-all
test-all: $(READY) ## Run the suite on each Python from 3.11 that this machine has
	$(PY) tests/every_python/run.py

.PHONY: test-oldest
test-oldest: ## Run the suite with the oldest dependencies that pyproject.toml allows, those of extras too
	@mkdir -p .venvs
	@$(PYTHON) -c '$(OLDEST)' > .venvs/oldest.txt
	@PIP_CONSTRAINT=.venvs/oldest.txt UV_CONSTRAINT=.venvs/oldest.txt $(MAKE) test VENV=.venvs/oldest GROUP=test

.PHONY: guards
guards: $(READY) ## Take each guard out of the code, one at a time, and see its tests fail
	$(PY) -m tests.guards.run

.PHONY: soak
soak: $(READY) ## 16 processes with 100 callers each over 20 expiries, on each shared store, and again with kills and faulty lines
	SOAK=1 $(PY) -m pytest tests/processes -k "test_r1_a_fleet or killed_at_random or again_and_again" --durations=0 -rP $(ARGS)

.PHONY: mutants
mutants: $(READY) ## Mutation testing of the pure rooms
	$(PY) -m tests.mutants.run

.PHONY: bench
bench: $(READY) ## Measure, each ratio against its baseline in the same run
	$(PY) -m pytest benchmarks -p no:cacheprovider --benchmark-only --benchmark-sort=name --capture=no $(ARGS)

.PHONY: compare
compare: ## Measure against other libraries, in an environment of its own, and write docs/comparison; ARGS="--only ahead" prints a part
	@$(MAKE) venv VENV=.venvs/compare
	@if command -v uv > /dev/null; then uv pip install --quiet --python .venvs/compare/bin/python --group compare; \
	else .venvs/compare/bin/python -m pip install --quiet --disable-pip-version-check --group compare; fi
	.venvs/compare/bin/python -m benchmarks.peers $(ARGS)

# The demo and the examples run in a small environment of their own: the package and what it needs, without the tools.
.venvs/demo/.ready: NEEDS := --editable ".[cli,testing]"
.venvs/fastapi/.ready: NEEDS := --editable ".[cli,testing,starlette]" fastapi uvicorn
.venvs/demo/.ready .venvs/fastapi/.ready: pyproject.toml
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer on the PATH; give one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "Making $(@D), once: Python packages of about 100 MB, half a minute"
	@if command -v uv > /dev/null; then \
		test -x $(@D)/bin/python || uv venv --quiet --python "$$(command -v $(PYTHON))" $(@D); \
		uv pip install --quiet --python $(@D)/bin/python $(NEEDS); \
	else \
		test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D); \
		$(@D)/bin/python -m pip install --quiet --disable-pip-version-check $(NEEDS); \
	fi
	@touch $@

.PHONY: demo
demo: .venvs/demo/.ready ## See two processes and 400 coroutines share one sign-in while everything goes wrong
	@.venvs/demo/bin/bitbucket-auth demo

EXAMPLES := web fastapi browser bot crawler oauth
.PHONY: $(addprefix example-,$(EXAMPLES))
$(addprefix example-,$(filter-out fastapi,$(EXAMPLES))): example-%: .venvs/demo/.ready # Run an example on a fake Bitbucket
	@.venvs/demo/bin/python -m docs.examples.offline $*
example-fastapi: .venvs/fastapi/.ready
	@.venvs/fastapi/bin/python -m docs.examples.offline fastapi

.PHONY: examples
examples: ## List the example programs that `make example-NAME` runs on a fake Bitbucket
	@printf 'make example-%s\n' $(EXAMPLES)

.PHONY: build
build: $(READY) ## Build wheel and sdist into .build/dist, and try each in an empty environment
	$(PY) tests/packaging/check_build.py

.PHONY: clean
clean: ## Remove everything that these commands made
	rm -rf .venv .venvs .build .coverage_data .benchmarks .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache docs/reference/generated
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
