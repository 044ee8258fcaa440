"""At home in a shell: completion typed into real shells, recipes of the docs run, the manual page read as people do."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent
SECONDS = 60  # for what a busy machine does in two
DOCS = CHECKOUT / "docs"
MAIL = '''\
def send_receipt(customer, order):
    """Tell a customer by e-mail that the purchase is confirmed."""
    smtp.send(customer.address, order.text)

'''
WEB = "/* \N{PARTY POPPER} gr\u00fc\u00df */ function verschicken(post) { return post.send() }\n"


def tool(name, package=""):
    """The path of a program; a test without it says that it is skipped."""
    found = shutil.which(name)
    if found is None:
        package = package or name
        pytest.skip(f"{name} is not installed, so nothing was tried with it. On Debian: apt-get install {package}")
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A project that is indexed, and the program under its own name on the PATH."""
    folder = tmp_path_factory.mktemp("shell")
    root = folder / "project"
    (root / ".git").mkdir(parents=True)
    (root / "mail.py").write_text(MAIL, encoding="utf-8")
    (root / "web.js").write_text(WEB, encoding="utf-8")
    (root / "prices.py").write_text("def gross(net, rate):\n    return net * (1 + rate)\n")
    (folder / "bin").mkdir()
    program = folder / "bin" / "meaning-ls"
    cache = folder / "cache"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(CHECKOUT)!r})\n"
        "from lsp_server.__main__ import main\n"
        f"own = ['--cache-dir', {str(cache)!r}] if sys.argv[1] in ('search', 'index') else []\n"
        "sys.exit(main([*sys.argv[1:2], *own, *sys.argv[2:]]))\n"
    )
    program.chmod(0o755)
    subprocess.run([program, "index"], cwd=root, check=True, capture_output=True, timeout=SECONDS)
    return folder


_numbers = count()  # a server ends some time after its last session: each terminal has its own


class Terminal:
    """A terminal that a program runs in, and what stands on its screen."""

    def __init__(self, folder, *words):
        self._tmux = [tool("tmux"), "-S", str(folder / f"tmux-{next(_numbers)}"), "-f", os.devnull]
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("TMUX", "FZF", "LC_"))}
        self._environment = environment | {
            **{"HOME": str(folder), "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}", "LANG": "C.UTF-8"},
            **{"XDG_CONFIG_HOME": str(folder / "config"), "XDG_DATA_HOME": str(folder / "data"), "PS1": "$ "},
            **{"EDITOR": str(folder / "bin" / "editor"), "TERM": "xterm-256color"},
        }
        self._do("new-session", "-d", "-x", "180", "-y", "40", "-c", str(folder / "project"), *words)

    def type(self, *keys):
        self._do("send-keys", *keys)

    def wait(self, *, until, why):
        """Wait until a pattern stands on the screen; return the screen."""
        end = time.monotonic() + SECONDS
        while True:
            screen = self._do("capture-pane", "-p").stdout
            if re.search(until, screen):
                return screen
            assert time.monotonic() < end, f"{why}:\n{screen}"
            time.sleep(0.05)

    def close(self):
        with suppress(subprocess.CalledProcessError):  # what ran in it may have ended, and tmux with it
            self._do("kill-server")

    def _do(self, *words):
        return subprocess.run(
            [*self._tmux, *words], env=self._environment, capture_output=True, text=True, timeout=SECONDS, check=True
        )


@pytest.fixture
def terminal(place):
    opened = []

    def open_terminal(*words):
        opened.append(Terminal(place, *words))
        return opened[-1]

    yield open_terminal
    for each in opened:
        each.close()


# ---- completion

TYPED = [
    ("meaning-ls sea", "search "),
    ("meaning-ls search --vimg", "--vimgrep "),
    ("meaning-ls search --lang pyth", "python "),
    ("meaning-ls search --kind func", "function "),
    ("meaning-ls search --color alw", "always "),
    ("meaning-ls config hel", "helix "),
    ("meaning-ls why mai", "mail.py"),
    ("meaning-ls completion fis", "fish "),
]
# How each shell is told of the script, as the help of the command says, without any configuration of the user's.
SHELLS = {
    "bash": ("bash --norc --noprofile", "source {script}"),
    "zsh": ("zsh -f", "fpath=({folder} $fpath); autoload -U compinit; compinit -D; PROMPT='$ '"),
    "fish": ("fish --no-config", "source {script}; function fish_prompt; echo '$ '; end"),
}


@pytest.mark.parametrize("shell", SHELLS)
def test_tab_completes(shell, place, terminal):
    pytest.importorskip("shtab", reason="shtab is not installed, though it is required: nothing was completed")
    start, tell = SHELLS[shell]
    tool(shell)
    folder = place / "scripts"
    folder.mkdir(exist_ok=True)
    script = folder / ("_meaning-ls" if shell == "zsh" else f"meaning-ls.{shell}")
    made = subprocess.run([place / "bin" / "meaning-ls", "completion", shell], capture_output=True, timeout=SECONDS)
    assert made.returncode == 0, made.stderr.decode()
    script.write_bytes(made.stdout)
    screen = terminal(*start.split())
    screen.type(tell.format(script=script, folder=folder) + "; clear; echo re''ady", "Enter")
    screen.wait(until="(?m)^ready", why=f"{shell} does not take the script")
    for typed, completed in TYPED:
        whole = typed[: typed.rindex(" ") + 1] + completed
        screen.type("C-u")
        screen.type("-l", typed)
        screen.wait(until=re.escape(typed), why="the keys do not arrive")
        screen.type("Tab")
        if shell == "zsh" and completed.startswith("--"):  # the first shows what the option is for
            screen.wait(until=f"{completed} +--", why="zsh does not explain an option")
            screen.type("Tab")
        # A blank at the end is cut off by the screen: what is typed next shows whether it is there.
        screen.type("-l", "|")
        screen.wait(until=rf"{re.escape(whole.rstrip())} ?\|", why=f"{shell} does not complete {typed!r}")
        screen.type("BSpace")


# ---- recipes


def recipes():
    """Return the shell blocks of the page that call fzf."""
    blocks = re.findall(r"```sh\n(.*?)```", (DOCS / "command-line.md").read_text(encoding="utf-8"), re.S)
    return [block for block in blocks if "fzf" in block]


@pytest.fixture
def opened(place):
    """The file that says what the editor was asked to open."""
    tool("fzf")
    editor = place / "bin" / "editor"
    said = place / "opened"
    said.unlink(missing_ok=True)
    editor.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {said}.part && mv {said}.part {said}\n')
    editor.chmod(0o755)
    return said


def read_soon(file):
    end = time.monotonic() + SECONDS
    while not file.exists():
        assert time.monotonic() < end, "no editor was opened"
        time.sleep(0.05)
    return file.read_text().split("\n")


def test_fzf_chooses_and_opens(place, terminal, opened):
    recipe = recipes()[0].replace("where are retries delayed", "confirm a purchase to the buyer by mail")
    (place / "once.sh").write_text(recipe)
    screen = terminal("sh", str(place / "once.sh"))
    screen.wait(until="> mail.py:1:5:def send_receipt", why="no hit")
    screen.wait(until="Tell a customer by e-mail", why="no preview")
    screen.type("Enter")
    assert read_soon(opened)[:2] == ["+1", "mail.py"]


def test_fzf_asks_while_one_types(place, terminal, opened):
    (place / "live.sh").write_text(f"{recipes()[1]}\nask\n")
    screen = terminal("bash", str(place / "live.sh"))
    screen.wait(until="code that", why="fzf does not start")
    screen.type("-l", "--", "-path:mail.py")
    screen.wait(until="prices.py:1:5:def gross", why="a question that begins with a dash is taken for an option")
    screen.type("-l", " price with the taxes of a rate")
    screen.wait(until="> prices.py:1:5:def gross", why="typing asks nothing")
    screen.type("Enter")
    assert read_soon(opened)[:2] == ["+1", "prices.py"]


def test_vim_jumps_to_the_column(place, tmp_path):
    """Also behind letters of several bytes."""
    lines = subprocess.run(
        [place / "bin" / "meaning-ls", "search", "--vimgrep", "verschicken"],
        cwd=place / "project",
        capture_output=True,
        timeout=SECONDS,
    ).stdout
    (tmp_path / "hits").write_bytes(lines)
    script = tmp_path / "jump.vim"
    script.write_text(
        "set encoding=utf-8 errorformat=%f:%l:%c:%m\n"
        f"cgetfile {tmp_path / 'hits'}\n"
        "let rows = map(getqflist(), 'json_encode([v:val.lnum, v:val.col, v:val.valid])')\n"
        f"call writefile(rows, '{tmp_path / 'list'}')\n"
        "qall!\n"
    )
    words = [tool("vim"), "-es", "-N", "-u", "NONE", "-i", "NONE", "-S", str(script)]
    subprocess.run(words, cwd=place / "project", capture_output=True, timeout=SECONDS)
    rows = [json.loads(row) for row in (tmp_path / "list").read_text().splitlines()]
    column = WEB.encode().index(b"verschicken") + 1
    assert rows[0] == [1, column, 1] != [1, WEB.index("verschicken") + 1, 1]


# ---- the manual page


def test_man_shows_it_without_a_warning():
    environment = os.environ | {"LC_ALL": "C.UTF-8", "MANWIDTH": "80", "MANPAGER": "cat"}
    words = [tool("man", "man-db"), "--warnings", "--local-file", DOCS / "meaning-ls.1"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=SECONDS)
    assert (done.returncode, done.stderr) == (0, "")
    assert "meaning-ls search [options] [QUERY] [DIR]" in re.sub(".\b", "", done.stdout)


def test_mandoc_has_nothing_to_say_of_it():
    done = subprocess.run([tool("mandoc"), "-T", "lint", DOCS / "meaning-ls.1"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    shown = subprocess.run(
        [tool("mandoc"), "-T", "ascii", DOCS / "meaning-ls.1"], capture_output=True, text=True
    ).stdout
    shown = re.sub(".\b", "", shown)
    assert re.search(r"-n, --limit N\n\s+so many at most \(default: 20\)", shown), shown
    assert "meaning-ls search [options] [QUERY] [DIR]" in shown
