# The only front door. `make` prints what there is; every target is one line into the project's own tools.
.DEFAULT_GOAL := help
.SHELLFLAGS := -eu -o pipefail -c
SHELL := bash
BIN := .venv/bin

##@ Start here
.PHONY: help setup demo
help: ## Show this help
	@awk 'BEGIN {FS = ":.*## "} /^##@ / {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.complete ## Make .venv with everything in it
.venv/.complete: pyproject.toml uv.lock hack/setup
	@hack/setup
	@touch $@

demo: setup ## Load the samples into an embedded Postgres and serve them on localhost:8000
	@$(BIN)/cryptosource up -f samples/

##@ Check
.PHONY: test lint types test-unit test-integration test-faults generate
test: lint types test-unit test-integration test-faults ## Everything: what CI runs

lint: setup ## Style, spelling, imports between parts, generated files
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/codespell
	@$(BIN)/python hack/style_stats.py

types: setup ## mypy, strict
	@$(BIN)/mypy

test-unit: setup ## Tests without a database, a few seconds each
	@$(BIN)/pytest tests/unit

test-integration: setup ## Tests on a real Postgres: DATABASE_URL, or an embedded one
	@$(BIN)/pytest tests/integration

test-faults: setup ## Crashes, lost connections, hostile upstreams
	@$(BIN)/pytest tests/faults tests/e2e

##@ Try
.PHONY: market clean
market: setup ## Start the nasty market, a fake CoinPaprika and CoinGecko, on port 9100
	@$(BIN)/python -m hack.market --port 9100

clean: ## Remove .venv and caches; data of `make demo` stays
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis

##@ Measure
.PHONY: bench-ingest
bench-ingest: setup ## Rows per second of the load path beside two floors, in one run
	@$(BIN)/python -m hack.bench.ingest
