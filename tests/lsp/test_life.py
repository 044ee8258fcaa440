"""From the first byte to the last process: starting, stopping, clients that leave or lie, processes that die."""

import asyncio
import json
import sys

import psutil
import pytest

from lsp_server.engine.index import Options
from lsp_server.server import make_session

from .editor import CAPABILITIES, SECONDS, Editor, Refused, editor, write_files

pytestmark = pytest.mark.timeout(180)


async def gone(processes):
    """Wait for the end of processes."""
    _, alive = await asyncio.to_thread(psutil.wait_procs, processes, SECONDS)
    assert alive == []


def children(client):
    return psutil.Process(client.process.pid).children(recursive=True)


def indexer_of(client):
    (found,) = psutil.Process(client.process.pid).children()
    return found


# ---- the beginning


async def test_capabilities(client, project):
    result = await client.initialize(project)
    capabilities = result["capabilities"]
    assert result["serverInfo"]["name"] == "meaning-ls"
    assert capabilities["experimental"] == {"semanticSymbolProvider": {"version": 1, "similar": True, "status": True}}
    assert capabilities["workspaceSymbolProvider"] == {"workDoneProgress": True}
    assert capabilities["textDocumentSync"]["openClose"] is True
    assert capabilities["textDocumentSync"]["change"] == 2
    assert capabilities["textDocumentSync"]["save"]
    assert capabilities["workspace"]["workspaceFolders"] == {"supported": True, "changeNotifications": True}
    assert set(capabilities["workspace"]["fileOperations"]) == {"didCreate", "didRename", "didDelete"}
    assert capabilities["notebookDocumentSync"]["save"] is True
    assert set(capabilities["executeCommandProvider"]["commands"]) == {
        f"meaning-ls.{name}"
        for name in (
            *("find", "findAndShow", "similar", "reindex", "cancel", "pause", "resume", "status", "explain", "why"),
            *("doctor", "models", "pullModel"),
        )
    }
    await client.until(lambda: len(client.of("client/registerCapability")) == 2)
    registered = {r["method"]: r for p in client.of("client/registerCapability") for r in p["registrations"]}
    watched = registered["workspace/didChangeWatchedFiles"]["registerOptions"]["watchers"]
    assert watched == [{"globPattern": "**/*"}]
    assert "workspace/didChangeConfiguration" in registered


async def test_nothing_is_answered_before_initialize(client):
    with pytest.raises(Refused) as refused:
        await client.search("anything")
    assert refused.value.code == -32002
    client.notify("textDocument/didSave", {"textDocument": {"uri": "file:///a"}})
    await client.initialize()
    with pytest.raises(Refused) as refused:
        await client.request("initialize", {"processId": None, "rootUri": None, "capabilities": {}})
    assert refused.value.code == -32600


async def test_nothing_but_exit_is_done_after_shutdown(client, project):
    await client.initialize(project)
    await client.request("shutdown")
    for method in ("workspace/semanticIndex", "shutdown"):
        with pytest.raises(Refused) as refused:
            await client.request(method)
        assert refused.value.code == -32600
    client.notify("exit")
    assert await client.ended() == 0


@pytest.mark.parametrize(
    ("more", "capabilities"),
    [
        ({}, {}),
        ({"rootUri": None, "workspaceFolders": None}, {}),
        ({"rootPath": None, "workspaceFolders": []}, CAPABILITIES),
    ],
)
async def test_without_a_folder_nothing_is_indexed(client, project, more, capabilities):
    await client.initialize(capabilities=capabilities, **more)
    client.open(project / "src/mail.py")
    client.saved(project / "src/mail.py")
    result = await client.search("deliver a message")
    assert result["symbols"] == []
    assert await client.request("workspace/symbol", {"query": "send_mail"}) == []
    assert (await client.request("workspace/semanticIndex"))["folders"] == []
    assert children(client) == []


@pytest.mark.parametrize("field", ["rootUri", "rootPath"])
async def test_older_ways_to_name_the_folder(client, project, field):
    root = project.as_uri() if field == "rootUri" else str(project)
    params = {"processId": None, "capabilities": {}, "rootUri": None, field: root}
    await client.request("initialize", params)
    client.notify("initialized", {})
    await client.ready()
    assert "send_mail" in await client.names("deliver a message")


