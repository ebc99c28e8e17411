# make run: the site.   make test: every test.   make help: the rest.
.DEFAULT_GOAL := help
SHELL := /bin/sh
.SUFFIXES:

VENV := .venv
BIN := $(VENV)/bin
# PYTHON=... names another interpreter for the first run.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
# PORT counts from the environment too; HOST, which some shells export as the machine's name, only after "make run".
ifeq ($(origin HOST),command line)
RUN_OPTIONS := --host $(HOST)
endif

# Beside each other, a file at a time; of what starts whole sites and browsers (e2e) two, for it has time limits.
BESIDE := --numprocesses auto --maxprocesses 4 --dist loadfile -m "not e2e"
E2E := --numprocesses 2 --dist loadfile -m e2e

.PHONY: help run test bench clean
help:
	@echo "make run              the site with a sample study, on http://127.0.0.1:8000 (PORT=8001: another port,"
	@echo "                      HOST=0.0.0.0: for the local network)"
	@echo "make test             checks and all tests, the browser's too"
	@echo "make bench            what is measured: time for metrics, ratings per second, ..."
	@echo "make clean            removes .venv; the data in var/ stays"

run: $(VENV)/run.stamp
	@exec $(BIN)/python -m mosweb run --with-parent $(RUN_OPTIONS)

test: $(VENV)/test.stamp
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@MOSWEB_CHROMIUM="$$($(BIN)/python -m tests.chromium)" && export MOSWEB_CHROMIUM && \
		{ OMP_NUM_THREADS=1 $(BIN)/pytest $(BESIDE) $(PYTEST_OPTIONS); fast=$$?; \
		$(BIN)/pytest $(E2E) $(PYTEST_OPTIONS) && exit $$fast; }

bench: $(VENV)/test.stamp
	@for file in tests/bench/bench_*.py; do echo "== $$file"; $(BIN)/python -m tests.bench.$$(basename $$file .py) || exit 1; done

clean:
	rm -rf $(VENV)

# A torch that is installed and satisfies the pin is kept: pip sees it in .venv, or through it in the system.
$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "mosweb needs Python 3.11 or later; install it, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "mosweb needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) --version 2>&1)"; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(SYSTEM_TORCH) $(VENV) || { rm -rf $(VENV); \
		echo "Python cannot make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv"; exit 1; }

$(BIN)/python: SYSTEM_TORCH = $(shell $(PYTHON) -c 'import subprocess, sys; \
	sys.exit(subprocess.call([sys._base_executable, "-c", "import importlib.metadata as m; \
	raise SystemExit(m.version(\"torch\").partition(\"+\")[0] != \"$(TORCH)\")"], stderr=subprocess.DEVNULL))' \
	&& echo --system-site-packages)
TORCH = $(shell sed -n 's/^torch==//p' requirements.txt)

# What requirements.txt pins, each file by its hash (.ci/hashes writes them). torch and torchvision have none, and come
# from wherever pip finds them.
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --quiet
$(VENV)/run.stamp: requirements.txt requirements.lock | $(BIN)/python
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(VENV) has $$($(BIN)/python --version), and mosweb needs 3.11 or later: make clean, then again"; exit 1; }
	@$(BIN)/python -c 'import importlib.metadata as m; m.version("torch")' 2>/dev/null || \
		echo "Installing torch too: without a GPU, see \"The small torch\" in README.md, it saves several GB."
	@echo "Installing what requirements.txt names; minutes the first time"
	@$(INSTALL) --require-hashes --no-deps -r requirements.lock
	@$(INSTALL) $$(sed -n '/^torch/p' requirements.txt)
	@touch $@

$(VENV)/test.stamp: requirements-dev.txt requirements-dev.lock | $(VENV)/run.stamp
	@echo "Installing what requirements-dev.txt names; minutes the first time"
	@$(INSTALL) --require-hashes --no-deps -r requirements-dev.lock
	@touch $@ $(VENV)/run.stamp
