# Everything runs in a virtual environment of its own; `make` alone lists the targets.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: help install demo test test-random lint docs check clean
help:
	@echo "make demo         install, encode and decode a picture with the shipped model, show what it cost"
	@echo "make test         install and run the tests"
	@echo "make test-random  the same, in random order"
	@echo "make docs         build the documentation into build/site"
	@echo "make check        what continuous integration runs: lint, types, documentation, tests"

install: $(STAMP)
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,eval,geo,docs,dev]'
	@touch $@

demo: $(STAMP)
	$(BIN)/python -m eval demo --out demo

test: $(STAMP)
	$(BIN)/python -m pytest -n 2

test-random: $(STAMP)
	$(BIN)/python -m pytest -n 2 -p randomly

lint: $(STAMP) docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

check: lint test

clean:
	rm -rf $(VENV) demo build dist
