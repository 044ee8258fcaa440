"""Session: one client, with what it has open, what it was told and who answers it.

Takes what handlers of server.py know of the client, gives them documents, folders and answers, and speaks to the client
where LSP lets a server ask: settings, registrations, messages, opening a place. A client that cannot do something, or
answers with an error, goes without; nothing here raises for that.
"""

import asyncio
import logging
import os
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import psutil
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from lsp_server import __version__, jsonrpc, protocol
from lsp_server.announce import Announcer
from lsp_server.answers import Answers
from lsp_server.convert import to_path
from lsp_server.documents import Documents
from lsp_server.engine.index import Options
from lsp_server.engine.log import log_to_file
from lsp_server.fetching import Fetching
from lsp_server.folder import Folder
from lsp_server.guard import Author, guard
from lsp_server.offering import Offering
from lsp_server.protocol import Location, Range, SemanticSymbol, Token
from lsp_server.settings import SECTION, Settings, from_options, read_settings
from lsp_server.workspace import Workspace

NAME = "meaning-ls"
GOODBYE_SECONDS = 3.0  # after the client has gone, whatever still runs is ended
WATCH_SECONDS = 2.0  # between two looks at whether the client's process still lives
CONFIGURATION_SECONDS = 3.0  # a client that does not answer for so long is served with the defaults
_NOTEBOOKS = types.NotebookDocumentSyncOptions(
    notebook_selector=[types.NotebookDocumentFilterWithNotebook(notebook="*")], save=True
)

_log = logging.getLogger(__name__)


