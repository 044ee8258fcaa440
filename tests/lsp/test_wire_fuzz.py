"""Whatever a client sends, in whatever order: each request gets one answer, nothing else gets any, the server lives on.

Against real server processes, told in plain bytes. What must be answered is worked out here from JSON-RPC's rules
alone. MEANING_FUZZ multiplies the number of examples: `make fuzz`.
"""

import asyncio
import json
import os
from collections import Counter
from contextlib import AsyncExitStack

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from .conftest import PROJECT
from .editor import CAPABILITIES, SECONDS, editor, write_files

MORE = int(os.environ.get("MEANING_FUZZ", "1"))
pytestmark = pytest.mark.timeout(120 * MORE)

PING = "workspace/semanticIndex"
NOWHERE = "file:///nowhere/at/all"
MAIL = "file:///<the project>/src/mail.py"  # put in when it is sent


# ---- what is sent

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.sampled_from([0, 1, -1, 2**31, 2**53, -(2**63), 10**40, 1e308, -0.0, 1.5, float("nan"), float("inf")])
    | st.integers(-(2**70), 2**70)
    | st.sampled_from(["", MAIL, NOWHERE, "untitled:1", "file://", "file:///%00", "http://[", "utf-16", "\ud800",
        "\x00", "a" * 9_999])
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip
ids = (
    st.integers(-(2**70), 2**70)
    | st.integers(0, 3)  # so that some are given twice
    | st.sampled_from(["", "1", "a\ud800", "\x00", "é", "x" * 5_000])
    | st.none()
    | st.booleans()
    | st.floats()
    | st.lists(st.integers(), max_size=2)
    | st.dictionaries(st.text(max_size=2), st.integers(), max_size=1)
)
PLACE = {"start": {"line": 1, "character": 0}, "end": {"line": 1, "character": 4}}
WAY_OUT = {"start": {"line": 2**31 - 1, "character": 2**31 - 1}, "end": {"line": 0, "character": 2**31 - 1}}
DOCUMENT = {"uri": MAIL, "version": 2, "languageId": "python", "text": "def typed_mail():\n    pass\n"}
CELL = {"kind": 2, "document": "cell:1"}
BOOK = {"uri": f"{NOWHERE}.ipynb", "notebookType": "jupyter-notebook", "version": 1, "cells": [CELL]}
# Sound params of all that the server knows: what is wrong with them is for Hypothesis to choose. Left out is what ends
# the server (in a test of its own), starts a process each time, or asks the network for models.
REQUESTS = {
    "initialize": {"processId": None, "rootUri": None, "capabilities": CAPABILITIES},
    "workspace/semanticSymbol": {"query": "deliver a message", "limit": 3, "kinds": [12], "languages": ["python"],
                                 "include": ["*"], "exclude": ["x"], "folders": [], "textDocument": {"uri": MAIL}},
    "workspace/similarSymbol": {"textDocument": {"uri": MAIL}, "range": PLACE, "limit": 2},
    "workspace/semanticIndex": None,
    "workspace/symbol": {"query": "send_mail", "workDoneToken": 1, "partialResultToken": "p"},
    "textDocument/codeAction": {"textDocument": {"uri": MAIL}, "range": WAY_OUT, "context": {"diagnostics": []}},
    "textDocument/hover": {"textDocument": {"uri": MAIL}, "position": WAY_OUT["start"]},
    "workspaceSymbol/resolve": {"name": "x", "kind": 1, "location": {"uri": MAIL}},
    "workspace/telepathy": {},
    "$/whatever": {},
    "": {},
} | {
    f"workspace/executeCommand {command}": {"command": f"meaning-ls.{command}", "arguments": arguments}
    for command, arguments in {
        "find": ["message", {"limit": 2}],
        "findAndShow": ["message"],
        "similar": [{"uri": MAIL, "range": PLACE}, {"show": True}],
        "status": [],
        "explain": ["message", {"uri": MAIL, "range": WAY_OUT}],
        "why": [MAIL],
        "pause": [NOWHERE],
        "resume": [],
        "telepathy": [1],
    }.items()
}  # fmt: skip
NOTICES = {
    "initialized": {},
    "$/setTrace": {"value": "off"},
    "$/cancelRequest": {"id": 1},
    "$/progress": {"token": 1, "value": None},
    "window/workDoneProgress/cancel": {"token": "x"},
    "textDocument/didOpen": {"textDocument": DOCUMENT},
    "textDocument/didChange": {"textDocument": {"uri": MAIL, "version": 3}, "contentChanges": [
        {"range": WAY_OUT, "text": "x"}, {"range": PLACE, "rangeLength": 2**31 - 1, "text": "\r"},
        {"text": "y = 1\n"}]},
    "textDocument/didSave": {"textDocument": {"uri": MAIL}},
    "textDocument/didClose": {"textDocument": {"uri": MAIL}},
    "notebookDocument/didOpen": {"notebookDocument": BOOK, "cellTextDocuments": [DOCUMENT | {"uri": "cell:1"}]},
    "notebookDocument/didChange": {"notebookDocument": {"uri": BOOK["uri"], "version": 2}, "change": {"cells": {
        "structure": {"array": {"start": 5, "deleteCount": 2**31 - 1, "cells": [CELL]}}, "textContent": [
            {"document": {"uri": "cell:1", "version": 2}, "changes": [{"range": WAY_OUT, "text": "z"}]}]}}},
    "notebookDocument/didClose": {"notebookDocument": {"uri": BOOK["uri"]}, "cellTextDocuments": [{"uri": "cell:1"}]},
    "workspace/didChangeWatchedFiles": {"changes": [{"uri": MAIL, "type": 2}, {"uri": NOWHERE, "type": 3}]},
    "workspace/didCreateFiles": {"files": [{"uri": NOWHERE}]},
    "workspace/didDeleteFiles": {"files": [{"uri": NOWHERE}]},
    "workspace/didRenameFiles": {"files": [{"oldUri": NOWHERE, "newUri": "file:///%2e%2e/x"}]},
    "workspace/didChangeWorkspaceFolders": {"event": {"added": [], "removed": [{"uri": NOWHERE, "name": "x"}]}},
    "workspace/didChangeConfiguration": {"settings": {"meaning": {"limit": 3}}},
    "workspace/telepathy": {},
}  # fmt: skip
RESPONSES = [
    {"result": None}, {"result": [[]]}, {"error": {"code": 1, "message": "no"}}, {"error": None}, {"error": 5},
    {"result": 1, "error": {"code": "x"}},
]  # fmt: skip


