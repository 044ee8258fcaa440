"""JSON-RPC, as the specification has it, on top of pygls.

Takes bytes from the client, gives each message to its handler and exactly one answer to each request. pygls does most
of it; what it leaves out is here: requests before `initialize` and after `shutdown`, malformed params (pygls never
answers them), answers without tracebacks, and reading and writing on threads of our own, so that neither a slow client
nor a handler can stall the other. Knows no method of ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import queue
import re
import threading
from collections.abc import Callable, Generator
from typing import Any, BinaryIO

from cattrs import Converter, transform_error
from lsprotocol import types
from pygls.exceptions import (
    JsonRpcException,
    JsonRpcInternalError,
    JsonRpcInvalidParams,
    JsonRpcInvalidRequest,
    JsonRpcParseError,
    JsonRpcRequestCancelled,
    JsonRpcServerNotInitialized,
)
from pygls.lsp.server import LanguageServer
from pygls.protocol import JsonRPCNotification, JsonRPCRequestMessage, LanguageServerProtocol, lsp_method

MAX_BODY = 2**30  # bytes of one message; more is a client gone wild
MAX_HEADER = 2**20
READ_BYTES = 2**16
FLUSH_SECONDS = 2.0  # how long the last answers may take to leave when we end

# At the end of a line, whatever stands before it: behind a body longer than it was said to be the next header begins
# in the middle of a line, and nothing would ever be understood again.
_LENGTH = re.compile(rb"content-length[ \t]*:[ \t]*(\d{1,20})\s*$", re.IGNORECASE)

# pygls keeps documents and folders of its own for these; ours are in documents.py and workspace.py.
_OURS = (
    types.TEXT_DOCUMENT_DID_OPEN,
    types.TEXT_DOCUMENT_DID_CHANGE,
    types.TEXT_DOCUMENT_DID_CLOSE,
    types.NOTEBOOK_DOCUMENT_DID_OPEN,
    types.NOTEBOOK_DOCUMENT_DID_CHANGE,
    types.NOTEBOOK_DOCUMENT_DID_CLOSE,
    types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS,
    types.WINDOW_WORK_DONE_PROGRESS_CANCEL,
)

_log = logging.getLogger(__name__)


class Protocol(LanguageServerProtocol):
    """Receives messages, sends answers. `experimental` is added to the capabilities that pygls works out."""

    experimental: dict[str, Any] = {}  # noqa: RUF012 - replaced, never changed
    _leaving = False  # `shutdown` was received; pygls notes it only when that has been done

    def __init__(self, server: LanguageServer, converter: Converter) -> None:
        super().__init__(server, converter)
        for method in _OURS:
            self.fm.builtin_features.pop(method)
        self.ended = False  # `exit` was received
        self._initialized = False
        self._asking: Any = None  # the future of the request whose command is being started

    @property
    def exit_code(self) -> int:
        """0 when the client asked to shut down before it left, as the specification says."""
        return 0 if self._leaving else 1

    def receive(self, body: bytes) -> None:
        """Handle the body of one message. Never raises."""
        try:
            message = json.loads(body)
        except (ValueError, RecursionError) as error:
            self._refuse(None, JsonRpcParseError(f"The message is no JSON: {error}"))
            return
        if not isinstance(message, dict) or message.get("jsonrpc") != self.VERSION:
            self._refuse(None, JsonRpcInvalidRequest("The message is no JSON-RPC 2.0 object."))
            return
        method, msg_id = message.get("method"), message.get("id")
        if method is None and ("result" in message or "error" in message):
            self._receive_response(message)
        elif "id" in message and (isinstance(msg_id, bool) or not isinstance(msg_id, int | str)):
            self._refuse(None, JsonRpcInvalidRequest("The id of a request must be a number or a string."))
        elif not isinstance(method, str):
            self._refuse(msg_id, JsonRpcInvalidRequest("The method of a request must be a string."))
        elif msg_id is None:
            self._receive_notification(method, message)
        else:
            self._receive_request(method, message)

    def _receive_request(self, method: str, message: dict[str, Any]) -> None:
        untimely = self._out_of_turn(method)
        if untimely is not None:
            self._refuse(message["id"], untimely)
            return
        try:
            typed = self._typed(method, message, JsonRPCRequestMessage)
        except JsonRpcException as error:
            self._refuse(message["id"], _explained(error))
            return
        self._initialized = self._initialized or method == types.INITIALIZE
        self._leaving = method == types.SHUTDOWN
        self.handle_message(typed)

    def _receive_notification(self, method: str, message: dict[str, Any]) -> None:
        if method != types.EXIT and self._out_of_turn(method) is not None:
            return
        try:
            self.handle_message(self._typed(method, message, JsonRPCNotification))
        except JsonRpcException as error:
            _log.warning("a malformed notification %s is passed over: %s", method, _explained(error))
        except Exception:  # noqa: BLE001 - pygls looks up what it is told to cancel, even what cannot be a key
            _log.exception("a notification %s is passed over", method)

    def _receive_response(self, message: dict[str, Any]) -> None:
        try:
            self.handle_message(super().structure_message(message))
        except Exception as error:  # noqa: BLE001 - whatever a client makes of an answer, who waits must hear of it
            _log.warning("a malformed response is taken as an error: %s", error)
            if isinstance(message.get("id"), int | str):
                trouble = JsonRpcInternalError("malformed response").to_response_error()
                self._handle_response(message["id"], None, trouble)

    def _typed(self, method: str, message: dict[str, Any], plain: type) -> Any:  # noqa: ANN401 - lsprotocol's types
        """Give a message its type; the params of methods that are not LSP's own stay plain JSON."""
        if method == types.INITIALIZE:
            return self._typed_initialize(message)
        if self.get_message_type(method) is not None:
            return super().structure_message(message)
        known = {key: message[key] for key in ("id", "method", "jsonrpc") if key in message}
        return plain(**known, params=message.get("params"))

    def _typed_initialize(self, message: dict[str, Any]) -> Any:  # noqa: ANN401
        """Leave out what lsprotocol does not know: a newer client lists kinds and tags that did not exist before."""
        while True:
            try:
                return super().structure_message(message)
            except JsonRpcException as error:
                paths = [] if error.__cause__ is None else _paths(error.__cause__)
                if not any([_drop(message, path) for path in reversed(paths)]):
                    raise
                _log.info("what the client says of %s is passed over", ", ".join(map(_wire_name, paths)))

    def _out_of_turn(self, method: str) -> JsonRpcException | None:
        if self._leaving:
            return JsonRpcInvalidRequest("The server is shutting down.")
        if self._initialized and method == types.INITIALIZE:
            return JsonRpcInvalidRequest("The server is initialized already.")
        if not self._initialized and method != types.INITIALIZE:
            return JsonRpcServerNotInitialized("The first request must be 'initialize'.")
        return None

    def _refuse(self, msg_id: int | str | None, error: JsonRpcException) -> None:
        _log.warning("refused: %s", error.message)
        # Plain JSON: lsprotocol would leave out an id of null, which JSON-RPC wants to be there.
        answer = {"code": error.code, "message": error.message}
        self._send_data({"jsonrpc": self.VERSION, "id": msg_id, "error": answer})

    def _execute_handler(self, msg_id: int | str, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - pygls's
        """Start a handler. Unlike pygls's it is forgotten when it is done, and a command ends with its request."""
        super()._execute_handler(msg_id, *args, **kwargs)
        if (future := self._request_futures.get(msg_id)) is None:
            return
        future.add_done_callback(lambda _: self._request_futures.pop(msg_id, None))
        if (asking := self._asking) is not None:
            asking.add_done_callback(lambda _: future.cancel() if asking.cancelled() else None)

    def _run_generator(self, future: Any, *, gen: Any, result_future: Any) -> None:  # noqa: ANN401 - pygls's
        """Go on with a request that pygls passes to another handler: that of a command."""
        before, self._asking = self._asking, result_future
        try:
            super()._run_generator(future, gen=gen, result_future=result_future)
        except asyncio.CancelledError:  # the client left amid it
            result_future.cancel()
        finally:
            self._asking = before

    def _send_handler_result(self, future: Any, *, msg_id: int | str) -> None:  # noqa: ANN401 - two kinds of future
        """Send the one answer of a request. Unlike that of pygls, it shows no traceback to the user."""
        self._request_futures.pop(msg_id, None)
        if future.cancelled():
            error: JsonRpcException = JsonRpcRequestCancelled("The request was cancelled.")
        elif (failure := future.exception()) is None:
            self._send_response(msg_id, result=future.result())
            return
        elif isinstance(failure, JsonRpcException):
            error = failure
        else:
            _log.error("a request failed", exc_info=failure)
            error = JsonRpcInternalError("meaning-ls could not answer this; its log says why.")
        self._send_response(msg_id, error=error.to_response_error())

    @lsp_method(types.INITIALIZE)
    def lsp_initialize(self, params: types.InitializeParams) -> Generator[Any, Any, types.InitializeResult]:
        """Answer `initialize` with the capabilities that pygls works out and what it has no words for."""
        result = yield from super().lsp_initialize(params)
        result.capabilities.experimental = self.experimental
        if isinstance(result.capabilities.workspace_symbol_provider, types.WorkspaceSymbolOptions):
            # VS Code asks to resolve if this is there at all, and an error in resolving blocks the jump.
            result.capabilities.workspace_symbol_provider.resolve_provider = None
        return result

    @lsp_method(types.SHUTDOWN)
    def lsp_shutdown(self, *args: object) -> Generator[Any, Any, None]:
        """Have everything let go of, and cancel what is still being answered: a copy, for each takes itself out."""
        yield self.fm.features[types.SHUTDOWN], args, None
        own = self._request_futures.get(self.msg_id) if self.msg_id is not None else None
        for future in [*self._request_futures.values()]:
            if future is not own:
                future.cancel()
        self._shutdown = True

    @lsp_method(types.EXIT)
    def lsp_exit(self, *args: object) -> None:  # type: ignore[override]  # a plain function is as good to pygls
        """End after this message, in order; pygls would leave by an exception."""
        self.ended = True


def _explained(error: JsonRpcException) -> JsonRpcException:
    """Say which field was wrong, as far as the converter knows."""
    cause = error.__cause__
    if cause is None:
        return error
    reasons = (reason.partition(" @ ") for reason in transform_error(cause))
    return JsonRpcInvalidParams("; ".join(f"{_wire_name(field)}: {trouble}" for trouble, _, field in reasons))


def _paths(cause: BaseException) -> list[str]:
    return [reason.partition(" @ ")[2] for reason in transform_error(cause)]


def _drop(message: dict[str, Any], path: str) -> bool:
    """Take what stands at a path ("$.params.value_set[3]") out of a message; say whether it was there."""
    steps = re.findall(r"\w+", _wire_name(path.removeprefix("$.params")))
    place: Any = message.get("params")
    try:
        for step in steps[:-1]:
            place = place[int(step) if isinstance(place, list) else step]
        del place[int(steps[-1]) if isinstance(place, list) else steps[-1]]
    except (LookupError, TypeError, ValueError):
        return False
    return True


def _wire_name(field: str) -> str:
    """Turn the converter's name of a field into that of the wire: "$.params.text_document" into "textDocument"."""
    name = field.removeprefix("$.").removeprefix("params.")
    return re.sub(r"_([a-z])", lambda found: found.group(1).upper(), name)


# ---- reading and writing


async def read_body(reader: asyncio.StreamReader) -> bytes | None:
    """Read the body of the next message; None when the client has gone. Lines that are no header are passed over."""
    length = -1
    while True:
        try:
            line = await reader.readline()
        except ValueError:  # a line longer than MAX_HEADER
            continue
        if not line:
            return None
        if (header := _LENGTH.search(line)) is not None:
            length = int(header[1])
        elif not line.strip() and length >= 0:
            break
    if length > MAX_BODY:
        _log.error("a message of %d bytes is too long; the connection ends", length)
        return None
    try:
        return await reader.readexactly(length)
    except asyncio.IncompleteReadError:
        return None


def read_stream(stream: BinaryIO) -> asyncio.StreamReader:
    """Read a pipe or file on a thread of its own, which never keeps the process alive."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=MAX_HEADER)

    def pump() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            with contextlib.suppress(OSError):  # the pipe broke
                while data := os.read(stream.fileno(), READ_BYTES):
                    loop.call_soon_threadsafe(reader.feed_data, data)
            loop.call_soon_threadsafe(reader.feed_eof)

    threading.Thread(target=pump, name="input", daemon=True).start()
    return reader


class ThreadedWriter:
    """Writes to a pipe or file on a thread of its own, so that a client that does not read stalls nobody."""

    def __init__(self, stream: BinaryIO, broken: Callable[[], object]) -> None:
        self._stream = stream
        self._broken = broken
        self._queue: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="output", daemon=True)
        self._thread.start()

    def write(self, data: bytes) -> None:
        """Send some bytes, soon."""
        self._queue.put(data)

    def close(self) -> None:
        """Wait a moment until all is sent."""
        self._queue.put(b"")
        self._thread.join(FLUSH_SECONDS)

    def _run(self) -> None:
        try:
            while data := self._queue.get():
                self._stream.write(data)
                self._stream.flush()
        except (OSError, ValueError):
            _log.info("the client no longer listens")
            self._broken()
