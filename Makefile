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
.PHONY: test lint types test-unit test-integration test-faults test-cluster generate
test: lint types test-unit test-integration test-cluster test-faults ## Everything: what CI runs

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

test-cluster: setup ## The operator on a real Kubernetes API server, which is built once and cached
	@$(BIN)/python -m hack.cluster build etcd kubernetes
	@$(BIN)/pytest tests/cluster

generate: setup ## Make generated files anew: the CRD
	@$(BIN)/python -m cryptosource_crd.generate

##@ Kubernetes without Docker
.PHONY: cluster-up cluster-down cluster-status cluster-env
cluster-up: setup ## Start a cluster: that of KUBECONFIG, else kind, else a single node of our own
	@$(BIN)/python -m hack.cluster up

cluster-down: setup ## End it and leave nothing behind
	@$(BIN)/python -m hack.cluster down

cluster-status: setup ## Show what runs
	@$(BIN)/python -m hack.cluster status

cluster-env: setup ## Print exports for a shell: eval "$$(make -s cluster-env)"
	@$(BIN)/python -m hack.cluster env

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
