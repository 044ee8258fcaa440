"""Emacs in a terminal, with keys pressed: the hits follow the question, are previewed, and stand in the server's order.

One session, in which the completion interface is changed as users choose theirs: the default one, Vertico, Vertico with
Consult.
"""

import json
import re
import subprocess

import pytest

from .conftest import CHECKOUT, MAIL, NAME, QUESTION, SECONDS, do_without, find_editor
from .screen import Screen

pytestmark = pytest.mark.timeout(180)

INIT = """\
(setq native-comp-deferred-compilation nil native-comp-async-report-warnings-errors 'silent
      package-user-dir "~/elpa" inhibit-startup-screen t make-backup-files nil create-lockfiles nil
      vertico-count 12 package-quickstart-file "~/none")
(package-initialize)
(add-to-list 'load-path {package})
(require 'meaning-ls)
(setq meaning-ls-command {command})
(global-meaning-ls-mode 1)
(defun where () (interactive)
  (message "WHERE %s %d %d" (buffer-name) (line-number-at-pos) (- (point) (line-beginning-position))))
(defun use-default () (interactive) (vertico-mode -1) (setq meaning-ls-use-consult nil) (message "DEFAULT"))
(defun use-vertico () (interactive) (vertico-mode 1) (setq meaning-ls-use-consult nil) (message "VERTICO"))
(defun use-consult () (interactive) (vertico-mode 1) (setq meaning-ls-use-consult t) (message "CONSULT"))
"""


@pytest.fixture(scope="module")
def emacs():
    """The editor, with a live completion interface."""
    found = find_editor("emacs", "emacs-nox")
    find_editor("tmux", "tmux")
    ask = "(progn (package-initialize) (require 'vertico) (require 'consult))"
    if subprocess.run([found, "-q", "--no-site-file", "--batch", "--eval", ask], capture_output=True).returncode:
        do_without("Vertico or Consult", "elpa-vertico elpa-consult")
    return found


@pytest.fixture(scope="module")
def seen(emacs, make_household):
    """What a user sees in each interface."""
    household = make_household()
    init = household.folder / "init.el"
    command = f"(list {json.dumps(str(household.program()))})"
    package = json.dumps(str(CHECKOUT / "editors" / "emacs"))
    init.write_text(INIT.format(package=package, command=command), encoding="utf-8")
    words = [emacs, "-nw", "-q", "--no-site-file", "-l", str(init), "src/prices.py"]
    screen = Screen(household.folder, words, household.environment, household.root)
    seen = {}

    def command_(name, shows):
        screen.press("M-x")
        screen.until(lambda lines: any("M-x" in line for line in lines[-15:]), SECONDS)
        screen.type(name)
        screen.press("Enter")
        return screen.until(lambda lines: any(shows in line for line in lines) and lines, SECONDS)

    def served():
        """The names of the last answer to a question."""
        answers = [m["result"]["symbols"] for m in household.wire() if "symbols" in (m.get("result") or {})]
        return [row["name"] for row in answers[-1]] if answers else []

    def answered(lines):
        shown, names = candidates(lines), served()
        return shown and names and names[0] == NAME and NAME in shown[0]

    def where():
        lines = command_("where", "WHERE ")
        return next(line for line in reversed(lines) if "WHERE " in line).split()[1:4]

    def back():
        screen.press("C-x")
        screen.type("b")
        screen.until(lambda lines: "Switch to buffer" in "".join(lines[-14:]), SECONDS)
        screen.type("prices.py")
        screen.press("Enter")
        screen.until(lambda lines: any("prices.py" in line and "%" not in line[:3] for line in lines[-4:]), SECONDS)

    try:
        screen.until(lambda _: household.is_ready(), SECONDS)
        screen.until(lambda lines: any(" Meaning)" in line or " Meaning " in line for line in lines), SECONDS)

        command_("use-default", "DEFAULT")
        command_("find-by-meaning", "Find by meaning:")
        screen.type(QUESTION)
        screen.press("Tab")
        screen.until(lambda lines: any(line.startswith(NAME) for line in lines), SECONDS)
        screen.press("M-v")
        screen.press("Enter")
        screen.until(lambda lines: any("mail.js" in line for line in lines[-3:-1]), SECONDS)
        seen["chosen"] = where()
        back()

        command_("find-by-meaning", "Find by meaning:")
        screen.type(QUESTION)
        screen.press("Enter")
        screen.until(lambda lines: any("*xref*" in line for line in lines), SECONDS)
        seen["xref"] = screen.until(lambda lines: any(NAME in line for line in lines) and lines, SECONDS)
        screen.press("Enter")
        screen.until(lambda lines: any("mail.js" in line for line in lines[-3:-1]), SECONDS)
        seen["default"] = where()
        screen.press("C-x")
        screen.type("1")
        back()

        command_("use-vertico", "VERTICO")
        command_("find-by-meaning", "Find by meaning:")
        screen.type(QUESTION)
        seen["vertico"] = screen.until(lambda lines: answered(lines) and candidates(lines), SECONDS)
        seen["vertico served"] = served()
        screen.press("Enter")
        screen.until(lambda lines: any("mail.js" in line for line in lines[-3:-1]), SECONDS)
        seen["jump"] = where()
        back()

        command_("use-consult", "CONSULT")
        command_("find-by-meaning", "Find by meaning:")
        screen.type(QUESTION)
        seen["consult"] = screen.until(
            lambda lines: answered(lines) and MAIL[:20] in lines[1] and candidates(lines), SECONDS
        )
        seen["consult served"] = served()
        screen.press("Enter")
        screen.until(lambda lines: any("mail.js" in line for line in lines[-3:-1]), SECONDS)
        seen["preview jump"] = where()
        screen.press("M-,")
        screen.until(lambda lines: any("prices.py" in line for line in lines[-3:-1]), SECONDS)
        seen["back"] = where()
        screen.press("C-x", "C-c")
        screen.until(lambda _: not screen.is_running(), SECONDS)
        seen["left behind"] = household.left_behind()
    finally:
        screen.close()
    return seen


def candidates(lines):
    """The candidates below the question; the title above them names no place."""
    asked = next((at for at, line in enumerate(lines) if "Find by meaning:" in line and QUESTION in line), len(lines))
    return [line for line in lines[asked + 1 :] if re.match(r"\S.*  \S+:\d+ ", line)]


PLACE = ["mail.js", "1", str(MAIL.index(NAME))]


def assert_order(shown, served):
    assert len(shown) > 8
    assert all(name.split("\n")[0] in row for name, row in zip(served, shown, strict=False))


def test_the_default_interface_lists_and_jumps(seen):
    assert seen["chosen"] == PLACE
    assert seen["default"] == PLACE
    assert any(f"{NAME}  src/mail.js" in line for line in seen["xref"])


def test_hits_follow_the_question_in_their_order(seen):
    """Vertico sorts by length and history where it is left to itself."""
    assert_order(seen["vertico"], seen["vertico served"])
    assert seen["jump"] == PLACE


def test_consult_previews(seen):
    assert_order(seen["consult"], seen["consult served"])
    assert seen["preview jump"] == PLACE
    assert seen["back"][0] == "prices.py"


def test_nothing_is_left(seen):
    assert seen["left behind"] == []
