# Every target sets up what it needs by itself: a virtual environment in .venv, from pinned versions, with the CPU build
# of PyTorch. PYTHON chooses the interpreter (3.11 to 3.13).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Four workers on two cores: half of the time, a test waits for a process or a time limit. Those of test-fast do not.
WORKERS ?= 4
SECONDS ?= 60

# Tests start many processes: without bytecode on disk each of them would compile everything again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test-fast test test-all gpu-check fuzz lint format bench clean

help:
	@echo "make demo                 a scripted model answers each case of skills/cuda-kernels, without the skill and with it"
	@echo "make test-fast            within a minute: what neither compiles, judges nor runs pytest"
	@echo "make test                 what a change must pass: lint, types, all tests, a fixed sample of large sets of them"
	@echo "make test-all             for the night: also the rest of those sets, ten seeds of each right kernel, and each"
	@echo "                          right kernel compiled for sm_80, sm_90 and sm_100 (needs nvcc, no GPU)"
	@echo "make gpu-check            all that needs a GPU, in the environment of PYTHON; WHEELS=DIR brings missing packages"
	@echo "make fuzz                 feed the readers of cases, replies and answers with nonsense; SECONDS=60"
	@echo "make lint                 ruff, mypy, clang-format and the linter of skills, changing nothing"
	@echo "make format               format Python and C++"
	@echo "make bench                the benchmarks, as ratios where that can be; QUICK=--quick only tries them out"
	@echo "make clean                remove the virtual environment and caches"

$(STAMP): pyproject.toml constraints.txt tools/setup.sh
	sh tools/setup.sh "$(PYTHON)" "$(VENV)"
	touch $(STAMP)

# Each kernel compiles three times as fast without nvcc, which has no say in what the demo shows.
demo: $(STAMP)
	UPSKILL_NVCC=none $(BIN)/pytest -n 2 skills/cuda-kernels --upskill-student=demo --upskill-replies=live --upskill-examples=5

test-fast: $(STAMP)
	$(BIN)/pytest -n auto --fast

test: $(STAMP) lint
	$(BIN)/pytest -n $(WORKERS)

test-all: $(STAMP) lint
	$(BIN)/pytest -n $(WORKERS) -m ""

# Where GPUs are, PyTorch is there already and no package registry may be in reach: nothing is installed.
gpu-check:
	"$(PYTHON)" tools/gpu_check.py $(if $(WHEELS),--wheels "$(WHEELS)")

fuzz: $(STAMP)
	$(BIN)/python -m tests.fuzz $(SECONDS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/upskill-gen lint skills/
	git ls-files '*.cpp' '*.h' | grep -v '^tests/' | xargs $(BIN)/clang-format --dry-run -Werror

format: $(STAMP)
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .
	git ls-files '*.cpp' '*.h' | grep -v '^tests/' | xargs $(BIN)/clang-format -i

bench: $(STAMP)
	for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python $$file $(QUICK) || exit 1; done

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache
