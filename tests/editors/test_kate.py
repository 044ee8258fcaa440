"""Kate, real and on a screen that nobody sees, set up by what `meaning-ls config kate` prints.

Kate brings a desktop with it, so it is not installed for the tests: where it is, with Xvfb and xdotool, they press its
keys. What came of that is read from the wire and from the files: a letter typed after a jump shows where that ended.
"""

import os
import shutil
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest

from lsp_server.config import configuration

from .conftest import MAIL, NAME, QUESTION, SECONDS
from .screen import GLANCE_SECONDS

pytestmark = [pytest.mark.newer, pytest.mark.timeout(240)]

SAVED = "how heavy parcels are packed"


def wait_until(test):
    """Wait until `test` gives something true, and return that."""
    end = time.monotonic() + SECONDS
    while not (found := test()):
        assert time.monotonic() < end, "it never came"
        time.sleep(GLANCE_SECONDS)
    return found


class Desktop:
    """A screen in memory, and the keys of whoever sits before it."""

    def __init__(self, environment):
        read, write = os.pipe()
        self.server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(write), "-screen", "0", "1000x700x24", "-nolisten", "tcp"],
            pass_fds=[write],
            stderr=subprocess.DEVNULL,
        )
        os.close(write)
        with os.fdopen(read) as number:
            self.environment = environment | {"DISPLAY": f":{number.readline().strip()}"}

    def do(self, *words):
        return subprocess.run(["xdotool", *words], env=self.environment, capture_output=True, text=True).stdout

    def window(self, title):
        """Wait for a window with words in its title, and turn the keys to it."""
        found = wait_until(lambda: self.do("search", "--name", title).split())
        self.do("windowfocus", "--sync", found[-1])
        return found[-1]

    def press(self, *keys):
        self.do("key", "--clearmodifiers", "--delay", "40", *keys)

    def type(self, text):
        self.do("type", "--delay", "30", text)


@pytest.fixture(scope="module")
def seen(make_household):
    missing = [name for name in ("kate", "Xvfb", "xdotool", "dbus-run-session") if not shutil.which(name)]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed, so Kate was not driven. Debian: kate xvfb xdotool dbus-bin")
    household = make_household()
    settings = household.folder / "XDG_CONFIG_HOME"
    program = household.program()
    pylsp = shutil.which("pylsp")  # which Kate starts for Python, after it has asked
    (settings / "kate" / "lspclient").mkdir(parents=True)
    (settings / "kate" / "lspclient" / "settings.json").write_text(configuration("kate", str(program)))
    (settings / "katerc").write_text(
        f"[lspclient]\nAllowedServerCommandLines={program},{pylsp} --check-parent-process\n"
        "[Kate Plugins]\nlspclientplugin=true\n[General]\nShow welcome view for new window=false\n"
    )
    notes = household.root / "notes.md"
    notes.write_text("# Notes\n")
    mail = household.root / "src" / "mail.js"
    running = household.folder / "run"
    running.mkdir(mode=0o700)
    seen = {}
    desktop = Desktop(household.environment | {"XDG_RUNTIME_DIR": str(running)})

    def answers():
        return [m["result"] for m in household.wire() if isinstance(m.get("result"), list)]

    def ask(question, first, row=0):
        """Ask, and go to a row; return what the server said of that."""
        before = len(answers())
        desktop.press("ctrl+alt+p")
        desktop.type(question)
        wait_until(lambda: (found := answers()[before:]) and found[-1] and found[-1][0]["name"] == first)
        wait_until(lambda: not household.said_at_rest())  # each key is a question, and each answer a new list
        desktop.press(*["Down"] * row, "Return")
        return answers()[-1][row]

    def type_there(path):
        """Type a letter where the cursor is, and save; return the text before and after."""
        before = path.read_text(encoding="utf-8")
        desktop.window(path.name)
        desktop.type("x")
        desktop.press("ctrl+s")
        wait_until(lambda: path.read_text(encoding="utf-8") != before)
        desktop.press("ctrl+w")
        desktop.window("notes.md")
        return before, path.read_text(encoding="utf-8")

    kate = subprocess.Popen(
        ["dbus-run-session", "--", "kate", "-n", str(notes)],
        env=desktop.environment,
        cwd=household.root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        desktop.window("notes.md")
        wait_until(household.is_ready)
        place = ask(QUESTION, NAME, row=4)["location"]
        path = Path(url2pathname(urlsplit(place["uri"]).path))
        seen["fifth"] = (*type_there(path), place["range"]["start"])
        ask(QUESTION, NAME)
        _, seen["best"] = type_there(mail)
        seen["name"] = ask("gross", "gross")["name"]
        desktop.window("prices.py")
        desktop.press("ctrl+w")
        desktop.window("notes.md")
        since = len(household.wire())
        desktop.press("ctrl+End")
        desktop.type(f"# {SAVED}")
        desktop.press("ctrl+s")
        wait_until(lambda: household.is_ready(since))
        ask(SAVED, SAVED)
        seen["at rest"] = household.said_at_rest()
        desktop.press("ctrl+q")
        kate.wait(SECONDS)
        return seen | {"popped up": household.popped_up(), "left behind": household.left_behind()}
    finally:
        if kate.poll() is None:
            kate.kill()
            kate.wait()
        desktop.server.terminate()
        desktop.server.wait()


def test_a_question_jumps_to_the_column(seen):
    assert seen["best"] == MAIL.replace(NAME, f"x{NAME}", 1)


def test_rows_stand_as_they_were_served(seen):
    """The fifth row leads to the fifth place that was served."""
    before, after, start = seen["fifth"]
    lines = before.split("\n")
    line = lines[start["line"]]
    lines[start["line"]] = line[: start["character"]] + "x" + line[start["character"] :]  # ASCII, as our code is
    assert after.split("\n") == lines


def test_names_come_first(seen):
    assert seen["name"] == "gross"


def test_it_is_silent_and_nothing_is_left(seen):
    assert (seen["at rest"], seen["popped up"]) == ([], [])
    assert seen["left behind"] == []