def spots(value, here=()):
    """Give the path of everything in a JSON value, itself among it."""
    yield here
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from spots(inner, (*here, key))


def changed(value, path, change):
    """Give a copy of a JSON value with `change` in place of what stands at a path, or without it."""
    if not path:
        return None if change is LEFT_OUT else change
    copy = dict(value) if isinstance(value, dict) else list(value)
    if len(path) == 1 and change is LEFT_OUT:
        del copy[path[0]]
    else:
        copy[path[0]] = changed(value[path[0]], path[1:], change)
    return copy


LEFT_OUT = object()


@st.composite
def messages(draw):
    """A sound message, up to three places of which hold something else or nothing."""
    kind = draw(st.sampled_from(["request"] * 4 + ["notice"] * 2 + ["response"]))
    if kind == "response":
        message = {"jsonrpc": "2.0", "id": draw(ids), **draw(st.sampled_from(RESPONSES))}
    else:
        table = REQUESTS if kind == "request" else NOTICES
        method = draw(st.sampled_from(sorted(table)))
        message = {"jsonrpc": "2.0", "method": method.partition(" ")[0], "params": table[method]}
        if kind == "request":
            message["id"] = draw(ids)
    for _ in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from(list(spots(message))[1:]))
        message = changed(message, path, draw(st.just(LEFT_OUT) | json_values))
        if len(message) == 0:
            break
    return message


# ---- what has to be answered


