# A machine with Python (3.10 or newer) and make is enough: `make test` builds .venv by itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help demo test strangers lint audit format bench bench-compare bench-trouble fuzz soak check man build clean

help: ## Show what can be made
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml $(wildcard mpimport/recogniser/*)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	@touch $@

demo: $(READY) ## Import the examples into the built-in stand-in of the API
	@mkdir -p .demo
	$(BIN)/mpimport examples/shop.ndjson examples/signups.json examples/orders.csv examples/sessions.tsv \
	  examples/pageviews.ndjson.gz examples/flat.ndjson examples/export.json --sandbox --rejected .demo/rejected.ndjson

test: $(READY) strangers ## Run the tests
	$(BIN)/python -m pytest -n 2

strangers: ## Install the clients of others that the tests run against the sandbox
	@$(PYTHON) tests/strangers/install.py .strangers

lint: $(READY) ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@include=$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_paths()["include"])'); \
	if command -v cc > /dev/null && [ -e "$$include/Python.h" ]; then \
	  for file in mpimport/recogniser/*.c; do \
	    cc -std=c11 -O2 -Wall -Wextra -Wshadow -Wconversion -Wpedantic -Werror -I"$$include" -c -o /dev/null "$$file" || exit 1; \
	  done; fi
	$(BIN)/python .ci/audit.py --lenient

audit: $(READY) ## Ask for known vulnerabilities of the dependencies
	$(BIN)/python .ci/audit.py

format: $(READY) ## Format the code
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: $(READY) ## Measure speed and memory, beside a floor in C and rivals (BENCH="--quick --only csv,bad")
	$(BIN)/python tests/bench/bench.py $(BENCH)

bench-compare: $(READY) ## Put the last measurement beside an older one (BASE=old.json)
	$(BIN)/python tests/bench/bench.py --compare $(BASE)

bench-trouble: $(READY) ## Put servers in trouble, and see what importers say beside what arrived (BENCH="--only 500,429")
	$(BIN)/python tests/bench/trouble.py $(BENCH)

fuzz: $(READY) ## Look for inputs that break something, for FUZZ_SECONDS (120)
	-$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --group fuzz
	$(BIN)/python tests/fuzz/fuzz.py --seconds $(or $(FUZZ_SECONDS),120)
	$(BIN)/python tests/fuzz/fuzz_c.py --seconds $(or $(FUZZ_SECONDS),120)

soak: $(READY) ## Kill imports at random instants, and check that nothing is lost
	$(BIN)/python tests/soak/soak.py

check: lint test ## What CI runs: lint, then test

man: $(READY) ## Write the manual page from the options
	$(BIN)/python -m mpimport.manual > mpimport/mpimport.1

build: $(READY) ## Build the wheel and the source archive
	@cp .ci/MANIFEST.in MANIFEST.in
	$(BIN)/python -m build --config-setting=--build-option=--py-limited-api=cp310 --outdir dist . ; \
	  status=$$?; rm -f MANIFEST.in; exit $$status

clean: ## Remove everything that was made
	rm -rf $(VENV) .strangers .demo .bench .fuzz build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -f mpimport/_recognise.*.so mpimport/_recognise.*.pyd
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
