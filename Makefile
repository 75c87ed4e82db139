# `make up` brings up a fleet on this machine, `make test` runs every check; both begin by making .venv.
PYTHON := .venv/bin/python
ARGS ?=

.PHONY: help venv up down binaries lint test crds docs bench
help:            ## this list
	@sed -nE 's/^([a-z]+):.*## /  make \1\t/p' Makefile | expand -t 20

venv:            ## .venv with everything of requirements.lock, and .venv/bin/atoll
	@bash .ci/venv

up: venv         ## a hub and three members with the first example; ARGS="--members 5" and so on
	@.venv/bin/atoll up $(ARGS)

down: venv       ## stop them; ARGS=--purge forgets them, too
	@.venv/bin/atoll down $(ARGS)

binaries: venv   ## find, download or build the programs of a local fleet
	@$(PYTHON) -m atoll.testing.binaries

lint: venv       ## style, types, layers, and what is generated is fresh
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports
	$(PYTHON) -m atoll.api.crds --check
	$(PYTHON) -m atoll.api.kubefed.manifests --check
	$(PYTHON) -m atoll.api.reference --check
	$(PYTHON) -m atoll.cli.reference --check
	$(PYTHON) -m atoll.install.manifests --check

test: lint binaries  ## lint, then every test; ARGS="-k name" for some
	@bash .ci/test $(ARGS)

crds: venv       ## write what is generated from the API's types and the command line
	$(PYTHON) -m atoll.api.crds
	$(PYTHON) -m atoll.api.kubefed.manifests
	$(PYTHON) -m atoll.api.reference
	$(PYTHON) -m atoll.cli.reference
	$(PYTHON) -m atoll.install.manifests

docs: venv       ## docs/_build/index.html
	.venv/bin/sphinx-build -q -W -b html docs docs/_build

bench: venv binaries  ## one benchmark, as JSON lines: NAME=propagation
	@$(PYTHON) -m bench.$(or $(NAME),$(error which one? NAME=propagation)) $(ARGS)
