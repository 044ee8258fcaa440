"""Emacs, real, with the real server and the real model, by all three clients that it has.

The client of our own package beside Eglot and the server that Eglot has for the language; Eglot with meaning-ls as the
server of a mode; lsp-mode. Each asks, jumps, edits and saves, asks again and leaves nothing behind.
"""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from lsp_server import __version__
from lsp_server.config import configuration

from .conftest import (
    ADDED,
    CHECKOUT,
    MAIL,
    NAME,
    QUESTION,
    SECOND_QUESTION,
    SECONDS,
    UNPACKED,
    do_without,
    find_editor,
    newer_editor,
)

PACKAGE = CHECKOUT / "editors" / "emacs"
ELISP = sorted(path.name for path in PACKAGE.glob("*.el"))
BARE = ("-q", "--no-site-file", "--batch")  # no configuration, but the packages of the system

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module", params=["installed", pytest.param("newer", marks=pytest.mark.newer)])
def emacs(request):
    """The editor."""
    return newer_editor("emacs-nox", "sid") if request.param == "newer" else find_editor("emacs", "emacs-nox")


def needs(emacs, library):
    """Do without a library of Emacs Lisp that is missing; unpacked editors have those that come with Emacs alone."""
    ask = f"(progn (package-initialize) (kill-emacs (if (locate-library {json.dumps(library)}) 0 1)))"
    if subprocess.run([emacs, *BARE, "--eval", ask], capture_output=True).returncode == 0:
        return
    if Path(emacs).is_relative_to(UNPACKED):
        pytest.skip(f"the unpacked Emacs has no {library}")
    do_without(library, f"elpa-{library}")


@pytest.fixture(scope="module")
def drive(emacs, make_household):
    """A function that runs one way of emacs.el and gives what happened."""

    def run(way):
        household = make_household()
        config = household.folder / "config.el"
        config.write_text(configuration("emacs", str(household.program())), encoding="utf-8")
        facts = {
            "way": way,
            "root": str(household.root),
            "home": household.environment["HOME"],
            "command": household.server,
            "config": str(config),
            "question": QUESTION,
            "name": NAME,
            "second": SECOND_QUESTION,
            "added": "\n".join([*ADDED, ""]),
            "report": str(household.folder / "report.json"),
            "seconds": SECONDS,
        }
        environment = household.environment | {"MEANING_FACTS": json.dumps(facts)}
        command = [emacs, *BARE, "-L", str(PACKAGE), "-l", str(Path(__file__).with_name("emacs.el"))]
        done = subprocess.run(command, env=environment, cwd=household.root, capture_output=True, timeout=3 * SECONDS)
        report = Path(facts["report"])
        assert report.exists(), done.stderr.decode()
        seen = json.loads(report.read_text(encoding="utf-8"))
        assert "trouble" not in seen, f"{seen['trouble']}\n{seen['messages']}\n{done.stderr.decode()}"
        return seen | {"root": household.root, "left_behind": household.left_behind()}

    return run


def assert_jump(place, path, line, rest):
    """A jump led to a line, and to the column where `rest` begins."""
    assert Path(place["path"]).samefile(path)
    assert place["line"].startswith(line)
    assert place["rest"].startswith(rest)


def assert_peace(seen):
    """Nothing popped up, nothing was said at rest, no process was left behind."""
    assert seen["warnings"] == ""
    assert seen["said-at-rest"] == 0
    assert seen["left_behind"] == []


# ---- the package


