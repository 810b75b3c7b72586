# The only front door. `make` prints what there is; every target is one line into the project's own tools.
.DEFAULT_GOAL := help
.SHELLFLAGS := -eu -o pipefail -c
SHELL := bash
BIN := .venv/bin
# Set in many containers; here it would have each process compile all that it imports, every time.
unexport PYTHONDONTWRITEBYTECODE

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
.PHONY: test build-ahead lint types test-unit test-integration test-faults test-fuzz test-cluster generate migration
test: build-ahead lint types test-unit test-integration test-fuzz test-cluster test-faults ## Everything: what CI runs

# On a new machine: with what the tests leave of the processor. `test-cluster` waits for it and tells what it says.
build-ahead: setup
	@$(BIN)/python -m hack.cluster build >/dev/null 2>&1 </dev/null &

lint: setup ## Style, spelling, imports between parts, generated files
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/codespell
	@$(BIN)/python hack/style_stats.py
	@$(BIN)/python hack/one_schema.py
	@$(BIN)/python hack/docs_width.py
	@$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	@$(BIN)/zizmor --offline --quiet --no-progress .github

types: setup ## mypy, strict
	@$(BIN)/mypy

test-unit: setup ## Tests without a database, on every core
	@$(BIN)/pytest -n auto tests/unit

test-integration: setup ## Tests on a real Postgres: DATABASE_URL, or an embedded one
	@$(BIN)/pytest tests/integration

test-faults: setup ## Crashes, lost connections, hostile upstreams
	@$(BIN)/python -m hack.browser
	@$(BIN)/pytest tests/faults tests/e2e

test-fuzz: setup ## Five thousand requests made of the served description
	@$(BIN)/pytest tests/fuzz

test-cluster: setup ## The chart and the operator on a real Kubernetes, which is built once and cached
	@$(BIN)/python -m hack.cluster build
	@$(BIN)/python -m hack.cluster build helm3 prometheus
	@$(BIN)/python -m hack.images
	@$(BIN)/pytest tests/cluster

generate: setup ## Make generated files anew: the CRD, the chart's README, the API's description and reference
	@$(BIN)/python -m cryptosource_crd.generate
	@$(BIN)/python -m hack.chart_readme
	@$(BIN)/python -m hack.example_answers
	@$(BIN)/python -m hack.openapi
	@$(BIN)/python -m hack.api_reference

migration: setup ## Begin a migration with what tables/ has changed: make migration SUBJECT=source_labels
	@$(BIN)/python -m hack.new_migration $(SUBJECT)

##@ Kubernetes, with or without Docker
.PHONY: cluster-up cluster-down cluster-status cluster-env images deploy
cluster-up: setup ## Start a cluster: that of KUBECONFIG, else kind, else a single node of our own
	@$(BIN)/python -m hack.cluster up

cluster-down: setup ## End it and leave nothing behind
	@$(BIN)/python -m hack.cluster down

cluster-status: setup ## Show what runs
	@$(BIN)/python -m hack.cluster status

cluster-env: setup ## Print exports for a shell: eval "$$(make -s cluster-env)"
	@$(BIN)/python -m hack.cluster env

images: setup ## Build and check what changed; load it where a cluster runs
	@$(BIN)/python -m hack.images --load if-running

deploy: setup ## Install or upgrade the chart with images of this tree, and wait until it is ready
	@$(BIN)/python -m hack.deploy

##@ Try
.PHONY: market showcase screenshots clean
market: setup ## Start the nasty market, a fake CoinPaprika and CoinGecko, on port 9100
	@$(BIN)/python -m hack.market --port 9100

showcase: setup ## Serve the page on port 8000 from a database in which every state can be seen
	@$(BIN)/python -m hack.showcase --port 8000

screenshots: setup ## Take the pictures of docs/page.md anew, and time the first paint
	@$(BIN)/python -m hack.browser
	@$(BIN)/python -m hack.showcase --screenshots docs/pictures

clean: ## Remove .venv and caches; data of `make demo` stays
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis

##@ Measure
.PHONY: bench-ingest bench-operator bench-api
bench-ingest: setup ## Rows per second of the load path beside two floors, in one run
	@$(BIN)/python -m hack.bench.ingest

bench-operator: setup ## What a thousand sources ask of the operator, beside a bare loop that makes the same
	@$(BIN)/python -m hack.cluster build etcd kubernetes
	@$(BIN)/python -m hack.bench.operating

bench-api: setup ## Requests per second of the API beside bare responses of the same bytes
	@$(BIN)/python -m hack.bench.api
