"""Screens: paints docs/screens/*.svg, the editors in docs/editors.md, from real runs on the demo's project.

    make screens

Each editor is unpacked or installed (`make test-editors`), runs in a terminal with a home of its own, and is asked the
demo's question with the keys that a user would press. What stands on its screen then is painted by picture.py.
"""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "docs"), str(CHECKOUT / ".ci")]
import demo  # noqa: E402 - it fetches the project that is shown
from picture import paint  # noqa: E402 - it paints terminals

from lsp_server.config import configuration  # noqa: E402
from tests.editors.screen import Screen  # noqa: E402

PICTURES = CHECKOUT / "docs" / "screens"
UNPACKED = CHECKOUT / ".cache" / "editors" / "sid"
SIZE = (132, 30)  # columns and lines: room for a list and a preview beside it
FILE = "werkzeug/test.py"
SECONDS = 60


def main() -> int:
    """Paint every editor, or those that are named."""
    project = demo.fetch()
    if project is None:
        return 1
    PICTURES.mkdir(exist_ok=True)
    for name in sys.argv[1:] or EDITORS:
        with tempfile.TemporaryDirectory() as home:
            # Under git, as projects are, for editors take the nearest repository for the project.
            copied = Path(home) / project.name
            shutil.copytree(project, copied)
            subprocess.run(["git", "init", "--quiet", copied], check=True)
            lines = EDITORS[name](Path(home), copied)
        (PICTURES / f"{name}.svg").write_text(paint(lines, SIZE[0]), encoding="utf-8")
        sys.stderr.write(f"painted docs/screens/{name}.svg\n")
    return 0


