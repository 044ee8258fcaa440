"""What stands in the editor is found, not what stands on disk: unsaved documents and notebook cells."""

import asyncio
import json
import time

import pytest

from .editor import SECONDS

pytestmark = pytest.mark.timeout(240)

COFFEE = '\n\ndef brew_coffee(beans):\n    """Make a hot drink from roasted beans."""\n    return grind(beans)\n'
DRINK = "hot drink from roasted beans"


def edit(client, path, text, version=2):
    document = {"uri": path.as_uri(), "version": version}
    client.notify("textDocument/didChange", {"textDocument": document, "contentChanges": [{"text": text}]})


def insert(client, path, line, text, version):
    place = {"line": line, "character": 0}
    document = {"uri": path.as_uri(), "version": version}
    change = {"range": {"start": place, "end": place}, "text": text}
    client.notify("textDocument/didChange", {"textDocument": document, "contentChanges": [change]})


async def until(client, query, test):
    """Ask until the rows pass a test; unsaved text is not announced when it can be found."""
    end = time.monotonic() + SECONDS
    while not test(rows := (await client.search(query, limit=5))["symbols"]):
        assert time.monotonic() < end, rows
        await asyncio.sleep(0.05)
    return rows


def first(name):
    return lambda rows: bool(rows) and rows[0]["name"] == name


def missing(name):
    return lambda rows: all(row["name"] != name for row in rows)


async def test_what_is_typed_is_found_and_taken_back_by_closing(opened, project, tmp_path):
    mail = project / "src/mail.py"
    text = mail.read_text()
    opened.open(mail)
    edit(opened, mail, text + COFFEE)
    rows = await until(opened, DRINK, first("brew_coffee"))
    assert rows[0]["location"]["uri"] == mail.as_uri()
    assert rows[0]["selectionRange"]["start"] == {"line": text.count("\n") + 2, "character": 4}
    assert [row["name"] for row in rows].count("brew_coffee") == 1
    await until(opened, DRINK, lambda rows: rows[0]["match"] in ("meaning", "mixed"))  # its vector is there as well
    (symbol, *_) = await opened.request("workspace/symbol", {"query": "brew_coffee"})
    assert symbol["name"] == "brew_coffee"
    assert (await opened.names('"roasted beans"')) == ["brew_coffee"]

    for path in (tmp_path / "cache").rglob("*"):  # nothing of it lies on disk
        assert not path.is_file() or b"roasted beans" not in path.read_bytes(), path

    opened.notify("textDocument/didClose", {"textDocument": {"uri": mail.as_uri()}})
    await until(opened, DRINK, missing("brew_coffee"))
    assert "send_mail" in await opened.names("deliver a message by SMTP")


async def test_what_is_typed_goes_with_the_folder_that_it_belongs_to(opened, project):
    """A folder is opened inside another one and closed again: of what was never saved nothing is left behind."""

    inner = {"uri": (project / "src").as_uri(), "name": "src"}

    def change(added, removed):
        opened.notify("workspace/didChangeWorkspaceFolders", {"event": {"added": added, "removed": removed}})

    async def settled(count):
        end = time.monotonic() + SECONDS
        while len(folders := (await opened.request("workspace/semanticIndex"))["folders"]) != count or any(
            folder["state"] != "ready" for folder in folders
        ):
            assert time.monotonic() < end, folders
            await asyncio.sleep(0.05)

    mail = project / "src/mail.py"
    opened.open(mail)
    edit(opened, mail, mail.read_text() + COFFEE)
    await until(opened, DRINK, first("brew_coffee"))
    change([inner], [])
    await settled(2)
    rows = await until(opened, DRINK, first("brew_coffee"))
    assert [row["name"] for row in rows].count("brew_coffee") == 1
    opened.notify("textDocument/didClose", {"textDocument": {"uri": mail.as_uri()}})
    await until(opened, DRINK, missing("brew_coffee"))
    change([], [inner])
    await settled(1)
    assert "send_mail" in await opened.names("deliver a message by SMTP")
    await until(opened, DRINK, missing("brew_coffee"))


async def test_symbols_move_with_the_text_above_them(opened, project):
    mail = project / "src/mail.py"
    opened.open(mail)
    before = (await opened.search("send_mail", limit=1))["symbols"][0]["selectionRange"]["start"]["line"]
    insert(opened, mail, 0, "# one\n# two\n", 2)
    rows = await until(opened, "send_mail", lambda rows: rows[0]["selectionRange"]["start"]["line"] == before + 2)
    assert rows[0]["name"] == "send_mail"
    insert(opened, mail, 0, "# three\n", 3)
    await until(opened, "send_mail", lambda rows: rows[0]["selectionRange"]["start"]["line"] == before + 3)


