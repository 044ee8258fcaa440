"""Whatever changes in a workspace is found: files, folders, names, settings. One server and project per test."""

import asyncio
import json
import os
import shutil
import time

import pytest

from .editor import SECONDS, editor, write_files

pytestmark = pytest.mark.timeout(180)

NEW = 'def brew_coffee(beans):\n    """Make a hot drink from roasted beans."""\n    return grind(beans)\n'


async def found(client, name, query="hot drink from roasted beans"):
    return name in await client.names(query, limit=3)


async def test_a_saved_file(opened, project):
    mail = project / "src/mail.py"
    assert not await found(opened, "brew_coffee")
    mail.write_text(mail.read_text() + "\n\n" + NEW)
    async with opened.a_pass():
        opened.saved(mail)
    assert await found(opened, "brew_coffee")
    mail.write_text(NEW.replace("coffee", "tea"))
    async with opened.a_pass():
        opened.saved(mail)
    assert await found(opened, "brew_tea")
    assert not await found(opened, "brew_coffee")
    assert "send_mail" not in await opened.names("send_mail")


async def test_files_that_others_create_change_and_delete(opened, project):
    new = project / "src/kitchen.py"
    new.write_text(NEW)
    async with opened.a_pass():
        opened.watched((new, 1))
    assert await found(opened, "brew_coffee")
    new.write_text(NEW.replace("coffee", "tea"))
    async with opened.a_pass():
        opened.watched((new, 2))
    assert await found(opened, "brew_tea")
    new.unlink()
    async with opened.a_pass():
        opened.watched((new, 3))
    assert not await found(opened, "brew_tea")


async def test_a_folder_that_is_told_of_as_a_whole(opened, project):
    write_files(project, f"//- kitchen/hot/coffee.py\n{NEW}")
    async with opened.a_pass():
        opened.watched((project / "kitchen", 1))
    assert await found(opened, "brew_coffee")
    (project / "kitchen").rename(project / "bar")
    async with opened.a_pass():
        opened.watched((project / "kitchen", 3), (project / "bar", 1))
    (row,) = (await opened.search("roasted beans", limit=1))["symbols"]
    assert row["location"]["uri"].endswith("/bar/hot/coffee.py")
    shutil.rmtree(project / "bar")
    async with opened.a_pass():
        opened.watched((project / "bar", 3))
    assert not await found(opened, "brew_coffee")


async def test_files_that_the_editor_creates_renames_and_deletes(opened, project):
    old, new = project / "src/old.py", project / "src/new.py"
    old.write_text(NEW)
    async with opened.a_pass():
        opened.notify("workspace/didCreateFiles", {"files": [{"uri": old.as_uri()}]})
    assert await found(opened, "brew_coffee")
    old.rename(new)
    async with opened.a_pass():
        renamed = {"oldUri": old.as_uri(), "newUri": new.as_uri()}
        opened.notify("workspace/didRenameFiles", {"files": [renamed]})
    (row,) = (await opened.search("roasted beans", limit=1))["symbols"]
    assert row["location"]["uri"].endswith("/src/new.py")
    new.unlink()
    async with opened.a_pass():
        opened.notify("workspace/didDeleteFiles", {"files": [{"uri": new.as_uri()}]})
    assert not await found(opened, "brew_coffee")


async def test_a_notebook(opened, project):
    notebook = project / "coffee.ipynb"
    cell = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": NEW.splitlines(True)}
    notebook.write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    async with opened.a_pass():
        opened.notify("notebookDocument/didSave", {"notebookDocument": {"uri": notebook.as_uri()}})
    rows = (await opened.search("hot drink from roasted beans", limit=3))["symbols"]
    assert any(row["location"]["uri"].endswith("/coffee.ipynb") for row in rows)


async def test_another_branch(opened, project):
    write_files(project, f"//- .git/HEAD\nref: refs/heads/other\n//- src/kitchen.py\n{NEW}")
    async with opened.a_pass():
        opened.watched((project / ".git/HEAD", 2))
    assert await found(opened, "brew_coffee")