async def test_a_folder_that_cannot_be_indexed_says_why_and_the_others_work(client, project, tmp_path):
    missing = tmp_path / "missing"
    await client.initialize(project, missing)
    failed = await client.state("failed")
    assert failed["uri"] == missing.as_uri()
    assert "missing" in failed["message"]
    await client.until(lambda: ["ready", "failed"] in client.states())
    assert "send_mail" in await client.names("deliver a message")
    assert client.of("window/showMessage") == []


async def test_the_home_directory_is_never_indexed(tmp_path, monkeypatch):
    home = tmp_path / "home"
    write_files(home, "//- a.py\ndef a():\n    pass\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    async with editor(tmp_path / "cache") as client:
        await client.initialize(home)
        assert "home" in (await client.state("failed"))["message"]
        assert await client.names("a") == []


async def test_a_client_that_refuses_everything_is_served(client, project):
    client.refuses = {
        "client/registerCapability", "workspace/configuration", "window/workDoneProgress/create", "window/showDocument",
    }  # fmt: skip
    await client.initialize(project)
    await client.ready()
    assert (await client.command("meaning-ls.findAndShow", "load configuration"))["uri"].endswith("settings.py")
    assert client.of("window/showMessage") == []
    assert client.of("$/progress") == []


async def test_a_client_that_never_answers_is_served(client, project):
    client.silent_on = {"client/registerCapability", "workspace/configuration", "window/workDoneProgress/create"}
    await client.initialize(project)
    await client.ready()
    assert "send_mail" in await client.names("deliver a message")


async def test_a_client_that_knows_little_is_asked_little(client, project):
    await client.initialize(project, capabilities={})
    await client.ready()
    assert {message["method"] for message in client.heard} == {"semanticIndex/status"}
    rows = await client.request("workspace/symbol", {"query": ""})
    assert all(1 <= row["kind"] <= 18 for row in rows)
    place = {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}}
    document = {"uri": (project / "src/mail.py").as_uri()}
    params = {"textDocument": document, "range": place, "context": {"diagnostics": []}}
    (action,) = await client.request("textDocument/codeAction", params)
    assert action["command"] == "meaning-ls.similar"


@pytest.mark.parametrize(
    ("experimental", "is_told"),
    [({"semanticIndexStatus": False}, False), (["?"], True)],
    ids=str,
)
async def test_a_client_may_decline_to_be_told_of_the_index(client, project, experimental, is_told):
    await client.initialize(project, capabilities=CAPABILITIES | {"experimental": experimental})
    await client.until(lambda: "end" in [params["value"]["kind"] for params in client.of("$/progress")])
    assert "send_mail" in await client.names("deliver a message")
    assert ("semanticIndex/status" in {message["method"] for message in client.heard}) is is_told


async def test_a_client_of_the_future_is_served(client, project):
    capabilities = {
        "general": {"positionEncodings": ["utf-7", "utf-8"]},
        "workspace": {
            "symbol": {"symbolKind": {"valueSet": list(range(1, 30))}, "tagSupport": {"valueSet": [1, 2, 3]}},
            "workspaceEdit": {"failureHandling": "telepathic"},
        },
        "brain": {"direct": True},
    }
    result = await client.initialize(project, capabilities=capabilities, trace="loud")
    assert result["capabilities"]["positionEncoding"] == "utf-8"
    await client.ready()
    assert await client.request("workspace/symbol", {"query": "send_mail"})


@pytest.mark.parametrize(
    ("params", "field"),
    [
        (None, "params"),
        ({}, "capabilities"),
        ({"processId": None, "rootUri": None, "capabilities": {}, "workspaceFolders": [{}]}, r"workspaceFolders\[0\]"),
    ],
)
async def test_a_client_that_cannot_introduce_itself_may_try_again(client, params, field):
    with pytest.raises(Refused, match=field) as refused:
        await client.request("initialize", params)
    assert refused.value.code == -32602
    await client.initialize()


async def test_a_module_in_the_workspace_is_not_imported(tmp_path):
    root = tmp_path / "root"
    write_files(root, "//- json.py\nraise SystemExit('the wrong json')\n//- lsp_server/__init__.py\nboom\n")
    code = "import sys; sys.path[:] = eval(sys.argv.pop(1)); from lsp_server.__main__ import main; main()"
    path = [entry for entry in sys.path if entry]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-c", code, repr([*path, _checkout()]), "--cache-dir", str(tmp_path / "cache")),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=root,
    )
    client = Editor(process.stdout, process.stdin, process)
    await client.initialize(root)
    await client.ready()
    assert await client.shut_down() == 0


