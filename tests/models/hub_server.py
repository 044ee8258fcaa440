"""A hub on the loopback interface: it speaks what huggingface_hub asks for, and can be as bad as networks are.

`GET /api/models/REPO/revision/REV?blobs=true` lists files, `GET /REPO/resolve/REV/PATH` sends large ones on to another
host, as the real hub does. Faults are queued per path and used up one request at a time.
"""

import hashlib
import json
import threading
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Fault:
    """What is wrong with one answer."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = -1  # the connection ends after so many bytes
    flip: bool = False  # one bit is wrong
    slow: float = 0  # seconds between pieces of 64 KB
    ignores_range: bool = False


class Hub:
    """Repositories of files. Use as a context; `url` is what HF_ENDPOINT shall say."""

    def __init__(self) -> None:
        self.repos: dict[str, dict[str, bytes]] = {}
        self.gated: set[str] = set()
        self.tokens = {"hf_right"}
        self.faults: dict[str, deque[Fault]] = defaultdict(deque)  # by path in the repository, "" for the listing
        self.requests: list[tuple[str, str, dict[str, str]]] = []  # host, path, headers
        self.pages: dict[str, bytes] = {}  # by path, "" for the listing: what is given instead, as it were right
        self.sizes: dict[str, int] = {}  # what the listing says instead of the truth
        self.sending = threading.Event()  # set when the bytes of a file begin to go out
        self._servers = [
            ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": self, "host": name}))
            for name in ("hub", "storage")
        ]
        self._threads = [threading.Thread(target=server.serve_forever, args=(0.02,)) for server in self._servers]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._servers[0].server_port}"

    @property
    def storage(self) -> str:
        return f"http://127.0.0.1:{self._servers[1].server_port}"

    def __enter__(self) -> "Hub":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for server, thread in zip(self._servers, self._threads, strict=True):
            server.shutdown()
            thread.join()
            server.server_close()

    def asked(self, path: str) -> list[dict[str, str]]:
        """Return the headers of the requests for a file's bytes."""
        return [headers for host, asked, headers in self.requests if host == "storage" and asked.endswith(path)]

    def listing(self, repo: str) -> dict[str, object]:
        siblings = []
        for path, data in self.repos[repo].items():
            size = self.sizes.get(path, len(data))
            git = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            sibling: dict[str, object] = {"rfilename": path, "size": size, "blobId": git}
            if is_large(path):
                sibling["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": size, "pointerSize": 130}
            siblings.append(sibling)
        return {"id": repo, "modelId": repo, "sha": COMMIT, "private": False, "tags": [], "siblings": siblings}


class Handler(BaseHTTPRequestHandler):
    """Answers as the hub, or as the storage behind it."""

    hub: Hub
    host: str
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.hub.requests.append((self.host, path, headers))
        try:
            if self.host == "storage":
                self.bytes(path, headers)
            elif path.startswith("/api/models/"):
                self.list(path.removeprefix("/api/models/"))
            else:
                self.resolve(path, headers)
        except (BrokenPipeError, ConnectionResetError):  # the client has gone, as some tests want it
            self.close_connection = True

    def list(self, path: str) -> None:
        repo, _, revision = path.partition("/revision/")
        fault = self.fault("")
        if fault.status != 200:
            self.error(fault.status, fault.headers)
        elif "" in self.hub.pages:
            self.answer(200, self.hub.pages[""], {"Content-Type": "text/html"})
        elif repo not in self.hub.repos:
            self.error(401, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"})
        elif revision not in ("", "main", COMMIT) and len(revision) != 40:
            self.error(404, {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "Invalid rev id"})
        else:
            self.answer(200, json.dumps(self.hub.listing(repo)).encode(), {"Content-Type": "application/json"})

    def resolve(self, path: str, headers: dict[str, str]) -> None:
        repo, _, rest = path.strip("/").partition("/resolve/")
        name = rest.partition("/")[2]
        if repo not in self.hub.repos:
            self.error(401, {"X-Error-Code": "RepoNotFound"})
        elif repo in self.hub.gated and headers.get("authorization", "")[len("Bearer ") :] not in self.hub.tokens:
            self.error(401, {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access to this is restricted."})
        elif name not in self.hub.repos[repo]:
            self.error(404, {"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found"})
        else:
            self.answer(302, b"", {"Location": f"{self.hub.storage}/{repo}/{name}", "X-Repo-Commit": COMMIT})

    def bytes(self, path: str, headers: dict[str, str]) -> None:
        owner, repo, name = path.strip("/").split("/", 2)
        data, fault = self.hub.repos[f"{owner}/{repo}"][name], self.fault(name)
        if fault.status != 200:
            self.error(fault.status, fault.headers)
            return
        if name in self.hub.pages:
            self.answer(200, self.hub.pages[name], {"Content-Type": "text/html"})
            return
        if fault.flip:
            data = bytes([data[0] ^ 1]) + data[1:]
        start = 0 if fault.ignores_range else int(headers.get("range", "bytes=0-")[6:].rstrip("-"))
        if start >= len(data) > 0:
            self.error(416, {"Content-Range": f"bytes */{len(data)}"})
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        self.hub.sending.set()
        rest = data[start:] if fault.cut < 0 else data[start : start + fault.cut]
        for at in range(0, len(rest), 1 << 16):
            self.wfile.write(rest[at : at + (1 << 16)])
            time.sleep(fault.slow)
        if fault.cut >= 0:
            self.close_connection = True

    def fault(self, name: str) -> Fault:
        queue = self.hub.faults[name]
        return queue.popleft() if queue else Fault()

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def error(self, status: int, headers: dict[str, str]) -> None:
        self.answer(status, b'{"error": "no"}', headers | {"Content-Type": "application/json"})


def is_large(path: str) -> bool:
    """Say whether the hub keeps a file with Git LFS."""
    return path.endswith((".onnx", ".onnx_data", ".safetensors"))