class Session(LanguageServer):
    """The server of one client: what it has open, what it was told, and who answers."""

    protocol: jsonrpc.Protocol

    def __init__(self, options: Options) -> None:
        super().__init__(NAME, __version__, protocol_cls=jsonrpc.Protocol, notebook_document_sync=_NOTEBOOKS)
        self.protocol.experimental = protocol.CAPABILITY
        self.documents = Documents()
        self.folders = Workspace(from_options(options), self._tell)
        self.answers = Answers(self.folders, self.documents)
        self.announcer = Announcer(self, self.folders)
        self.fetching = Fetching(self)
        self.offering = Offering(self, self.folders, self.fetching, self.reopen)
        self.base = self.folders.settings  # what holds when the client's settings say nothing
        self.author = Author.ANYBODY  # of what the client says when it is asked for settings
        self.named: tuple[str, ...] = ()  # the folders that `initialize` names, opened after `initialized`
        self.troubles: list[str] = []  # with those settings, told once the client listens
        self._conversation: asyncio.Task[Any] | None = None
        self._complaints: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside the conversation."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("background work failed", exc_info=error)

    def report_server_error(self, error: Exception, source: type[Exception]) -> None:
        """Write trouble to the log; pygls would show it to the user, once per message."""
        _log.error("%s", source.__name__, exc_info=error)

    async def start(self) -> None:
        """Open what the client has named, with the settings that it has."""
        await self.configure(None)
        for uri in self.named:
            self.folders.add(uri, self.documents)
        self.folders.is_starting = False
        self.search_what_is_open()

    def search_what_is_open(self) -> None:
        """Have open texts searched instead of their files, in folders that may be new."""
        for uri in self.documents.uris():
            self.folders.edited(uri, self.documents.get(uri))

    async def configure(self, sent: object) -> None:
        """Take the client's settings: those it is asked for, or those it sent if it cannot be asked."""
        settings, troubles = self.read_settings(await self._configuration() or sent, self.author)
        self.complain([*self.troubles, *troubles])
        set_level(settings.trace)
        log_to_file(settings.cache_dir, "server")
        await self.folders.configure(settings, self.documents)
        self.search_what_is_open()

    def read_settings(self, sent: object, author: Author) -> tuple[Settings, list[str]]:
        """Lay a client's settings over those that hold without them; gives a sentence for each that is not taken."""
        settings, troubles = read_settings(sent, self.base)
        uris = (*self.named, *(folder.uri for folder in self.folders.folders))
        projects = [path for uri in uris if (path := to_path(uri)) is not None]
        settings, refused = guard(settings, self.base, author, projects)
        return settings, troubles + refused

    async def _configuration(self) -> object:
        if not (self.client_capabilities.workspace and self.client_capabilities.workspace.configuration):
            return None
        params = types.ConfigurationParams(items=[types.ConfigurationItem(section=SECTION)])
        try:
            answer = await asyncio.wait_for(self.workspace_configuration_async(params), CONFIGURATION_SECONDS)
        except (JsonRpcException, TimeoutError) as error:
            _log.warning("the client does not give its settings: %r", error)
            return None
        return answer[0] if answer else None

    async def register(self, method: str, options: object = None) -> None:
        """Ask the client for notifications; one that refuses goes without."""
        registration = types.Registration(id=f"{NAME}:{method}", method=method, register_options=options)
        try:
            await self.client_register_capability_async(types.RegistrationParams(registrations=[registration]))
        except JsonRpcException as error:
            _log.info("the client does not register %s: %s", method, error)

    def complain(self, sentences: list[str]) -> None:
        """Tell the user what is wrong, each thing once."""
        for sentence in dict.fromkeys(sentences):
            if sentence not in self._complaints:
                self._complaints.add(sentence)
                params = types.ShowMessageParams(types.MessageType.Warning, f"{NAME}: {sentence}")
                self.window_show_message(params)

    async def show(self, location: Location, selection: Range) -> bool:
        """Open a place in the editor, if it can do that."""
        window = self.client_capabilities.window
        if window is None or window.show_document is None or not window.show_document.support:
            return False
        start, end = (types.Position(**selection[side]) for side in ("start", "end"))
        params = types.ShowDocumentParams(location["uri"], take_focus=True, selection=types.Range(start, end))
        try:
            result = await self.window_show_document_async(params)
        except JsonRpcException as error:
            _log.info("the client does not show %s: %s", location["uri"], error)
            return False
        return bool(result.success)

    async def converse(self, reader: asyncio.StreamReader, writer: Any) -> int:  # noqa: ANN401 - pygls's writers
        """Handle messages until the client leaves. Returns the exit code."""
        self.protocol.set_writer(writer)
        self._conversation = asyncio.current_task()
        try:
            while not self.protocol.ended and (body := await jsonrpc.read_body(reader)) is not None:
                self.protocol.receive(body)
                await asyncio.sleep(0)  # handlers get their turn, however fast messages come
        except (asyncio.CancelledError, ConnectionError):
            _log.info("the client has gone")
        finally:
            end = threading.Timer(GOODBYE_SECONDS, os._exit, (self.protocol.exit_code,))
            end.daemon = True
            end.start()
            await self.close()
            writer.close()
        return self.protocol.exit_code

    async def follow(self, process_id: int) -> None:
        """Leave when the client's process has died; some child of its may still hold our pipes open.

        An id that is none of our ancestors' may come from another machine or container: such a client is not followed.
        """
        client = next((parent for parent in psutil.Process().parents() if parent.pid == process_id), None)
        while client is not None and client.is_running():  # False for an id that was given to another process since
            await asyncio.sleep(WATCH_SECONDS)
        if client is not None and self._conversation is not None:
            self._conversation.cancel()

    async def close(self) -> None:
        """Let go of everything."""
        for task in self._tasks:
            task.cancel()
        self.fetching.close()
        await self.announcer.close()
        await self.folders.close()
        self.answers.close()

    def send_partial(self, token: Token, symbols: list[SemanticSymbol]) -> None:
        """Send the rows that are known so far."""
        self.protocol.notify(types.PROGRESS, types.ProgressParams(token, {"symbols": symbols}))

    @contextmanager
    def reporting(self, token: Token | None, title: str) -> Iterator[None]:
        """Tell a client that asked for it that work has begun and ended."""
        if token is None:
            yield
            return
        self.protocol.notify(types.PROGRESS, types.ProgressParams(token, types.WorkDoneProgressBegin(title=title)))
        try:
            yield
        finally:
            self.protocol.notify(types.PROGRESS, types.ProgressParams(token, types.WorkDoneProgressEnd()))

    async def reopen(self) -> None:
        """Open the folders anew."""
        await self.folders.reopen(self.documents)
        self.search_what_is_open()

    def _tell(self, folder: Folder) -> None:
        self.announcer.tell(folder)
        if self.offering.is_due(folder):
            self.spawn(self.offering.make(folder))


def set_level(trace: str) -> None:
    """Have more or less written to the log: "off", "messages" or "verbose", which shows every message."""
    logging.getLogger("lsp_server").setLevel(logging.INFO if trace == "off" else logging.DEBUG)
    logging.getLogger("pygls").setLevel(logging.INFO if trace == "verbose" else logging.CRITICAL)
