"""Endpoint: texts are embedded by a server: Ollama, TEI, vLLM, llama.cpp, or whatever else speaks `/v1/embeddings`.

Takes the card of a server that the user has connected (`meaning-ls models connect`), gives unit vectors. Text goes to
this machine itself, or to a host that the user has allowed by its name, and to no other: where a server was written
down, and which hosts are allowed, stands in the user's own configuration, never in a project or in an editor's
settings. Redirects are not followed. What goes wrong is one sentence that names host and cure; keys are in none.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

import numpy as np

from lsp_server.engine.cache import config_home
from lsp_server.engine.card import CARD, CHARACTERS_PER_TOKEN, ENDPOINT, PROBE, Card, ModelError, brief, read_card
from lsp_server.engine.pooling import unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

SECONDS = 60.0  # without an answer for texts of an index: a server may have to load its model first
QUESTION_SECONDS = 5.0  # the same for a question, which is answered by words rather than waited for
REST_SECONDS = 10.0  # that questions are not tried after one of them failed
TRIES = 4  # of a request, where trouble may pass
WAITS = (1.0, 2.0, 4.0)  # seconds between them
LONGEST_WAIT = 60.0  # seconds that a server may ask for
LARGEST_ANSWER = 64_000_000  # bytes: 32 vectors of 4,096 numbers take 3 MB
PASSING = frozenset((408, 425, 429, 500, 502, 503, 504))
# Cosine to the vector that the server gave for the same text when it was connected: below it, that is another model.
SAME = 0.98

_HOSTS = "hosts.json"
log = logging.getLogger(__name__)


class Passing(ModelError):
    """Trouble that may pass; `seconds` is how long the server asks to wait."""

    def __init__(self, said: str, seconds: float = 0.0) -> None:
        super().__init__(said)
        self.seconds = seconds


class EndpointEncoder:
    """A server as a model. Raises ModelError if it was not connected, its host is not allowed, or it does not answer.

    Threads may ask at once, each its own request.
    """

    def __init__(self, card: Card) -> None:
        assert card.endpoint is not None
        self.card = card
        self.fingerprint = card.fingerprint()
        self.dim = card.dims
        self.max_tokens = card.max_tokens
        self.batch = card.endpoint.batch
        self._served = card.endpoint
        self._place = split_address(card.endpoint.url)
        if not is_allowed(self._place):
            raise ModelError(
                f"Texts would be sent to {host_of(self._place)}, which you have not allowed on this machine. "
                f"To allow it: meaning-ls models connect {card.endpoint.url} {card.endpoint.model}"
            )
        # Proxies are for other hosts; a redirect could lead anywhere.
        proxies = [urllib.request.ProxyHandler({})] if is_loopback(self._place) else []
        self._opener = urllib.request.build_opener(_NoRedirects, *proxies)
        self._lock = threading.Lock()
        self._resting = (0.0, "")  # until when questions are not tried, and why

    def encode(self, text: str) -> NDArray[np.float32]:
        """Embed a document: float32 [dim], unit length."""
        vector: NDArray[np.float32] = self.encode_batch([text])[0]
        return vector

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """Embed a question: float32 [dim], unit length. A server that did not answer is left alone for a while."""
        until, said = self._resting
        if time.monotonic() < until:
            raise ModelError(said)
        asked = self._cut(self.card.query_prefix + text, self.card.max_query_tokens)
        try:
            vector: NDArray[np.float32] = self._ask([asked], QUESTION_SECONDS)[0]
        except Passing as trouble:
            self._resting = (time.monotonic() + REST_SECONDS, str(trouble))
            raise ModelError(str(trouble)) from trouble
        return vector

    def encode_batch(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed documents: float32 [texts, dim], unit length. Trouble that may pass is waited for."""
        asked = [self._cut(self.card.document_prefix + text, self.card.max_tokens) for text in texts]
        for wait in (*WAITS, None):
            try:
                return self._ask(asked, SECONDS)
            except Passing as trouble:
                if wait is None or trouble.seconds > LONGEST_WAIT:
                    raise ModelError(str(trouble)) from trouble
                log.info("%s Trying again", trouble)
                time.sleep(trouble.seconds or wait)
        raise AssertionError

    def first(self, text: str) -> NDArray[np.float32]:
        """Embed a document by a server of which nobody knows yet how long its vectors are."""
        vector: NDArray[np.float32] = self._ask(
            [self._cut(self.card.document_prefix + text, self.max_tokens)], SECONDS, dims=0
        )[0]
        return vector

    def check(self) -> None:
        """See whether the server still gives the vectors that it gave when it was connected. Raises ModelError."""
        begins = np.array(self.card.probe, dtype=np.float32)
        found = self.encode(PROBE)[: begins.size]
        if found @ begins < SAME * np.linalg.norm(found) * np.linalg.norm(begins):
            raise ModelError(
                f"{self._who} gives other vectors than when it was connected: another model answers there as "
                f"{self._served.model!r}. To index with that one: meaning-ls models connect {self._served.url} "
                f"{self._served.model}"
            )

    # ---- one request

    def _ask(self, texts: Sequence[str], seconds: float, dims: int | None = None) -> NDArray[np.float32]:
        """Embed texts by one request; vectors must have `dims` numbers, 0 for any, by default those of the card."""
        body = json.dumps({"model": self._served.model, "input": list(texts), "encoding_format": "float"})
        headers = {"content-type": "application/json", "user-agent": "meaning-ls"}
        if key := self._key():
            headers["authorization"] = f"Bearer {key}"
        request = urllib.request.Request(self._served.url, body.encode("utf-8", "replace"), headers, method="POST")
        try:
            with self._opener.open(request, timeout=seconds) as response:
                data = response.read(LARGEST_ANSWER + 1)
        except urllib.error.HTTPError as error:
            with error:
                raise self._answered(error, key) from None
        except TimeoutError:
            raise Passing(f"{self._who} gave no answer within {seconds:.0f} seconds. {_LATER}") from None
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, TimeoutError):
                raise Passing(f"{self._who} gave no answer within {seconds:.0f} seconds. {_LATER}") from None
            said = brief(reason) if isinstance(reason, Exception) else str(reason)
            raise Passing(f"{self._who} cannot be reached ({said}). Is it running? {_LATER}") from None
        return self._vectors(data, len(texts), self.dim if dims is None else dims)

    def _key(self) -> str:
        name = self._served.key_variable
        if not name:
            return ""
        key = os.environ.get(name, "").strip()
        if not key:
            raise ModelError(
                f"{self._who} wants a key, and the environment variable {name} that should hold it is empty."
            )
        return key

    def _answered(self, error: urllib.error.HTTPError, key: str) -> ModelError:
        """Say what an answer that is an error means."""
        status = error.code
        if status in (401, 403):
            variable = self._served.key_variable
            cure = f"Check the key in {variable}." if variable else "Connect it again with --key-variable NAME."
            return ModelError(f"{self._who} refuses us ({status}). {cure}")
        if status == 404:
            return ModelError(
                f"{self._who} has no {self._place.path}, or no model {self._served.model!r} (404). Check both, or "
                "fetch the model there."
            )
        if status in PASSING:
            seconds = _retry_after(error.headers)
            asks = f", and asks to wait {seconds:,.0f} seconds" if seconds else ""
            what = "is asked too often" if status == 429 else "is in trouble"
            return Passing(f"{self._who} {what} ({status}{asks}). {_LATER}", seconds)
        if 300 <= status < 400:
            return ModelError(
                f"{self._who} sends us elsewhere ({status}), where no text goes. Connect the address that is meant."
            )
        return ModelError(f"{self._who} answers {status}: {_said(error, key)}. Connect it again with other options.")

    def _vectors(self, data: bytes, count: int, dims: int) -> NDArray[np.float32]:
        try:
            if len(data) > LARGEST_ANSWER:
                raise ValueError("it is too long")
            rows = sorted(json.loads(data)["data"], key=lambda row: int(row["index"]))
            with np.errstate(over="ignore"):  # what is too large for float32 is told as what it is: no number
                found = [np.asarray(row["embedding"], dtype=np.float32) for row in rows]
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise ModelError(
                f"{self._who} gives an answer that cannot be understood ({brief(error)}). Does it speak OpenAI's "
                "/v1/embeddings?"
            ) from None
        if len(found) != count:
            raise ModelError(f"{self._who} gives {len(found)} vectors for {count} texts. Connect another server.")
        for vector in found:
            if vector.ndim != 1 or vector.size != (dims or found[0].size):
                raise ModelError(
                    f"{self._who} gives {vector.size} numbers a text, where {dims or found[0].size} were expected. If "
                    f"its model was changed: meaning-ls models connect {self._served.url} {self._served.model}"
                )
            if not np.isfinite(vector).all() or not vector.any():
                raise ModelError(f"{self._who} gives a vector that is not a number. Choose another model there.")
        return unit(np.stack(found))

    def _cut(self, text: str, tokens: int) -> str:
        return text[: tokens * CHARACTERS_PER_TOKEN] or " "  # some servers refuse an empty text

    @property
    def _who(self) -> str:
        return f"The server at {host_of(self._place)}"


