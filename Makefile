# Everything a user needs, by name; each target makes the environment first, when it is missing.
PYTHON ?= $(or $(shell command -v python3.11),python3)
VENV := .venv
READY := $(VENV)/.ready
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
# No usage statistics, no update checks: the project works without a network once it is installed.
export DVC_NO_ANALYTICS := 1
export MLFLOW_DISABLE_TELEMETRY := true

.DEFAULT_GOAL := help
.PHONY: help env repro test check experiments bench-gpu gpu-study mlflow clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

env: $(READY)  ## Make the environment in .venv (the other targets do this by themselves)

# Made anew only when what it is made from changes; the marker is written last.
$(READY): requirements.txt pyproject.toml
	@echo "making the environment in $(VENV) with $(PYTHON); this takes some minutes the first time"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "error: $(PYTHON) is not Python 3.11 or newer: install it, or name another with make PYTHON=..." >&2; exit 1; }
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip install --disable-pip-version-check --progress-bar on -r requirements.txt
	@$(VENV)/bin/python -m pip install --disable-pip-version-check --quiet --no-deps -e .
	@touch $@

repro: $(READY)  ## Run the whole study to reports/index.html
	@echo "running the study: dvc repro"
	@dvc repro
	@echo "the report is reports/index.html"

test: $(READY)  ## Run the whole test suite
	@echo "running the tests: pytest"
	@python -m pytest

check: $(READY)  ## Check style and formatting (ruff)
	@ruff check . && ruff format --check .

experiments: $(READY)  ## Compare experiments: accuracies side by side (dvc exp show, the main columns)
	@COLUMNS=200 dvc exp show --drop '.*' --keep '(Experiment|model|dataset|profile|.*top1)$$'

bench-gpu: $(READY)  ## Training and extraction against the bare model on this machine's GPU
	@python benchmarks/gpu.py

gpu-study: $(READY)  ## The four large networks at 224 px on a GPU; keeps the results in docs/results/
	@python -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' || \
	  { echo "error: no GPU is present: run this on a machine that has one" >&2; exit 1; }
	@python benchmarks/gpu.py
	@dvc exp run -S model=large -S profile=gpu
	@python benchmarks/keep_results.py

mlflow: $(READY)  ## Browse the runs on http://127.0.0.1:5000
	@test -e mlflow.db || { echo "error: there are no runs yet: make repro first" >&2; exit 1; }
	@echo "the runs: http://127.0.0.1:$(or $(PORT),5000)/#/experiments/1/runs (stop with Ctrl-C)"
	@MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false mlflow ui --host 127.0.0.1 --port $(or $(PORT),5000) --workers 1 \
	  --backend-store-uri sqlite:///$(CURDIR)/mlflow.db

clean:  ## Remove the environment and every generated file; your images in data/raw and DVC's cache stay
	@if [ -d data ]; then find data/ -mindepth 1 -maxdepth 1 ! -name raw -exec rm -rf {} +; fi
	rm -rf $(VENV) scratch mlruns mlflow.db* reports/figures reports/maps reports/tables reports/index.html
