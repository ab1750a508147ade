# make verify   judge both halves against the truth, and train on Iris with every step judged
# make test     the whole test suite
# make lint     ruff and mypy
# make bench    speed and memory, as ratios measured in one run
# Each installs what it needs into .venv the first time.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: verify test lint bench clean

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[test,lint,bench]"
	touch $@

verify: .venv/installed
	$(BIN)/softproof verify manual reference
	$(BIN)/python -m examples.train_iris --steps 20

test: .venv/installed
	$(BIN)/python -m pytest -n auto

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/installed
	$(BIN)/python -m benchmarks.bench

clean:
	rm -rf .venv .hypothesis .mypy_cache .pytest_cache .ruff_cache dist
