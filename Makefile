# The project's commands. Each is a line or two that a person could type; CI runs the same ones (.ci/run).

SEEDS ?= 200
START ?= 0
FUZZ_INPUTS ?= 1000000
FUZZ_SEED ?= 1

# Looked up before .venv is put on the PATH: .venv is made from it, and the simulated walk needs nothing else.
SYSTEM_PYTHON := $(shell command -v python3)
# Debian's build is faster than one from source by a third or more, and it is what access points run: fuzzing and
# benchmarks take it where it is new enough (3.11 has tomllib).
DISTRO_PYTHON := $(shell for p in /usr/bin/python3 $(SYSTEM_PYTHON); do $$p -c 'import tomllib' 2>/dev/null && echo $$p && break; done)
# What tests call is in the directories of root, too, which an ordinary user's PATH does not name.
export PATH := $(CURDIR)/.venv/bin:$(PATH):/usr/sbin:/sbin
# Ansible refuses a locale that is not UTF-8, or that this machine does not have, as after a login from elsewhere.
export LC_ALL := C.UTF-8

PINS  := agent/requirements-dev.txt
STAMP := .venv/.made-from-$(shell cat $(PINS) agent/pyproject.toml | sha256sum | cut -c1-16)

SUDO    := $(if $(filter-out 0,$(shell id -u)),$(shell command -v sudo))
# A proxy is asked for packages, also where sudo forgets it.
PROXY   := $(foreach name,http_proxy https_proxy no_proxy,$(if $($(name)),$(name)="$$$(name)"))
AS_ROOT := $(if $(SUDO),sudo env PYTHONDONTWRITEBYTECODE=1,env) PATH="$$PATH" LC_ALL=$(LC_ALL) $(PROXY) PYTHONPATH="$(CURDIR)/molecule"
PIP     := python3 -m pip --quiet --quiet --disable-pip-version-check
RUFF    := ruff --config agent/pyproject.toml
PYTEST   = pytest -c agent/pyproject.toml --rootdir=. --junitxml=.reports/$@.xml
SCRIPTS := .ci/run .ci/packages $(shell git -c safe.directory='$(CURDIR)' ls-files '*.sh')

# No root needed and nothing set up beyond .venv. What needs it, real time or many fleets is in other stages.
QUICK_TESTS := agent/tests molecule/lab/tests roles/sroamd/tests
OTHER_TESTS := io daemon fuzz sim e2e wifi
# What starts Ansible, pip or pytest itself, and the longest of the hostile input: in test-io too.
LONG_TESTS  := $(addprefix agent/tests/,test_validate_playbook.py test_inventory.py mutants wire/test_robustness.py) \
  roles/sroamd/tests/test_release.py
PARALLEL    := --numprocesses=auto --dist=worksteal

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup packages preflight pins lint format coverage test-quick test-io test-sim test-planted test-model test-e2e test-molecule test-wifi test model sim scale routes fuzz fuzz-parsers diff-dhcp bench bench-kernel demo demo-down clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

setup: packages $(STAMP) ## Install what is missing: Debian packages (root or sudo), and the pinned tools in .venv

packages:
	@.ci/packages $(SYSTEM_PYTHON)

# Before anything is built: can this machine carry the lab at all?
preflight: packages
	@$(AS_ROOT) $(SYSTEM_PYTHON) -m lab preflight

$(STAMP): # named after what it was made from, so a changed pin makes it anew
	@$(SYSTEM_PYTHON) -c 'import ensurepip' 2>/dev/null || .ci/packages $(SYSTEM_PYTHON)
	@echo "==> Setting up .venv with the pinned tools (a minute or two, once)"
	@$(SYSTEM_PYTHON) -m venv .venv
	@$(PIP) install -r $(PINS)
	@$(PIP) install --no-deps --no-build-isolation --editable ./agent
	@rm -f .venv/.made-from-* && touch $@