def _checkout():
    import lsp_server

    return str(lsp_server.__path__[0]).rpartition("lsp_server")[0]


# ---- work in the background


async def test_indexing_shows_a_bar_that_goes_forward_and_ends(client, project):
    for number in range(40):
        (project / f"more_{number}.py").write_text(f"def number_{number}():\n    return {number}\n")
    await client.initialize(project)
    await client.ready()
    (created,) = client.of("window/workDoneProgress/create")
    values = [params["value"] for params in client.of("$/progress") if params["token"] == created["token"]]
    assert [value["kind"] for value in values][:1] == ["begin"]
    assert [value["kind"] for value in values][-1:] == ["end"]
    assert values[0]["cancellable"] is True
    assert values[0]["title"] == f"Indexing {project.name}"
    percentages = [value["percentage"] for value in values if "percentage" in value]
    assert percentages == sorted(percentages)
    assert all(" of 45 files" in value["message"] for value in values if value["kind"] == "report")


async def fill(project, files=200):
    for number in range(files):
        text = f'def number_{number}():\n    """Counts {number} apples and {number * 7} pears."""\n'
        (project / f"more_{number}.py").write_text(text)


@pytest.mark.parametrize("how", ["progress bar", "command"])
async def test_indexing_that_is_cancelled_stops_and_goes_on_with_the_next_change(client, project, how):
    await fill(project)
    await client.initialize(project)

    def begun():
        return next((p for p in client.of("$/progress") if p["value"]["kind"] == "begin"), None)

    token = (await client.until(begun))["token"]
    if how == "command":
        assert await client.command("meaning-ls.cancel", project.as_uri()) is None
    else:
        client.notify("window/workDoneProgress/cancel", {"token": token})
    stopped = await client.state("paused")
    assert "meaning-ls.resume" in stopped["message"]
    await client.until(lambda: {"kind": "end"} in [p["value"] for p in client.of("$/progress")])
    assert isinstance(await client.names("message"), list)
    mail = project / "src/mail.py"
    mail.write_text(mail.read_text() + "\n\ndef recall_mail(number):\n    pass\n")
    async with client.a_pass():
        client.saved(mail)
    assert "recall_mail" in await client.names("recall_mail")
    (folder,) = (await client.request("workspace/semanticIndex"))["folders"]
    assert folder["filesTotal"] == 205
    assert folder["embedded"] == folder["symbols"]


async def test_cancelling_where_nothing_is_done_stops_nothing(client, project):
    await client.initialize(project)
    await client.ready()
    await client.command("meaning-ls.cancel")
    (folder,) = (await client.request("workspace/semanticIndex"))["folders"]
    assert (folder["state"], folder.get("message")) == ("ready", None)


async def test_indexing_is_paused_and_resumed_by_command(client, project):
    await fill(project)
    await client.initialize(project)
    await client.state("indexing")
    await client.command("meaning-ls.pause")
    assert (await client.request("workspace/semanticIndex"))["folders"][0]["state"] == "paused"
    client.saved(project / "src/mail.py")
    assert (await client.request("workspace/semanticIndex"))["folders"][0]["state"] == "paused"
    async with client.a_pass():
        await client.command("meaning-ls.resume", project.as_uri())
    assert "send_mail" in await client.names("deliver a message", limit=200)


async def test_a_pause_that_is_taken_back_at_once_loses_no_work(client, project):
    """The work is cancelled and wanted again before it has ended."""
    await fill(project)
    await client.initialize(project)
    await client.state("indexing")
    await client.until(lambda: any(f["symbols"] for p in client.of("semanticIndex/status") for f in p["folders"]))
    for name in ("pause", "resume", "pause", "resume"):
        await client.command(f"meaning-ls.{name}")
    told = await client.ready()
    assert told["folders"][0]["symbols"] == told["folders"][0]["embedded"] > 200


async def test_what_is_open_and_saved_comes_before_the_rest(client, project):
    await fill(project)
    await client.initialize(project)
    await client.state("indexing")
    mail = project / "src/mail.py"
    mail.write_text(mail.read_text() + "\n\ndef recall_mail(number):\n    pass\n")
    client.saved(mail)

    while not await client.request("workspace/symbol", {"query": "recall_mail"}):
        await client.news("semanticIndex/status")
    (folder,) = (await client.request("workspace/semanticIndex"))["folders"]
    assert folder["state"] == "indexing"
    assert folder["embedded"] < 200
    await client.ready(len(client.heard))


async def test_indexing_can_be_switched_off(client, project):
    client.settings = {"index": "off"}
    await client.initialize(project)
    paused = await client.state("paused")
    assert "meaning.index" in paused["message"]
    client.saved(project / "src/mail.py")
    assert await client.names("deliver a message") == []
    await client.command("meaning-ls.reindex")
    await client.state("indexing")
    await client.until(lambda: client.states()[-1] == ["paused"])
    assert "send_mail" in await client.names("deliver a message")


async def test_an_index_is_there_at_once_the_second_time(project, tmp_path):
    for _ in range(2):
        async with editor(tmp_path / "cache") as client:
            await client.initialize(project)
            await client.ready()
            assert "send_mail" in await client.names("deliver a message")
    told = client.of("semanticIndex/status")
    assert told[0]["folders"][0]["symbols"] > 0


# ---- death


async def test_an_indexer_that_dies_is_started_again(opened, project):
    first = indexer_of(opened)
    first.kill()
    await gone([first])
    (project / "src/mail.py").write_text("def recall_mail(number):\n    pass\n")
    async with opened.a_pass():
        opened.saved(project / "src/mail.py")
    assert "recall_mail" in await opened.names("recall_mail")
    assert indexer_of(opened).pid != first.pid


async def test_an_indexer_that_dies_amid_its_work_is_started_again(client, project):
    await fill(project)
    await client.initialize(project)
    await client.until(lambda: any(p["folders"][0]["symbols"] for p in client.of("semanticIndex/status")))
    indexer_of(client).kill()
    await client.ready()
    (folder,) = (await client.request("workspace/semanticIndex"))["folders"]
    assert folder["filesDone"] == folder["filesTotal"] == 205
    assert folder["embedded"] == folder["symbols"]


@pytest.mark.parametrize("how", ["shutdown", "exit", "end of input", "kill"])
async def test_no_process_outlives_the_server(opened, how):
    helpers = children(opened)
    assert helpers
    if how == "shutdown":
        assert await opened.shut_down() == 0
    elif how == "exit":
        opened.notify("exit")
        assert await opened.ended() == 1
    elif how == "end of input":
        opened.writer.close()
        assert await opened.ended() == 1
    else:
        opened.process.kill()
        await opened.ended()
    await gone(helpers)


async def test_a_client_that_does_not_wait_for_its_shutdown_leaves_no_traceback(tmp_path, project):
    with (tmp_path / "stderr").open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "lsp_server", "--cache-dir", str(tmp_path / "cache")),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
        )
    client = Editor(process.stdout, process.stdin, process)
    await client.initialize(project)
    await client.ready()
    indexer = indexer_of(client)
    indexer.suspend()  # so that letting go of it takes a while
    _, asked = client.ask("shutdown")
    client.notify("exit")
    try:
        assert await asyncio.wait_for(process.wait(), SECONDS) == 0
        with pytest.raises((Refused, ConnectionError)):
            await asked
    finally:
        indexer.kill()
        client._listening.cancel()
        process._transport.close()
    said = (tmp_path / "stderr").read_text(encoding="utf-8")
    assert "Loaded model" in said
    assert "Error" not in said


async def test_the_input_may_end_amid_anything(tmp_path, project):
    for beginning in (b"", b"Content-Length: 1000\r\n\r\n{", b"Content-Le", b"\x00\xff\r\n\r\n"):
        async with editor(tmp_path / "cache") as client:
            client.writer.write(beginning)
            client.writer.close()
            assert await client.ended() == 1


# ---- messages that are none


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", -32700),
        (b"\xff\xfe\xfa", -32700),
        (b"[" * 100_000, -32700),
        (b"[]", -32600),
        (b"7", -32600),
        (b"{}", -32600),
        (b'{"jsonrpc": "1.0", "id": 1, "method": "shutdown"}', -32600),
        (b'{"jsonrpc": "2.0", "id": 1.5, "method": "shutdown"}', -32600),
        (b'{"jsonrpc": "2.0", "id": true, "method": "shutdown"}', -32600),
        (b'{"jsonrpc": "2.0", "id": {}, "method": "shutdown"}', -32600),
        (b'{"jsonrpc": "2.0", "id": null, "method": "shutdown"}', -32600),
        (b'{"jsonrpc": "2.0", "method": 5}', -32600),
        (b'{"jsonrpc": "2.0"}', -32600),
    ],
)
async def test_what_is_no_message_is_refused_and_the_next_one_answered(client, body, code):
    client.send_bytes(body)
    await client.until(lambda: client.strays)
    assert client.strays[0]["id"] is None
    assert client.strays[0]["error"]["code"] == code
    client.strays.clear()
    await client.initialize()
    assert (await client.request("workspace/semanticIndex"))["folders"] == []


