# Two commands for everybody: `make demo` and `make test`. The rest is for developers.
PYTHON_BOOT ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help demo test setup check unit acceptance integration bench verify-native lock down clean

help:  ## What there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

demo:  ## Set everything up, start Rocket (three teams, one Airflow), drive its pipelines, leave it running
	@$(PYTHON_BOOT) scripts/bootstrap.py demo
	@$(PYTHON_BOOT) scripts/front_end.py build
	@$(BIN)/airspace demo $(ARGS)

# What only computes runs beside the checks; what measures and starts platforms runs alone, unless two are asked for.
test: setup  ## Set everything up and pass all tests (ARGS="-k word" for some, JOBS=2 for two platforms at a time)
ifeq ($(ARGS)$(JOBS),)
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target check unit
	@$(BIN)/pytest --ignore=tests/unit
else ifeq ($(ARGS),)
	@$(MAKE) --no-print-directory --jobs=$(JOBS) --output-sync=target check unit
	@$(MAKE) --no-print-directory --jobs=$(JOBS) --output-sync=target acceptance integration
else
	@$(MAKE) --no-print-directory check
	@$(BIN)/pytest $(ARGS)
endif

setup:
	@$(PYTHON_BOOT) scripts/bootstrap.py test
	@$(PYTHON_BOOT) scripts/front_end.py build

check: setup  ## Lint, types, layers, the front end
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(PYTHON_BOOT) scripts/front_end.py check

unit: setup  ## The fast tests only
	@$(BIN)/pytest tests/unit $(ARGS)

verify-native: setup  ## The attacks of `airspace verify isolation` on Airflow's own multi-team
	@$(BIN)/python -m benchmarks.native_isolation $(ARGS)

acceptance: setup
	@$(BIN)/pytest tests/acceptance $(ARGS)

integration: setup
	@$(BIN)/pytest tests/integration $(ARGS)

bench: setup  ## Measure against plain Airflow and native multi-team (ONLY=name for one)
	@$(BIN)/python -m benchmarks $(if $(ONLY),--only $(ONLY)) $(ARGS)

lock:  ## Renew the locks from pyproject.toml
	@$(PYTHON_BOOT) scripts/lock.py

down:  ## Stop the platform
	@$(BIN)/airspace down

clean: down  ## Stop the platform and remove the environment
	@rm -rf .venv .boot .boot-node ui/node_modules
