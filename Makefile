# `make` alone lists what there is. Everything lives in .venv and var; removing both starts over.
PYTHON ?= python3
BIN := .venv/bin
DEMO := DATABASE_URL=sqlite:///var/demo.sqlite3 COINGECKO_PLAN=keyless COINGECKO_CALLS_PER_MINUTE=0 VS_CURRENCY=usd
# Of the tests: half of their time they wait for a process or for an answer. Whoever is done takes over from the others.
WORKERS := $(shell echo $$(($$(nproc 2>/dev/null || echo 2) * 2)))

.DEFAULT_GOAL := help
.PHONY: help setup archive-setup crawl demo up test lint bench bench-setup screenshots requirements

help: ## show this list
	@grep -E '^[a-z-]+:.*## ' Makefile | awk -F ':.*## ' '{printf "make %-14s%s\n", $$1, $$2}'

setup: .venv/runs ## make .venv and install what coincrawl runs on

archive-setup: .venv/archive ## install what `manage.py archive` takes on top

crawl: .venv/runs ## crawl the real API into the database (keyless: about 26 minutes)
	@$(BIN)/python webapp/manage.py migrate --verbosity 0
	@$(BIN)/scrapy crawl markets

demo: .venv/runs ## crawl a fake API that is included: no key, no network, a database of its own
	@$(DEMO) $(BIN)/python webapp/manage.py migrate --verbosity 0
	@$(DEMO) $(BIN)/python -m fake_api --coins 1000 -- $(BIN)/scrapy crawl markets
	@$(DEMO) $(BIN)/python webapp/manage.py adminuser demo

up: .venv/runs ## start the site, scrapyd and the watcher until Ctrl-C; other ports: PORT=8001 SCRAPYD_HTTP_PORT=6801
	@exec env PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python webapp/manage.py up

test: .venv/tests ## run all tests, on SQLite and on a real PostgreSQL
	TEST_DATABASE=sqlite $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal
	TEST_DATABASE=postgresql $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal

lint: .venv/tests ## check style and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: .venv/tests ## measure crawls, beside others and at size: half an hour; in two minutes: QUICK=1; a part: ONLY=crawls
	@$(BIN)/python -m tests.bench $(if $(filter-out 0,$(QUICK)),--quick) $(if $(ONLY),--only '$(ONLY)')

bench-setup: .venv-dlt/runs ## install dlt beside, for `make bench` to compare with

screenshots: .venv/tests ## make the README's pictures anew (needs Debian's Chromium)
	$(BIN)/python -m pytest tests/browser/screenshots.py

requirements: .venv/tests ## pin the newest allowed versions
	$(BIN)/pip-compile --quiet --upgrade --strip-extras --no-emit-index-url --no-emit-find-links --no-header --annotation-style line requirements.in
	$(BIN)/pip-compile --quiet --upgrade --strip-extras --no-emit-index-url --no-emit-find-links --no-header --annotation-style line requirements-archive.in
	$(BIN)/pip-compile --quiet --upgrade --strip-extras --no-emit-index-url --no-emit-find-links --no-header --annotation-style line requirements-dev.in

.venv/runs: requirements.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit(f"coincrawl needs Python 3.11 or newer, and $(PYTHON) is {v[0]}.{v[1]}: name another with make PYTHON=python3.12 ...")'
	@echo "Installing into .venv ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
	@touch $@

.venv/archive: .venv/runs requirements-archive.txt
	@echo "Installing what the archive needs ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements-archive.txt
	@touch $@

.venv-dlt/runs: requirements-bench.txt
	@echo "Installing dlt into .venv-dlt ..."
	@$(PYTHON) -m venv .venv-dlt
	@.venv-dlt/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements-bench.txt
	@touch $@

.venv/tests: .venv/runs requirements-dev.txt
	@echo "Installing what the tests need ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements-dev.txt
	@touch $@
