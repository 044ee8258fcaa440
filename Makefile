# Everything a contributor runs. `make demo` and `make test` work on a fresh clone with Python 3.11 or newer and nothing
# else; packages come from wherever this machine's pip looks.

# The first Python that is new enough. Set PYTHON to choose another: make test PYTHON=python3.13
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo "$$python" && break; \
	done)
VENV ?= .venv
RUN := $(VENV)/bin/python
SOURCES := lsp_server tests benchmarks .ci docs models

.PHONY: demo test check format bench bench-quality bench-speed wheel picture clean neovim

demo: $(VENV)/installed
	@$(RUN) .ci/demo.py

test: $(VENV)/installed-test neovim
	@$(RUN) -m pytest $(TESTS)

check: $(VENV)/installed-dev
	$(RUN) -m ruff check $(SOURCES)
	$(RUN) -m ruff format --check $(SOURCES)
	$(RUN) -m mypy

format: $(VENV)/installed-dev
	$(RUN) -m ruff check --fix $(SOURCES)
	$(RUN) -m ruff format $(SOURCES)

bench: bench-quality bench-speed

bench-quality: $(VENV)/installed-test
	$(RUN) -m benchmarks.quality $(ARGS)

bench-speed: $(VENV)/installed-test
	$(RUN) -m benchmarks.speed $(ARGS)

wheel: $(VENV)/installed
	rm -rf dist
	$(RUN) -m pip wheel --quiet --no-deps --wheel-dir dist .
	@ls -l dist

# The terminal in the README, painted anew from a real run.
picture: $(VENV)/installed
	$(RUN) docs/picture.py

# A stamp per set of extras, so that each is installed once, and again when pyproject.toml changes.
$(VENV)/installed: pyproject.toml .ci/install.py
	@$(INSTALL) $(VENV)
	@touch $@

$(VENV)/installed-%: pyproject.toml .ci/install.py
	@$(INSTALL) $(VENV) $*
	@touch $@

INSTALL = $(if $(PYTHON),"$(PYTHON)" .ci/install.py,\
	{ echo "No Python 3.11 or newer was found. Install one, or name it: make PYTHON=/path/to/python3" >&2; exit 1; };)

# An editor for the tests to drive, where it can be had without asking; without it those tests say that they are skipped.
neovim:
	@command -v nvim >/dev/null || [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null || { \
		echo "installing Neovim, which the tests drive" >&2; \
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends neovim; } \
			>/dev/null 2>&1 || echo "Neovim could not be installed" >&2; }

clean:
	rm -rf $(VENV) .cache dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
