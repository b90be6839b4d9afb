# Every target installs what it needs into .venv first, from PyPI; nothing but Python (3.11 or newer) must be there.
#   make run        search networks for handwritten digits, then say how to look at them
#   make test       all tests but the slow ones
#   make test-fast  those that take no time, to be run while typing
#   make test-all   all tests; installs litert-torch too, which brings JAX and Transformers
#   make lint       ruff and mypy
#   make bench      the benchmarks; minutes each, on an idle machine

PYTHON ?= python3
BIN := .venv/bin
EXTRAS_run := data,host,dashboard,plot
EXTRAS_test := test
EXTRAS_all := test,convert

# Processes that share the tests, each computing on one thread; a file's tests stay together, since some build on those
# before them. Tests of timing are written for two.
WORKERS ?= 2
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n $(WORKERS) --dist loadfile
# Not what the others share, nor the page of one of them, nor those that ask about a study that was run.
BENCHMARKS := $(filter-out %/harness.py %_page.py %/retrained.py %/features.py,$(wildcard studies/benchmarks/*.py))

.PHONY: run test test-fast test-all lint bench

run: .venv/installed-run
	@echo "== Searching networks for handwritten digits (studies/digits.yaml); Ctrl-C stops, make run goes on"
	$(BIN)/mnas-moo run digits
	@echo "== The same study in the Optuna Dashboard: $(BIN)/mnas-moo dashboard digits"

test: .venv/installed-test
	@echo "== Running the tests but for the slow ones"
	$(PYTEST) -m "not slow" $(ARGS)

test-fast: .venv/installed-test
	@echo "== Running the tests that take no time"
	$(PYTEST) --fast $(ARGS)

test-all: .venv/installed-all
	@echo "== Running all tests"
	$(PYTEST) $(ARGS)

lint: .venv/installed-test
	@echo "== Checking style, format and types"
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: .venv/installed-all
	@for benchmark in $(BENCHMARKS); do \
		echo "== $$benchmark"; $(BIN)/python $$benchmark || exit 1; \
	done

# A stamp is as old as the install it stands for, so a second run installs nothing.
.venv/installed-%: setup.cfg pyproject.toml | $(BIN)/pip
	@echo "== Installing mnas-moo[$(EXTRAS_$*)] into .venv; the first time this takes minutes, for PyTorch brings gigabytes"
	$(BIN)/python -m pip install --disable-pip-version-check --editable ".[$(EXTRAS_$*)]"
	@touch $@

$(BIN)/pip:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || \
		{ echo "mnas-moo needs Python 3.11 or newer; name one: make PYTHON=/path/to/python3 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "== Making a virtual environment in .venv with $$($(PYTHON) --version)"
	$(PYTHON) -m venv .venv
