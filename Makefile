# Every target sets up what it needs by itself: a virtual environment in .venv, from pinned versions, with the CPU build
# of PyTorch. PYTHON chooses the interpreter (3.11 to 3.13).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WORKERS ?= 2

# Tests start many processes: without bytecode on disk each of them would compile everything again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test soak every-architecture gpu-check lint format bench clean

help:
	@echo "make demo                 the whole road: a scripted model answers every case, without the skill and with it"
	@echo "make test                 lint, types and all tests"
	@echo "make soak                 judge all right kernels on ten seeds; none may be rejected (many minutes)"
	@echo "make every-architecture   compile all right kernels for sm_80, sm_90 and sm_100 (minutes; needs nvcc, no GPU)"
	@echo "make gpu-check            all that needs a GPU, in the environment of PYTHON; WHEELS=DIR brings missing packages"
	@echo "make lint                 ruff, mypy and clang-format, changing nothing"
	@echo "make format               format Python and C++"
	@echo "make bench                the benchmarks, as ratios where that can be"
	@echo "make clean                remove the virtual environment and caches"

$(STAMP): pyproject.toml constraints.txt tools/setup.sh
	sh tools/setup.sh "$(PYTHON)" "$(VENV)"
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/pytest skills --upskill-student=demo --upskill-replies=live --upskill-examples=5

test: $(STAMP) lint
	$(BIN)/pytest -n $(WORKERS)

soak: $(STAMP)
	$(BIN)/pytest -n $(WORKERS) -m soak

every-architecture: $(STAMP)
	$(BIN)/pytest -n $(WORKERS) -m every_architecture

# Where GPUs are, PyTorch is there already and no package registry may be in reach: nothing is installed.
gpu-check:
	"$(PYTHON)" tools/gpu_check.py $(if $(WHEELS),--wheels "$(WHEELS)")

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	git ls-files '*.cpp' '*.h' | grep -v '^tests/' | xargs $(BIN)/clang-format --dry-run -Werror

format: $(STAMP)
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .
	git ls-files '*.cpp' '*.h' | grep -v '^tests/' | xargs $(BIN)/clang-format -i

bench: $(STAMP)
	for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache
