"""Helix, real and in a terminal, set up by what `meaning-ls config helix` prints: asks, jumps, edits, asks, quits."""

import os
import re
import shlex
import subprocess
import tomllib

import pytest

from lsp_server.config import configuration

from .conftest import ADDED, MAIL, NAME, QUESTION, SECOND_QUESTION, SECONDS, newer_editor, other_server
from .screen import Screen

pytestmark = [pytest.mark.newer, pytest.mark.timeout(300)]

FILE = "src/prices.py"


def picker_rows(lines):
    """What the picker lists, best first: the rows below its heading, without the frame and the preview beside it."""
    inside = [line.partition("│")[2].partition("││")[0] for line in lines if "││" in line]
    heading = next((at for at, line in enumerate(inside) if line.split()[:2] == ["kind", "name"]), len(inside))
    return [row.strip(" >") for row in inside[heading + 1 :] if row.strip()]


def place(lines):
    """The file and the cursor's line and column, in characters from 1, as the status line shows them."""
    words = lines[-2].split()
    return words[1], words[-1]


@pytest.fixture(scope="module", params=["trixie", "sid"])
def seen(request, make_household):
    """What a user sees, and what is left when the editor has gone."""
    hx, household = newer_editor("hx", request.param), make_household()
    settings = household.folder / "XDG_CONFIG_HOME" / "helix"
    settings.mkdir()
    (settings / "languages.toml").write_text(configuration("helix", str(household.program())), encoding="utf-8")
    screen = Screen(household.folder, [hx, FILE], household.environment, household.root)
    seen = {}

    def ask(question):
        screen.press("Space", "S")
        screen.until(lambda lines: any("││" in line for line in lines), SECONDS)
        since = len(household.wire())
        screen.type(question)

        def answered(lines):
            answers = [m["result"] for m in household.wire()[since:] if isinstance(m.get("result"), list)]
            rows = picker_rows(lines)
            # One answer for each pause in typing: the last is for the whole question.
            return (
                question in " ".join(lines)
                and answers
                and answers[-1]
                and answers[-1][0]["name"] in (rows or [""])[0]
                and (answers[-1], rows)
            )

        served, rows = screen.until(answered, SECONDS)
        screen.press("Enter")
        lines = screen.until(lambda lines: " sel" in lines[-2] and "││" not in "".join(lines) and lines, SECONDS)
        return {"served": [row["name"] for row in served], "rows": rows, "place": place(lines)}

    def command(line, shows):
        screen.type(f":{line}")
        screen.press("Enter")

        def done(lines):
            is_over = " sel" in lines[-2] and not lines[-1].startswith(":")
            return is_over and shows in lines[-2] + lines[-1] and lines

        return place(screen.until(done, SECONDS))

    try:
        screen.until(lambda _: household.is_ready(), SECONDS)
        seen["at first"] = screen.lines()
        seen["first"] = ask(QUESTION)
        command(f"open {FILE}", FILE)
        seen["name"] = ask(NAME)
        command(f"open {FILE}", FILE)
        if request.param == "sid":  # 25.01 gives a command no arguments
            seen["shown"] = command(f'lsp-workspace-command meaning-ls.findAndShow "{QUESTION}"', "mail.js")
        command(f"open {FILE}", FILE)
        since = len(household.wire())
        screen.type("geo")
        screen.paste("\n".join(ADDED))
        screen.press("Escape")
        screen.until(lambda lines: " NOR " in lines[-2], SECONDS)  # a key that comes at once would be one with Alt
        command("write", "written")
        screen.until(lambda _: household.is_ready(since), SECONDS)
        seen["second"] = ask(SECOND_QUESTION)
        seen["at rest"] = household.said_at_rest()
        screen.type(":quit")
        screen.press("Enter")
        screen.until(lambda _: not screen.is_running(), SECONDS)
        seen["left behind"] = household.left_behind()
    finally:
        screen.close()
    log = household.folder / "XDG_CACHE_HOME" / "helix" / "helix.log"
    seen["log"] = log.read_text(encoding="utf-8").splitlines()
    seen["wire"], seen["popped up"] = household.wire(), household.popped_up()
    return seen


def test_a_question_in_plain_words_jumps_to_the_line_and_the_column(seen):
    assert seen["first"]["rows"][0].split() == ["function", NAME]
    assert seen["first"]["place"] == ("src/mail.js", f"1:{MAIL.index(NAME) + 1}")


def test_rows_stand_as_they_were_served(seen):
    rows = seen["first"]["rows"]
    assert len(rows) > 10
    assert all(name.split()[0] in row for row, name in zip(rows, seen["first"]["served"], strict=False))


