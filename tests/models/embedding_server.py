"""A server that embeds, on the loopback interface: OpenAI's `/v1/embeddings` by the bundled model, and bad at times.

Faults are queued and used up one request at a time.
"""

import json
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from lsp_server.engine.encoder import Encoder

MODEL = "all-minilm"


@dataclass
class Fault:
    """What is wrong with one answer."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    slow: float = 0.0
    hang_up: bool = False


class EmbeddingServer:
    """Use as a context; `url` is what a user would give, `key` is asked for unless it is empty."""

    def __init__(self, encoder: Encoder, key: str = "") -> None:
        self.encoder, self.key = encoder, key
        self.faults: deque[Fault] = deque()
        self.always: Fault | None = None
        self.dims: int | None = None  # to which vectors are cut
        self.poison: object = None  # stands in the place of a number of the vectors
        self.turned = False  # another model answers: numbers come in another order
        self.requests: list[dict[str, object]] = []
        self.authorizations: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"owner": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def texts(self) -> list[str]:
        """All texts that were sent."""
        return [text for request in self.requests for text in request["input"]]

    def __enter__(self) -> "EmbeddingServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def vectors(self, texts: list[str]) -> list[list[float]]:
        found = []
        for text in texts:
            vector = self.encoder.encode(text)[: self.dims].tolist()
            vector = vector[::-1] if self.turned else vector
            found.append([3 * number for number in vector])  # not every server gives unit vectors
            if self.poison is not None:
                found[-1][1] = self.poison
        return found


class Handler(BaseHTTPRequestHandler):
    owner: EmbeddingServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        owner = self.owner
        owner.requests.append(asked)
        owner.authorizations.append(self.headers.get("authorization", ""))
        fault = owner.always or (owner.faults.popleft() if owner.faults else Fault())
        try:
            if fault.hang_up:
                self.close_connection = True
                return
            time.sleep(fault.slow)
            self.answer(*self.judge(asked, fault), fault.headers)
        except (BrokenPipeError, ConnectionResetError):  # the client has gone, as some tests want it
            self.close_connection = True

    def judge(self, asked: dict[str, object], fault: Fault) -> tuple[int, bytes]:
        owner = self.owner
        if owner.key and self.headers.get("authorization") != f"Bearer {owner.key}":
            return 401, b'{"error": {"message": "Incorrect API key provided."}}'
        if self.path != "/v1/embeddings" or asked["model"] != MODEL:
            return 404, b'{"error": {"message": "not found"}}'
        if fault.status != 200 or fault.body is not None:
            return fault.status, fault.body or b'{"error": {"message": "no"}}'
        rows = [
            {"object": "embedding", "index": at, "embedding": vector}
            for at, vector in enumerate(owner.vectors(asked["input"]))
        ]
        return 200, json.dumps({"object": "list", "data": rows[::-1], "model": MODEL}).encode()

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
