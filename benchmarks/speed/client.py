"""A language client: starts the real server over stdio, sends, and notes when each answer came.

Only what the measurements need. A thread reads, so that arrival times do not wait for the caller; requests from the
server are answered with nothing, `workspace/configuration` with the settings given.
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

# Seconds after which a server that does not answer counts as broken.
PATIENCE = 60.0

Message = dict[str, Any]


class ServerError(Exception):
    """The server answered with an error, not at all, or died."""


class Client:
    """One server process and the conversation with it."""

    def __init__(self, root: Path, settings: Mapping[str, object], command: Sequence[str]) -> None:
        self.root = root
        self.started = time.perf_counter()
        self.statuses: queue.Queue[tuple[float, Message]] = queue.Queue()
        self._settings = dict(settings)
        self._answers: dict[int, queue.Queue[tuple[float, Message]]] = {}
        self._lock = threading.Lock()  # guards _answers and _next
        self._writing = threading.Lock()  # apart from _lock: the reader must never wait for a full pipe
        self._next = 0
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._process.pid

    def __enter__(self) -> Client:
        self.initialize()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def initialize(self) -> None:
        """Shake hands as a client that watches files and shows progress."""
        uri = self.root.as_uri()
        capabilities = {
            "workspace": {
                "configuration": True,
                "workspaceFolders": True,
                "didChangeWatchedFiles": {"dynamicRegistration": True},
            },
            "window": {"workDoneProgress": True},
            "general": {"positionEncodings": ["utf-16"]},
        }
        params = {
            "processId": None,
            "rootUri": uri,
            "workspaceFolders": [{"uri": uri, "name": self.root.name}],
            "capabilities": capabilities,
            "initializationOptions": self._settings,
        }
        self.request("initialize", params)
        self.notify("initialized", {})

    def request(self, method: str, params: object) -> Any:  # noqa: ANN401 - whatever JSON the server sends
        """Send a request and return its result.

        Raises:
            ServerError: an error answer, no answer in time, or the server is gone.
        """
        return self.timed(method, params)[1]

    def timed(self, method: str, params: object) -> tuple[float, Any]:
        """(milliseconds from sending to arrival, result) of a request."""
        with self._lock:
            self._next += 1
            number = self._next
            box: queue.Queue[tuple[float, Message]] = queue.Queue(1)
            self._answers[number] = box
        sent = time.perf_counter()
        self._send({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        try:
            arrived, answer = box.get(timeout=PATIENCE)
        except queue.Empty:
            raise ServerError(f"no answer to {method} within {PATIENCE:.0f} s") from None
        if "error" in answer:
            raise ServerError(f"{method}: {answer['error'].get('message')}")
        return (arrived - sent) * 1000, answer.get("result")

    def notify(self, method: str, params: object) -> None:
        """Send a notification."""
        self._send({"jsonrpc": "2.0", "method": method, "params": params})

    def find(self, question: str) -> tuple[float, list[Message], Message]:
        """Ask by meaning: (milliseconds, symbols, index status)."""
        took, result = self.timed("workspace/semanticSymbol", {"query": question})
        return took, result["symbols"], result["index"]

    def wait_status(self, wanted: Callable[[Message], bool], seconds: float) -> float:
        """Wait for an index status that is `wanted`; return when it came (perf_counter). Older ones are used up.

        Raises:
            ServerError: none arrived in time.
        """
        end = time.perf_counter() + seconds
        while True:
            try:
                arrived, status = self.statuses.get(timeout=max(0.01, end - time.perf_counter()))
            except queue.Empty:
                raise ServerError(f"the awaited index status did not come within {seconds:.0f} s") from None
            if wanted(status):
                return arrived

    def forget_statuses(self) -> None:
        """Drop the index statuses that came so far."""
        while not self.statuses.empty():
            self.statuses.get_nowait()

    def close(self) -> None:
        """Shut the server down as a client does; kill it when it does not go."""
        try:
            self.request("shutdown", None)
            self.notify("exit", None)
            self._process.wait(timeout=10)
        except (ServerError, OSError, subprocess.TimeoutExpired) as error:
            print(f"the server did not shut down cleanly: {error}", file=sys.stderr)
            self._process.kill()
            self._process.wait()

    def _send(self, message: Message) -> None:
        body = json.dumps(message).encode("utf-8")
        pipe = self._process.stdin
        if pipe is None or self._process.poll() is not None:
            raise ServerError(f"the server has ended with status {self._process.returncode}")
        with self._writing:
            pipe.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
            pipe.flush()

    def _read(self) -> None:
        """Take messages in until the server closes its side."""
        pipe = self._process.stdout
        while pipe is not None:
            message = _read_message(pipe)
            if message is None:
                return
            self._take(time.perf_counter(), message)

    def _take(self, arrived: float, message: Message) -> None:
        if "method" not in message:
            with self._lock:
                box = self._answers.pop(message["id"], None)
            if box is not None:
                box.put((arrived, message))
        elif "id" in message:
            self._send({"jsonrpc": "2.0", "id": message["id"], "result": self._reply(message)})
        elif message["method"] == "semanticIndex/status":
            for folder in message["params"].get("folders", [message["params"]]):
                self.statuses.put((arrived, folder))

    def _reply(self, message: Message) -> object:
        if message["method"] == "workspace/configuration":
            return [self._settings for _ in message["params"]["items"]]
        return None


def _read_message(pipe: IO[bytes]) -> Message | None:
    """One message in the protocol's framing; None at the end."""
    length = 0
    while True:
        line = pipe.readline()
        if not line:
            return None
        if line in (b"\r\n", b"\n"):
            break
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    message: Message = json.loads(pipe.read(length))
    return message