async def test_what_git_does_for_itself_starts_nothing(opened, project):
    since = len(opened.heard)
    opened.watched((project / ".git/index.lock", 1), (project / ".git/objects/ab", 1))
    opened.saved(project.parent / "elsewhere.py")
    opened.notify("textDocument/didSave", {"textDocument": {"uri": "untitled:Untitled-1"}})
    assert await opened.names("message")
    assert all(states == ["ready"] for states in opened.states(since))


async def test_what_we_write_into_a_cache_in_the_project_starts_nothing(project):
    cache = project / "kept"
    async with editor(cache) as client:
        await client.initialize(project)
        await client.ready()
        since = len(client.heard)
        assert [path for path in cache.rglob("*") if path.is_file()]
        client.watched(*((path, 2) for path in cache.rglob("*")))
        assert await client.names("message")
        assert all(states == ["ready"] for states in client.states(since))
        assert not [name for name in await client.names("lock root turn log", limit=200) if name in ("root", "lock")]
        assert "cache folder" in await client.command("meaning-ls.why", (cache / "log").as_uri())


async def test_a_storm_of_events_is_one_pass_or_two(opened, project):
    paths = [project / f"src/made_{number}.py" for number in range(600)]
    for number, path in enumerate(paths):
        path.write_text("def made_last():\n    pass\n" if number == 599 else "")
    since = len(opened.heard)
    async with opened.a_pass():
        for path in paths:
            opened.watched((path, 1))
    (row,) = await opened.request("workspace/symbol", {"query": "made_last"})
    assert row["name"] == "made_last"
    assert [states for states in opened.states(since)].count(["indexing"]) < 100


async def test_settings_that_leave_files_out(opened, project):
    assert "grossPrice" in await opened.names("value added tax")
    opened.settings = {"exclude": ["*.js"]}
    async with opened.a_pass():
        opened.notify("workspace/didChangeConfiguration", {"settings": None})
    assert "grossPrice" not in await opened.names("value added tax")
    why = await opened.command("meaning-ls.why", (project / "src/prices.js").as_uri())
    assert "left out" in why
    (folder,) = (await opened.request("workspace/semanticIndex"))["folders"]
    assert folder["skippedTotal"] == 1
    assert folder["skipped"][0]["path"] == "src/prices.js"


async def test_settings_of_a_client_that_only_sends_them(client, project):
    await client.initialize(project, capabilities={}, initializationOptions={"exclude": ["*.js"]})
    await client.ready()
    assert "grossPrice" not in await client.names("value added tax")
    async with client.a_pass():
        client.notify("workspace/didChangeConfiguration", {"settings": {"meaning": {"exclude": []}}})
    assert "grossPrice" in await client.names("value added tax")


async def test_how_workspace_symbols_are_answered(opened):
    async def symbols(query):
        return [row["name"] for row in await opened.request("workspace/symbol", {"query": query})]

    async def choose(mode):
        asked = len(opened.of("workspace/configuration"))
        opened.settings = {"workspaceSymbols": mode}
        opened.notify("workspace/didChangeConfiguration", {"settings": None})
        await opened.until(lambda: len(opened.of("workspace/configuration")) > asked)
        await opened.names("anything")  # by now the answer has been taken

    assert "send_mail" in await symbols("deliver a message")
    await choose("off")
    assert await symbols("send_mail") == []
    await choose("names")
    assert (await symbols("send_mail"))[0] == "send_mail"
    assert await symbols("deliver a message") == []
    await choose("names-and-meaning")
    assert "send_mail" in await symbols("deliver a message")


async def test_bad_settings_are_told_once_by_name(client, project):
    client.settings = {"threads": -1, "index": "sometimes", "exclude": "*.py", "trace": "off", "unknown": 1}
    await client.initialize(project)
    await client.ready()
    told = [params["message"] for params in client.of("window/showMessage")]
    assert len(told) == 3
    for name in ("meaning.threads", "meaning.index", "meaning.exclude"):
        assert sum(name in message for message in told) == 1
    client.notify("workspace/didChangeConfiguration", {"settings": None})
    await client.until(lambda: len(client.of("workspace/configuration")) == 2)
    assert await client.names("deliver a message")
    assert len(client.of("window/showMessage")) == 3


