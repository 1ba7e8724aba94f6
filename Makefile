# Everything runs in a virtual environment of its own; `make` alone lists the targets.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: help install demo test test-random fuzz lint docs check check-kernels wheels web clean
help:
	@echo "make demo         install, encode and decode a picture with the shipped model, show what it cost"
	@echo "make test         install and run the tests"
	@echo "make test-random  the same, in random order"
	@echo "make fuzz         decode mutated files for HOURS=1 hours; make test does it for thirty seconds"
	@echo "make docs         build the documentation into build/site"
	@echo "make wheels       build the wheels for Linux, macOS and Windows, x86-64 and arm64, into dist"
	@echo "make check-kernels  the C core under sanitizers and, where qemu-aarch64 is installed, as arm64 code"
	@echo "make web          build the browser package (needs node) into web/dist"
	@echo "make check        what continuous integration runs: lint, types, documentation, tests"

install: $(STAMP)
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,eval,geo,zarr,xarray,archive,docs,dev]'
	@touch $@

demo: $(STAMP)
	$(BIN)/python -m eval demo --out demo

test: $(STAMP)
	COLLAGE_FUZZ_SECONDS=30 $(BIN)/python -m pytest -n 2

test-random: $(STAMP)
	$(BIN)/python -m pytest -n 2 -p randomly

HOURS ?= 1
fuzz: $(STAMP)
	$(BIN)/python -m tests.fuzz --seconds $$(( $(HOURS) * 3600 )) --first $$(date +%s)000000 --log fuzz.json

lint: $(STAMP) docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

WHEELS := manylinux_2_17_x86_64 manylinux_2_17_aarch64 macosx_11_0_x86_64 macosx_11_0_arm64 win_amd64 win_arm64
wheels: $(STAMP)
	set -e; for target in $(WHEELS); do COLLAGE_TARGET=$$target $(BIN)/python -m hatchling build -t wheel; done

check: lint test

web: $(STAMP)
	cd web && npm install --no-audit --no-fund
	$(BIN)/python web/build.py

check-kernels: $(STAMP)
	COLLAGE_CHECK_KERNELS=1 $(BIN)/python -m pytest tests/kernels

clean:
	rm -rf $(VENV) demo build dist
