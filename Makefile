# Commands for contributors. They need make and Python 3.11 or newer. Everything else is installed into .venv.

VENV := .venv
PY := $(VENV)/bin/python
UV := uv
# The Python for .venv. Empty: the first of the usual names that is new enough.
PYTHON :=
# Passed on by demo, test, bench, faults, docs and requirements: make test ARGS="tests/sms -x".
ARGS :=

DEMO_READY := $(VENV)/.installed-demo
TEST_READY := $(VENV)/.installed-test
LINT_READY := $(VENV)/.installed-lint
# The site has its own environment, because it shares no dependency with Otpost.
SITE_VENV := build/site-venv
SITE_READY := $(SITE_VENV)/.installed
# Compiling each file on first use, instead of all at once, saves a third of the time.
pip_install := --disable-pip-version-check --quiet install --no-compile --require-hashes -r
need_pip = { $(PY) -m pip --version >/dev/null 2>&1 || $(PY) -m ensurepip >/dev/null; }
# $(1): a requirements file; $(2): how long it takes. uv takes a third of pip's time. If it fails, try pip, which may be
# configured for another registry.
install = echo "Installing what $(1) lists into $(VENV); $(2) ..." && \
	uv=$$(command -v $(UV) || echo $(VENV)/bin/uv) && \
	{ "$$uv" --version >/dev/null 2>&1 || { $(need_pip) && $(PY) -m pip $(pip_install) config/demo/installer.txt; }; } && \
	{ "$$uv" pip install --quiet --python $(PY) --require-hashes -r $(1) || \
		{ $(need_pip) && $(PY) -m pip $(pip_install) $(1); }; }
compile = $(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
server := pyproject.toml --extra server --extra twilio

# A system upgrade may remove the Python of .venv. Then its packages have to be installed again.
$(shell test -x $(PY) || rm -f $(DEMO_READY) $(TEST_READY) $(LINT_READY))
$(shell test -x $(SITE_VENV)/bin/python || rm -f $(SITE_READY))

.PHONY: help demo test lint reference docs bench faults requirements clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile

# The processes of the demo share compiled files. The variable is not in the command: that would put a shell between make
# and the demo, and the demo could not notice make ending.
demo: export PYTHONDONTWRITEBYTECODE :=
demo: $(DEMO_READY) ## run Otpost locally, with everything it needs (PORT=8000, REDIS_URL=...)
	@$(PY) -m config.demo --stop-with-parent $(ARGS)

# Most tests wait for processes, so run more of them in parallel than there are cores. Each worker has its own server.
# The tests start hundreds of processes, which share compiled files.
test: $(TEST_READY) ## run the tests (ARGS="tests/sms -x", ARGS="-n 0" for one at a time)
	@PYTHONDONTWRITEBYTECODE= $(PY) -m pytest -n 6 --dist worksteal $(ARGS)

lint: $(LINT_READY) ## check style, types, import directions, the Lua scripts and the English
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(PY) .ci/lint_lua.py
	$(PY) .ci/lint_prose.py

reference: $(TEST_READY) ## generate docs/reference, docs/vendors and docs/pictures from the code
	@$(PY) -m tests.reference

# The variable silences the theme's notes about other products.
docs: $(SITE_READY) ## build the docs site in build/site, as strictly as CI
	@NO_MKDOCS_2_WARNING=1 $(SITE_VENV)/bin/mkdocs build --strict $(ARGS)

bench: $(TEST_READY) ## measure how many codes a second this machine handles
	@$(PY) -m tests.bench $(ARGS)

faults: $(TEST_READY) ## make each part fail under load and count the messages (ARGS="--only web-killed")
	@$(PY) -m tests.faults $(ARGS)

requirements: ## pin the dependencies in pyproject.toml (needs uv; ARGS=--upgrade takes the newest)
	@$(UV) --version >/dev/null 2>&1 || { \
		echo "Pinning needs uv: pip install uv, or see https://docs.astral.sh/uv/" >&2; exit 1; }
	$(compile) $(ARGS) $(server) -o requirements.txt
	$(compile) $(ARGS) $(server) --group demo -c requirements.txt -o config/demo/requirements.txt
	$(compile) $(ARGS) $(server) --group test -c config/demo/requirements.txt -o tests/requirements.txt
	$(compile) $(ARGS) $(server) --group test --group ci -c tests/requirements.txt -o .ci/requirements.txt
	echo uv | $(compile) $(ARGS) - -o config/demo/installer.txt
	$(compile) $(ARGS) --group docs -o .ci/docs.txt

clean: ## remove .venv and all other generated files
	rm -rf $(VENV) .hypothesis .pytest_cache .mypy_cache .ruff_cache .import_linter_cache staticfiles build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(DEMO_READY): config/demo/requirements.txt | $(PY)
	@$(call install,config/demo/requirements.txt,the first time takes a quarter of a minute)
	@touch $@

$(TEST_READY): tests/requirements.txt | $(PY)
	@$(need_pip)
	@$(call install,tests/requirements.txt,the first time takes half a minute)
	@touch $@

$(LINT_READY): .ci/requirements.txt | $(PY)
	@$(call install,.ci/requirements.txt,the first time takes a minute)
	@touch $@

$(SITE_READY): .ci/docs.txt | $(PY)
	@$(PY) -m venv --clear $(SITE_VENV)
	@echo "Installing what builds the site into $(SITE_VENV) ..."
	@$(SITE_VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r .ci/docs.txt
	@touch $@

# Run each candidate instead of only looking it up: pyenv has commands for versions that are not installed. If the
# candidate has pip, use it to install uv, which is faster than installing pip into .venv first.
$(PY):
	@for python in $(if $(PYTHON),"$(PYTHON)",python3 python3.14 python3.13 python3.12 python3.11); do \
		"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && break; \
		python=; \
	done; \
	if [ -z "$$python" ]; then \
		echo "$(if $(PYTHON),$(PYTHON) is not,Found no) Python 3.11 or newer. If you have one:" \
			"make PYTHON=/path/to/python3 ..." >&2; \
		exit 1; \
	fi; \
	if ! "$$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then \
		echo "$$python cannot make a virtual environment. On Debian and Ubuntu:" \
			"sudo apt install python3-venv" >&2; \
		exit 1; \
	fi; \
	echo "Making $(VENV) with $$("$$python" --version) ..." && "$$python" -m venv --clear --without-pip $(VENV) && \
	{ command -v $(UV) >/dev/null || \
		"$$python" -m pip --python $(PY) $(pip_install) config/demo/installer.txt >/dev/null 2>&1 || true; }
