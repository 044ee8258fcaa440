"""Clients without manners: they say too little, too much, too early, or leave without a word. None is lingered for."""

import asyncio
import os
import shlex
import sys

import psutil
import pytest

from .editor import CAPABILITIES, SECONDS, Editor, Refused, editor

pytestmark = pytest.mark.timeout(180)


async def gone(processes):
    """Wait for the end of processes."""
    _, alive = await asyncio.to_thread(psutil.wait_procs, processes, SECONDS)
    assert alive == []


def introduction(*roots):
    folders = [{"uri": root.as_uri(), "name": root.name} for root in roots]
    return {"processId": os.getpid(), "rootUri": None, "capabilities": CAPABILITIES, "workspaceFolders": folders}


async def test_a_client_that_says_no_more_than_initialize_hears_nothing(client, project):
    """The specification lets a server speak only after `initialized`; it may be asked all the same."""
    await client.request("initialize", introduction(project))
    assert await client.names("deliver a message") == []
    assert await client.request("workspace/symbol", {"query": "send_mail"}) == []
    assert await client.command("meaning-ls.findAndShow", "deliver a message") is None
    place = {"uri": (project / "src/mail.py").as_uri()}
    client.notify("textDocument/didSave", {"textDocument": place})
    with pytest.raises(Refused) as refused:
        await client.command("meaning-ls.why", place["uri"])
    assert refused.value.code == -32803
    assert client.heard == []
    assert psutil.Process(client.process.pid).children() == []
    client.writer.close()
    assert await client.ended() == 1


async def test_questions_before_initialized_do_no_harm(client, project):
    await client.request("initialize", introduction(project))
    assert await client.names("deliver a message") == []
    client.open(project / "src/mail.py")
    client.notify("initialized", {})
    await client.ready()
    assert "send_mail" in await client.names("deliver a message")


async def test_initialized_may_come_twice(client, project):
    await client.initialize(project)
    client.notify("initialized", {})
    await client.ready()
    assert "send_mail" in await client.names("deliver a message")
    assert len((await client.request("workspace/semanticIndex"))["folders"]) == 1


@pytest.mark.parametrize("is_indexing", [True, False], ids=["while indexing", "at rest"])
async def test_a_flood_of_requests_is_answered_each_once(client, project, is_indexing):
    """As many as an impatient client sends in seconds, at once and without waiting for an answer."""
    for number in range(100 * is_indexing):
        (project / f"more_{number}.py").write_text(f"def number_{number}():\n    return {number}\n")
    await client.initialize(project)
    await client.state("indexing")
    if not is_indexing:
        await client.ready()
    document = {"uri": (project / "src/mail.py").as_uri()}
    place = {"start": {"line": 1, "character": 0}, "end": {"line": 1, "character": 0}}
    client.open(project / "src/mail.py")
    asked = []
    for number in range(100):
        question = "deliver a message to customer"[: 3 + number % 27]
        asked.append(client.ask("workspace/semanticSymbol", {"query": question}))
        asked.append(client.ask("workspace/symbol", {"query": question}))
        if number % 4 == 0:
            asked.append(client.ask("workspace/similarSymbol", {"textDocument": document, "range": place}))
            asked.append(client.ask("workspace/semanticIndex"))
            asked.append(client.ask("textDocument/hover", {"textDocument": document, "position": place["start"]}))
            client.notify("textDocument/didSave", {"textDocument": document})
    answers = await asyncio.wait_for(asyncio.gather(*(f for _, f in asked), return_exceptions=True), SECONDS)
    refused = [answer for answer in answers if isinstance(answer, Exception)]
    assert len(answers) == 275
    assert [answer.code for answer in refused] == [-32601] * 25  # there is no hover here
    assert client.strays == []
    await client.until(lambda: client.states()[-1:] == [["ready"]])
    assert "send_mail" in await client.names("deliver a message")


async def test_a_client_may_leave_before_it_has_introduced_itself(client):
    client.notify("exit")
    assert await client.ended() == 1


async def test_shutdown_may_be_asked_amid_everything(client, project):
    await client.initialize(project)
    asked = [client.ask("workspace/semanticSymbol", {"query": f"message {number}"}) for number in range(20)]
    helpers = psutil.Process(client.process.pid).children(recursive=True)
    assert await client.shut_down() == 0
    answers = await asyncio.gather(*(future for _, future in asked), return_exceptions=True)
    assert not any(isinstance(answer, ConnectionError) for answer in answers)
    await gone(helpers)


@pytest.mark.parametrize("event", [None, {}, {"added": None, "removed": None}, {"added": [None], "removed": [{}]}])
async def test_folders_that_are_none_change_nothing(opened, event):
    opened.notify("workspace/didChangeWorkspaceFolders", {"event": event})
    assert len((await opened.request("workspace/semanticIndex"))["folders"]) == 1
    assert "send_mail" in await opened.names("deliver a message")
    assert opened.strays == []


@pytest.mark.skipif(os.name == "nt", reason="a process of Windows has no end of a pipe without holding it")
async def test_a_client_that_is_killed_is_not_waited_for(tmp_path, project):
    """Its pipes stay open, for this test holds their other ends, as a child of a killed editor may."""
    server = shlex.join([sys.executable, "-m", "lsp_server", "--cache-dir", str(tmp_path / "cache")])
    shell = await asyncio.create_subprocess_exec(
        *("sh", "-c", f"exec 3<&0; {server} <&3 & wait"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**24,
    )
    client = Editor(shell.stdout, shell.stdin, shell)
    try:
        await client.request("initialize", introduction(project) | {"processId": shell.pid})
        client.notify("initialized", {})
        await client.ready()
        left = psutil.Process(shell.pid).children(recursive=True)
        assert left
        shell.kill()
        await gone(left)
    finally:
        client._listening.cancel()
        shell._transport.close()


async def test_the_id_of_a_foreign_process_is_nobodys(tmp_path, project):
    """A client in a container names a process that is another one here, or none."""
    dead = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
    await dead.wait()
    async with editor(tmp_path / "cache") as client:
        await client.request("initialize", introduction(project) | {"processId": dead.pid})
        client.notify("initialized", {})
        await client.ready()
        assert "send_mail" in await client.names("deliver a message")