def test_a_name_comes_first(seen):
    assert seen["name"]["rows"][0].split()[:2] == ["function", NAME]
    assert seen["name"]["place"] == seen["first"]["place"]


def test_a_command_opens_the_best_hit(seen):
    assert seen.get("shown", seen["first"]["place"]) == seen["first"]["place"]


def test_what_was_saved_is_found(seen):
    assert "postage" in seen["second"]["rows"][0]
    assert seen["second"]["place"] == (FILE, "5:5")


def test_columns_are_counted_in_utf8(seen):
    answers = [message["result"] for message in seen["wire"] if isinstance(message.get("result"), dict)]
    assert answers[0]["capabilities"]["positionEncoding"] == "utf-8"


def test_it_is_silent(seen):
    """Nothing on the screen but the file; in Helix's log, where stderr of servers goes, nothing but our notes."""
    assert "".join(seen["at first"][3:-2]).strip(" ~") == ""
    assert seen["at first"][-1].strip() in ("", "Loaded 1 file.")
    assert (seen["at rest"], seen["popped up"]) == ([], [])
    ours = [line for line in seen["log"] if "meaning-ls" in line]
    assert all("meaning-ls err <-" in line and " INFO " in line for line in ours)


def test_no_process_is_left_behind(seen):
    assert seen["left behind"] == []


@pytest.mark.parametrize("suite", ["trixie", "sid"])
def test_beside_the_languages_own_server_nothing_is_shown_twice(make_household, suite):
    """Beyond what Helix makes of two servers: a row for each that serves the name."""
    hx, household = newer_editor("hx", suite), make_household()
    settings = household.folder / "XDG_CONFIG_HOME" / "helix"
    settings.mkdir()
    (settings / "languages.toml").write_text(configuration("helix", str(household.program())), encoding="utf-8")
    beside = household.folder / "bin" / "jedi-language-server"  # one of those that Helix starts by itself
    beside.parent.mkdir()
    beside.write_text(f"#!/bin/sh\nexec {shlex.join(other_server())}\n", encoding="utf-8")
    beside.chmod(0o755)
    environment = household.environment | {"PATH": f"{beside.parent}{os.pathsep}{os.environ['PATH']}"}
    screen = Screen(household.folder, [hx, FILE], environment, household.root)
    try:
        screen.until(lambda _: household.is_ready(), SECONDS)
        screen.press("Space", "S")
        screen.until(lambda lines: any("││" in line for line in lines), SECONDS)
        screen.type("gross")
        rows = screen.until(lambda lines: len(rows := picker_rows(lines)) > 1 and rows, SECONDS)
        screen.press("Enter")
        screen.until(lambda lines: " sel" in lines[-2] and "││" not in "".join(lines), SECONDS)
        ours = next(m["result"] for m in reversed(household.wire()) if isinstance(m.get("result"), list))
        screen.type(":quit")
        screen.press("Enter")
        screen.until(lambda _: not screen.is_running(), SECONDS)
    finally:
        screen.close()
    assert [row["name"] for row in ours].count("gross") == 1
    assert [row.split()[1] for row in rows].count("gross") == 2, rows
    assert household.left_behind() == []


def servers(hx, language, home):
    """The servers that Helix would start for a language, in its order; None for a language that it does not know."""
    environment = {"HOME": str(home), "XDG_CONFIG_HOME": str(home), "PATH": os.environ["PATH"]}
    told = subprocess.run([hx, "--health", language], env=environment, capture_output=True, text=True).stdout
    found = re.search(r"Configured language servers:(.*?)Configured debug", re.sub(r"\x1b\[[\d;]*m", "", told), re.S)
    return re.findall(r"^\s*[✘✓] ([^:]+):", found[1], re.M) if found else None


@pytest.mark.parametrize("suite", ["trixie", "sid"])
def test_every_server_that_helix_starts_by_itself_is_kept(suite, tmp_path):
    hx = newer_editor("hx", suite)
    (tmp_path / "set" / "helix").mkdir(parents=True)
    (tmp_path / "set" / "helix" / "languages.toml").write_text(configuration("helix", "/bin/true"), encoding="utf-8")
    languages = [row["name"] for row in tomllib.loads(configuration("helix", "/bin/true"))["language"]]
    new = 0
    for language in languages:
        before = servers(hx, language, tmp_path / "none")
        *after, ours = servers(hx, language, tmp_path / "set")
        new += before is None
        assert ours in ("meaning-ls", "/bin/true"), language
        assert [name for name in after if name in (before or ())] == (before or []), language
    assert new < 10 < len(languages), "Helix does not know these languages"