pins: $(STAMP) ## Write what is installed in .venv to agent/requirements-dev.txt
	@grep '^#' $(PINS) > .venv/pins && $(PIP) freeze --exclude-editable >> .venv/pins && mv .venv/pins $(PINS)

lint: $(STAMP) ## ruff, mypy --strict (agent and lab), yamllint, ansible-lint (production profile), shellcheck
	$(RUFF) check .
	$(RUFF) format --check .
	mypy --config-file agent/pyproject.toml -p sroamd -p lab
	yamllint --strict .
	ansible-lint
	shellcheck $(SCRIPTS)

format: $(STAMP) ## Let ruff put the code in order
	$(RUFF) check --fix .
	$(RUFF) format .

test-quick: $(STAMP) ## Unit, codec and property tests, and small fleets in virtual time: no root, a minute
	$(PYTEST) $(PARALLEL) $(QUICK_TESTS) $(addprefix --ignore=agent/tests/,$(OTHER_TESTS)) $(addprefix --ignore=,$(LONG_TESTS))

# Their tests are counted in test-quick already. The total says little of one parser, so each has to reach it.
coverage: $(STAMP) ## Which branches of the parsers their tests reach: 95 % of each, or it fails (half a minute)
	COVERAGE_RCFILE=agent/pyproject.toml coverage run -m $(PYTEST) --junitxml= --quiet agent/tests/wire --ignore=agent/tests/wire/test_robustness.py
	@coverage report --rcfile=agent/pyproject.toml | awk '{ print } /%$$/ && $$NF + 0 < 95 { low = 1 } END { exit low || NR < 10 }'

test-io: $(STAMP) ## Adapters and whole processes on loopback, in real time; inventories; hostile octets: no root, two minutes
	$(PYTEST) $(PARALLEL) agent/tests/io agent/tests/daemon agent/tests/fuzz $(LONG_TESTS)

test-planted: $(STAMP) ## Plant bugs in a copy of the agent, one at a time: which test finds each? (some minutes)
	cd agent && python3 -m tests.mutants.plant

# gcc compiles what spin makes of a model; gencat comes with the C library's headers.
MODEL_TOOLS := spin:spin gcc:gcc gencat:libc6-dev
MODEL       := $(SYSTEM_PYTHON) agent/tests/model/check.py

test-model: ## The models of the protocol, small configurations, checked with spin (a minute)
	@.ci/packages $(SYSTEM_PYTHON) $(MODEL_TOOLS)
	$(MODEL) --junit .reports/$@.xml

test-sim: $(STAMP) ## The simulator's own tests, and 100 seeds of it (two minutes on two cores)
	$(PYTEST) $(PARALLEL) agent/tests/sim
	PYTHONPATH=agent/src $(DISTRO_PYTHON) -m sroamd.sim run --seeds 100

test-e2e: preflight setup ## End-to-end tests in the lab (root or sudo)
	$(AS_ROOT) $(PYTEST) -p no:cacheprovider --timeout=600 agent/tests/e2e

test-molecule: preflight setup ## Molecule's default scenario: converge, idempotence, verify (root or sudo)
	$(AS_ROOT) molecule test --scenario-name default

test-wifi: preflight setup ## hostapd, the agent and stations on simulated radios in a VM (root or sudo; 8 minutes)
	@.ci/packages $(SYSTEM_PYTHON) qemu-system-x86_64:qemu-system-x86
	$(AS_ROOT) $(PYTEST) -p no:cacheprovider --timeout=600 agent/tests/wifi

test: preflight setup ## Everything that CI runs (root or sudo; half an hour)
	@.ci/stages.py lint test-quick coverage test-io test-sim test-planted test-model test-e2e test-molecule

model: ## The models of the protocol, large configurations too (JOBS=2 of MEMORY=6 GB each; half an hour)
	@.ci/packages $(SYSTEM_PYTHON) $(MODEL_TOOLS)
	$(MODEL) --large --jobs $(or $(JOBS),2) --memory $(or $(MEMORY),6)

