PYTHON ?= python3
VENV ?= .venv
# Idle OpenMP threads that spin starve whatever else runs on a small machine.
export OMP_WAIT_POLICY ?= PASSIVE
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev
DOCS_STAMP := $(VENV)/.installed-docs

.PHONY: demo test test-slow kernel lint docs docs-links clean

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[all]"
	@touch $@

$(DEV_STAMP): $(STAMP)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[dev]"
	@touch $@

$(DOCS_STAMP): $(STAMP)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[docs]"
	@touch $@

demo: $(STAMP)
	$(BIN)/localist demo

# Every part runs, and the last line of a part that fails says which: a formatting mutation hides no failing test.
LINT = $(BIN)/ruff check . || failed="$$failed ruff-check"; \
	$(BIN)/ruff format --check . || failed="$$failed ruff-format"; \
	$(BIN)/mypy || failed="$$failed mypy"; \
	test -z "$$failed" || { echo "$@ failed:$$failed" >&2; exit 1; }

lint: $(DEV_STAMP)
	@failed=; $(LINT)

test: $(DEV_STAMP)
	@failed=; \
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses auto --dist worksteal -m "not slow and not gpu" || failed=" pytest"; \
	$(LINT)

# Property tests draw anew each time; `make test-slow SEED=N` draws again what the seed that was printed drew.
SEED ?= $(shell od -An -N4 -tu4 /dev/urandom | tr -d ' ')

test-slow: $(DEV_STAMP)
	HYPOTHESIS_PROFILE=nightly $(BIN)/pytest -m "slow or gpu or hypothesis" --hypothesis-seed=$(SEED) --timeout=7200

# About 3 minutes. Records what the kernel finds in evidence/.
kernel: $(STAMP)
	@.ci/install-coq
	$(BIN)/localist verify --kernel

# The site, in build/docs. Every warning is an error, and every link within the site must lead somewhere.
SPHINX = $(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet -d build/doctrees

docs: $(DOCS_STAMP)
	$(SPHINX) -b html docs build/docs
	$(BIN)/python docs/check_links.py build/docs
	@echo "build/docs/index.html"

# Asks the network for every link that leaves the site.
docs-links: $(DOCS_STAMP)
	$(SPHINX) -b linkcheck docs build/links

clean:
	rm -rf $(VENV) build docs/statements docs/api docs/examples docs/_extra *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
