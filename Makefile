# Everything a person types. Each target sets up what it needs first; nothing has to be installed beforehand but Python 3.13.
#   make demo ARGS="--json"          arguments go to the program behind the target
#   make PYTHON=/path/to/python3.13  which Python to set up with

PY := .venv/bin/python
ARGS ?=

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup setup-local demo test check bench lock clean outcry

help:  ## this list
	@echo "Outcry. First commands on a clean clone: make demo, make test."
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

setup:
	@tools/setup.sh project

setup-local:
	@tools/setup.sh project ministack

demo: setup-local  ## a desk at work on this machine, for at most 90 s after set-up; ARGS="--help" lists what it takes
	@$(PY) -m local demo $(ARGS)

test: setup-local  ## every test, and how much of the code they reach; ARGS="tests/orders -k stop" for a part of them
	@$(PY) tools/run_tests.py $(ARGS)

check: setup  ## format, lint, types, imports between rooms, the template, and the rules of the architecture
	@$(PY) tools/run_checks.py

bench: setup-local  ## the figures of docs/how-it-is-tested.md, measured here, beside their targets
	@PYTHONPATH="$(CURDIR)" $(PY) tests/benchmarks/run.py $(ARGS)

outcry: setup  ## the operator's command line; ARGS="status"
	@.venv/bin/outcry $(ARGS)

lock: setup  ## resolve every lock anew; ARGS=--upgrade takes newer versions
	@tools/setup.sh uv
	@$(PY) tools/lock.py $(ARGS)

clean:  ## remove everything that was made here: environments, caches, builds, coverage
	@rm -rf .venv .tools .aws-sam build dist htmlcov .local .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@rm -f .coverage .coverage.*
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
