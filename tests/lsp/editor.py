"""A client that says exactly what a test tells it, and remembers everything that it hears.

Plain JSON in and out, over the pipes of a real server process: nothing here shares code with the server. Waiting is for
announced events, never for time; each wait has a limit, after which the test fails with what was heard.
"""

import asyncio
import json
import os
import sys
from contextlib import asynccontextmanager
from pathlib import Path

SECONDS = 60.0  # for one event on a slow machine
CAPABILITIES = {
    "general": {"positionEncodings": ["utf-16"]},
    "window": {"workDoneProgress": True, "showDocument": {"support": True}},
    "workspace": {
        "configuration": True,
        "workspaceFolders": True,
        "didChangeWatchedFiles": {"dynamicRegistration": True},
        "didChangeConfiguration": {"dynamicRegistration": True},
        "fileOperations": {"didCreate": True, "didRename": True, "didDelete": True},
        "symbol": {"symbolKind": {"valueSet": list(range(1, 27))}},
    },
    "textDocument": {"codeAction": {"codeActionLiteralSupport": {"codeActionKind": {"valueSet": [""]}}}},
    "notebookDocument": {"synchronization": {}},
}


class Refused(Exception):
    """The server answered with an error."""

    def __init__(self, error):
        super().__init__(f"{error['code']}: {error['message']}")
        self.code = error["code"]
        self.message = error["message"]
        self.data = error.get("data")