async def test_what_is_deleted_in_the_editor_is_not_found(opened, project):
    mail = project / "src/mail.py"
    opened.open(mail)
    edit(opened, mail, COFFEE)
    await until(opened, "deliver a message by SMTP", missing("send_mail"))
    assert await opened.names('"message to a customer"') == []
    like = await opened.request(
        "workspace/similarSymbol",
        {
            "textDocument": {"uri": mail.as_uri()},
            "range": {"start": {"line": 3, "character": 0}, "end": {"line": 3, "character": 1}},
        },
    )
    assert like["symbols"]
    assert all(row["name"] not in ("send_mail", "brew_coffee") for row in like["symbols"])


async def test_what_was_saved_is_there_once(opened, project):
    mail = project / "src/mail.py"
    opened.open(mail)
    edit(opened, mail, mail.read_text() + COFFEE)
    await until(opened, DRINK, first("brew_coffee"))
    mail.write_text(mail.read_text() + COFFEE)
    async with opened.a_pass():
        opened.saved(mail)
    rows = await until(opened, DRINK, first("brew_coffee"))
    assert [row["name"] for row in rows].count("brew_coffee") == 1
    edit(opened, mail, COFFEE.replace("coffee", "tea"), 3)
    await until(opened, DRINK, first("brew_tea"))
    await until(opened, DRINK, missing("brew_coffee"))


async def test_a_file_that_was_never_saved(opened, project):
    new = project / "src/kitchen.py"
    opened.open(new, COFFEE)
    rows = await until(opened, DRINK, first("brew_coffee"))
    assert rows[0]["location"]["uri"] == new.as_uri()


async def test_a_document_that_is_dirty_when_it_is_opened(client, project):
    mail = project / "src/mail.py"
    await client.initialize(project)
    client.open(mail, COFFEE)  # before anything is indexed
    await client.ready()
    await until(client, DRINK, first("brew_coffee"))
    await until(client, "deliver a message by SMTP", missing("send_mail"))


async def test_what_is_left_out_stays_out(opened, project):
    (project / ".gitignore").write_text("secret/\n*.log.py\n")
    async with opened.a_pass():
        opened.watched((project / ".gitignore", 1))
    for path in (project / "secret/kitchen.py", project / "a.log.py", project.parent / "elsewhere.py"):
        opened.open(path, COFFEE)
    mail = project / "src/mail.py"
    opened.open(mail)
    edit(opened, mail, mail.read_text() + COFFEE.replace("coffee", "tea"))
    rows = await until(opened, DRINK, first("brew_tea"))  # it was laid after the others
    assert all(row["name"] != "brew_coffee" for row in rows)


async def test_the_cells_of_a_notebook(opened, project):
    notebook = project / "coffee.ipynb"
    cell = {"kind": 2, "document": f"vscode-notebook-cell:{notebook.as_uri()[5:]}#a"}
    texts = [{"uri": cell["document"], "languageId": "python", "version": 1, "text": "x = 1\n"}]
    book = {"uri": notebook.as_uri(), "notebookType": "jupyter-notebook", "version": 1, "cells": [cell]}
    opened.notify("notebookDocument/didOpen", {"notebookDocument": book, "cellTextDocuments": texts})
    content = [{"document": {"uri": cell["document"], "version": 2}, "changes": [{"text": COFFEE}]}]
    opened.notify(
        "notebookDocument/didChange",
        {"notebookDocument": {"uri": notebook.as_uri(), "version": 2}, "change": {"cells": {"textContent": content}}},
    )
    rows = await until(opened, DRINK, lambda rows: any(row["name"] == "brew_coffee" for row in rows))
    assert any(row["location"]["uri"] == cell["document"] for row in rows)
    # Other settings open the folder anew: what is typed stays.
    since = len(opened.heard)
    opened.notify("workspace/didChangeConfiguration", {"settings": {"meaning": {"exclude": ["*.unheard"]}}})
    await opened.ready(since)
    await until(opened, DRINK, lambda rows: any(row["name"] == "brew_coffee" for row in rows))
    # What is open answers until the saved file was read: one or the other is found at every moment.
    source = COFFEE.replace("brew_coffee", "boil_coffee")
    written = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": source}
    notebook.write_text(json.dumps({"cells": [written], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    opened.notify("notebookDocument/didSave", {"notebookDocument": {"uri": notebook.as_uri()}})
    seen = []

    def is_read(rows):
        seen.append({row["name"] for row in rows} & {"brew_coffee", "boil_coffee"})
        return seen[-1] == {"boil_coffee"}

    await until(opened, DRINK, is_read)
    assert all(seen)
    await until(opened, DRINK, missing("brew_coffee"))
    opened.notify(
        "notebookDocument/didClose",
        {"notebookDocument": {"uri": notebook.as_uri()}, "cellTextDocuments": [{"uri": cell["document"]}]},
    )
    await until(opened, DRINK, missing("brew_coffee"))