def environment(home: Path) -> dict[str, str]:
    """Return what an editor finds around itself: no configuration of anybody's, and the program on its PATH."""
    program = home / "bin" / "meaning-ls"
    program.parent.mkdir()
    server = [sys.executable, "-m", "lsp_server", "--cache-dir", str(demo.CACHE / "index")]
    program.write_text(f'#!/bin/sh\nexec {shlex.join(server)} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    homes = {f"XDG_{name}_HOME": str(home / name) for name in ("CONFIG", "DATA", "STATE", "CACHE")}
    path = f"{program.parent}:{os.environ['PATH']}"
    own = {"HOME": str(home), "PATH": path, "PYTHONPATH": str(CHECKOUT), "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
    return os.environ | homes | own | {"COLORTERM": "truecolor"}


def neovim(home: Path, project: Path) -> list[str]:
    """Neovim with the plugin and Telescope: :FindByMeaning."""
    around = environment(home)
    packages = home / "DATA" / "nvim" / "site" / "pack" / "editors" / "start"
    packages.mkdir(parents=True)
    (packages / "meaning").symlink_to(CHECKOUT / "editors" / "nvim")
    for plugin in (UNPACKED / "root/usr/share/nvim/site/pack/dist-bundle/start").iterdir():
        (packages / plugin.name).symlink_to(plugin.resolve())
    init = home / "init.lua"
    init.write_text(
        "vim.o.termguicolors = true\nvim.o.laststatus = 3\nvim.o.number = true\n"
        "vim.api.nvim_create_autocmd('User', { pattern = 'MeaningStatus', callback = function()\n"
        "  vim.fn.writefile({ require('meaning').status() }, vim.env.HOME .. '/status')\nend })\n",
        encoding="utf-8",
    )
    # An unpacked Neovim cannot start itself once more as the server of its own screen: it is started here.
    nvim, socket = str(UNPACKED / "bin" / "nvim"), str(home / "socket")
    served = subprocess.Popen(
        [nvim, "--headless", "-n", "-u", str(init), "--listen", socket, FILE], env=around, cwd=project
    )
    try:
        wait(Path(socket).exists)
        screen = Screen(home, [nvim, "--server", socket, "--remote-ui"], around, project, SIZE)
        wait(lambda: (home / "status").exists() and (home / "status").read_text().strip() == "meaning")
        screen.type(":FindByMeaning")
        screen.press("Enter")
        screen.until(lambda lines: "Find by meaning" in "".join(lines), SECONDS)
        screen.type(demo.QUESTION)
        return still(screen, lambda lines: demo.QUESTION in "".join(lines) and "check_password_hash" in "".join(lines))
    finally:
        screen.close()
        subprocess.run([nvim, "--server", socket, "--remote-expr", "execute('qall!')"], capture_output=True)
        served.wait()


def helix(home: Path, project: Path) -> list[str]:
    """Helix: Space S."""
    around = environment(home)
    settings = home / "CONFIG" / "helix"
    settings.mkdir(parents=True)
    (settings / "languages.toml").write_text(configuration("helix", str(home / "bin" / "meaning-ls")), encoding="utf-8")
    (settings / "config.toml").write_text('theme = "github_dark"\n', encoding="utf-8")
    screen = Screen(home, [str(UNPACKED / "bin" / "hx"), FILE], around, project, SIZE)
    try:
        screen.until(lambda lines: FILE in lines[-2], SECONDS)
        while True:  # until the server has started and its index is open
            screen.press("Space", "S")
            screen.type(demo.QUESTION)
            try:
                lines = still(screen, lambda lines: "check_password_hash" in "".join(lines[:8]), 5)
            except AssertionError:
                screen.press("Escape")
                continue
            return lines
    finally:
        screen.close()


def emacs(home: Path, project: Path) -> list[str]:
    """Emacs with the package, Vertico and Consult: M-x find-by-meaning."""
    around = environment(home)
    init = home / "init.el"
    init.write_text(
        f"""(setq native-comp-deferred-compilation nil native-comp-async-report-warnings-errors 'silent)
        (package-initialize)
        (setq inhibit-startup-screen t vertico-count 12 consult-preview-key 'any)
        (menu-bar-mode -1) (vertico-mode)
        (setq frame-background-mode 'dark) (frame-set-background-mode (selected-frame))
        (add-to-list 'load-path "{CHECKOUT / "editors" / "emacs"}")
        (require 'meaning-ls)
        (global-meaning-ls-mode)""",
        encoding="utf-8",
    )
    screen = Screen(home, ["emacs", "-nw", "-q", "--no-site-file", "-l", str(init), FILE], around, project, SIZE)
    try:
        screen.until(lambda lines: " Meaning " in lines[-2], SECONDS)
        screen.press("M-x")
        screen.until(lambda lines: any("M-x" in line for line in lines), SECONDS)
        screen.type("find-by-meaning")
        screen.press("Enter")
        screen.until(lambda lines: "Find by meaning" in "".join(lines), SECONDS)
        screen.type(demo.QUESTION)
        return still(screen, lambda lines: "def check_password_hash" in "".join(lines[:15]))
    finally:
        screen.close()


def vim(home: Path, project: Path) -> list[str]:
    """Vim with ALE: :ALESymbolSearch."""
    around = environment(home)
    init = home / "vimrc"
    init.write_text(
        "set nocompatible termguicolors laststatus=2 noswapfile\nsyntax on\ncolorscheme habamax\nfiletype plugin on\n"
        f"let g:ale_linters_explicit = 1\npackadd ale\n{configuration('ale', str(home / 'bin' / 'meaning-ls'))}",
        encoding="utf-8",
    )
    screen = Screen(home, ["vim", "-u", str(init), "-i", "NONE", FILE], around, project, SIZE)
    try:
        screen.until(lambda lines: "test.py" in lines[-2], SECONDS)
        while True:  # until the server has started and its index is open
            screen.type(f":ALESymbolSearch -relative {demo.QUESTION}")
            screen.press("Enter")
            try:
                return still(screen, lambda lines: "check_password_hash" in lines[0], 5)
            except AssertionError:
                screen.press("Escape")
    finally:
        screen.close()


def still(screen: Screen, test: Callable[[list[str]], bool], seconds: float = SECONDS) -> list[str]:
    """Wait until the screen shows something and has come to rest; return it with its colours."""
    before: list[str] = []

    def rests(lines: list[str]) -> bool:
        nonlocal before
        rested, before = lines == before, lines
        return rested and test(lines)

    screen.until(rests, seconds)
    return screen.painted()


def wait(test: Callable[[], bool]) -> None:
    """Wait for something outside the screen."""
    end = time.monotonic() + SECONDS
    while not test():
        if time.monotonic() > end:
            raise AssertionError("it never came")
        time.sleep(0.05)


EDITORS: dict[str, Callable[[Path, Path], list[str]]] = {"neovim": neovim, "helix": helix, "emacs": emacs, "vim": vim}


if __name__ == "__main__":
    sys.exit(main())
