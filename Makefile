# What a contributor runs. Needs make and Python 3.11 or newer; everything else goes into .venv.

VENV := .venv
PY := $(VENV)/bin/python
UV := uv
# The Python to make .venv with. Empty: the first of the usual names which is new enough.
PYTHON :=
# Handed on by demo, test, bench, faults and requirements: make test ARGS="tests/sms -x".
ARGS :=

DEMO_READY := $(VENV)/.installed-demo
TEST_READY := $(VENV)/.installed-test
LINT_READY := $(VENV)/.installed-lint
# The site is built in an environment of its own: it needs nothing of ours, and we nothing of it.
SITE_VENV := build/site-venv
SITE_READY := $(SITE_VENV)/.installed
# To compile each file as it is first used, not all of them at once, saves a third of the time.
pip_install := --disable-pip-version-check --quiet install --no-compile --require-hashes -r
need_pip = { $(PY) -m pip --version >/dev/null 2>&1 || $(PY) -m ensurepip >/dev/null; }
# $(1): a file of requirements; $(2): how long it takes. uv takes a third of pip's time, but pip may know another registry.
install = echo "Installing what $(1) lists into $(VENV); $(2) ..." && \
	uv=$$(command -v $(UV) || echo $(VENV)/bin/uv) && \
	{ "$$uv" --version >/dev/null 2>&1 || { $(need_pip) && $(PY) -m pip $(pip_install) config/demo/installer.txt; }; } && \
	{ "$$uv" pip install --quiet --python $(PY) --require-hashes -r $(1) || \
		{ $(need_pip) && $(PY) -m pip $(pip_install) $(1); }; }
compile = $(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
server := pyproject.toml --extra server --extra twilio

# A Python may vanish when the system gets a newer one. What was installed for it is then void.
$(shell test -x $(PY) || rm -f $(DEMO_READY) $(TEST_READY) $(LINT_READY))
$(shell test -x $(SITE_VENV)/bin/python || rm -f $(SITE_READY))

.PHONY: help demo test lint reference docs bench faults requirements clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile

# Its processes read the same libraries: what one has compiled, no other shall compile again. Not in the command, since a
# shell would stand between make and the demo, which could not see make go.
demo: export PYTHONDONTWRITEBYTECODE :=
demo: $(DEMO_READY) ## run Otpost here, with all it needs (PORT=8000, REDIS_URL=...)
	@$(PY) -m config.demo --stop-with-parent $(ARGS)

# Most tests wait for processes, so more run side by side than there are cores; each worker has a server of its own.
# They start hundreds of processes, and none of them shall compile again what another has compiled.
test: $(TEST_READY) ## run the tests (ARGS="tests/sms -x", ARGS="-n 0" for one at a time)
	@PYTHONDONTWRITEBYTECODE= $(PY) -m pytest -n 6 --dist worksteal $(ARGS)

lint: $(LINT_READY) ## check style, types, the direction of imports, the Lua scripts, and the English
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(PY) .ci/lint_lua.py
	$(PY) .ci/lint_prose.py

reference: $(TEST_READY) ## write docs/reference, docs/vendors and docs/pictures out of the code
	@$(PY) -m tests.reference

# The variable keeps the theme from talking about other products.
docs: $(SITE_READY) ## build the site of the docs into build/site, as strictly as CI does
	@NO_MKDOCS_2_WARNING=1 $(SITE_VENV)/bin/mkdocs build --strict $(ARGS)

bench: $(TEST_READY) ## measure how many codes a second this machine does
	@$(PY) -m tests.bench $(ARGS)

faults: $(TEST_READY) ## let everything fail under load, count the messages (ARGS="--only web-killed")
	@$(PY) -m tests.faults $(ARGS)

requirements: ## pin what pyproject.toml asks for (needs uv; ARGS=--upgrade takes the newest)
	@$(UV) --version >/dev/null 2>&1 || { \
		echo "Pinning needs uv: pip install uv, or see https://docs.astral.sh/uv/" >&2; exit 1; }
	$(compile) $(ARGS) $(server) -o requirements.txt
	$(compile) $(ARGS) $(server) --group demo -c requirements.txt -o config/demo/requirements.txt
	$(compile) $(ARGS) $(server) --group test -c config/demo/requirements.txt -o tests/requirements.txt
	$(compile) $(ARGS) $(server) --group test --group ci -c tests/requirements.txt -o .ci/requirements.txt
	echo uv | $(compile) $(ARGS) - -o config/demo/installer.txt
	$(compile) $(ARGS) --group docs -o .ci/docs.txt

clean: ## remove .venv and everything else that can be made again
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

# Each candidate is run, not only looked up: pyenv leaves commands for versions it does not have. Where it has a pip, that
# brings uv, which takes less than a pip of our own would.
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
