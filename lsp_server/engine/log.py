"""Log: what our processes did and what went wrong, in files beside the indexes and on standard error.

Takes records of Python's logging, gives lines that hold paths, figures and our own sentences, but no source text and no
question: an exception is told by its type and by where in our code it was raised, for its words may quote what was
read. Every process writes a file of its own, `log/PROGRAM-PID.log`, so that none waits for another; the files rotate,
are readable by their owner alone, and those of ended processes are bounded. A log that cannot be written stops nothing.
"""

import contextlib
import copy
import logging
import os
import re
import sys
import time
import traceback
from collections.abc import Iterator
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TextIO

import psutil

from lsp_server.engine.cache import cache_home
from lsp_server.engine.errors import EngineError

MOST_BYTES = 1_000_000  # of one file: weeks of a server's life
ROTATED = 2  # older files of the same process
ENDED_FILES = 20  # of processes that have ended, the newest: enough to look into a crash of yesterday
ENDED_SECONDS = 14 * 86_400.0  # and none older than that

_NAME = re.compile(r"[a-z]+-(\d+)\.log(\.\d+)?")
_OURS = "lsp_server"
# What is said of these comes from the system or from us, and names paths at most. Others may quote what they choked on.
_HARMLESS = (OSError, EngineError, ImportError)
_CONTROLS = {number: f"\\x{number:02x}" for number in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)}


class Discreet(logging.Formatter):
    """Makes one line of a record, and a further one for each step of an exception; quotes nothing that was read."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of a record."""
        record = copy.copy(record)  # other handlers get it as it was
        if isinstance(record.args, tuple):
            record.args = tuple(_brief(arg) if isinstance(arg, BaseException) else arg for arg in record.args)
        moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        # A name of a file may hold a line end: whatever it holds, it stays on its line.
        line = f"{moment} {record.levelname} {record.name}: {record.getMessage()}".translate(_CONTROLS)
        error = record.exc_info[1] if record.exc_info else None
        return "\n".join([line, *(_told(error) if error else ())])


class OwnFile(RotatingFileHandler):
    """The file of this process. Made with the first record; trouble with it is told once on stderr."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, maxBytes=MOST_BYTES, backupCount=ROTATED, encoding="utf-8", delay=True)
        self.setFormatter(Discreet())
        self._is_told = False

    def _open(self) -> TextIO:  # type: ignore[override]
        path = Path(self.baseFilename)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | int(getattr(os, "O_NOFOLLOW", 0))
        handle = os.open(path, flags, 0o600)
        if hasattr(os, "fchmod"):  # it may have been there, and with more rights
            os.fchmod(handle, 0o600)
        return os.fdopen(handle, "a", encoding="utf-8", errors="backslashreplace")

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record; the file is made again if somebody deleted it."""
        if self.stream is not None and not os.path.exists(self.baseFilename):  # noqa: PTH110 - quicker, and it is a str
            self._let_go()
        if record.name.split(".")[0] != _OURS:  # libraries quote whole messages: where they are in trouble is kept
            if record.levelno < logging.WARNING:
                return
            record = copy.copy(record)
            record.msg, record.args = "(a library's words are not kept)", ()
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """Go without: a full disk or a missing permission must not end what is being done."""
        self._let_go()
        if not self._is_told:
            self._is_told = True
            error = sys.exc_info()[1]
            with contextlib.suppress(OSError, ValueError, AttributeError):
                sys.stderr.write(f"meaning-ls: the log {self.baseFilename} cannot be written ({error}).\n")

    def _let_go(self) -> None:
        stream, self.stream = self.stream, None
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):  # what a full disk did not take is tried once more here
                stream.close()


def log_folder(cache_dir: str) -> Path:
    """Return where the logs of all processes lie."""
    return cache_home(cache_dir) / "log"


def log_to_stderr(level: int) -> None:
    """Have everything from `level` on written to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Discreet())
    logging.basicConfig(level=level, handlers=[handler])


def log_to_file(cache_dir: str, program: str) -> None:
    """Keep a log of this process, which is a `program`, beside the indexes; called again, go on in another cache."""
    root = logging.getLogger()
    with contextlib.suppress(OSError, RuntimeError):  # there is no current directory, or no home
        path = log_folder(cache_dir).absolute() / f"{program}-{os.getpid()}.log"
        old = _own_file()
        if old is not None and old.baseFilename == str(path):
            return
        root.addHandler(OwnFile(path))
        if old is not None:
            root.removeHandler(old)
            old.close()
        sweep(path.parent)


def child_log(program: str) -> str:
    """Return the Python statements by which a child process, a `program`, logs where and as much as this one does."""
    own = _own_file()
    level = logging.getLogger().getEffectiveLevel()
    statements = f"from lsp_server.engine import log; log.log_to_stderr({level})"
    if own is not None:
        statements += f"; log.log_to_file({str(Path(own.baseFilename).parent.parent)!r}, {program!r})"
    return statements


def sweep(folder: Path) -> None:
    """Remove logs of ended processes: all but the newest ENDED_FILES, and those that are older than ENDED_SECONDS."""
    with contextlib.suppress(OSError):
        ended = sorted(_ended(folder), reverse=True)
        oldest = time.time() - ENDED_SECONDS
        for number, (changed, path) in enumerate(ended):
            if number >= ENDED_FILES or changed < oldest:
                with contextlib.suppress(OSError):  # another process was quicker
                    path.unlink()


def _ended(folder: Path) -> Iterator[tuple[float, Path]]:
    for path in folder.iterdir():
        match = _NAME.fullmatch(path.name)
        if match and not psutil.pid_exists(int(match[1])):
            with contextlib.suppress(OSError):
                yield path.lstat().st_mtime, path


def _own_file() -> OwnFile | None:
    return next((handler for handler in logging.getLogger().handlers if isinstance(handler, OwnFile)), None)


def _brief(error: BaseException) -> str:
    """Return the name of an error, with its words where these are harmless."""
    name = type(error).__name__
    # SQLite's own sentence about damage; its other errors may quote a query.
    return f"{name}: {error}" if isinstance(error, _HARMLESS) or name == "DatabaseError" else name


def _told(error: BaseException) -> Iterator[str]:
    """Give the lines of an error: what it is, where in the code it was raised, and what it came from."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield f"  {_brief(cause)}".translate(_CONTROLS)
        for frame, line in traceback.walk_tb(cause.__traceback__):
            yield f"    {frame.f_code.co_filename}:{line} in {frame.f_code.co_name}".translate(_CONTROLS)
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
