# Two commands for everybody: `make demo` and `make test`. The rest is for developers.
PYTHON_BOOT ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help demo test setup check unit bench verify-native lock down clean

help:  ## What there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

demo:  ## Set everything up, start Rocket (three teams, one Airflow), drive its pipelines, leave it running
	@$(PYTHON_BOOT) scripts/bootstrap.py demo
	@$(BIN)/airspace demo $(ARGS)

test: setup check  ## Set everything up and pass all tests
	@$(BIN)/pytest $(ARGS)

setup:
	@$(PYTHON_BOOT) scripts/bootstrap.py test

check: setup  ## Lint, types, layers
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

unit: setup  ## The fast tests only
	@$(BIN)/pytest tests/unit $(ARGS)

verify-native: setup  ## The attacks of `airspace verify isolation` on Airflow's own multi-team
	@$(BIN)/python -m benchmarks.native_isolation $(ARGS)

bench: setup  ## Measure against plain Airflow and native multi-team (ONLY=name for one)
	@$(BIN)/python -m benchmarks $(if $(ONLY),--only $(ONLY)) $(ARGS)

lock:  ## Renew the locks from pyproject.toml
	@$(PYTHON_BOOT) scripts/lock.py

down:  ## Stop the platform
	@$(BIN)/airspace down

clean: down  ## Stop the platform and remove the environment
	@rm -rf .venv .boot
