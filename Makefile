# Every target sets up .venv by itself; the second time it is quick.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export OMP_NUM_THREADS ?= 2
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: setup browser demo test serve lint bench bench-dp bench-short planted calibration evaluation-cost ledger-storm audit clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --group dev -e .
	touch $@

demo: setup
	$(BIN)/populace demo --output demo

# The tests look at pages in a browser: the system's Chromium, or Playwright's own where there is no apt.
browser: setup
	command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null \
	|| { command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] && apt-get update -qq \
	     && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; } \
	|| $(BIN)/playwright install chromium

test: setup browser
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

serve: setup
	$(BIN)/populace serve

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Hours: peers at their defaults, three seeds. POPULACE_BENCH_DATA names the tables; arguments go into BENCH.
bench: setup
	$(BIN)/python -m bench.run --readme bench/README.md $(BENCH)

# Hours: private synthesizers at four budgets, three seeds. Data and arguments as for bench.
bench-dp: setup
	$(BIN)/python -m bench.dp --readme bench/README.md $(BENCH)

# Ours and the yardsticks on an invented table, a few steps: shows that the bench runs, not how good anything is.
bench-short: setup
	$(BIN)/python -m bench.run --tables census --rows 1500 --models holdout independent ours --seeds 1 --fresh \
	  --set ours.steps=60 --limit 120 --out build/bench/short

# Eight defects planted in Adult and national2019 (POPULACE_BENCH_DATA), and what the report names first: an hour. The
# short form, 4,000 rows and Adult alone, takes minutes: make planted BENCH="--only adult --rows 4000". Tests have it, too.
planted: setup
	$(BIN)/python -m bench.planted $(BENCH)

# 40 reports on fresh real rows, which must pass every bar; independent columns and a copy must not. On the invented
# census unless BENCH names another table: make calibration BENCH="--table adult --rows 4000".
calibration: setup
	$(BIN)/python -m bench.calibration $(BENCH)

# Time and memory of the whole report on heart_failure, Adult and covertype (POPULACE_BENCH_DATA).
evaluation-cost: setup
	$(BIN)/python -m bench.evaluation $(BENCH)

# 32 processes submit 200 jobs each against one privacy budget, on SQLite and on Postgres. The tests have a short form.
ledger-storm: setup
	$(BIN)/python -m tests.resilience.ledger_storm

# Attacks on the privacy core, and planted faults that they must catch: minutes. The tests have the short form.
audit: setup
	$(BIN)/populace audit --full

clean:
	rm -rf $(VENV) demo .mypy_cache .ruff_cache .pytest_cache .import_linter_cache *.egg-info
