# Everything a person types. Each target sets up what it needs first; nothing has to be installed beforehand but Python 3.13.
#   make demo ARGS="--json"          arguments go to the program behind the target
#   make PYTHON=/path/to/python3.13  which Python to set up with
#   make build ARCHITECTURE=arm64    for which processor; x86_64 if nothing is said

PY := .venv/bin/python
ARGS ?=
ARCHITECTURE ?= x86_64

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup setup-local setup-test setup-build setup-check setup-stack demo crash sim mutants test check bench load build runtime stack audit lock clean outcry

help:  ## this list
	@echo "Outcry. First commands on a clean clone: make demo, make test."
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

setup:
	@tools/setup.sh project

setup-local:
	@tools/setup.sh project ministack

setup-test:
	@tools/setup.sh project ministack runtime

setup-check:
	@tools/setup.sh project ministack checkov

setup-build:
	@tools/setup.sh project sam build

setup-stack:
	@tools/setup.sh project ministack sam build runtime

demo: setup-local  ## a desk at work on this machine, for at most 90 s after set-up; ARGS="--help" lists what it takes
	@$(PY) -m local demo $(ARGS)

crash: setup-local  ## each scenario killed at each thing that it does, and delivered again; SCENARIO=entry, CASE=entry:17:before_commit:twice, JOBS=2
	@$(PY) -m local crash $(if $(SCENARIO),--scenario $(SCENARIO)) $(if $(CASE),--case $(CASE)) $(if $(JOBS),--jobs $(JOBS)) $(ARGS)

sim: setup-local  ## a desk broken in every way a seed draws; SEEDS=500, SEED=12345 plays one again, SCENARIO=lost-reply, JOBS=2
	@$(PY) -m local sim $(if $(SEEDS),--seeds $(SEEDS)) $(if $(FIRST),--first $(FIRST)) $(if $(SEED),--seed $(SEED)) \
	  $(if $(SCENARIO),--scenario $(SCENARIO)) $(if $(MUTANT),--mutant $(MUTANT)) $(if $(JOBS),--jobs $(JOBS)) $(ARGS)

mutants: setup-local  ## remove eight guards in turn, each until the simulation notices; SEEDS=200 is how many it may take
	@$(PY) -m local sim --mutants --seeds $(or $(SEEDS),200) $(if $(JOBS),--jobs $(JOBS)) $(ARGS)

test: setup-test  ## every test, and how much of the code they reach; ARGS="tests/orders -k stop" for a part of them
	@$(PY) tools/run_tests.py $(ARGS)

check: setup-check  ## format, lint, types, imports between rooms, the template, and the rules of the architecture
	@$(PY) tools/run_checks.py

bench: setup-local  ## the figures of docs/how-it-is-tested.md, measured here, beside their targets
	@PYTHONPATH="$(CURDIR)" $(PY) tests/benchmarks/run.py $(ARGS)

load: setup-local  ## 10,000 orders through 16 workers, then exits under an entry flood; ARGS="--orders 2000", ARGS="--help"
	@$(PY) -m local load $(ARGS)

outcry: setup  ## the operator's command line; ARGS="status"
	@.venv/bin/outcry $(ARGS)

build: setup-build  ## what is deployed, in .aws-sam/build, and its sizes; ARCHITECTURE=arm64 for the other processor
	@PYTHONPATH="$(CURDIR)" $(PY) tools/build.py --architecture $(ARCHITECTURE) $(ARGS)

runtime: setup-stack  ## build, then each built function under Lambda's own client: imports, events, time to start, memory
	@PYTHONPATH="$(CURDIR)" $(PY) tools/build.py --architecture machine
	@OUTCRY_BUILD_MUST_BE_HERE=1 $(PY) -m pytest -q tests/runtime_tier

stack: runtime  ## what runtime does; then deploy onto the local AWS, trade, update, roll back, break, delete; ARGS="--phases deploy,trade" for a part
	@$(PY) -m local stack $(ARGS)

audit:  ## whether a locked package has a known vulnerability; needs the network
	@tools/setup.sh project audit
	@$(PY) tools/audit.py $(ARGS)

lock: setup  ## resolve every lock anew; ARGS=--upgrade takes newer versions
	@tools/setup.sh uv
	@$(PY) tools/lock.py $(ARGS)

clean:  ## remove everything that was made here: environments, caches, builds, coverage
	@rm -rf .venv .tools .aws-sam build dist htmlcov .local .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@rm -f .coverage .coverage.*
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
