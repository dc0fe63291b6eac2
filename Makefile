# `make help` explains every target.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Where torch comes from; for a small CPU build on Linux: make setup TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
EXTRA := $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
STAMP := $(VENV)/.installed

.PHONY: help setup demo check test slow tables clean

help: ## explain every target
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

setup: $(STAMP) ## make .venv with everything that is needed, pinned by constraints.txt

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"Python {v[0]}.{v[1]} is too old: Marey needs 3.11 or newer; point to one with make setup PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(EXTRA) -c constraints.txt -e '.[dev]'
	@touch $@

demo: setup ## render a small stage data set, train, evaluate, predict; leaves runs/demo/report.html
	$(BIN)/marey demo --out runs/demo

check: setup ## lint, format, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/python -m pytest tests/test_layers.py

test: setup ## the test suite (no network, no GPU)
	$(BIN)/python -m pytest -n 2

slow: setup ## the tests that train to learn, drive a browser or build large networks
	$(BIN)/python -m pytest -n 2 -m slow

tables: setup ## count all presets anew: src/marey/presets/costs.json and docs/models.md
	echo '{}' > src/marey/presets/costs.json
	$(BIN)/python -c 'from pathlib import Path; from marey.presets import costs_json; Path("src/marey/presets/costs.json").write_text(costs_json())'
	$(BIN)/python -c 'from pathlib import Path; from marey.presets import models_markdown; Path("docs/models.md").write_text(models_markdown())'

clean: ## remove the environment and what was built
	rm -rf $(VENV) build dist src/*.egg-info .pytest_cache .ruff_cache .hypothesis
