# Everything a contributor runs. `make demo` and `make test` work on a fresh clone with Python 3.11 or newer and nothing
# else; packages come from wherever this machine's pip looks.

# The first Python that is new enough. Set PYTHON to choose another: make test PYTHON=python3.13
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo "$$python" && break; \
	done)
VENV ?= .venv
RUN := $(VENV)/bin/python
CLIENT := vscode-client/node_modules/.package-lock.json
SOURCES := lsp_server tests benchmarks .ci docs models vscode-client/scripts

.PHONY: demo test fuzz test-models chaos check format bench bench-quality bench-speed bench-models bench-vectors wheel \
	picture man screens vscode-pictures clean neovim test-editors test-vscode vsix

demo: $(VENV)/installed
	@$(RUN) .ci/demo.py

test: $(VENV)/installed-test neovim
	@$(RUN) -m pytest $(TESTS)

# 100,000 ugly inputs through the process that reads files, and the tests of the wire fifty times as long: half an hour
# of computing.
fuzz: $(VENV)/installed-test
	PYTHONPATH=tests $(RUN) -m fuzz $(ARGS)
	MEANING_FUZZ=50 $(RUN) -m pytest tests/lsp/test_wire_fuzz.py

# Tiny models of all architectures, made by torch and compared with it; that is a gigabyte of packages, so not in `test`.
test-models: $(VENV)/installed-test-models
	@$(RUN) -m pytest tests/models $(TESTS)

# Kills the program at hundreds of random moments and compares the index each time; `make test` has a short form of it.
chaos: $(VENV)/installed-test
	PYTHONPATH=tests $(RUN) -m chaos $(ARGS)

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

# What smaller vectors cost in quality and save in memory, up to a million symbols: ten minutes and 3 GB of memory.
bench-vectors: $(VENV)/installed-test
	$(RUN) -m benchmarks.vectors $(ARGS)

# Quality, speed and memory of every model that is installed: make bench-models ARGS="--repos click,flask"
bench-models: $(VENV)/installed-test
	$(RUN) -m benchmarks.models $(ARGS)

wheel: $(VENV)/installed
	rm -rf dist
	$(RUN) -m pip wheel --quiet --no-deps --wheel-dir dist .
	@ls -l dist

# The terminal in the README, painted anew from a real run.
picture: $(VENV)/installed
	$(RUN) docs/picture.py

# The editors in docs/editors.md, painted anew from real runs.
screens: $(VENV)/installed-test neovim
	$(RUN) .ci/editors.py sid $(NEWER)
	$(RUN) docs/screens.py

# The pictures on the page of the extension for VS Code, as its tests saw it last.
PICTURES := find filter similar results status

vscode-pictures:
	cp $(PICTURES:%=.cache/vscode-pictures/%.png) vscode-client/images/

# The manual page, written anew from the command line's parser.
man: $(VENV)/installed
	$(RUN) docs/manpage.py

# A stamp per set of extras, so that each is installed once, and again when pyproject.toml changes.
$(VENV)/installed: pyproject.toml .ci/install.py
	@$(INSTALL) $(VENV)
	@touch $@

$(VENV)/installed-%: pyproject.toml .ci/install.py
	@$(INSTALL) $(VENV) $*
	@touch $@

INSTALL = $(if $(PYTHON),"$(PYTHON)" .ci/install.py,\
	{ echo "No Python 3.11 or newer was found. Install one, or name it: make PYTHON=/path/to/python3" >&2; exit 1; };)

# The VS Code extension for machines like this one, with everything that it installs; WHEELS=none: a small one for any
# machine, which fetches what it installs.
WHEELS ?= complete

vsix: $(VENV)/installed $(CLIENT)
	@target=$$($(RUN) vscode-client/scripts/carry.py $(if $(filter none,$(WHEELS)),,--complete)) && cd vscode-client && \
		npm run package -- $(if $(filter none,$(WHEELS)),,--target "$$target")

# The extension: its types, its style, its unit tests, and the whole of it in a real VS Code.
test-vscode: $(VENV)/installed-test neovim $(CLIENT)
	cd vscode-client && npm run lint && npm test
	@$(RUN) -m pytest tests/editors/test_vscode.py

$(CLIENT): vscode-client/package-lock.json
	cd vscode-client && npm ci --no-audit --no-fund
	@touch $@

# Editors for the tests to drive, where they can be had without asking; a test without its editor says that it is skipped.
# Each is a program and its package; what has no program is a package alone.
EDITORS := nvim:neovim tmux:tmux emacs:emacs-nox vim:vim pylsp:python3-pylsp chromium:chromium \
	fzf:fzf zsh:zsh fish:fish mandoc:mandoc man:man-db
PLUGINS := elpa-eglot elpa-lsp-mode elpa-consult elpa-vertico vim-ale

neovim:
	@missing=$$(for editor in $(EDITORS); do \
		command -v "$${editor%%:*}" >/dev/null || echo "$${editor#*:}"; done; \
		for plugin in $(PLUGINS); do dpkg -s "$$plugin" >/dev/null 2>&1 || echo "$$plugin"; done); \
	[ -z "$$missing" ] || [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null || { \
		echo "installing" $$missing "which the tests drive" >&2; \
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; } \
			>/dev/null 2>&1 || echo $$missing "could not be installed" >&2; }

# Newer editors than Debian 12 has, unpacked below .cache for the tests marked so; nothing is installed. VS Code has a
# target of its own.
NEW := neovim hx
NEWER := neovim neovim-lualine neovim-telescope hx emacs-nox elpa-lsp-mode

test-editors: $(VENV)/installed-test neovim
	@$(RUN) .ci/editors.py trixie $(NEW)
	@$(RUN) .ci/editors.py sid $(NEWER)
	@$(RUN) -m pytest tests/editors -m "newer or not newer" --ignore=tests/editors/test_vscode.py

clean:
	rm -rf $(VENV) .cache dist build vscode-client/dist vscode-client/*.vsix .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
