"""Vim with ALE, real, with the real server and the real model, configured by `meaning-ls config ale`."""

import json
import subprocess
from pathlib import Path

import pytest

from lsp_server.config import configuration

from .conftest import ADDED, MAIL, NAME, QUESTION, SECOND_QUESTION, SECONDS, do_without, find_editor

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def vim():
    """The editor, with ALE."""
    found = find_editor("vim", "vim")
    ask = [
        found,
        "-Es",
        "-N",
        "-u",
        "NONE",
        "-i",
        "NONE",
        "--cmd",
        "try | packadd ale | qall! | catch | cquit! | endtry",
    ]
    if subprocess.run(ask, capture_output=True, timeout=SECONDS).returncode == 0:
        return found
    do_without("ALE", "vim-ale")


@pytest.fixture(scope="module")
def seen(vim, make_household):
    """What happened in the editor."""
    household = make_household()
    config = household.folder / "config.vim"
    config.write_text(configuration("ale", str(household.program())), encoding="utf-8")
    facts = {
        "root": str(household.root),
        "config": str(config),
        "question": QUESTION,
        "name": NAME,
        "second": SECOND_QUESTION,
        "added": ADDED,
        "wire": str(household.folder / "wire"),
        "report": str(household.folder / "report.json"),
        "seconds": SECONDS,
    }
    environment = household.environment | {"MEANING_FACTS": json.dumps(facts)}
    command = [vim, "-Es", "-i", "NONE", "-u", str(Path(__file__).with_name("ale.vim"))]
    done = subprocess.run(command, env=environment, cwd=household.root, capture_output=True, timeout=150)
    report = Path(facts["report"])
    assert report.exists(), done.stdout.decode() + done.stderr.decode()
    seen = json.loads(report.read_text(encoding="utf-8"))
    assert "trouble" not in seen, f"{seen['trouble']}\n{seen['messages']}"
    answers = [m["result"] for m in household.wire() if isinstance(m.get("result"), list) and m["result"]]
    served = next([row["name"] for row in rows] for rows in answers if rows[0]["name"] == NAME)
    more = {"root": household.root, "served": served, "popped_up": household.popped_up()}
    return seen | more | {"left_behind": household.left_behind()}


def test_a_question_jumps_to_the_line(seen):
    found = seen["question"]
    assert found["rows"][0].endswith(f" {NAME}")
    assert Path(found["path"]).samefile(seen["root"] / "src" / "mail.js")
    assert "function sendReceipt" in found["line"]


def test_the_column_is_the_one_that_ale_was_told(seen):
    """ALE 3.3 names no position encoding, so it gets UTF-16, and takes that for bytes."""
    before = MAIL[: MAIL.index(NAME)]
    column = len(before.encode("utf-16-le")) // 2 + 1
    assert seen["question"]["rows"][0].endswith(f"mail.js:1:{column} {NAME}")


def test_rows_stand_as_they_were_served(seen):
    assert len(seen["served"]) > 10
    assert all(row.endswith(f" {name}") for row, name in zip(seen["question"]["rows"], seen["served"], strict=True))


def test_names_come_first(seen):
    assert seen["name"]["rows"][0].endswith(f" {NAME}")


def test_what_is_saved_is_found(seen):
    assert seen["again"]["rows"][0].endswith(" postage")
    assert seen["again"]["line"].startswith("def postage")
    assert seen["again"]["column"] == len("def ") + 1


def test_nothing_pops_up_and_nothing_is_left(seen):
    assert "meaning-ls" in seen["linters"]
    assert seen["problems"] == 0
    assert "rror" not in seen["messages"]
    assert (seen["said_at_rest"], seen["popped_up"]) == (0, [])
    assert seen["left_behind"] == []