sim: ## The seeded simulation on all cores: SEEDS=200 fleets, each for more than an hour of virtual time; START=0
	PYTHONPATH=agent/src $(DISTRO_PYTHON) -m sroamd.sim run --seeds $(SEEDS) --start $(START)

scale: ## 300 nodes, 30,000 stations, 100 roams/s: when everybody knows, in each topology (an hour, 4 GB; SMALL=1: seconds)
	PYTHONPATH=agent/src $(DISTRO_PYTHON) -m sroamd.sim scale $(if $(SMALL),,--full)

ROUTES := $(foreach name,TOPOLOGY DAEMON HELLO DIRECT TRIAL ROAMS,$(if $($(name)),--$(shell echo $(name) | tr A-Z a-z) $($(name))))

routes: preflight setup ## Roams on five nodes at 1,000 packets/s: TOPOLOGY=ring DAEMON=bird HELLO=4 DIRECT=no TRIAL=cut (an hour)
	@$(AS_ROOT) python3 -m lab.routes $(ROUTES)

fuzz: ## Hostile input for the flooding port, FUZZ_INPUTS=1000000 of them
	@PYTHONPATH=agent/src:agent $(DISTRO_PYTHON) -m tests.fuzz.run --seed $(FUZZ_SEED) \
	  $(if $(FUZZ_SESSION),--session $(FUZZ_SESSION),--inputs $(FUZZ_INPUTS))

fuzz-parsers: ## Hostile input for each parser of octets: INPUTS=10000000 for each, PARSER=dhcpv4, SEED=1
	@PYTHONPATH=agent/src:agent $(DISTRO_PYTHON) -m tests.fuzz.run_parsers --inputs $(or $(INPUTS),1000000) \
	  --seed $(or $(SEED),1) $(addprefix --parser ,$(PARSER)) $(if $(OCTETS),--octets $(OCTETS))

diff-dhcp: preflight setup ## Kea, dnsmasq and the agent asked the same: SEQUENCES=1000 of a SEED=1 (root or sudo; two minutes)
	@$(AS_ROOT) env PYTHONPATH=agent/src:agent:molecule python3 -m tests.differential.run \
	  --sequences $(or $(SEQUENCES),1000) --seed $(or $(SEED),1)

bench: ## What decisions and codecs cost on this machine
	PYTHONPATH=agent/src $(DISTRO_PYTHON) agent/tests/bench/core_paths.py
	PYTHONPATH=agent/src $(DISTRO_PYTHON) agent/tests/bench/flooding.py

bench-kernel: preflight setup ## The same with the kernel and the disk: arrivals, routes, DHCP exchanges (root or sudo; minutes)
	@$(AS_ROOT) env PYTHONPATH=agent/src:agent $(DISTRO_PYTHON) agent/tests/bench/arrival.py
	@$(AS_ROOT) env PYTHONPATH=agent/src:agent $(DISTRO_PYTHON) agent/tests/bench/direct_routes.py
	@$(AS_ROOT) env PYTHONPATH=agent/src:agent $(DISTRO_PYTHON) agent/tests/bench/dhcp.py

demo: $(if $(SIM),,preflight setup) ## A fleet of three APs and a station that walks through it; KEEP=1 leaves it up, SIM=1 simulates
ifdef SIM
	@PYTHONPATH=agent/src $(SYSTEM_PYTHON) -m sroamd.sim walk
else
	@$(AS_ROOT) KEEP=$(KEEP) python3 -m lab.demo
endif

demo-down: ## Remove what `make demo KEEP=1` left up (root or sudo)
	@$(AS_ROOT) python3 -m lab.demo --down

clean: ## Remove .venv and what the tools left in the tree
	rm -rf .venv .reports .pytest_cache .mypy_cache .ruff_cache .hypothesis .ansible .cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
