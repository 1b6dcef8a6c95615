# A machine with Python (3.10 or newer) and make is enough: `make test` builds .venv by itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help demo test lint format bench bench-compare check build clean

help: ## Show what can be made
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	@touch $@

demo: $(READY) ## Import the examples into the built-in stand-in of the API
	@mkdir -p .demo
	$(BIN)/mpimport examples/shop.ndjson examples/signups.json examples/orders.csv examples/sessions.tsv \
	  examples/pageviews.ndjson.gz examples/flat.ndjson examples/export.json --sandbox --rejected .demo/rejected.ndjson

test: $(READY) ## Run the tests
	$(BIN)/python -m pytest -n 2

lint: $(READY) ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY) ## Format the code
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: $(READY) ## Measure speed and memory, beside a floor in C and rivals (BENCH="--quick --only csv,bad")
	$(BIN)/python tests/bench/bench.py $(BENCH)

bench-compare: $(READY) ## Put the last measurement beside an older one (BASE=old.json)
	$(BIN)/python tests/bench/bench.py --compare $(BASE)

check: lint test ## What CI runs: lint, then test

build: $(READY) ## Build the wheel and the source archive
	$(BIN)/python -m build --outdir dist .

clean: ## Remove everything that was made
	rm -rf $(VENV) .demo .bench build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