_LATER = "What is indexed stays as it is; try again later."


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        """Follow none: texts go where the user said, and nowhere else."""


def _retry_after(headers: Any) -> float:  # noqa: ANN401 - whatever headers an error has
    value = str((headers or {}).get("retry-after") or "")
    return float(value) if value.isdigit() else 0.0


def _said(error: urllib.error.HTTPError, key: str) -> str:
    """Return the beginning of what the server says, without our key."""
    try:
        text = error.read(2_000).decode("utf-8", "replace")
    except (OSError, HTTPException):
        return error.reason
    text = " ".join(text.split())[:200] or str(error.reason)
    return text.replace(key, "...") if key else text


# ---- addresses, and who may be sent text


def split_address(url: str) -> SplitResult:
    """Take the address of an endpoint apart. Raises ModelError for one that cannot be used."""
    try:
        place = urlsplit(url)
        _ = place.port
    except ValueError as error:
        raise ModelError(f"{url!r} is no address ({error}). Give one like http://localhost:11434/v1") from None
    if place.scheme not in ("http", "https") or not place.hostname:
        raise ModelError(f"{url!r} is no address of a server. Give one like http://localhost:11434/v1")
    if place.username or place.password:
        raise ModelError(
            "An address must hold no user and no password. Put a key into an environment variable, and "
            "name that with --key-variable."
        )
    if place.query or place.fragment:
        raise ModelError(
            f"The address of {place.hostname} must end with its path. Give one like http://localhost:11434/v1"
        )
    return place


