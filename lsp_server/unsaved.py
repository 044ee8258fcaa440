"""Unsaved: the open documents of one folder, searched instead of their files.

Takes documents as they are edited, gives their texts to the folder's index a little after the last keystroke: found by
words at once, by meaning as soon as they are embedded. A text that is what the index holds is not laid over anything,
so every open document may be told of, dirty or not.
"""

import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from lsp_server.background import Batched
from lsp_server.documents import Document
from lsp_server.engine.errors import EngineError
from lsp_server.engine.index import Index

LAY_SECONDS, LAY_DELAY = 0.3, 0.15  # between looks at unsaved texts, and after the last keystroke
EMBED_SECONDS = 0.2  # of embedding at a time: other work of the folder waits no longer
READING_SECONDS = 120.0  # without edits; then the process that reads texts is ended

_log = logging.getLogger(__name__)


class Unsaved:
    """What is open in a folder. `apart` runs something slow on the folder's thread."""

    def __init__(self, apart: Callable[[Callable[[], Any]], Awaitable[Any]]) -> None:
        self._apart = apart
        self._index: Index | None = None
        self._edited: dict[str, Document | None] = {}  # to be looked at; None: closed
        self._open: dict[str, Document] = {}  # that are laid over; a text as it is stored follows its file instead
        self._saved: set[str] = set()  # whose files answer again when they were read
        self._laid = float("inf")  # when a text was last given to the index
        self._laying = Batched(self._lay, LAY_SECONDS, LAY_DELAY)

    def begin(self, index: Index) -> None:
        """Lay over an index that is open now."""
        self._index = index
        self._laying.ask()

    def edited(self, path: str, document: Document | None) -> None:
        """Have a document searched instead of its file, None when it was closed."""
        self._edited[path] = document
        self._open.pop(path, None)
        self._saved.discard(path)
        self._laying.ask()

    def saved(self, path: str) -> None:
        """Have a file answer again once it was read. A text that the file holds as it is needs no such word."""
        self._saved.add(path)

    def hurry(self) -> None:
        """Lay over what was edited now: it is being saved, and must not hide what comes of that."""
        if self._edited:
            self._laying.hurry()

    def look_again(self) -> None:
        """Look at what is laid over, for the index has changed: what was saved need not be laid over any more."""
        if self._open:
            read = dict.fromkeys(self._saved & self._open.keys())
            self._edited = {**self._open, **read, **self._edited}
            self._saved -= read.keys()
            self._laying.ask()

    async def rest(self) -> None:
        """End the process that reads texts when nothing was edited for a while."""
        if self._index is not None and time.monotonic() - self._laid > READING_SECONDS:
            self._laid = float("inf")
            await self._apart(self._index.stop_reading)

    async def close(self) -> None:
        """Lay over nothing any more."""
        await self._laying.close()

    async def _lay(self) -> None:
        index = self._index
        if index is None:
            return
        edited, self._edited = self._edited, {}
        for path, document in edited.items():
            try:
                if document is None:
                    self._open.pop(path, None)
                    await self._apart(partial(index.lift, path))
                elif await self._apart(partial(index.lay_over, path, document.text)) and path not in self._edited:
                    self._open[path] = document
            except (EngineError, OSError) as error:
                _log.warning("the unsaved text of %r cannot be searched: %s", path, error)
            except Exception:  # noqa: BLE001 - one document's trouble is not that of the others
                _log.exception("the unsaved text of %r cannot be searched", path)
        try:
            while not self._edited and await self._apart(partial(index.embed_laid, EMBED_SECONDS)):
                pass
        except EngineError as error:
            _log.warning("unsaved texts are found by words alone: %s", error)
        self._laid = time.monotonic()
