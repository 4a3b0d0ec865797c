# From a fresh clone: only Python 3.11 or newer, pip and make are needed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LANGUAGES := zh
TEXTS := webui/translations

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
export JOBS FAULTS SEED TRAINING REPORT
.PHONY: help demo up upgrade test chaos proof training bench check texts

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

demo: $(VENV)/.installed ## make one picture from nothing: demo/stylized.png
	$(BIN)/atelier demo

up: $(VENV)/.installed ## start the studio on http://127.0.0.1:8000 until Ctrl-C
	@exec $(BIN)/atelier up

upgrade: $(VENV)/.installed ## save, stop, pull, install, migrate, start; running jobs go on afterwards
	@exec $(BIN)/atelier upgrade

check: $(VENV)/.installed-dev ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: check browser ## everything: style, types, tests with real services and a real browser
	$(BIN)/pytest -n 2 --dist loadfile

chaos: $(VENV)/.installed-dev ## attack a studio: JOBS=60 FAULTS=25 SEED=1 ATELIER_LEASE=3
	$(BIN)/python -W error -m tests.chaos

proof: training ## that, chaos at full size (docs/battle.md), and a day of a studio; an hour
	JOBS=$${JOBS:-1000} FAULTS=$${FAULTS:-300} SEED=$${SEED:-11} TRAINING=$${TRAINING:-0.1} \
		REPORT=$${REPORT:-docs/battle.md} $(BIN)/python -W error -m tests.chaos
	$(BIN)/python -W error -m tests.day
	$(BIN)/pytest -m proof tests/chaos tests/day tests/webui

training: $(VENV)/.installed-dev ## prove what training promises: docs/gan.md; half an hour of one core
	OMP_NUM_THREADS=1 $(BIN)/python -W error -m tests.proof.gan

bench: $(VENV)/.installed-dev ## measure, and print ratios
	$(BIN)/python -m bench

texts: $(VENV)/.installed-dev ## gather the texts to translate and update every language
	@mkdir -p build
	$(BIN)/pybabel -q extract -F $(TEXTS)/babel.cfg -k N_ -k _ --no-location --sort-output \
		--project=atelier -o build/messages.pot engines jobs webui
	@for language in $(LANGUAGES); do \
		if [ -e $(TEXTS)/$$language/LC_MESSAGES/messages.po ]; \
			then action="update --no-fuzzy-matching"; else action=init; fi; \
		$(BIN)/pybabel -q $$action -i build/messages.pot -d $(TEXTS) -l $$language || exit 1; \
	done

# Browser tests need a browser of the system: a test tool's own download fails without a network.
.PHONY: browser
browser:
	@if command -v chromium >/dev/null; then :; \
	elif [ "$$(id -u)" != 0 ]; then \
		echo "chromium is not installed and we are not root: browser tests will be skipped."; \
		echo "Install it with: sudo apt-get install chromium"; \
	elif ! command -v apt-get >/dev/null; then \
		echo "chromium is not installed and there is no apt-get: browser tests will be skipped."; \
	elif ! { apt-get update -q && apt-get install -q -y --no-install-recommends chromium; }; then \
		echo "chromium could not be installed: browser tests will be skipped."; \
	fi

# Made anew only when pyproject.toml changed, so that a second make starts at once.
$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -q --disable-pip-version-check -e .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[dev]'
	@touch $@ $(VENV)/.installed

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { \
		echo "There is no $(PYTHON). Install Python 3.11 or newer, or name it: make PYTHON=python3.11"; \
		exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$(PYTHON) is $$($(PYTHON) -V 2>&1); 3.11 or newer is needed: make PYTHON=python3.11"; \
		exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
		rm -rf $(VENV); \
		echo "The environment could not be made. On Debian: apt-get install python3-venv"; \
		exit 1; }
