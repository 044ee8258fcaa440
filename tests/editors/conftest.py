"""What the tests in real editors share: a project worth asking, and for each editor a home and its processes."""

import os
import shutil
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path

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

    @property
    def environment(self) -> dict[str, str]:
        """No configuration and no log of the user's editor is touched."""
        names = ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")
        homes = {name: str(self.folder / name) for name in names}
        marked = {"PYTHONPATH": str(CHECKOUT), "MEANING_TEST": self.mark}
        return os.environ | homes | marked | {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}

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


def find_editor(program: str, package: str) -> str:
    """Return where the system has a program; without it a test is skipped, or fails on CI where it can be had."""
    found = shutil.which(program)
    if found:
        return found
    installable = shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0
    reason = f"{program} is not installed, so no editor was driven. On Debian: apt-get install {package}"
    if installable and os.environ.get("CI") == "true":
        pytest.fail(f"{reason} (`make test` does it)")
    pytest.skip(reason)


def newer_editor(program: str) -> str:
    """Return where a newer editor was unpacked. Tests that want one are not run unless somebody asks for them."""
    found = UNPACKED / "bin" / program
    if not found.exists():
        pytest.fail(f"{found} is missing: make test-editors")
    return str(found)
