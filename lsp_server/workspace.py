"""Workspace: the folders that are open, and which of them a file belongs to.

Takes folders and files as the client names them. Folders may lie in each other: a file belongs to the innermost. What
lies in none of them is nobody's: an editor opens its own settings as files too. Nothing is ever indexed that the client
did not open as a folder.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from pathlib import PurePath

from lsp_server.convert import to_path
from lsp_server.documents import Document
from lsp_server.engine.log import log_folder
from lsp_server.folder import Folder
from lsp_server.protocol import IndexStatus, SemanticIndexResult, State
from lsp_server.settings import Settings

# What an answer from several folders rests on: the first of these states that one of them is in.
_LEAST_FIRST: tuple[State, ...] = ("failed", "starting", "indexing", "reading", "paused", "ready")
_STARTING: IndexStatus = {
    **{"state": "starting", "mode": "words", "filesDone": 0, "filesTotal": 0, "symbols": 0, "embedded": 0, "model": ""}
}
_NO_FOLDER: IndexStatus = {**_STARTING, "state": "ready", "message": "No folder is open."}
_GIT = ".git"
_GIT_HEAD = ".git/HEAD"  # written when another branch is checked out

_log = logging.getLogger(__name__)


class Workspace:
    """All open folders. `tell` is called whenever the state or the figures of one may have changed."""

    def __init__(self, settings: Settings, tell: Callable[[Folder], None]) -> None:
        self.settings = settings
        self.is_starting = True  # the client has named its folders, and they are not open yet
        self._tell = tell
        self._folders: dict[PurePath, Folder] = {}
        self._opening: set[asyncio.Task[None]] = set()

    @property
    def folders(self) -> tuple[Folder, ...]:
        """The open folders, in the order of opening."""
        return tuple(self._folders.values())

    def add(self, uri: str, open_files: Iterable[PurePath]) -> None:
        """Open a folder; the files that are open in the editor are indexed first.

        Those that belonged to a folder around it are taken out of that one: nobody would tell it of their end.
        """
        path = to_path(uri)
        if path is None:
            _log.warning("%s is no folder of this machine and is not indexed", uri)
        elif path not in self._folders:
            before = [(file, self.owner_of(file)) for file in open_files]
            folder = self._folders[path] = Folder(uri, path, self.settings, self._tell)
            for file, owned in before:
                if owned is not None and self.owner_of(file) != owned:
                    owned[0].edited(owned[1], None)
            task = asyncio.create_task(folder.open(_inside(folder, open_files)))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def remove(self, uri: str) -> None:
        """Close a folder."""
        path = to_path(uri)
        if path is not None and (folder := self._folders.pop(path, None)) is not None:
            await folder.close()
            self._tell(folder)

    async def configure(self, settings: Settings, open_files: Iterable[PurePath]) -> None:
        """Take new settings; folders are opened anew when they matter to an index."""
        before, self.settings = self.settings, settings
        if (before.options(), before.index) == (settings.options(), settings.index):
            return
        await self.reopen(open_files)

    async def reopen(self, open_files: Iterable[PurePath]) -> None:
        """Close all folders and open them anew."""
        uris = [folder.uri for folder in self.folders]
        await asyncio.gather(*(self.remove(uri) for uri in uris))
        for uri in uris:
            self.add(uri, open_files)

    async def close(self) -> None:
        """Close all folders."""
        await asyncio.gather(*(self.remove(folder.uri) for folder in self.folders))

    def owner(self, uri: str) -> tuple[Folder, str] | None:
        """Return the folder that a document belongs to, and its path there; None when it belongs to none."""
        path = to_path(uri)
        return None if path is None else self.owner_of(path)

    def owner_of(self, path: PurePath) -> tuple[Folder, str] | None:
        """Return the innermost folder that holds a path, and the path there."""
        found = [(folder, inside) for folder in self.folders if (inside := folder.relative(path)) is not None]
        return min(found, key=lambda pair: len(pair[1]), default=None)

    def named(self, uris: tuple[str, ...]) -> tuple[Folder, ...]:
        """Return the folders with these URIs, however they are spelled; all when none is given."""
        paths = {to_path(uri) for uri in uris}
        return tuple(folder for path, folder in self._folders.items() if not uris or path in paths)

    def edited(self, uri: str, document: Document | None) -> None:
        """Have the text of an open document searched instead of its file; None when it was closed."""
        if (owned := self.owner(uri)) is not None:
            folder, path = owned
            folder.edited(path, document)

    def saved(self, uri: str) -> None:
        """Have the file of an open notebook searched instead of its text, once it was read."""
        if (owned := self.owner(uri)) is not None:
            folder, path = owned
            folder.saved(path)

    def touch(self, uris: Iterable[str]) -> None:
        """Have files or folders looked at, for they may have changed."""
        changed: dict[Folder, list[str]] = {}
        for uri in uris:
            if (owned := self.owner(uri)) is not None:
                folder, path = owned
                if path == _GIT_HEAD:
                    changed.setdefault(folder, []).append("")
                elif path != _GIT and not path.startswith(f"{_GIT}/"):
                    changed.setdefault(folder, []).append(path)
        for folder, paths in changed.items():
            folder.touch(paths)

    def status(self) -> SemanticIndexResult:
        """Return the state of every folder."""
        log = str(log_folder(self.settings.cache_dir))
        return {"folders": [folder.status() for folder in self.folders], "log": log}

    def summary(self, folders: Iterable[Folder]) -> IndexStatus:
        """Return what an answer from these folders rests on: their sums, and the state that is least ready."""
        statuses = [folder.status() for folder in folders]
        if not statuses:
            return _STARTING if self.is_starting else _NO_FOLDER
        first = min(statuses, key=lambda status: _LEAST_FIRST.index(status["state"]))
        summary: IndexStatus = {
            "state": first["state"],
            "mode": "hybrid" if any(status["mode"] == "hybrid" for status in statuses) else "words",
            "filesDone": sum(status["filesDone"] for status in statuses),
            "filesTotal": sum(status["filesTotal"] for status in statuses),
            "symbols": sum(status["symbols"] for status in statuses),
            "embedded": sum(status["embedded"] for status in statuses),
            "model": next((status["model"] for status in statuses if status["model"]), ""),
        }
        if messages := [status["message"] for status in statuses if "message" in status]:
            summary["message"] = " ".join(dict.fromkeys(messages))
        return summary


def _inside(folder: Folder, paths: Iterable[PurePath]) -> list[str]:
    return [inside for path in paths if (inside := folder.relative(path))]
