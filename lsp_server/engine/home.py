"""Home: the folder of one root's index in the user's cache, and who may write there.

Takes a root, gives the paths of everything that is kept for it. Who leaves out other files than the rest has an index
of his own, which begins as a copy, so that programs with other settings do not undo each other's work. One process
writes at a time: the holder of a lock that the system releases when the process dies, whatever kills it. Small files
beside tell the others what they must know: that the index is damaged, that indexing is paused, who writes. All of it is
readable by its owner alone.
"""

import contextlib
import json
import logging
import os
import platform
import sqlite3
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import filelock
import psutil

from lsp_server.engine.cache import (
    cache_home,
    index_folder,
    make_private,
    make_way,
    note_root,
    pause_mark,
    siblings,
    sweep,
)
from lsp_server.engine.database import copy_database, remove
from lsp_server.engine.errors import Busy, StoreError

SAME_SECONDS = 2.0  # a process that began so much later than a writer did is another one with its id

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Writer:
    """The process that writes an index."""

    pid: int
    since: float  # seconds since the epoch
    program: str
    host: str = ""  # where it runs, as far as it said so


class Home:
    """Where the index of a root lies; `rules` as in `index_folder`. Raises StoreError when it cannot be made."""

    def __init__(self, root: Path, cache_dir: str, rules: str = "") -> None:
        self.root = root
        self.cache = cache_home(cache_dir)
        self._cache_dir = cache_dir
        self.folder = index_folder(root, cache_dir, rules)
        self.make()
        self.store = self.folder / "index.db"
        self.graph = self.folder / "graph.hnsw"
        self._damage = self.folder / "damaged"
        self._pause = pause_mark(root, cache_dir)
        self._cancel = self._pause.with_name(f"{self._pause.name}.cancelled")
        self._wish = self.folder / "wish"
        self._writer = self.folder / "writer.json"
        # Not bound to a thread: a pass may be begun in one and closed in another.
        self._lock_file = self.folder / "lock"
        self._lock = filelock.FileLock(self._lock_file, thread_local=False, mode=0o600)

    def make(self) -> None:
        """Make the folder, or make it again: a cache may be deleted at any time. Raises StoreError."""
        make_private(self.folder)
        note_root(self.folder, self.root)

    def begin(self) -> None:
        """Begin with what another index of this root holds, if there is one; a pass makes it right for our rules."""
        if self.store.exists():
            return
        folders = siblings(self.root, self._cache_dir)
        others = [store for folder in folders if folder != self.folder and (store := folder / "index.db").exists()]
        if not others:
            return
        with contextlib.suppress(Busy, StoreError), self.writing():
            try:
                if not self.store.exists():  # still
                    copy_database(max(others, key=lambda path: path.stat().st_mtime), self.store)
            except (sqlite3.Error, OSError) as error:
                _log.warning("the index %s is made anew, for none can be copied (%s)", self.store, error)

    def sweep(self) -> None:
        """Remove other indexes of the user that were not used for long, and that would be made anew."""
        sweep(self._cache_dir)

    # ---- who writes

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Be the one that writes. Raises Busy when another process does, StoreError when nothing can be written."""
        self.make()
        make_way(self._lock_file, self._writer, self._damage)
        try:
            self._lock.acquire(timeout=0)
        except filelock.Timeout:
            raise Busy(f"Another process is indexing {self.root}. Its results can be searched meanwhile.") from None
        except OSError as error:
            raise StoreError(
                f"{self.folder} cannot be written ({error}). Choose another place with --cache-dir."
            ) from error
        try:
            self._sign()
            yield
        finally:
            with contextlib.suppress(OSError):
                self._writer.unlink(missing_ok=True)
            self._lock.release()

    def _sign(self) -> None:
        """Write down who we are, for those who wonder; a full disk must not keep anybody from reading on."""
        program = Path(sys.argv[0]).name
        program = program if program not in ("", "-c", "-m", "__main__.py") else "meaning-ls"
        sign = {"pid": os.getpid(), "since": time.time(), "program": program, "host": platform.node()}
        with contextlib.suppress(OSError):
            self._writer.touch(mode=0o600)
            self._writer.write_text(json.dumps(sign), "utf-8")

    def writer(self) -> tuple[Writer | None, bool]:
        """Return the process that said last that it writes, and whether it is alive; one that ended says no more."""
        writer = signed(self.folder)
        return writer, writer is not None and _lives(writer)

    def check_writer(self) -> None:
        """Take back the word of a writer that does not hold the lock, whatever wrote it there."""
        with contextlib.suppress(filelock.Timeout, OSError):
            self._lock.acquire(timeout=0)
            try:
                self._writer.unlink(missing_ok=True)
            finally:
                self._lock.release()

    # ---- what everybody must know

    @property
    def is_damaged(self) -> bool:
        """Whether somebody found the store damaged: whoever writes next makes it anew."""
        return self._damage.exists()

    def note_damage(self, error: sqlite3.Error) -> None:
        """Have the store made anew by whoever writes next."""
        _log.warning("the index %s is damaged (%s) and is made anew", self.store, error)
        with contextlib.suppress(OSError):
            self._damage.touch(mode=0o600)

    def remove_damaged(self) -> None:
        """Remove the store; the lock must be held. Raises StoreError."""
        try:
            remove(self.store)
            self._damage.unlink(missing_ok=True)
        except OSError as error:  # Windows keeps a file that another process has open
            raise StoreError(
                f"{self.store} is damaged and in use. Close other editors on this folder, then try again."
            ) from error

    @property
    def is_paused(self) -> bool:
        """Whether the user has paused indexing, here or in another editor, in this run or an earlier one."""
        return self._pause.exists()

    def pause(self) -> None:
        """Have nobody index until `resume`. Raises StoreError."""
        _touch(self._pause)

    def resume(self) -> None:
        """Let indexing go on. Raises StoreError."""
        make_way(self._pause)
        try:
            self._pause.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"{self._pause} cannot be removed ({error.strerror}).") from error

    def cancel(self) -> None:
        """Have everybody stop the work under way, until there is other work. Raises StoreError."""
        _touch(self._cancel)

    def cancelled(self) -> tuple[int, ...]:
        """Return numbers that change when somebody cancels."""
        return stamp_of((self._cancel,))

    def wish(self, model: str) -> None:
        """Have the index moved to a model, over however many starts. Raises StoreError."""
        make_way(self._wish)
        try:
            self._wish.touch(mode=0o600)
            self._wish.write_text(model, "utf-8")
        except OSError as error:
            raise StoreError(f"{self._wish} cannot be written ({error.strerror}).") from error

    def wished(self) -> str:
        """Return the model that the index is to be moved to, "" for none."""
        with contextlib.suppress(OSError, ValueError):
            return self._wish.read_text("utf-8").strip()
        return ""

    def fulfil(self) -> None:
        """Forget the wish: the index notes by itself which model it is complete by."""
        with contextlib.suppress(OSError):
            self._wish.unlink(missing_ok=True)

    def stamp(self) -> tuple[int, ...]:
        """Return numbers that change when anybody commits, pauses or resumes: a few microseconds, no SQL."""
        wal = self.store.with_name(self.store.name + "-wal")
        return stamp_of((self.store, wal, self._pause, self._damage, self.graph.with_suffix(".json")))


def signed(folder: Path) -> Writer | None:
    """Return who said last that it writes the index in `folder`, alive or not; None when nothing sensible is said."""
    try:
        said = json.loads((folder / "writer.json").read_text("utf-8"))
        return Writer(int(said["pid"]), float(said["since"]), str(said["program"]), str(said.get("host", "")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None


def _lives(writer: Writer) -> bool:
    """Return whether a process is at work; one that ended and was not waited for is not, nor one of the same id."""
    if writer.host not in ("", platform.node()):  # another machine or container: the lock decides, when it is tried
        return False
    try:
        process = psutil.Process(writer.pid)
        is_same = float(process.create_time()) < writer.since + SAME_SECONDS
        return is_same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.AccessDenied:
        return True
    except (psutil.Error, OverflowError, ValueError):
        return False


class Turn:
    """The right to embed much: one process of a user has it, whatever folder it indexes."""

    def __init__(self, cache: Path) -> None:
        make_way(cache / "turn")
        self._lock = filelock.FileLock(cache / "turn", thread_local=False, mode=0o600)

    def take(self) -> bool:
        """Return whether it is ours now. Where no lock can be kept, everybody has it."""
        with contextlib.suppress(OSError):
            try:
                if not self._lock.is_locked:
                    self._lock.acquire(timeout=0)
            except filelock.Timeout:
                return False
        return True

    def close(self) -> None:
        """Let the next one have it."""
        self._lock.release()


def stamp_of(paths: Iterable[Path]) -> tuple[int, ...]:
    """Return numbers that change when one of these files is written, made or removed."""
    numbers: list[int] = []
    for path in paths:
        try:
            status = path.stat()
            numbers += (status.st_mtime_ns, status.st_size, status.st_ino)
        except OSError:
            numbers += (0, 0, 0)
    return tuple(numbers)


def _touch(mark: Path) -> None:
    """Make a file that says something by being there, or by its time stamp. Raises StoreError."""
    make_private(mark.parent)
    make_way(mark)
    try:
        mark.touch(mode=0o600)
    except OSError as error:
        raise StoreError(f"{mark} cannot be written ({error.strerror}).") from error
