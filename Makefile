# Everything a person or CI does with a checkout. `make help` lists it.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
BENCH := benchmarks/.venv
# Real data for tests and benchmarks, where a copy lies beside the checkout.
ifneq ($(wildcard ../shared/data),)
export DLX_DATA_DIR ?= $(abspath ../shared/data)
endif

.PHONY: help setup demo test test-all lint typecheck bench clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY)  ## create .venv with the pinned dependencies

# torch comes first and pinned: an open range would fetch gigabytes of CUDA where a CPU build is at hand.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q $$(grep '^torch==' constraints.txt)
	$(BIN)/pip install -q -c constraints.txt -e '.[dev]'
	touch $@

demo: setup  ## train on embedded real data and report how well it generalizes
	$(BIN)/dlx train

test: setup  ## run the quick tests
	$(BIN)/pytest -n 2

test-all: setup  ## run all tests, the slow ones and those against other libraries too
	$(BIN)/pip install -q -c constraints.txt -e '.[oracles]'
	$(BIN)/pip install -q --no-deps torchattacks==3.5.1
	$(BIN)/pytest -n 2 -m 'slow or not slow'

lint: setup typecheck  ## run the linter and the type checker
	$(BIN)/ruff check dlx tests benchmarks

typecheck: setup  ## run the type checker
	$(BIN)/mypy

bench: $(BENCH)/.ready  ## measure side by side with peers, in an environment of their own
	$(BENCH)/bin/python benchmarks/run.py

$(BENCH)/.ready: benchmarks/requirements.txt constraints.txt
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/pip install -q $$(grep '^torch==' constraints.txt)
	$(BENCH)/bin/pip install -q -r benchmarks/requirements.txt
	touch $@

clean:  ## remove what the targets made, but no runs
	rm -rf $(VENV) benchmarks/.venv benchmarks/results .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
