"""Neovim, headless and real, with the real server and the real model: asks, jumps, edits, asks again, and quits.

Without the plugin: what its own client does with the server. test_neovim_plugin.py has the plugin.
"""

import json
import subprocess
from pathlib import Path

import pytest

from lsp_server.config import configuration

from .conftest import (
    ADDED,
    CHECKOUT,
    MAIL,
    NAME,
    QUESTION,
    SECOND_QUESTION,
    SECONDS,
    find_editor,
    newer_editor,
    other_server,
)

pytestmark = pytest.mark.timeout(300)

PLUGIN = CHECKOUT / "editors" / "nvim"
DRIVERS = Path(__file__).parent / "neovim"
VERSIONS = ["installed", *(pytest.param(suite, marks=pytest.mark.newer) for suite in ("trixie", "sid"))]


def drive(household, neovim, driver, *options, **more):
    """Run a driver in Neovim; return what it saw, what it left behind, and what it wrote to its terminal."""
    config = household.folder / "config.lua"
    config.write_text(configuration("nvim", str(household.program())), encoding="utf-8")
    facts = {
        "root": str(household.root),
        "file": str(household.root / "src" / "prices.py"),
        "mail": str(household.root / "src" / "mail.js"),
        "command": household.server,
        "config": str(config),
        "question": QUESTION,
        "name": NAME,
        "second_question": SECOND_QUESTION,
        "added": ADDED,
        "report": str(household.folder / "report.json"),
        "milliseconds": SECONDS * 1000,
    }
    environment = household.environment | {"MEANING_FACTS": json.dumps(facts | more)}
    command = [neovim, "--headless", "-n", *options, "-S", str(DRIVERS / driver)]
    done = subprocess.run(command, env=environment, cwd=household.root, capture_output=True, timeout=4 * SECONDS)
    report = Path(facts["report"])
    assert report.exists(), done.stderr.decode()
    seen = json.loads(report.read_text(encoding="utf-8"))
    report.unlink()
    assert "trouble" not in seen, f"{seen['trouble']}\n{seen['messages']}\n{seen['log']}"
    return seen | {"left behind": household.left_behind(), "household": household}


def neovim_of(version):
    return find_editor("nvim", "neovim") if version == "installed" else newer_editor("nvim", version)


@pytest.fixture(scope="module", params=VERSIONS)
def seen(request, make_household):
    """What happened in the editor."""
    neovim = neovim_of(request.param)
    return drive(make_household(), neovim, "plain.lua", "--clean")


def in_mail(seen, place):
    return Path(place["path"]).samefile(seen["household"].root / "src" / "mail.js")


def column_of(text):
    """The byte in which a piece of the mail's line begins."""
    return MAIL.encode().index(text.encode())


def test_it_is_told_what_it_may_ask(seen):
    assert seen["capabilities"]["experimental"]["semanticSymbolProvider"]["version"] == 1
    assert seen["capabilities"]["workspaceSymbolProvider"]


def test_a_question_in_plain_words_jumps_to_the_line(seen):
    """The line and no more: Neovim counts a row's column in the text of whatever buffer it asks from (0.7 to 0.12)."""
    assert NAME in seen["first"]["rows"][0]
    assert in_mail(seen, seen["first"]["place"])
    assert seen["first"]["place"]["line"] == MAIL.rstrip("\n")


def test_columns_are_right_behind_characters_of_all_widths(seen):
    assert seen["encoding"] == ("utf-8" if seen["minor"] >= 11 else "utf-16")
    assert seen["tag"]["column"] == column_of(NAME)


def test_our_own_request_is_answered_by_meaning(seen):
    assert [seen["answer"]["symbols"][0][key] for key in ("name", "languageId")] == [NAME, "javascript"]
    assert seen["answer"]["index"]["mode"] == "hybrid"
    assert seen["answer"]["index"]["state"] == "ready"


def test_rows_stand_as_they_were_served(seen):
    shown = [row.partition("] ")[2] for row in seen["first"]["rows"]]
    assert len(shown) == len(seen["served"]) > 10
    assert all(row.startswith(name) for row, name in zip(shown, seen["served"], strict=True))


def test_nothing_is_shown_twice(seen):
    assert len(set(seen["places"])) == len(seen["places"]) > 10


@pytest.mark.parametrize("way", ["tag", "tjump"])
def test_a_tag_is_found_by_its_name(seen, way):
    assert in_mail(seen, seen[way])


def test_a_name_comes_first_and_nothing_is_an_empty_list(seen):
    assert NAME in seen["name"]["rows"][0]
    assert seen["nothing"] == []


def test_a_command_opens_the_best_hit_where_the_editor_can(seen):
    assert seen["shown"]["uri"].endswith("/src/mail.js")
    if seen["minor"] >= 10:  # 0.7 knows no window/showDocument, and is not asked
        assert in_mail(seen, seen["shown"]["place"])
        assert seen["shown"]["place"]["column"] == column_of(NAME)


def test_what_was_saved_is_found(seen):
    assert "postage" in seen["second"]["rows"][0]
    assert seen["second"]["place"]["line"] == "def postage(parcel):"


def test_it_is_silent(seen):
    assert seen["messages"] == []
    assert seen["errmsg"] == ""
    assert seen["idle"] == 0


def test_no_process_is_left_behind(seen):
    assert seen["left behind"] == []


@pytest.mark.parametrize("version", VERSIONS)
def test_beside_the_languages_own_server_nothing_is_shown_twice(make_household, version):
    """Beyond what Neovim makes of two servers: a place once for each that serves it, in words only ours."""
    more = {"beside": other_server(), "word": "gross"}
    seen = drive(make_household(), neovim_of(version), "beside.lua", "--clean", **more)
    word, question = seen["word"], seen["question"]
    assert word["ours"] and word["theirs"]
    assert sorted(word["shown"]) == sorted(word["ours"] + word["theirs"])
    assert len(question["ours"]) > 10
    assert (sorted(question["shown"]), question["theirs"]) == (sorted(question["ours"]), [])
    assert set(seen["messages"]) <= {"No symbols found"}  # of the other server, for words
    assert (seen["errmsg"], seen["left behind"]) == ("", [])
