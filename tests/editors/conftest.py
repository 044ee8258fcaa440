"""What the tests in real editors share: a project worth asking, and for each editor a home and its processes."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import psutil
import pytest

CHECKOUT = Path(__file__).parent.parent.parent
UNPACKED = CHECKOUT / ".cache" / "editors"  # by .ci/editors.py
SECONDS = 60  # for one thing that an editor is waited for; a busy machine needs ten

QUESTION = "write an e-mail that confirms what was bought"
NAME = "sendReceipt"
SECOND_QUESTION = "work out the postage of a parcel by its weight"
ADDED = [
    "",
    "",
    "def postage(parcel):",
    '    """Work out what it costs to send a parcel, by how heavy it is. \N{PARTY POPPER}"""',
    "    return 2 + parcel.kilograms * 3",
]
# The best answer begins after characters of one, two and four bytes, so that a column of the wrong unit is seen.
MAIL = (
    '"ß漢字\N{PARTY POPPER}"; function sendReceipt(customer, order) '
    '{ return mail(customer, "Thank you: this e-mail confirms what you bought", order); }\n'
)
# Real code around it: modules of our own, few enough to be read in a second.
MODULES = ("git", "ignore", "lines", "names", "patterns", "query", "words")
HEADER = re.compile(rb"Content-Length: (\d+)\r\n(?:[^\r\n]+\r\n)*\r\n")  # as our server writes it
PRICES = "def gross(net, rate):\n    return net * (1 + rate)\n"


@dataclass(frozen=True)
class Household:
    """A project, a home for an editor, and a mark on every process that is started there."""

    folder: Path
    root: Path
    mark: str

    @property
    def server(self) -> list[str]:
        """The command that starts the server."""
        return [sys.executable, "-m", "lsp_server", "--cache-dir", str(self.folder / "cache")]

    def program(self) -> Path:
        """Write the program as it is installed: one word. What it says to its client is kept in a file `wire`."""
        program = self.folder / "meaning-ls"
        script = f'#!/bin/sh\n{shlex.join(self.server)} "$@" | tee -a {shlex.quote(str(self.folder / "wire"))}\n'
        program.write_text(script, encoding="utf-8")
        program.chmod(0o755)
        return program

    def wire(self) -> list[dict[str, Any]]:
        """Return what the server has said to its client so far."""
        wire = self.folder / "wire"
        said = wire.read_bytes() if wire.exists() else b""
        messages = []
        while header := HEADER.match(said):
            body, said = said[header.end() :][: int(header[1])], said[header.end() + int(header[1]) :]
            if len(body) < int(header[1]):
                break
            messages.append(json.loads(body))
        return messages

    def is_ready(self, since: int = 0) -> bool:
        """Return whether the server has said that all is indexed, after work since some message."""
        told = [m["params"]["folders"] for m in self.wire()[since:] if m.get("method") == "semanticIndex/status"]
        states = [folders[0]["state"] for folders in told if folders]
        return "indexing" in states and states[-1] == "ready"

    def said_at_rest(self) -> list[str]:
        """What the server says in a second in which nobody does anything."""
        before = len(self.wire())
        time.sleep(1)
        return [message.get("method", "an answer") for message in self.wire()[before:]]

    def popped_up(self) -> list[str]:
        """What the server has asked to be shown to the user."""
        shown = ("window/showMessage", "window/showMessageRequest")
        return [message["params"]["message"] for message in self.wire() if message.get("method") in shown]

    @property
    def environment(self) -> dict[str, str]:
        """No configuration and no log of the user's editor is touched."""
        names = ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")
        homes = {name: str(self.folder / name) for name in names}
        marked = {"PYTHONPATH": str(CHECKOUT), "MEANING_TEST": self.mark}
        quiet = {"HF_HUB_OFFLINE": "1"}  # no model is offered on a large machine: a question would stand in the way
        return os.environ | homes | marked | quiet | {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}

    def processes(self) -> list[psutil.Process]:
        """Everything that was started from here and still runs."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("MEANING_TEST") == self.mark and process.pid != os.getpid():
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                continue
        return found

    def left_behind(self) -> list[str]:
        """What still runs although its editor has gone, after a moment to end."""
        _, alive = psutil.wait_procs(self.processes(), 15)
        lines = [" ".join(process.cmdline()) for process in alive]
        for process in alive:
            process.kill()
        return lines


@pytest.fixture(scope="module")
def make_household(tmp_path_factory):
    """A function that makes one: the project is real code, in a git repository."""
    made = []

    def make():
        folder = tmp_path_factory.mktemp("household")
        root = folder / "my pröject"
        (root / "src").mkdir(parents=True)
        (root / "engine").mkdir()
        for name in MODULES:
            shutil.copy(CHECKOUT / "lsp_server" / "engine" / f"{name}.py", root / "engine")
        (root / "src" / "mail.js").write_text(MAIL, encoding="utf-8")
        (root / "src" / "prices.py").write_text(PRICES, encoding="utf-8")
        subprocess.run(["git", "init", "--quiet", root], check=True)
        for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
            (folder / name).mkdir()
        made.append(Household(folder, root, uuid.uuid4().hex))
        return made[-1]

    yield make
    for household in made:
        household.left_behind()


def other_server() -> list[str]:
    """Return the command of a language server of Python's own, which knows symbols by their names."""
    reason = "jedi-language-server is not installed, so nothing was asked beside it; `make test` installs it"
    pytest.importorskip("jedi_language_server", reason=reason)
    return [sys.executable, "-c", "from jedi_language_server.cli import cli; cli()"]


def find_editor(program: str, package: str) -> str:
    """Return where the system has a program; without it a test is skipped, or fails on CI where it can be had."""
    return shutil.which(program) or do_without(program, package)


def do_without(missing: str, package: str) -> NoReturn:
    """Skip a test for want of something, or fail on CI where it can be had."""
    installable = shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0
    reason = f"{missing} is not installed, so no editor was driven. On Debian: apt-get install {package}"
    if installable and os.environ.get("CI") == "true":
        pytest.fail(f"{reason} (`make test` does it)")
    pytest.skip(reason)


def newer_editor(program: str, suite: str) -> str:
    """Return where an editor of a suite of Debian was unpacked. Tests that want one are run only when asked for."""
    found = UNPACKED / suite / "bin" / program
    if not found.exists():
        pytest.fail(f"{found} is missing: make test-editors")
    return str(found)
