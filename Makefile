# Everything a user needs, by name; each target makes the environment first, when it is missing.
PYTHON ?= $(or $(shell command -v python3.11),python3)
VENV := .venv
READY := $(VENV)/.ready
PIP := $(VENV)/bin/python -m pip install --disable-pip-version-check
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export PORT
# No usage statistics, no update checks: the project works without a network once it is installed.
export DVC_NO_ANALYTICS := 1
export MLFLOW_DISABLE_TELEMETRY := true

.DEFAULT_GOAL := help
.PHONY: help env repro test test-fast check lock experiments bench-gpu gpu-study mlflow clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

env: $(READY)  ## Make the environment in .venv (the other targets do this by themselves)

# Made anew only when what it is made from changes; the marker is written last.
# requirements.lock holds the hashes of torch as the public index serves it. An index of CPU-only builds serves other
# files (torch 2.13.0+cpu): then the lock's versions are installed without comparing hashes.
$(READY): requirements.txt requirements-dev.txt requirements.lock pyproject.toml
	@echo "making the environment in $(VENV) with $(PYTHON); this takes some minutes the first time"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "error: $(PYTHON) is not Python 3.11 or newer: install it, or name another with make PYTHON=..." >&2; exit 1; }
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@if $(PIP) --dry-run --quiet --no-deps --ignore-installed --report - $$(grep '^torch==' requirements.txt) 2>/dev/null | \
	  grep -q '"version": "[^"]*+'; then \
	  echo "the package index has its own build of torch: versions of requirements.lock, hashes not compared"; \
	  sed -E '/^ *--hash/d; s/ *\\$$//' requirements.lock > $(VENV)/versions.txt; \
	  $(PIP) --progress-bar on -r requirements.txt -r requirements-dev.txt -c $(VENV)/versions.txt; \
	else \
	  $(PIP) --progress-bar on --require-hashes -r requirements.lock || \
	  { echo "requirements.lock does not fit here: requirements.txt instead, hashes not compared"; \
	    $(PIP) --progress-bar on -r requirements.txt -r requirements-dev.txt; }; \
	fi
	@$(PIP) --quiet --no-deps -e .
	@touch $@

repro: $(READY)  ## Run the whole study to reports/index.html
	@echo "running the study: dvc repro"
	@dvc repro
	@echo "the report is reports/index.html"

test: $(READY)  ## Run the whole test suite
	@echo "running the tests: pytest"
	@python -m pytest -n 2 --dist loadfile

test-fast: $(READY)  ## Run the tests that take no minutes and start no processes
	@echo "running the fast tests: pytest -m 'not slow'"
	@python -m pytest -n 2 --dist loadfile -m "not slow"

check: $(READY)  ## Check style, formatting and types (ruff, mypy)
	@ruff check .
	@ruff format --check .
	@mypy

lock:  ## Renew requirements.lock after a change of a pin (needs uv: pip install uv)
	@command -v uv > /dev/null || { echo "error: uv is missing: pip install uv" >&2; exit 1; }
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	  --custom-compile-command "make lock" --output-file requirements.lock requirements.txt requirements-dev.txt

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

mlflow: $(READY)  ## Browse the runs on http://127.0.0.1:5000 (another port: make mlflow PORT=5001)
	@test -e mlflow.db || { echo "error: there are no runs yet: make repro first" >&2; exit 1; }
	@echo "the runs: http://127.0.0.1:$${PORT:-5000}/#/experiments/1/runs (stop with Ctrl-C)"
	@MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false mlflow ui --host 127.0.0.1 --port "$${PORT:-5000}" --workers 1 \
	  --backend-store-uri "sqlite:///$(CURDIR)/mlflow.db"

clean:  ## Remove the environment and every generated file; your images in data/raw and DVC's cache stay
	@if [ -d data ]; then find data/ -mindepth 1 -maxdepth 1 ! -name raw -exec rm -rf {} +; fi
	rm -rf $(VENV) scratch mlruns mlflow.db* reports/figures reports/maps reports/tables reports/index.html
