# Needs only python3 (3.11 or newer) and make. `make` alone lists the verbs.
PYTHON ?= python3
# How many processes run the tests, each with a broker and a registry of its own; 0 for one that can be debugged.
JOBS ?= 2
BIN := .venv/bin
UV := $(BIN)/uv --quiet
ROOMS := schemas/mabos infra/kafka/mabos producers/mabos consumers/mabos streams/mabos gateway/mabos cli/mabos
STAMP := .venv/.synced
export PYTHONDONTWRITEBYTECODE ?=
# This machine's certificates where it has some, for networks with a certificate authority of their own.
export UV_SYSTEM_CERTS ?= $(shell $(PYTHON) -c 'import ssl; print(int(bool(ssl.get_default_verify_paths().cafile)))')
# npm of the pinned Node in .venv. What builds the console is in "dependencies", what checks it in "devDependencies".
export NODE_EXTRA_CA_CERTS ?= $(shell $(PYTHON) -c 'import ssl; print(ssl.get_default_verify_paths().cafile or "")')
NPM := PATH="$(CURDIR)/$(BIN):$$PATH" npm --prefix web --loglevel error
WEB_SOURCES := $(shell find web -type f -not -path '*/node_modules/*' -not -path 'web/dist/*' -not -name '*.test.*')
WEB_PACKAGES := web/node_modules/.packages
WEB_TOOLS := web/node_modules/.tools

.DEFAULT_GOAL := help
.PHONY: help setup lock web web-client web-dev run bench load test test-stranger test-web test-faults test-containers base-image fmt lint types wheel clean

help: ## List the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make .venv and install exactly what requirements.lock says

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 must be 3.11 or newer, or say PYTHON=python3.12 make ..." >&2; exit 1; }
	@test -x $(BIN)/python || { echo >&2 "making .venv"; $(PYTHON) -m venv .venv; }
	@test -x $(BIN)/uv || { echo >&2 "getting uv"; $(BIN)/python -m pip --quiet --disable-pip-version-check install "$$(grep -m1 '^uv==' requirements.lock | cut -d' ' -f1)"; }
	@echo >&2 "installing what requirements.lock says"
	@$(UV) pip sync --python $(BIN)/python --require-hashes requirements.lock
	@$(UV) pip install --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

lock: $(STAMP) ## Resolve the dependencies anew into requirements.lock
	$(UV) pip compile pyproject.toml --universal --generate-hashes --all-extras --group dev --upgrade --no-header -o requirements.lock

web: web/dist/index.html ## Build the console into web/dist, if its sources changed

web/dist/index.html: $(WEB_SOURCES) | $(STAMP) $(WEB_PACKAGES)
	@echo >&2 "building the console"
	@$(NPM) run --silent build -- --logLevel warn
	@touch $@

$(WEB_PACKAGES): web/package-lock.json | $(STAMP)
	@test $(WEB_TOOLS) -nt $< || { echo >&2 "getting what builds the console"; $(NPM) ci --silent --omit=dev; }
	@touch $@

$(WEB_TOOLS): web/package-lock.json | $(STAMP)
	@echo >&2 "getting what builds and checks the console"
	@$(NPM) ci --silent
	@touch $@ $(WEB_PACKAGES)

web-client: $(STAMP) $(WEB_TOOLS) ## Write the console's API types anew, from the gateway's OpenAPI
	@$(BIN)/python -m tests.support.console

web-dev: $(STAMP) $(WEB_TOOLS) ## Serve the console from its sources, beside the gateway that is up
	@$(NPM) run --silent dev

run: $(STAMP) ## Run the whole road: platform, two workers, 400 tasks, a proof. ONCE=1 ends after the summary
	@$(MAKE) --no-print-directory --silent web || echo >&2 "the console could not be built (see above): going on without it"
	@$(BIN)/python -m examples.run

bench: $(STAMP) ## Measure how fast it is beside others, into docs/benchmarks.md. ONLY=road,latency and ROUNDS=n: some rows, n times
	@$(BIN)/python -m benchmarks $(if $(ONLY),--only $(ONLY),--write) $(if $(ROUNDS),--rounds $(ROUNDS))

load: $(STAMP) ## Load the HTTP door with Locust, into docs/load.md. ONLY=steady,burst,hot_agent,waiters: some; PROFILE=1: sample it
	@$(BIN)/python -m benchmarks.load $(if $(ONLY),--only $(ONLY),--write) $(if $(PROFILE),--profile)

test: $(STAMP) web $(WEB_TOOLS) ## Run the tests, but for those of the verbs below, against a real broker and registry. JOBS=0: in one process
	$(BIN)/python -m pytest --ignore tests/stranger --ignore tests/faults --ignore tests/browser --numprocesses $(JOBS) --dist worksteal

test-web: $(STAMP) web $(WEB_TOOLS) ## The console's tests: Vitest, then an installed Chromium before the real platform
	@$(NPM) run --silent test
	$(BIN)/python -m pytest tests/browser

test-stranger: $(STAMP) web ## As a stranger: README's commands as they stand, and the wheel in empty environments
	$(BIN)/python -m pytest tests/stranger

test-faults: $(STAMP) ## The fault tests: kills, freezes, storms, poison. MABOS_TEST_SCALE=full for the full size
	$(BIN)/python -m pytest tests/faults --timeout 600

test-containers: $(STAMP) ## The same integration tests, with the broker in a container
	@$(BIN)/python -m tests.support.container
	MABOS_TEST_PLATFORM=containers $(BIN)/python -m pytest tests/integration

base-image: ## Make the image debian:bookworm-slim where none can be pulled (as root, with debootstrap)
	@infra/kafka/make-base-image.sh

fmt: $(STAMP) $(WEB_TOOLS) ## Format the code
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format .
	@$(NPM) run --silent fmt

lint: $(STAMP) $(WEB_TOOLS) ## Check style, and that no room imports one below it
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	@$(NPM) run --silent lint

types: $(STAMP) $(WEB_TOOLS) ## Check types with mypy --strict, pyright and tsc
	$(BIN)/mypy $(ROOMS) examples benchmarks
	$(BIN)/pyright
	@$(NPM) run --silent types

wheel: $(STAMP) web ## Build the wheel into dist/
	$(UV) build --wheel --no-build-isolation --python $(BIN)/python

clean: ## Remove what was built; the platform's data stay (mabos down --delete)
	rm -rf .venv dist build web/dist web/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
