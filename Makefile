# Everything that one does here; `make demo` and `make test` need nothing but Python and make.
PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test test-slow test-pandas2 reproduce bench peers lint type format clean

demo: .venv/ready  ## Complete a bundled table into ./halfseen-demo.
	$(BIN)/halfseen demo

test: lint type  ## All checks.
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n 2 --dist loadfile

test-slow: .venv/ready-dev  ## Recovery and quality tests, minutes.
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n 2 --dist loadfile -m "slow or reproduction"

test-pandas2:  ## Tables under pandas 2, in an environment of their own.
	$(PYTHON) -m venv .venv-pandas2
	sed 's/^pandas==.*/pandas==2.3.3/' constraints.txt > .venv-pandas2/constraints.txt
	.venv-pandas2/bin/python -m pip install --quiet --constraint .venv-pandas2/constraints.txt --editable ".[dev]"
	OMP_NUM_THREADS=1 .venv-pandas2/bin/pytest -q -n 2 tests/awkward tests/tables

reproduce: .venv/ready  ## A short version of the published table; HALFSEEN_DATA is the data folder.
	$(BIN)/halfseen reproduce notmiwae-uci --quick

bench: .venv/ready  ## Speed against a plain reference in the same run.
	$(BIN)/python benchmarks/speed.py --quick

peers:  ## Other packages on the same holes, in an environment of their own.
	bash benchmarks/peers/setup.sh
	cd benchmarks/peers && OMP_NUM_THREADS=1 .venv/bin/python run.py --out ../results/peers.jsonl

lint: .venv/ready-dev  ## Style and the arrows between rooms.
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/lint-imports

type: .venv/ready-dev  ## Types.
	$(BIN)/mypy

format: .venv/ready-dev  ## Put the code into its style.
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .

clean:  ## Remove the environment and caches.
	rm -rf .venv .venv-pandas2 halfseen-demo .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

.venv/ready-dev: .venv/ready
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@