def owed(body: bytes):
    """Give the id that JSON-RPC owes an answer to, as its JSON; "null" where it cannot be known, None for no answer."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return "null"
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        return "null"
    if message.get("method") is None and ("result" in message or "error" in message):
        return None
    identity = message.get("id")
    if "id" in message and (isinstance(identity, bool) or not isinstance(identity, int | str)):
        return "null"
    return None if "id" not in message and isinstance(message.get("method"), str) else json.dumps(identity)


class Wire:
    """A client whose answers are counted. Its own questions have ids that nothing else has."""

    def __init__(self, client, root=None):
        self.client = client
        self.mail = (root / "src/mail.py").as_uri() if root is not None else NOWHERE
        client._number = 10**9

    def send(self, body: bytes):
        self.client.send_bytes(body)

    def encoded(self, message) -> bytes:
        return json.dumps(message).replace(MAIL, self.mail).encode()

    async def check(self, expected: Counter):
        """Wait until all that is owed has come, then see that nothing else comes and that the server answers."""
        await self.client.until(lambda: not expected - self.came())
        assert (await self.client.request(PING))["folders"] is not None
        assert self.came() == expected
        for answer in self.client.strays:
            assert ("error" in answer) != ("result" in answer)
            if "error" in answer:
                assert isinstance(answer["error"]["code"], int)
                assert answer["error"]["code"] != -32603, f"an error of ours: {answer}"
                assert "Traceback" not in answer["error"]["message"]
        self.client.strays.clear()

    def came(self) -> Counter:
        return Counter(json.dumps(answer["id"]) for answer in self.client.strays)


@pytest.fixture(scope="module")
def talk(tmp_path_factory):
    """A function that runs an async function of one Wire: of a server with the project open, the same for all tests."""
    root = tmp_path_factory.mktemp("wire") / "shop"
    write_files(root, PROJECT)
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()

        async def start():
            client = await stack.enter_async_context(editor(tmp_path_factory.mktemp("cache")))
            client.settings = {"index": "auto"}  # which holds whatever else is sent
            await client.initialize(root)
            await client.ready()
            return Wire(client, root)

        wire = runner.run(start())
        yield lambda work: runner.run(work(wire))
        runner.run(stack.aclose())


fuzz = settings(
    max_examples=100 * MORE, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@given(st.lists(messages(), min_size=1, max_size=12))
@fuzz
def test_each_request_gets_one_answer(talk, sent):
    async def work(wire):
        expected = Counter()
        for message in sent:
            body = wire.encoded(message)
            wire.send(body)
            if (answer := owed(body)) is not None:
                expected[answer] += 1
        await wire.check(expected)

    talk(work)


NESTED = [b"[" * 900 + b"]" * 900, b'{"a":' * 900 + b"1" + b"}" * 900]


@given(st.binary(max_size=200) | st.text(max_size=60).map(lambda text: text.encode("utf-16", "surrogatepass")))
@example(b"")
@example(b"[" * 200_000)
@example(b'{"a":' * 200_000)
@example(b"9" * 5_000)
@example(b'{"jsonrpc": "2.0", "id": ' + b"9" * 5_000 + b', "method": "shutdown"}')
@example(b'{"jsonrpc": "2.0", "id": ' + b"9" * 4_000 + b', "method": "workspace/semanticIndex"}')
@example(b'{"jsonrpc": "2.0", "id": 1e999, "method": "shutdown"}')
@example(b'{"jsonrpc": "2.0", "id": 5, "id": "last", "method": "x", "method": "workspace/semanticIndex"}')
@example(b'{"jsonrpc": "2.0", "id": 5, "method": "workspace/symbol", "params": {"query": "a", "query": 1}}')
@example(b'{"jsonrpc": "2.0", "id": "\\ud800", "method": "\\ud800"}')
@example(b'{"jsonrpc": "2.0", "id": 5, "method": "workspace/semanticSymbol", "params": ' + NESTED[0] + b"}")
@example(b'{"jsonrpc": "2.0", "id": 5, "method": "workspace/symbol", "params": ' + NESTED[1] + b"}")
@example(b'{"jsonrpc": "2.0", "id": 5, "method": "textDocument/codeAction", "params": {"context": ' + NESTED[1] + b"}}")
@example(b'[{"jsonrpc": "2.0", "id": 5, "method": "workspace/semanticIndex"}]')
@example(b'\xef\xbb\xbf{"jsonrpc": "2.0", "id": 5, "method": "workspace/semanticIndex"}')
@fuzz
def test_a_body_may_be_anything(talk, body):
    async def work(wire):
        wire.send(body)
        answer = owed(body)
        await wire.check(Counter([answer] if answer is not None else []))

    talk(work)


@given(st.lists(st.tuples(st.sampled_from(["ask", "cancel", "late", "unknown"]), st.integers(0, 5)), max_size=30))
@fuzz
def test_cancelling_costs_no_answer(talk, steps):
    """Before, after and twice, what runs, what was answered and what never was: an answer or a refusal, each once."""

    async def work(wire):
        expected = Counter()
        for step, number in steps:
            if step == "ask":
                wire.send(wire.encoded({"jsonrpc": "2.0", "id": f"q{number}", "method": "workspace/semanticSymbol",
                                        "params": {"query": f"deliver message {number}"}}))  # fmt: skip
                expected[f'"q{number}"'] += 1
            elif step == "late":
                await wire.client.request(PING)
            else:
                identity = f"q{number}" if step == "cancel" else [None, {}, -1, "never", 10**30, 1.5][number]
                wire.client.notify("$/cancelRequest", {"id": identity})
        await wire.check(expected)

    talk(work)


LIES = st.one_of(
    st.tuples(st.just("length"), st.integers(-30, 60)),
    st.tuples(st.just("raw"), st.sampled_from([
        b"\r\n", b"\n\n\n", b"Content-Length: \r\n\r\n", b"Content-Length: x\r\n\r\n", b"Content-Length: -5\r\n\r\n",
        b"Content-Length: 1_0\r\n\r\n", b"Content-Length: \xb2\r\n\r\n", b"Content-Length: 0\r\n\r\n", b"Content-Le",
        b"Content-Length: 5\r\nContent-Length: 2\r\n\r\n{}", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x00" * 3_000,
        b"x" * 2_000_000, b"x" * 2_000_000 + b"\n", b"{}\n", b"Content-Type: \xff\r\n", b": \r\n\r\n",
    ])),
    st.tuples(st.just("raw"), st.binary(max_size=40)),
)  # fmt: skip


@given(LIES)
@fuzz
def test_lies_about_length_cost_the_message_and_not_the_server(talk, lie):
    """What follows is taken for a header until there is one: a client that goes on properly is heard again."""
    kind, what = lie

    async def work(wire):
        ping = wire.encoded({"jsonrpc": "2.0", "id": "lie", "method": PING})
        if kind == "raw":
            wire.client.writer.write(what)
        else:
            wire.client.writer.write(b"Content-Length: %d\r\n\r\n" % (len(ping) + what) + ping)
        before = len(wire.client.strays)
        for number in range(8):  # the first ones may be swallowed as what was said to follow
            wire.send(wire.encoded({"jsonrpc": "2.0", "id": f"after {number}", "method": PING}))
        await wire.client.until(lambda: '"after 7"' in wire.came())
        await wire.client.request(PING)
        answers = wire.came()
        assert all(count == 1 for identity, count in answers.items() if identity != "null"), answers
        assert before == 0
        wire.client.strays.clear()

    talk(work)


# ---- life


async def test_a_shutdown_while_commands_run_is_answered_like_any_other(tmp_path):
    async with editor(tmp_path / "cache") as client:
        await client.initialize()
        commands = [client.ask("workspace/executeCommand", {"command": "meaning-ls.doctor"})[1] for _ in range(3)]
        assert await client.request("shutdown") is None
        refusals = await asyncio.gather(*commands, return_exceptions=True)
        assert [refusal.code for refusal in refusals] == [-32800] * 3
        client.notify("exit")
        assert await client.ended() == 0


LIFE = ("initialize", "initialized", "shutdown", "workspace/semanticIndex", "workspace/symbol", "textDocument/didSave",
        "$/cancelRequest", "workspace/didChangeWorkspaceFolders", "textDocument/telepathy")  # fmt: skip
ASKING = {"initialize", "shutdown", "workspace/semanticIndex", "workspace/symbol", "textDocument/telepathy"}


def fate(events):
    """Give for each request of a life the codes of which its answer must have one; 0 is a result."""
    is_open = is_ended = False
    for event in events:
        if event in ASKING:
            if is_ended or (is_open and event == "initialize"):
                yield {-32600}
            elif not is_open and event != "initialize":
                yield {-32002}
            elif event == "textDocument/telepathy":
                yield {-32601}
            else:
                yield {0} if event in ("initialize", "shutdown") else {0, -32800}  # cancelled by a shutdown behind it
        is_open = is_open or (event == "initialize" and not is_ended)
        is_ended = is_ended or (event == "shutdown" and is_open)


@given(st.lists(st.sampled_from(LIFE), min_size=3, max_size=12))
@example(["shutdown", "initialize", "initialize", "shutdown", "shutdown", "initialize", "workspace/symbol"])
@example(["initialized", "workspace/symbol", "initialize", "initialized", "initialized", "shutdown", "initialized"])
@settings(max_examples=3 * MORE, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_life_in_any_order(tmp_path_factory, events):
    params = {
        "initialize": REQUESTS["initialize"],
        "workspace/symbol": {"query": "mail"},
        "textDocument/didSave": {"textDocument": {"uri": NOWHERE}},
        "workspace/didChangeWorkspaceFolders": {"event": {"added": [], "removed": []}},
        "$/cancelRequest": {"id": 99},
    }

    async def live():
        async with editor(tmp_path_factory.mktemp("cache")) as client:
            asked = []
            for event in events:
                if event in ASKING:
                    asked.append(client.ask(event, params.get(event))[1])
                else:
                    client.notify(event, params.get(event))
            answers = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), SECONDS)
            client.notify("exit")
            assert await client.ended() == int("shutdown" not in events[events.index("initialize") :])
            return [getattr(answer, "code", 0) for answer in answers]

    if "initialize" not in events:
        events = [*events, "initialize"]
    codes = asyncio.run(live())
    for code, allowed in zip(codes, fate(events), strict=True):
        assert code in allowed, (events, codes)
