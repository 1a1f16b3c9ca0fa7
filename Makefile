# Two commands do everything on a machine with git, make and Python 3.11:
#   make demo   installs and runs the main job on the fraud example
#   make test   installs and runs the tests
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt
SENTINELS := $(VENV)/.installed

.PHONY: help demo demo-sentiment test test-slow check format lint types contracts coverage bench docs clean

help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

$(SENTINELS)/venv:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not installed; install it, or say: make PYTHON=python3.12 ..."; exit 2; }
	@echo "creating $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@mkdir -p $(SENTINELS) && touch $@

# torch first and by its exact pin: a bare requirement would bring gigabytes of CUDA packages.
$(SENTINELS)/torch: $(SENTINELS)/venv constraints.txt
	@echo "installing torch (200 MB, once)"
	@$(PIP) torch==2.13.0
	@touch $@

$(SENTINELS)/demo: $(SENTINELS)/torch pyproject.toml
	@echo "installing tradewind with its engines (once)"
	@$(PIP) -e '.[lab,serve]'
	@touch $@

$(SENTINELS)/sentiment: $(SENTINELS)/demo
	@$(PIP) -e '.[lab,serve,sentiment]'
	@touch $@

$(SENTINELS)/dev: $(SENTINELS)/torch pyproject.toml
	@echo "installing tradewind with everything that the tests need (once)"
	@$(PIP) -e '.[dev]'
	@touch $@

demo: $(SENTINELS)/demo ## install and run the main job on the fraud example
	@$(BIN)/tradewind run examples/fraud/goal.yaml

demo-sentiment: $(SENTINELS)/sentiment ## the main job on a pretrained encoder and labelled tweets
	@$(BIN)/tradewind run examples/sentiment/goal.yaml

test: $(SENTINELS)/dev ## install and run the tests
	@$(BIN)/python -m pytest -m 'not slow and not gpu'

test-slow: $(SENTINELS)/dev ## the tests that take minutes
	@$(BIN)/python -m pytest -m 'slow and not gpu'

format: $(SENTINELS)/dev ## format the code in place
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lint: $(SENTINELS)/dev
	@$(BIN)/ruff format --check . && $(BIN)/ruff check .

types: $(SENTINELS)/dev
	@$(BIN)/mypy

contracts: $(SENTINELS)/dev
	@$(BIN)/lint-imports

coverage: $(SENTINELS)/dev
	@$(BIN)/python -m pytest -m 'not slow and not gpu' --cov --cov-report=term:skip-covered --cov-fail-under=80

check: lint types contracts coverage ## everything that must pass before a change lands

bench: $(SENTINELS)/dev ## the benchmarks; results go to benchmarks/results/
	@$(BIN)/python benchmarks/run.py

docs: $(SENTINELS)/dev ## the reference, from the docstrings, into build/docs
	@$(BIN)/pdoc --output-directory build/docs \
	  tradewind.loop tradewind.domain tradewind.decide tradewind.lab tradewind.run tradewind.files tradewind.show.report

clean: ## remove the environment and everything that was made
	rm -rf $(VENV) build runs
