# `make help` lists what there is. PYTHON=/path/to/python chooses the Python that `.venv` is made from.

PYTHON ?= $(shell for python in python3.12 python3.11 python3; do \
	$$python -c '$(is_right_version)' 2>/dev/null && { echo $$python; break; }; done)
is_right_version := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))
bin := .venv/bin
# A venv made without ensurepip (Debian without python3-venv) has no pip of its own, but pip can work from outside.
pip = $$([ -x $(bin)/pip ] && echo $(bin)/python -m pip || echo $(PYTHON) -m pip --python $(bin)/python) \
	--disable-pip-version-check
lock_options := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet

# Tests start hundreds of processes, each of which would compile all of the code again where nothing may be kept.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help run test test-fast lint types policy suite suite-postgresql journeys browser load-generator soak bench docs format lock
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

help: ## List what make can do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' Makefile

run: .venv/.installed-run ## Start a development portal with the demo cast (HOST, PORT); its data is in var/
	@DEVELOPMENT=1 exec $(bin)/tessera serve

test: .venv/.installed-test ## Check and test everything, on both databases and in a browser
	@$(MAKE) -j -O lint types policy browser suite
	@$(MAKE) suite-postgresql
	@$(MAKE) journeys

test-fast: .venv/.installed-test ## Check and test what takes less than half a minute
	@$(MAKE) lint
	$(bin)/pytest -q -n 2 -m "not slow and not journey"

lint: .venv/.installed-test ## Format, lint and import contract
	$(bin)/ruff format --check --quiet .
	$(bin)/ruff check --quiet .
	$(bin)/lint-imports

types: .venv/.installed-test ## Types
	$(bin)/mypy

policy: .venv/.installed-run ## Check the policy and its decision tables
	$(bin)/tessera policy check

suite: .venv/.installed-test ## The tests on SQLite
	$(bin)/pytest -q -n 4 -m "not journey"

suite-postgresql: .venv/.installed-test ## The tests on PostgreSQL, which comes with the test packages
	TEST_DATABASE=postgresql $(bin)/pytest -q -n 4 -m "not journey"

journeys: .venv/.installed-test browser ## The journeys through the portal in Chromium, on PostgreSQL
	@if command -v chromium >/dev/null; then \
		echo TEST_DATABASE=postgresql $(bin)/pytest -q -n 3 --dist worksteal -m journey tests/journeys; \
		TEST_DATABASE=postgresql $(bin)/pytest -q -n 3 --dist worksteal -m journey tests/journeys; \
	else \
		echo "*** NOT TESTED: the journeys, because there is no Chromium. Install it (Debian: apt-get install chromium)," \
			"so that the command chromium is found." >&2; \
	fi

browser:
	$(call debian,chromium,the journeys)
	$(call debian,chromium-headless-shell,the journeys) || true

load-generator:
	$(call debian,wrk,the measuring over HTTP)

soak: .venv/.installed-test ## Compare a million random decisions with oso and with plain rules (about ten minutes)
	DECISIONS=1000000 $(bin)/pytest -q -n 2 tests/authz/engine/test_replay.py

bench: .venv/.installed-test load-generator ## Measure beside others, and beside the commit BASE, and write the tables (PART=one)
	BASE=$(BASE) $(bin)/python -m benchmarks $(PART)

docs: .venv/.installed-run ## Write docs/settings.md anew from the declarations of the settings
	$(bin)/tessera settings --markdown > docs/settings.md

format: .venv/.installed-test ## Put the code into its usual form
	$(bin)/ruff check --fix-only --quiet .
	$(bin)/ruff format --quiet .

lock: ## Choose the newest versions of all packages anew (needs uv)
	@command -v uv >/dev/null || { echo "make lock needs uv: python3 -m pip install uv." >&2; exit 1; }
	uv pip compile pyproject.toml --upgrade --extra install $(lock_options) -o requirements.lock
	uv pip compile pyproject.toml --upgrade --extra install --extra dev $(lock_options) -o requirements-dev.lock

$(bin)/python:
	@[ -n "$(PYTHON)" ] || { echo "Tessera needs Python 3.11 or 3.12, and there is none here. If it has another name:" \
		"make run PYTHON=/path/to/python3.12" >&2; exit 1; }
	@command -v "$(PYTHON)" >/dev/null || { echo "There is no $(PYTHON): PYTHON must name a Python 3.11 or 3.12." >&2; exit 1; }
	@$(PYTHON) -c '$(is_right_version)' || { echo "Tessera needs Python 3.11 or 3.12, and $(PYTHON) is" \
		"$$($(PYTHON) --version). Choose another: make run PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import venv' 2>/dev/null || { echo "$(PYTHON) has no venv module. On Debian:" \
		"apt-get install python3-venv" >&2; exit 1; }
	@if $(PYTHON) -c 'import ensurepip' 2>/dev/null; then $(PYTHON) -m venv --clear .venv; \
	elif $(PYTHON) -c 'import pip' 2>/dev/null; then $(PYTHON) -m venv --clear --without-pip .venv; \
	else echo "$(PYTHON) has no pip. On Debian: apt-get install python3-venv" >&2; exit 1; fi

.venv/.installed-run: requirements.lock $(bin)/python
	$(call install,requirements.lock)
	@touch $@

.venv/.installed-test: requirements-dev.lock $(bin)/python
	$(call install,requirements-dev.lock)
	@touch .venv/.installed-run $@

# oso asks for an older cffi than the rest needs and works with it, so pip is not to look at dependencies; and that this
# is all that does not fit together is checked afterwards. Most of what is installed is never imported, so it is compiled
# when it is.
define install
@echo "Installing what $(1) lists. This takes a minute, once."
@$(pip) install --quiet --no-compile --no-deps --require-hashes --requirement $(1)
@$(pip) install --quiet --no-deps --no-build-isolation --editable .
@! $(pip) check | grep --invert-match '^oso .* has requirement cffi~=1.15, but you have cffi 2'
endef

# A program that no Python package brings, installed where that is possible; elsewhere whoever needs it says how.
define debian
@if ! command -v $(1) >/dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	echo "Installing $(1) for $(2)."; \
	export DEBIAN_FRONTEND=noninteractive; \
	apt-get update -qq && apt-get install -qq --no-install-recommends $(1) >/dev/null; \
fi
endef
