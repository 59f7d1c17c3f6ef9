# Everything that a developer runs. `make` alone lists it.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
SCENARIOS := $(patsubst molecule/%/molecule.yml,%,$(wildcard molecule/*/molecule.yml))
# They measure, or use what the machine has but once.
ALONE := host memory nginx
SCENARIO_STAGES = $(ALONE:%="molecule SCENARIO=%") --together $(patsubst %,"molecule SCENARIO=%",$(filter-out $(ALONE),$(SCENARIOS)))

export PATH := $(CURDIR)/.venv/bin:$(PATH)
export MOLECULE_COMMAND_BORDERS := false
export PYTHONPATH := $(CURDIR)/tests

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: venv
venv: ## The tools, in .venv; every other target makes it when it is missing or old
	@tests/tools/venv .venv $(PYTHON) requirements.txt

.PHONY: test
test: venv ## All there is, on a bare machine: what follows up to `molecule`
	@tests/tools/stages lint sanity unit roles cores lab engines $(SCENARIO_STAGES)

.PHONY: test-fast
test-fast: venv ## What needs no engine, in under a minute: lint, unit, roles
	@$(MAKE) --no-print-directory --keep-going --jobs 2 --output-sync=target lint unit roles

.PHONY: lint ruff mypy yamllint ansible-lint
lint: ruff mypy yamllint ansible-lint ## ruff, mypy, yamllint, ansible-lint; each is a target, too

ruff: venv
	ruff check
	ruff format --check

mypy: venv
	mypy --package ansible_collections.onebox.stack.plugins.module_utils \
	  --package lab --package load --package engines --package bench --module observing --module powerloss

yamllint: venv
	yamllint --strict --config-file .config/yamllint.yml .

ansible-lint: venv
	ansible-lint

.PHONY: sanity
sanity: venv ## ansible-test sanity on the built collection
	python tests/tools/sanity

# Thousands of small files are made and removed: in memory, where there is such a place.
unit roles: export PYTEST_DEBUG_TEMPROOT := $(wildcard /dev/shm)

.PHONY: unit
unit: venv ## Plugins and the lab's own code
	pytest --numprocesses auto tests/unit

.PHONY: roles
roles: venv ## Specs, defaults, templates and tasks of the roles, without a host
	pytest --numprocesses auto tests/roles

.PHONY: cores
cores: venv ## unit and roles again, on the lowest and the newest ansible-core that this machine's Pythons allow
	tests/tools/cores

.PHONY: lab
lab: venv ## The engine, images and registry that Molecule and the demo use
	python -m lab up

.PHONY: engines
engines: lab ## Each engine at its planned limits under heavy load, and what outside tools say of its settings
	pytest --numprocesses 3 --dist loadfile tests/engines

.PHONY: molecule
molecule: lab ## All scenarios on VPS containers; one with SCENARIO=redis
ifdef SCENARIO
	molecule test --scenario-name $(SCENARIO)
else
	@tests/tools/stages $(SCENARIO_STAGES)
endif

.PHONY: demo
demo: lab ## A shop on a VPS container, at https://shop.localhost:8443
	python -m lab build tests/lab/apps/shop shop:1.0.0 --build-arg APP_VERSION=1.0.0
	python -m lab vps create demo --publish 2222:22 --publish 8080:80 --publish 8443:443
	ansible-playbook site.yml -i inventories/demo
	ansible-playbook playbooks/plan.yml -i inventories/demo
	@cat inventories/demo/next-steps.txt

.PHONY: demo-clean
demo-clean: venv ## Remove the demo, and the lab's engine and images with it
	python -m lab clean --all
	rm -rf inventories/demo/.secrets

.PHONY: bench
bench: lab ## How long runs take, beside plain Docker Compose
	python -m bench.runs

.PHONY: footprints
footprints: lab ## How much memory each service takes, idle and under load, into docs/footprints.json
	python -m bench.footprints

.PHONY: docs
docs: venv ## The computed parts of docs/, from the code and the measurements
	PYTHONPATH=$(PYTHONPATH):.collections python tests/documentation.py

.PHONY: clean
clean: ## Remove what these targets made, the lab with its images too
	if [[ -x .venv/bin/python ]]; then python -m lab clean --all; fi
	rm -rf .venv .ansible .hypothesis .mypy_cache .pytest_cache .ruff_cache
	rm -rf $${XDG_CACHE_HOME:-$$HOME/.cache}/onebox-stack/{cores,sanity}