async def test_folders_come_and_go(opened, project, tmp_path):
    other = tmp_path / "kitchen"
    write_files(other, f"//- coffee.py\n{NEW}")
    added, removed = [{"uri": other.as_uri(), "name": "kitchen"}], [{"uri": project.as_uri(), "name": "shop"}]
    async with opened.a_pass():
        opened.notify("workspace/didChangeWorkspaceFolders", {"event": {"added": added, "removed": []}})
    assert await found(opened, "brew_coffee")
    assert "send_mail" in await opened.names("deliver a message")
    assert "send_mail" not in await opened.names("deliver a message", folders=[other.as_uri()])
    status = await opened.request("workspace/semanticIndex")
    assert [folder["uri"] for folder in status["folders"]] == [project.as_uri(), other.as_uri()]
    opened.notify("workspace/didChangeWorkspaceFolders", {"event": {"added": [], "removed": removed}})
    await opened.until(lambda: opened.states()[-1:] == [["ready"]] and len(opened.states()) > 1)
    assert "send_mail" not in await opened.names("deliver a message")
    assert await found(opened, "brew_coffee")


async def test_a_file_belongs_to_the_innermost_folder(client, project):
    await client.initialize(project, project / "src")
    await client.ready()
    rows = (await client.search("deliver a message to customers"))["symbols"]
    assert [row["name"] for row in rows].count("send_mail") == 1
    assert {"/src/" in row["location"]["uri"] for row in rows} == {True, False}
    mail = project / "src/mail.py"
    mail.write_text(NEW)
    async with client.a_pass():
        client.saved(mail)
    assert (await client.names("roasted beans")).count("brew_coffee") == 1


async def test_a_folder_inside_another_takes_no_place_in_the_answers_of_that_one(client, project):
    inner = project / "inner"
    inner.mkdir()
    for number in range(40):
        (inner / f"close_{number}.py").write_text(f'def brew_coffee_{number}():\n    """Brews coffee."""\n')
    for number in range(30):
        (project / f"far_{number}.py").write_text(f"def coffee_tea_{number}(beans):\n    return beans, {number}\n")
    await client.initialize(project, inner)
    await client.ready()
    outer = {"folders": [project.as_uri()]}
    for query in ("brew coffee", "kind:function", "name:*coffee*"):
        rows = (await client.search(query, limit=25, **outer))["symbols"]
        assert len(rows) == 25, query
        assert not any("/inner/" in row["location"]["uri"] for row in rows), query
    rows = await client.request("workspace/symbol", {"query": "coffee"})
    assert sum("/inner/" in row["location"]["uri"] for row in rows) == 40
    assert len(rows) == 70


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need rights there")
async def test_a_folder_opened_through_a_link_keeps_the_clients_spelling(client, project, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(project, target_is_directory=True)
    await client.initialize(link)
    await client.ready()
    (row,) = (await client.search("deliver_newsletter", limit=1))["symbols"]
    assert row["location"]["uri"] == f"{link.as_uri()}/src/mail.py"
    (project / "src/mail.py").write_text(NEW)
    async with client.a_pass():
        client.saved(project / "src/mail.py")
    assert await found(client, "brew_coffee")


async def test_two_servers_on_one_folder_share_what_they_find(opened, project, tmp_path):
    async with editor(tmp_path / "cache") as second:
        await second.initialize(project)
        await second.ready()
        assert "send_mail" in await second.names("deliver a message")
        (project / "src/mail.py").write_text(NEW)
        async with opened.a_pass():
            opened.saved(project / "src/mail.py")
        assert await found(opened, "brew_coffee")
        end = time.monotonic() + SECONDS
        while not await found(second, "brew_coffee"):  # nobody tells it; it sees what others wrote
            assert time.monotonic() < end
            await asyncio.sleep(0.1)
