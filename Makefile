# Two commands do all: `make run` and `make test`. Both set up first what is missing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?= .data

# The tag is the one that the chart pulls by default.
IMAGE ?= cache-sidecar:$(shell sed -n 's/^appVersion: //p' helm/cache-sidecar/Chart.yaml)
# The image of Python that it is made from; the Dockerfile's own if not stated.
BASE ?=
BUILDER ?= $(notdir $(shell command -v podman || command -v buildah || command -v docker))

# Each test process starts sidecars and browsers of its own: more of them than this need more cores.
WORKERS ?= 2
# They start hundreds of processes, which compile every module again if nothing is kept.
unexport PYTHONDONTWRITEBYTECODE

# What the tests run besides; each is a package of Debian of the same name. Only root runs containers.
PROGRAMS := curl openssl prometheus chromium gcc redis-server prometheus-redis-exporter
ifeq ($(shell id -u),0)
PROGRAMS += podman buildah runc mmdebstrap
endif

# What `make check` runs: tests without processes of their own, a browser or a container.
QUICK := tests/api tests/config tests/contracts/test_agreements.py \
    tests/contracts/test_configuration_page.py tests/contracts/test_repository.py \
    tests/contracts/test_layers.py tests/contracts/test_links.py tests/contracts/test_names.py \
    tests/contracts/test_optimizer_page.py tests/documents tests/optimizer/actions tests/policies \
    tests/process tests/serving tests/signals tests/store/test_doorkeeper.py tests/store/test_facade.py \
    tests/store/test_listing.py tests/store/test_memory.py tests/tiers/test_packing.py

.PHONY: run test chaos fuzz check setup tools lint format dashboards bench image push chart-docs lock clean

run: setup
	@mkdir -p $(DATA)
	@$(BIN)/cache-sidecar serve --greet --data-dir $(DATA)

test: setup tools
	@which $(PROGRAMS) > /dev/null || (apt-get update -qq \
	    && apt-get install -y -qq --no-install-recommends $(PROGRAMS) libc6-dev fonts-dejavu-core)
	$(BIN)/pytest --numprocesses $(WORKERS) --dist worksteal $(ARGS)

# Faults of every kind under load, for an hour.
chaos: setup
	@which gcc > /dev/null || (apt-get update -qq && apt-get install -y -qq --no-install-recommends gcc libc6-dev)
	$(BIN)/python -m tests.chaos $(ARGS)

# What reads bytes that it cannot trust, with as many examples as are stated.
fuzz: setup
	FUZZ_EXAMPLES=$(or $(EXAMPLES),100000) $(BIN)/pytest -q --numprocesses $(WORKERS) tests/fuzz $(ARGS)

# The inner loop.
check: lint
	$(BIN)/pytest -q --numprocesses $(WORKERS) --dist worksteal $(QUICK) $(ARGS)

setup: $(VENV)/.installed

$(VENV)/.installed: requirements-dev.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements-dev.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# Helm and kubectl, which the tests of the charts run.
tools: setup
	@$(BIN)/python -m tests.helm.tools

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

dashboards: setup
	$(BIN)/python -m dashboards.mixin

bench: setup
	@which wrk gcc redis-server redis-benchmark memcached memcslap > /dev/null \
	    || (apt-get update -qq && apt-get install -y -qq --no-install-recommends wrk gcc libc6-dev \
	    redis-server redis-tools memcached libmemcached-tools)
	$(BIN)/python -m tests.bench $(ARGS)

# The table of values in the chart's README, from the comments in its values.yaml; and the definition of
# cache.yaml in its values.schema.json, from the program.
chart-docs: setup
	$(BIN)/python -m helm.docs

image:
	@test -n "$(BUILDER)" || (echo "to build the image, install podman, buildah or docker" && false)
	$(BUILDER) build --tag $(IMAGE) $(if $(BASE),--build-arg BASE=$(BASE)) \
	    --build-arg REVISION=$$(git rev-parse HEAD 2> /dev/null || echo unknown) $(ARGS) .

push: image
	$(BUILDER) push $(IMAGE)

# Versions and hashes only: a lock that named where files came from would hold for one network alone.
COMPILE = $(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-header \
    --no-annotate --no-emit-index-url --no-emit-find-links --no-emit-trusted-host
lock: setup
	$(COMPILE) --output-file requirements.lock pyproject.toml
	$(COMPILE) --extra dev --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml
	$(COMPILE) --only-build-deps --build-deps-for wheel --constraint requirements-dev.lock \
	    --output-file requirements-build.lock pyproject.toml
	$(COMPILE) --output-file tests/e2e/clients/requirements.lock tests/e2e/clients/requirements.in

clean:
	rm -rf $(VENV) .artifacts .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist
