# make demo: set up and run the whole chain on data made here.   make test: set up and run the tests.
# make demo-short: the same chain in a minute.   make test-all: slow tests too.   make docs: the pages of docs/ as a site.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest --numprocesses=auto --dist=loadfile
ifneq ($(wildcard ../shared/data),)
export SDD_BENCH_DATA ?= $(abspath ../shared/data)
endif

.PHONY: demo demo-short test test-wheel test-all torture docs check bench format clean

# The environment is made anew when pyproject.toml changes; a half-made one has no stamp and is finished.
$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

demo: $(VENV)/.installed
	$(BIN)/sdd-bench demo --out demo

demo-short: $(VENV)/.installed
	$(BIN)/sdd-bench demo --short --out demo-short

# ARGS: options for pytest, such as ARGS=--cov (coverage with its floor).
test: $(VENV)/.installed-dev
	$(PYTEST) -m "not slow" $(ARGS)

test-wheel: $(VENV)/.installed-dev
	$(BIN)/python -m pytest tests/test_wheel.py

test-all: $(VENV)/.installed-dev
	$(PYTEST)

# Twenty minutes of kills, full disks, damaged input, races, dead clusters and growth. ARGS: --minutes, --seed, --only, --repeat.
torture: $(VENV)/.installed-dev
	$(BIN)/python -m tools.torture $(ARGS)

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/sdd-bench leaderboard verify --leaderboards leaderboards

bench: $(VENV)/.installed-dev
	for bench in tools/bench/[a-z]*.py; do echo "== $$bench"; $(BIN)/python $$bench || exit 1; done

docs: $(VENV)/.installed-dev
	$(BIN)/mkdocs build --strict

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) demo demo-short site build *.egg-info
