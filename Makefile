# make verify   train on Iris with every step judged, and judge both halves against the truth
# make test     the test suite; SEED=7 draws what the seed 7 draws
# make thorough  the tests that take hours as well; what passed at this commit is not asked again
# make costs    what each test costs, by which a run of the suite chooses; written to tests/helpers/costs.txt
# make seeds    the test suite with random seeds, one after the other, until it is stopped; written to seeds.jsonl
# make lint     ruff and mypy
# make findings ask all known findings about torch again, and write docs/generated/findings.md
# make semantics  what torch and both halves do in edge cases, written to docs/theory/semantics.md
# make mutants  known wrong implementations before the judge, written to docs/generated/mutants.md
# make matrix   each property alone before every mutant, written to docs/generated/matrix.md
# make judge-mutants  small changes to the judge before its tests; takes days, a name pattern (MUTANTS=…) less
# make extreme  each function of the judge replaced by a stub before its tests; takes hours, one file less (ONLY='^verdicts/elements')
# make coverage  the lines and branches of the judge that no test runs
# make bench    speed and memory, as ratios measured in one run
# make figures  violations, sharpness, detection and cost of the judge, measured in one run
# make alarms   drawn problems from 20 seeds, answered by both halves and by right variants: none may be rejected; takes hours
# make truths   small nasty problems, their truth held against an independent evaluation: none may differ
# make garbage  garbage before every model of arithmetic, on problems of the nastiest kinds: none may agree; takes an hour
# make conformance  what the judge says of released implementations, written to docs/generated/conformance.md; takes half an hour
# make notebook run examples/backprop.ipynb, and compare what it prints with what is committed
# make pictures draw the pictures of docs/theory/backprop.md
# make offline  dist/offline/: all that a machine with torch and a GPU, and without a network, needs for `sh run.sh --minutes 8 --out DIR`
# make gpu-document  the records of such runs in docs/generated/gpu/, written to docs/generated/gpu.md
# make wheel    build the wheel, and verify with what it installs instead of this checkout
# Each installs what it needs into .venv the first time.

PYTHON ?= python3
BIN := .venv/bin
WORKERS := $(shell expr $$(getconf _NPROCESSORS_ONLN) \* 3 / 2) # of the tests, some of which wait for a limit

.PHONY: verify test thorough costs seeds lint findings semantics mutants matrix judge-mutants extreme coverage bench figures alarms truths garbage conformance notebook pictures offline gpu-document wheel clean

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[test,lint,bench]"
	touch $@

verify: .venv/installed
	$(BIN)/python -m examples.train_iris --steps 20
	$(BIN)/softproof verify manual reference

test: .venv/installed # compiled once, not in every process that is started
	OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= PYTEST_XDIST_AUTO_NUM_WORKERS=$(WORKERS) $(BIN)/python -m pytest -n auto --dist worksteal $(if $(SEED),--hypothesis-seed=$(SEED))

thorough: .venv/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --thorough --passed thorough.jsonl

costs: .venv/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal --all-cases --costs=tests/helpers/costs.txt

seeds: .venv/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m audits.seeds

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

findings: .venv/installed
	$(BIN)/softproof findings --write docs/generated/findings.md >/dev/null

semantics: .venv/installed
	$(BIN)/softproof semantics torch.nn.functional reference manual examples.candidates.scipy_special --write docs/theory/semantics.md >/dev/null

mutants: .venv/installed
	$(BIN)/softproof mutants --seeds 5 --write docs/generated/mutants.md

matrix: .venv/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m audits.matrix --jobs 2 --write docs/generated/matrix.md
	rm -f matrix.jsonl

judge-mutants: .venv/installed
	$(BIN)/python -m pip install --quiet --editable ".[mutation]"
	OMP_NUM_THREADS=1 $(BIN)/mutmut run $(MUTANTS)
	$(BIN)/mutmut results

extreme: .venv/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m audits.extreme --jobs 2 --only '$(ONLY)' --write

coverage: .venv/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[coverage]"
	$(BIN)/python -m pytest -n auto --hypothesis-profile=ci --cov

bench: .venv/installed
	$(BIN)/python -m benchmarks.bench
	$(BIN)/python -m benchmarks.starting

figures: .venv/installed
	$(BIN)/python -m audits.figures

alarms: .venv/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m audits.alarms --jobs 2

truths: .venv/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m audits.truths --jobs 2

garbage: .venv/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m audits.garbage --jobs 2

conformance: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-conformance
	.venv-conformance/bin/python -m pip install --quiet --constraint constraints.txt --editable ".[conformance]"
	OMP_NUM_THREADS=1 .venv-conformance/bin/python -m audits.conformance --write docs/generated/conformance.md
	rm -f conformance.jsonl

notebook: .venv/installed # what the extras name, without building softproof once more
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt nbclient ipykernel matplotlib
	$(BIN)/python -m examples.notebook

pictures: .venv/installed
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt matplotlib
	$(BIN)/python -m examples.pictures

offline: .venv/installed
	$(BIN)/python -m audits.offline --out dist/offline

gpu-document: .venv/installed
	$(BIN)/python -m audits.document --write docs/generated/gpu.md

wheel: .venv/installed
	rm -rf dist
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	$(BIN)/python -m pip install --quiet --no-deps --target dist/site dist/*.whl
	cp -r manual reference dist/site
	cd dist/site && PYTHONPATH=. ../../$(BIN)/python -P -m softproof verify manual reference --examples 10 --html ../report.html
	cd dist/site && PYTHONPATH=. ../../$(BIN)/python -P -m softproof schema > ../report.schema.json

clean:
	rm -rf .venv .venv-conformance .hypothesis .mypy_cache .pytest_cache .ruff_cache dist