@pytest.mark.parametrize(
    "body",
    [
        b'{"jsonrpc": "2.0", "id": 99, "result": 5}',
        b'{"jsonrpc": "2.0", "id": "x", "error": {"code": 1, "message": "no"}}',
        b'{"jsonrpc": "2.0", "id": [], "error": 5}',
        b'{"jsonrpc": "2.0", "id": null, "error": {"code": -32700, "message": "?"}}',
        b'{"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": 99}}',
        b'{"jsonrpc": "2.0", "method": "$/cancelRequest"}',
        b'{"jsonrpc": "2.0", "method": "$/setTrace", "params": {"value": "loud"}}',
        b'{"jsonrpc": "2.0", "method": "window/workDoneProgress/cancel", "params": {"token": "x"}}',
        b'{"jsonrpc": "2.0", "method": "textDocument/didChange", "params": {"textDocument": {"uri": "x"}}}',
        b'{"jsonrpc": "2.0", "method": "exit2"}',
    ],
)
async def test_what_asks_for_no_answer_gets_none(client, body):
    await client.initialize()
    client.send_bytes(body)
    assert (await client.request("workspace/semanticIndex"))["folders"] == []
    assert client.strays == []


async def test_headers_are_read_generously(client):
    body = json.dumps({"jsonrpc": "2.0", "id": 0, "method": "shutdown"}).encode()
    client.writer.write(b"nonsense\r\n\r\nContent-Type: x\r\ncontent-length:%d\r\n\r\n" % len(body) + body)
    await client.until(lambda: client.strays)
    assert client.strays.pop()["error"]["code"] == -32002
    client.writer.close()


# ---- the other ways to be started


async def test_over_tcp(tmp_path, project):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "lsp_server", "serve", "--tcp", "127.0.0.1:0", "--cache-dir", str(tmp_path / "cache")),
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        while b"listening on" not in (line := await asyncio.wait_for(process.stderr.readline(), SECONDS)):
            assert line
        reader, writer = await asyncio.open_connection("127.0.0.1", int(line.rpartition(b":")[2]), limit=2**24)
        client = Editor(reader, writer, process)
        await client.initialize(project)
        await client.ready()
        assert "send_mail" in await client.names("deliver a message")
        other, second_writer = await asyncio.open_connection("127.0.0.1", int(line.rpartition(b":")[2]))
        assert await other.read() == b""
        second_writer.close()
        await second_writer.wait_closed()
        await client.request("shutdown")
        client.notify("exit")
        await asyncio.wait_for(process.communicate(), SECONDS)
        assert process.returncode == 0
        writer.close()
        await writer.wait_closed()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        process._transport.close()


async def test_nothing_but_messages_is_written_to_stdout(client, project):
    """The listening side would have stumbled over anything else; here the log is as loud as it gets."""
    client.settings = {"trace": "verbose"}
    await client.initialize(project)
    await client.ready()
    assert "send_mail" in await client.names("deliver a message")


class Silence:
    """A client that does not listen."""

    def write(self, data):
        pass


async def test_what_was_handled_is_forgotten(tmp_path):
    """One finished task for each save would be kept for as long as the editor runs."""
    session = make_session(Options(cache_dir=str(tmp_path)))
    session.protocol.set_writer(Silence())
    lasting = asyncio.all_tasks()

    def send(method, params, **more):
        session.protocol.receive(json.dumps({"jsonrpc": "2.0", "method": method, "params": params, **more}).encode())

    send("initialize", {"capabilities": {}, "processId": None, "rootUri": None}, id=1)
    for number in range(50):
        send("textDocument/didSave", {"textDocument": {"uri": "file:///nowhere/a.py"}})
        send("workspace/executeCommand", {"command": "meaning-ls.status", "arguments": []}, id=2 + number)
    assert session.protocol._request_futures
    while asyncio.all_tasks() - lasting:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not session.protocol._request_futures
    await session.close()