def whole_address(url: str) -> str:
    """Return the address that texts are posted to, of one as servers tell it: with or without /v1 and /embeddings."""
    place = split_address(url.strip())
    path = place.path.rstrip("/")
    if not path.endswith("/embeddings"):
        path = f"{path or '/v1'}/embeddings"
    return place._replace(path=path).geturl()


def host_of(place: SplitResult) -> str:
    """Return host and port for people."""
    return place.netloc


def is_loopback(place: SplitResult) -> bool:
    """Return whether an address means this machine itself."""
    host = (place.hostname or "").rstrip(".")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_allowed(place: SplitResult) -> bool:
    """Return whether text may be sent there: to this machine, and to hosts that the user has allowed."""
    return is_loopback(place) or (place.hostname or "") in allowed_hosts()


def allowed_hosts() -> tuple[str, ...]:
    """Return the hosts that the user has allowed."""
    try:
        hosts = json.loads((config_home() / _HOSTS).read_text(encoding="utf-8"))
        return tuple(str(host) for host in hosts["allowed"])
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("%s is not used (%s): no host is allowed", config_home() / _HOSTS, error)
        return ()


def allow(host: str) -> None:
    """Remember that text may be sent to a host. Raises ModelError when that cannot be written down."""
    hosts = sorted({*allowed_hosts(), host})
    write_privately(config_home() / _HOSTS, json.dumps({"allowed": hosts}, indent=1) + "\n")


def write_privately(path: Path, text: str) -> None:
    """Write a file that its owner alone reads, whole or not at all. Raises ModelError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        written = path.with_name(f".{path.name}-new")
        written.unlink(missing_ok=True)
        written.touch(mode=0o600)
        written.write_text(text, encoding="utf-8")
        written.replace(path)
    except OSError as error:
        raise ModelError(f"{path} cannot be written ({error.strerror}). Nothing was changed.") from error


# ---- what is connected


def endpoints_home() -> Path:
    """Return the folder that holds the cards of connected servers, one folder each."""
    return config_home() / "endpoints"


def is_connected(folder: Path) -> bool:
    """Return whether a card lies where `models connect` has put it: one from anywhere else is not believed."""
    return folder.absolute().parent == endpoints_home().absolute() and not folder.is_symlink()


def open_endpoint(folder: Path) -> EndpointEncoder:
    """Connect to the server of a card, and see whether it is the one that it was. Raises ModelError."""
    if not is_connected(folder):
        raise ModelError(
            f"{folder / CARD} names a server, and text is sent only to servers that you have connected yourself: "
            "meaning-ls models connect URL MODEL"
        )
    card = read_card(folder)
    assert card.kind == ENDPOINT
    encoder = EndpointEncoder(card)
    encoder.check()
    return encoder
