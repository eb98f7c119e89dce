# Two commands matter: `make reproduce` and `make test`. Each does all of its
# own set-up, can be interrupted at any moment, and is safe to run again.

# The Python that makes the virtual environment; found if not given.
PYTHON ?=
VENV ?= .venv
# Stages that run at the same time: if not given, two on a CPU, one with a GPU.
JOBS ?=
# Processes that share the tests.
TEST_JOBS ?= 2
# Handed to pytest: make test ARGS="-k inn"
ARGS ?=

PY := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
INSTALLED_TEST := $(VENV)/.installed-test

# The stages' commands say `python`: dvc's subprocesses must find ours. Not
# exported, or else the search for a Python below could find the one it makes.
WITH_VENV = PATH="$(abspath $(VENV))/bin:$$PATH"
export DVC_NO_ANALYTICS := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

ifneq ($(words $(VENV)),1)
$(error VENV is "$(VENV)": name a folder without spaces)
endif

# Never remove a folder that is something else.
NOT_A_VENV = [ ! -e "$(VENV)/pyvenv.cfg" ] && [ -n "$$(find "$(VENV)" -type f 2>/dev/null | head -n 1)" ]

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help reproduce test lint install clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

reproduce: $(INSTALLED) ## every table and figure, at the scale params.yaml names
	@# A downloaded archive has no .git: DVC needs to know, in a file git does not track.
	@git rev-parse --git-dir >/dev/null 2>&1 || grep -qs no_scm .dvc/config.local \
	    || $(PY) -m dvc config --local core.no_scm true
	@$(PY) -m pipeline.reproduce $(if $(JOBS),--jobs $(JOBS))
	@echo "Done. Open reports/index.html, or read reports/README.md."

test: $(INSTALLED_TEST) ## the unit tests and the whole graph at scale smoke
	@$(WITH_VENV) OMP_NUM_THREADS=1 python -m pytest -n $(TEST_JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

lint: $(INSTALLED_TEST) ## ruff and mypy
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy

install: $(INSTALLED) ## create the virtual environment, nothing else

clean: ## remove the virtual environment and the tools' caches; results are kept
	@if $(NOT_A_VENV); then \
	    echo "error: $(VENV) is not a virtual environment; it is left alone." >&2; exit 1; fi
	rm -rf "$(VENV)" making_sense_of_cnns.egg-info .pytest_cache .ruff_cache .mypy_cache
	find pipeline tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# The stamp is written last. Without it an environment is half-made: start over.
# With it, but older than the pins: bring the environment up to date in place.
$(INSTALLED): pyproject.toml constraints.txt
	@if [ ! -e "$@" ]; then \
	    if $(NOT_A_VENV); then \
	        echo "error: $(VENV) exists and is not a virtual environment; move it away or choose another place with VENV=..." >&2; exit 1; fi; \
	    found=; \
	    for candidate in $(if $(PYTHON),"$(PYTHON)",python3 python3.13 python3.12 python3.11 python); do \
	        if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then found=$$candidate; break; fi; \
	    done; \
	    if [ -z "$$found" ]; then \
	        echo "error: Python 3.11 or newer is needed, and $(if $(PYTHON),$(PYTHON) is not one,none was found); name one with PYTHON=/path/to/python3.11." >&2; exit 1; fi; \
	    echo "Making $(VENV) with $$("$$found" --version)."; \
	    "$$found" -m venv --clear "$(VENV)" || { \
	        echo "error: no virtual environment could be made in $(abspath $(VENV)): see the message above (the folder must be writable, and Debian and Ubuntu need the package python3-venv)." >&2; exit 1; }; \
	fi
	@rm -f "$@" "$(INSTALLED_TEST)"
	@echo "Installing the pinned packages (about two minutes; longer where pip fetches a CUDA build of PyTorch)."
	@$(PY) -m pip install --quiet --no-input -c constraints.txt -e . || { \
	    echo "error: pip could not install the pinned packages: see the message above; run the same command again to start over." >&2; exit 1; }
	@touch "$@"

$(INSTALLED_TEST): $(INSTALLED)
	@echo "Installing the test packages."
	@$(PY) -m pip install --quiet --no-input -c constraints.txt -e ".[test]"
	@touch "$@"