class Editor:
    """One client of one server process. `settings` and `refuses` say how it answers the server's requests."""

    def __init__(self, reader, writer, process=None):
        self.reader, self.writer, self.process = reader, writer, process
        self.settings: dict | None = None
        self.refuses: set[str] = set()
        self.silent_on: set[str] = set()
        self.choice: str | None = None  # what is chosen when a message asks, None: it is closed
        self.heard: list[dict] = []  # notifications and requests of the server, in order
        self.answers: dict = {}
        self.strays: list[dict] = []  # answers that nobody asked for, or second ones
        self.is_closed = False
        self._number = 0
        self._news = asyncio.Condition()
        self._listening = asyncio.create_task(self._listen())

    # ---- talking

    def send(self, message):
        self.send_bytes(json.dumps(message).encode())

    def send_bytes(self, body: bytes):
        self.writer.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)

    def notify(self, method, params=None):
        self.send({"jsonrpc": "2.0", "method": method, "params": params})

    def ask(self, method, params=None):
        """Send a request; give its id and the future of its answer."""
        self._number += 1
        future = self.answers[self._number] = asyncio.get_running_loop().create_future()
        self.send({"jsonrpc": "2.0", "id": self._number, "method": method, "params": params})
        return self._number, future

    async def request(self, method, params=None):
        _, future = self.ask(method, params)
        return await asyncio.wait_for(future, SECONDS)

    async def command(self, command, *arguments):
        return await self.request("workspace/executeCommand", {"command": command, "arguments": list(arguments)})

    async def search(self, query, **more):
        return await self.request("workspace/semanticSymbol", {"query": query, **more})

    async def names(self, query, **more):
        return [row["name"] for row in (await self.search(query, **more))["symbols"]]

    # ---- hearing

    async def _listen(self):
        while (message := await self._read()) is not None:
            if "method" in message and "id" in message:
                self._answer(message)
            if "method" in message:
                self.heard.append(message)
            else:
                future = self.answers.get(message["id"])
                if future is None or future.done():
                    self.strays.append(message)
                elif "error" in message:
                    future.set_exception(Refused(message["error"]))
                else:
                    future.set_result(message["result"])
            async with self._news:
                self._news.notify_all()
        self.is_closed = True
        for future in self.answers.values():
            if not future.done():
                future.set_exception(ConnectionError("the server has gone"))
        async with self._news:
            self._news.notify_all()

    async def _read(self):
        length = None
        while (line := await self.reader.readline()) != b"\r\n":
            if not line:
                return None
            name, _, value = line.decode("ascii").partition(":")
            if name == "Content-Length":
                length = int(value)
        return json.loads(await self.reader.readexactly(length))

    def _answer(self, message):
        method = message["method"]
        if method in self.silent_on:
            return
        answer = {"jsonrpc": "2.0", "id": message["id"]}
        if method in self.refuses:
            self.send({**answer, "error": {"code": -32601, "message": f"no {method} here"}})
        elif method == "workspace/configuration":
            self.send({**answer, "result": [self.settings for _ in message["params"]["items"]]})
        elif method == "window/showMessageRequest" and self.choice is not None:
            (chosen,) = [action for action in message["params"]["actions"] if action["title"].startswith(self.choice)]
            self.send({**answer, "result": chosen})
        elif method == "window/showDocument":
            self.send({**answer, "result": {"success": True}})
        else:
            self.send({**answer, "result": None})

    async def until(self, test):
        """Wait until `test` gives something that is true."""
        async with self._news:
            try:
                return await asyncio.wait_for(self._wait(test), SECONDS)
            except TimeoutError:
                tail = "\n".join(json.dumps(message)[:500] for message in self.heard[-10:])
                raise AssertionError(f"it never came; last heard:\n{tail}") from None

    async def _wait(self, test):
        while not (found := test()):
            assert not self.is_closed, "the server has gone"
            await self._news.wait()
        return found

    async def news(self, method):
        """Wait for the next notification of a method."""
        since = len(self.heard)
        return await self.until(lambda: self.of(method, since))

    def of(self, method, since=0):
        """Give the params of all notifications and requests of a method."""
        return [message["params"] for message in self.heard[since:] if message["method"] == method]

    def states(self, since=0):
        """Give the states of the folders as they were told, one list for each notification."""
        return [[folder["state"] for folder in params["folders"]] for params in self.of("semanticIndex/status", since)]

    async def ready(self, since=0):
        """Wait until all folders are ready; give the notification that says so."""

        def test():
            told = self.of("semanticIndex/status", since)
            return next((p for p in told if p["folders"] and all(f["state"] == "ready" for f in p["folders"])), None)

        return await self.until(test)

    async def state(self, state, since=0):
        """Wait until a folder is in a state; give the folder's status."""

        def test():
            told = self.of("semanticIndex/status", since)
            return next((f for params in told for f in params["folders"] if f["state"] == state), None)

        return await self.until(test)

    @asynccontextmanager
    async def a_pass(self):
        """Run a block that changes something, then wait until the server has found it."""
        since = len(self.heard)
        yield

        def test():
            states = self.states(since)
            begun = next((i for i, states in enumerate(states) if "indexing" in states), None)
            return begun is not None and any(set(after) == {"ready"} for after in states[begun:])

        await self.until(test)

    # ---- documents

    def open(self, path: Path, text: str | None = None):
        text = path.read_bytes().decode() if text is None else text
        document = {"uri": path.as_uri(), "languageId": "python", "version": 1, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": document})

    def saved(self, path: Path):
        self.notify("textDocument/didSave", {"textDocument": {"uri": path.as_uri()}})

    def watched(self, *changes):
        """Tell of (path, kind) with kind 1 created, 2 changed, 3 deleted."""
        events = [{"uri": path.as_uri(), "type": kind} for path, kind in changes]
        self.notify("workspace/didChangeWatchedFiles", {"changes": events})

    # ---- life

    async def initialize(self, *roots: Path, capabilities=CAPABILITIES, **more):
        folders = [{"uri": root.as_uri(), "name": root.name} for root in roots]
        params = {"processId": os.getpid(), "rootUri": None, "capabilities": capabilities, "workspaceFolders": folders}
        result = await self.request("initialize", params | more)
        self.notify("initialized", {})
        return result

    async def shut_down(self):
        await self.request("shutdown")
        self.notify("exit")
        return await self.ended()

    async def ended(self):
        """Wait for the end of the server; give its exit code."""
        code = await asyncio.wait_for(self.process.wait(), SECONDS)
        await asyncio.wait_for(self._listening, SECONDS)
        return code


@asynccontextmanager
async def editor(cache: Path, *options: str, cwd: Path | None = None):
    """Start a server process and talk to it; it is gone afterwards, whatever happened."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "lsp_server", "--cache-dir", str(cache), *options),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**24,
        cwd=cwd,
    )
    made = Editor(process.stdout, process.stdin, process)
    try:
        yield made
        assert made.strays == []
        if process.returncode is None and not made.writer.is_closing():
            await made.shut_down()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        made._listening.cancel()
        process._transport.close()


def write_files(root: Path, text: str):
    """Write a workspace given as one string, each file under a line `//- path`."""
    for part in text.split("//- ")[1:]:
        name, _, body = part.partition("\n")
        path = root / name.strip()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(body, encoding="utf-8", newline="")
