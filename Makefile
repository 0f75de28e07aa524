# Each target makes what it needs: a virtual environment in .venv, with uv if there is one, else with pip.
VENV   := .venv
BIN    := $(VENV)/bin
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	if $$p -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$p; break; fi; done)
UV     := $(shell command -v uv 2>/dev/null)
PIP    := $(if $(UV),VIRTUAL_ENV=$(VENV) uv pip,$(BIN)/python -m pip --disable-pip-version-check)

.PHONY: demo test lint docs release-check lock lab bench faults clean

demo: $(VENV)/.demo
	@$(BIN)/python -m s3nb.demo

# TESTS= names some of them: make test TESTS=tests/lab; JOBS= runs them one after the other. Those in JupyterLab share one server.
JOBS   ?= -n 3 --dist loadfile
test: $(VENV)/.dev $(if $(shell command -v npm 2>/dev/null),node_modules/.done)
	@$(BIN)/python -m pytest $(JOBS) $(or $(TESTS),--ignore=tests/lab)
	$(if $(TESTS),,@$(BIN)/python -m pytest tests/lab)

lint: $(VENV)/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/mypy release/a_users_code.py

# Warnings are errors. The notebooks run while the pages are built.
docs: $(VENV)/.docs
	@$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@$(BIN)/python -m sphinx -W --keep-going -q -b man -D nb_execution_mode=off docs docs/_build/man
	@echo "open docs/_build/html/index.html, or: man docs/_build/man/s3nb.1"

# Builds into dist/, with SBOM and licences, and installs what it built into clean environments.
release-check: $(VENV)/.release
	@$(BIN)/python release/check.py

# After a change of pyproject.toml. No package host gets into it.
lock: $(VENV)/.release
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
		--custom-compile-command 'make lock' --extra dev --extra docs --extra lab --extra release -o release/lock.txt pyproject.toml

# Jupyter refuses to be root unless told; in a container one often is
lab: $(VENV)/.lab
	@$(BIN)/jupyter lab notebooks $(if $(filter 0,$(shell id -u)),--allow-root)

bench: $(VENV)/.bench
	@$(BIN)/python -m benchmarks.core

# An environment of its own: one of the peers wants another botocore than the rest.
faults:
	@$(MAKE) --no-print-directory VENV=.venv-faults .venv-faults/.faults
	@.venv-faults/bin/python -m benchmarks.faults

clean:
	rm -rf $(VENV) .venv-faults node_modules build dist docs/_build docs/generated docs/notebooks docs/reference/api docs/reference/api.md .mypy_cache .ruff_cache .pytest_cache

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "s3nb needs Python 3.11 or newer; none was found (PYTHON=/path/to/python make ... names one)" >&2; exit 1; }
	@echo "making $(VENV) with $(PYTHON)"
ifneq ($(UV),)
	@uv venv -q --python "$(PYTHON)" $(VENV)
else
	@"$(PYTHON)" -m venv $(VENV)
endif
	@echo '{}' > $(VENV)/package.json  # JupyterLab runs node in there, which else would go by the package.json of this project

# LOCK=1: exactly the versions of release/lock.txt, by their hashes, for all purposes at once
ifdef LOCK
define install
	@test $(VENV)/.locked -nt release/lock.txt || echo "installing release/lock.txt"
	@test $(VENV)/.locked -nt release/lock.txt || $(PIP) install -q --require-hashes -r release/lock.txt
	@test $(VENV)/.locked -nt release/lock.txt || $(PIP) install -q --no-deps --no-build-isolation -e .
	@touch $(VENV)/.locked $@
endef
else
define install
	@echo "installing s3nb[$(1)]"
	@$(PIP) install -q -e '.[$(1)]'
	@touch $@
endef
endif

$(VENV)/.demo: $(BIN)/python pyproject.toml
	$(call install,sandbox)

$(VENV)/.dev: $(BIN)/python pyproject.toml
	$(call install,dev)

$(VENV)/.docs: $(BIN)/python pyproject.toml
	$(call install,docs)

$(VENV)/.release: $(BIN)/python pyproject.toml
	$(call install,release)

$(VENV)/.faults: $(BIN)/python pyproject.toml
	$(call install,sandbox$(comma)faults)

$(VENV)/.bench: $(BIN)/python pyproject.toml
	$(call install,sandbox$(comma)bench)

$(VENV)/.lab: $(VENV)/.demo
	$(call install,lab$(comma)notebook$(comma)sandbox)

# what browser.js is checked with; the package itself has no use for node
node_modules/.done: package.json
	@echo "installing TypeScript's checker, eslint and axe"
	-@npm install --silent --no-package-lock --no-audit --no-fund && touch $@

comma := ,
