"""Announce: tells the client what the folders are doing.

Takes a word whenever a folder's state or figures may have changed, gives `semanticIndex/status` notifications (at once
when a state changes, else at most twice a second) and a progress bar for each look at a whole folder. Clients that know
no progress bars get none, those that decline our notification are not sent it. Decides nothing.
"""

import asyncio
import logging
import uuid
from pathlib import PurePath

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from lsp_server.background import Batched
from lsp_server.engine.update import Progress
from lsp_server.folder import Folder
from lsp_server.protocol import INDEX_STATUS, TAKES_STATUS, SemanticIndexResult, State
from lsp_server.workspace import Workspace

STATUS_SECONDS = 0.5  # between notifications while figures change
_SHOWN = ("read", "embed", "graph")  # phases of a pass that has something to do

_log = logging.getLogger(__name__)


class Announcer:
    """Speaks to the client about the folders of `workspace`."""

    def __init__(self, server: LanguageServer, workspace: Workspace) -> None:
        self._server = server
        self._workspace = workspace
        self._told: dict[Folder, State] = {}
        self._bars: dict[Folder, Bar] = {}
        self._is_silent = False
        self._sent: SemanticIndexResult = {"folders": [], "log": ""}
        self._figures = Batched(self._send_figures, STATUS_SECONDS, STATUS_SECONDS)

    def tell(self, folder: Folder) -> None:
        """Pass on what changed in a folder, or that it was closed."""
        if folder not in self._workspace.folders:
            self._told.pop(folder, None)
            if (bar := self._bars.pop(folder, None)) is not None:
                bar.end()
            self._send()
            return
        if knows_bars(self._server.client_capabilities):
            self._show_bar(folder)
        if self._told.get(folder) != folder.state:
            self._told[folder] = folder.state
            self._send()
        else:
            self._figures.ask()

    def folder_of(self, token: int | str) -> Folder | None:
        """Return the folder whose bar has this token."""
        return next((folder for folder, bar in self._bars.items() if bar.token == token), None)

    async def close(self) -> None:
        """Say no more."""
        self._is_silent = True
        await self._figures.close()

    async def _send_figures(self) -> None:
        if self._workspace.status() != self._sent:
            self._send()

    def _send(self) -> None:
        if not self._is_silent and takes_status(self._server.client_capabilities):
            self._sent = self._workspace.status()
            self._server.protocol.notify(INDEX_STATUS, self._sent)

    def _show_bar(self, folder: Folder) -> None:
        bar = self._bars.get(folder)
        if folder.state != "indexing":
            if bar is not None:
                self._bars.pop(folder).end()
        elif bar is not None:
            if folder.progress is not None:
                bar.move(*how_far(folder.progress))
        elif folder.looks_at_everything and folder.progress is not None and folder.progress.phase in _SHOWN:
            self._bars[folder] = Bar(self._server, f"Indexing {PurePath(folder.path).name}")


class Bar:
    """One progress bar, from its creation by the client to its end."""

    def __init__(self, server: LanguageServer, title: str) -> None:
        self.token = str(uuid.uuid4())
        self._server = server
        self._percentage = 0
        self._message = ""
        self._is_shown = self._is_over = False
        self._creation = asyncio.create_task(self._create(title))

    def move(self, share: int, message: str) -> None:
        """Move the bar to so many per cent; it never moves back."""
        if (share, message) == (self._percentage, self._message):
            return
        self._percentage, self._message = max(self._percentage, min(share, 100)), message
        if self._is_shown and not self._is_over:
            self._report(types.WorkDoneProgressReport(percentage=self._percentage, message=message, cancellable=True))

    def end(self) -> None:
        """Take the bar away."""
        self._is_over = True
        if self._is_shown:
            self._report(types.WorkDoneProgressEnd())

    async def _create(self, title: str) -> None:
        params = types.WorkDoneProgressCreateParams(token=self.token)
        try:
            await self._server.window_work_done_progress_create_async(params)
        except JsonRpcException as error:
            _log.info("the client shows no progress: %s", error)
            return
        if not self._is_over:
            self._is_shown = True
            self._report(
                types.WorkDoneProgressBegin(
                    title=title, cancellable=True, percentage=self._percentage, message=self._message
                )
            )

    def _report(
        self, value: types.WorkDoneProgressBegin | types.WorkDoneProgressReport | types.WorkDoneProgressEnd
    ) -> None:
        self._server.protocol.notify(types.PROGRESS, types.ProgressParams(token=self.token, value=value))


def how_far(progress: Progress) -> tuple[int, str]:
    """Return how many per cent of a look at a folder are done, and what of it.

    Embedding is what takes time. While files are still being read, the rest of them is taken to hold as many texts as
    those that were, so that the bar moves evenly from the beginning.
    """
    read = progress.files_done / max(progress.files_total, 1)
    share = int(100 * read * progress.texts_done / progress.texts_total) if progress.texts_total else 0
    message = f"{progress.files_done} of {progress.files_total} files"
    if progress.files_done == progress.files_total and progress.texts_total:
        message += f", {progress.texts_done} of {progress.texts_total} texts understood"
    return share, message


def knows_bars(capabilities: types.ClientCapabilities) -> bool:
    """Say whether a client shows progress that the server begins."""
    return bool(capabilities.window and capabilities.window.work_done_progress)


def takes_status(capabilities: types.ClientCapabilities) -> bool:
    """Say whether a client is sent our own notification: all are, but those that decline it (lsp-mode warns of it)."""
    declared = capabilities.experimental
    return not (isinstance(declared, dict) and declared.get(TAKES_STATUS) is False)