def test_it_compiles_without_a_warning(emacs, tmp_path):
    for name in ELISP:
        shutil.copy(PACKAGE / name, tmp_path)
    compile_ = [emacs, *BARE, "-L", ".", "--eval", "(setq byte-compile-error-on-warn t)"]
    done = subprocess.run([*compile_, "-f", "batch-byte-compile", *ELISP], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr


def test_its_documentation_is_in_order(emacs):
    check = (
        "(progn (require 'checkdoc) (mapc #'checkdoc-file command-line-args-left) (setq command-line-args-left nil))"
    )
    done = subprocess.run([emacs, *BARE, "--eval", check, *ELISP], cwd=PACKAGE, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_it_installs_as_a_package(emacs, tmp_path):
    folder = f"(setq package-user-dir {json.dumps(str(tmp_path))} package-archives nil)"
    install = f"(progn {folder} (package-initialize) (package-install-file {json.dumps(str(PACKAGE))}))"
    subprocess.run([emacs, *BARE, "--eval", install], check=True, capture_output=True)
    ask = """(princ (list (autoloadp (indirect-function 'find-by-meaning)) (commandp 'find-similar)
                   (package-version-join (package-desc-version (cadr (assq 'meaning-ls package-alist))))))"""
    done = subprocess.run(
        [emacs, *BARE, "--eval", f"(progn {folder} (package-initialize) {ask})"], capture_output=True, text=True
    )
    assert done.stdout == f"(t t {__version__})", done.stderr


# ---- what is printed by `meaning-ls config emacs`


def test_the_printed_configuration_works_without_the_package(emacs, drive):
    needs(emacs, "eglot")
    needs(emacs, "lsp-mode")
    seen = drive("config")
    for way in ("lsp", "eglot"):
        assert_jump(seen[way], seen["root"] / "src" / "mail.js", MAIL[:4], NAME)
    assert (seen["warnings"], seen["left_behind"]) == ("", [])


# ---- our own client, beside Eglot


@pytest.fixture(scope="module")
def own(emacs, drive):
    needs(emacs, "eglot")
    return drive("own")


def test_it_asks_beside_the_languages_own_server(own):
    assert own["processes"] == 2
    assert own["definition"]["line"] == "def gross(net, rate):"
    assert own["definition"]["rest"].startswith("net")


def test_it_answers_in_the_servers_order(own):
    assert own["names"][0] == NAME
    assert own["scores"] == sorted(own["scores"], reverse=True)
    assert len(own["rows"]) == len(own["names"]) > 20
    assert all(name in row for name, row in zip(own["names"][:3], own["rows"][:3], strict=True))


def test_it_jumps_to_the_column_and_back(own):
    assert_jump(own["jump"], own["root"] / "src" / "mail.js", MAIL[:4], NAME)
    assert own["back"] == "prices.py"


def test_names_come_first(own):
    assert own["name"][0] == NAME


def test_similar_code(own):
    assert "def " in own["similar"][0]


def test_completion_shows_everything_in_order(own):
    assert all(name in row for name, row in zip(own["listed"], own["candidates"], strict=True))
    assert own["cycled"] == own["candidates"]
    assert (own["title"], own["chosen"]) == ("said", NAME)


def test_the_server_knows_what_is_open(own):
    assert own["unsaved"] == "/* \N{PARTY POPPER} \N{REPLACEMENT CHARACTER} */" + MAIL
    assert {NAME, "gross"} <= set(own["open"])
    assert "gross" in own["closed"]
    assert NAME not in own["closed"]


def test_a_question_that_is_given_up_is_cancelled(own):
    assert own["cancelled"] == ["$/cancelRequest"]
    assert own["after-cancel"][0] == NAME


def test_what_is_saved_is_found(own):
    assert_jump(own["again"], own["root"] / "src" / "prices.py", "def postage", "postage")
    assert own["renamed"][0] == "unpack_parcel"


def test_the_mode_line_tells_the_state(own):
    assert own["lighter-at-first"].startswith(" Meaning(")
    assert own["lighter"] == " Meaning"
    assert own["states"][-1] == "ready"


def test_commands_and_settings_reach_the_server(own):
    assert own["lighter-paused"] == " Meaning(paused)"
    assert "my pröject/: ready, " in own["messages"]
    assert "src/final.py is indexed with" in own["messages"]
    assert own["too-long"].startswith("meaning-ls: query")
    assert own["files"]
    assert all(file.startswith("src/") for file in own["files"])


def test_a_dead_server_is_replaced(own):
    assert own["after-death"][0] == NAME
    assert "meaning-ls has ended; the next question starts it again" in own["messages"]


def test_it_ends_with_its_project(own):
    assert own["server-after-shutdown"] is own["modes-after-shutdown"] is None
    assert "There is no program" in own["missing"]


def test_peace(own):
    assert_peace(own)


# ---- Eglot and lsp-mode themselves


@pytest.fixture(scope="module", params=["eglot", "lsp-mode"])
def host(request, emacs, drive):
    needs(emacs, request.param)
    return drive(request.param.removesuffix("-mode"))


def test_a_host_jumps_to_the_column(host):
    """By its own search for symbols; that of lsp-mode takes lines from 0 for lines from 1, so it is only read."""
    assert NAME in host["rows"][0]
    if "jump" in host:
        assert_jump(host["jump"], host["root"] / "src" / "mail.js", MAIL[:4], NAME)


def test_a_host_shows_rows_as_they_were_served(host):
    """Eglot, below their files, for so Emacs lays them out: from the best file down, in a file by their lines."""
    if "served" in host:
        assert len(host["files"]) == len(host["served"]) > 10
        assert list(dict.fromkeys(host["files"])) == list(dict.fromkeys(host["served"]))


def test_a_host_gives_names_first(host):
    assert NAME in host["name"][0]


def test_a_host_finds_what_was_saved(host):
    assert_jump(host["again"], host["root"] / "src" / "prices.py", "def postage", "postage")


def test_questions_go_over_the_hosts_connection(host):
    """Nothing is started for them: there is one server, and beside it in lsp-mode the language's own."""
    assert host["processes"] == len(host.get("beside", ["meaning-ls"]))
    assert NAME in host["own-rows"][0]
    assert_jump(host["own-jump"], host["root"] / "src" / "mail.js", MAIL[:4], NAME)


def test_lsp_mode_runs_it_beside_the_languages_own(host):
    assert sorted(host.get("beside", ["meaning-ls", "pylsp"])) == ["meaning-ls", "pylsp"]


def test_a_host_is_left_in_peace(host):
    assert_peace(host)
