# Everything runs in a virtual environment of its own; `make` alone lists the targets.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: help install demo test lint check clean
help:
	@echo "make demo   install, encode and decode a picture with the shipped model, show what it cost"
	@echo "make test   install and run the tests"
	@echo "make check  what continuous integration runs: lint, types, tests"

install: $(STAMP)
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,eval,dev]'
	@touch $@

demo: $(STAMP)
	$(BIN)/python -m eval demo --out demo

test: $(STAMP)
	$(BIN)/python -m pytest -n 2

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: lint test

clean:
	rm -rf $(VENV) demo build dist
